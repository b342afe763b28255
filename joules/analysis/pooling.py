"""One quantity over several machines, from the estimates of campaigns on each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from joules.means import CONFIDENCE, Floats, Interval, MeanSample


@dataclass(frozen=True)
class PooledMachines:
    """Random effects of campaigns nested in machines.

    Every machine counts once, with the mean of its campaigns, whatever their number and their precision. The
    interval of the mean over machines is Student's of these means: it holds the true value in at least 95 %
    of cases, however unequal the variances of normal means are (Ibragimov and Müller 2010). Intervals that
    weight by estimated variances are no narrower here and their prediction intervals hold less
    (`python -m validation.coverage`).

    Attributes:
        machines: estimates of the campaigns of each machine, shape [campaigns of the machine].
    """

    machines: Sequence[Floats]

    @property
    def _means(self) -> Floats:
        return np.array([np.mean(estimates) for estimates in self.machines])

    @property
    def mean(self) -> MeanSample:
        """The means of the machines, whose mean is estimated."""
        return MeanSample.from_values(self._means)

    def prediction(self, confidence: float = CONFIDENCE) -> Interval:
        """Interval of a campaign's estimate on a machine that was not measured; NaN below two machines."""
        low, high = self.mean.interval(confidence)
        widened = math.sqrt(len(self.machines) + 1)
        centre = self.mean.estimate
        return (centre - widened * (centre - low), centre + widened * (high - centre))

    @property
    def tau_campaigns(self) -> float:
        """Standard deviation of campaigns on one machine; NaN if no machine has two.

        It includes the uncertainty of a campaign.
        """
        squares, freedom = self._within()
        return math.sqrt(squares / freedom) if freedom else math.nan

    @property
    def tau_machines(self) -> float:
        """Standard deviation of machines beyond that of their campaigns (analysis of variance, Cochran 1954).

        NaN below two machines, and if no machine has two campaigns.
        """
        if len(self.machines) < 2 or not self._within()[1]:
            return math.nan
        of_means = self.tau_campaigns**2 * np.mean([1 / len(estimates) for estimates in self.machines])
        return math.sqrt(max(0.0, float(self._means.var(ddof=1) - of_means)))

    @property
    def p_equal(self) -> float:
        """p of the hypothesis that all machines have equal means, by analysis of variance of campaigns.

        NaN below two machines, and if no machine has two campaigns.
        """
        from scipy import special

        squares, freedom = self._within()
        between = len(self.machines) - 1
        if not between or not freedom or not squares:
            return math.nan
        every = np.concatenate(self.machines)
        explained = ((every - every.mean()) ** 2).sum() - squares
        return float(special.fdtrc(between, freedom, explained / between / (squares / freedom)))

    def _within(self) -> tuple[float, int]:
        """Sum of squares of campaigns about the mean of their machine, and its degrees of freedom."""
        squares = sum(float(((each - np.mean(each)) ** 2).sum()) for each in self.machines)
        return squares, sum(len(each) - 1 for each in self.machines)
