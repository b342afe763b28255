"""Tests of an estimate against a bound, and the intervals that invert them.

A sample holds the values that an estimate rests on and the test declared for it. Its interval holds the
bounds that the test does not reject, so that p, interval and verdict agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from joules.means import CONFIDENCE, UNKNOWN, Floats, Interval, MeanSample, student_quantile, student_tail

# Least number of points for Fisher's interval.
_LEAST_POINTS = 4
# Least number for the jackknife: below, Fisher's interval alone covers skewed columns.
_LEAST_JACKKNIFED = 10


class Sample(Protocol):
    """What an estimate rests on."""

    @property
    def n(self) -> int:
        """Number of independent values."""
        ...

    @property
    def estimate(self) -> float:
        """The estimate."""
        ...

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The bounds that the test does not reject at level 1 - `confidence`; NaN where it rejects none."""
        ...

    def p_value(self, bound: float) -> float:
        """Two-sided p of the hypothesis that the estimated quantity equals `bound`."""
        ...


@dataclass(frozen=True)
class CorrelationSample:
    """Pearson's correlation of `n` points, whose square is estimated.

    It is tested on Fisher's scale, atanh r, by the larger p of two tests: Fisher's, which holds for normal
    columns, and from ten points on Student's t with the jackknife's standard error, which holds for skewed
    ones (Miller 1974).

    Attributes:
        correlation: of the columns.
        n: number of points.
        error: standard error of atanh r by the jackknife; 0 if it is not used.
    """

    correlation: float
    n: int
    error: float = 0.0

    @classmethod
    def from_columns(cls, x: Floats, y: Floats) -> CorrelationSample:
        """The sample of two columns."""
        from scipy import stats

        correlation, n = float(stats.pearsonr(x, y).statistic), len(x)
        return cls(correlation, n, _jackknife_error(x, y) if n >= _LEAST_JACKKNIFED else 0.0)

    @property
    def estimate(self) -> float:
        return self.correlation**2

    def correlation_interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The interval of the correlation itself."""
        low, high = fisher_interval(self.correlation, self.n, confidence=confidence)
        if math.isnan(low) or not self.error or abs(self.correlation) >= 1:
            return low, high
        half = student_quantile(self.n - 1, (1 + confidence) / 2) * self.error
        centre = math.atanh(self.correlation)
        return min(low, math.tanh(centre - half)), max(high, math.tanh(centre + half))

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        low, high = self.correlation_interval(confidence)
        if math.isnan(low):
            return UNKNOWN
        squares = sorted((low**2, high**2))
        return (0.0 if low < 0 < high else squares[0]), squares[1]

    def p_value(self, bound: float) -> float:
        if self.n < _LEAST_POINTS:
            return math.nan
        absolute, least = abs(self.correlation), math.sqrt(max(bound, 0.0))
        if min(absolute, least) >= 1 or absolute == least:
            return 1.0
        if max(absolute, least) >= 1:
            return 0.0
        distance = abs(math.atanh(absolute) - math.atanh(least))
        p = math.erfc(distance * math.sqrt((self.n - 3) / 2))
        return max(p, 2 * student_tail(self.n - 1, distance / self.error)) if self.error else p


def _jackknife_error(x: Floats, y: Floats) -> float:
    """Standard error of atanh r from the correlations without each point; 0 if points lie on a line."""
    n = len(x)
    x, y = ((each - each.mean()) / each.std() for each in (x, y))
    # Sums without each point.
    of_x, of_y, of_xx, of_yy, of_xy = (-each for each in (x, y, x * x, y * y, x * y))
    of_xx, of_yy, of_xy = of_xx + n, of_yy + n, of_xy + float(x @ y)
    covariance = of_xy - of_x * of_y / (n - 1)
    variances = (of_xx - of_x**2 / (n - 1)) * (of_yy - of_y**2 / (n - 1))
    without = covariance / np.sqrt(variances)
    if np.any(np.abs(without) >= 1):
        return 0.0
    return float(np.sqrt((n - 1) * np.var(np.arctanh(without))))


@dataclass(frozen=True)
class MedianSample:
    """Independent values whose median is estimated, such as one of each system.

    The sign test holds for every distribution. It is for values that are no replicates of one another: where
    one of a dozen lies far from the others, no test of their mean holds.
    """

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def estimate(self) -> float:
        return float(np.median(self.values)) if self.values else math.nan

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        ordered = sorted(self.values)
        # The place of the low end, from each side: so few values may lie on one side of a median.
        beyond = sum(self._tail(place) <= (1 - confidence) / 2 for place in range(self.n))
        return (ordered[beyond - 1], ordered[-beyond]) if beyond else UNKNOWN

    def p_value(self, bound: float) -> float:
        # A value at the bound lies on both sides.
        sides = [sum(value <= bound for value in self.values), sum(value >= bound for value in self.values)]
        return min(1.0, 2 * self._tail(min(sides))) if self.values else math.nan

    def _tail(self, most: int) -> float:
        """The probability that at most so many of the values lie on a side of their population's median."""
        return sum(math.comb(self.n, count) for count in range(most + 1)) / 2**self.n


@dataclass(frozen=True)
class ExtremeSample:
    """Samples of which the largest or the smallest estimate counts.

    That the largest lies below a bound needs all of them to lie there, without a correction (an
    intersection-union test, Berger 1982). That it lies above needs one of them to, corrected for their number
    by Bonferroni. So for the smallest, the other way round.
    """

    parts: tuple[MeanSample, ...]
    is_largest: bool

    @property
    def _extreme(self) -> MeanSample:
        choose = max if self.is_largest else min
        return choose(self.parts, key=lambda part: part.estimate)

    @property
    def n(self) -> int:
        return min(part.n for part in self.parts)

    @property
    def estimate(self) -> float:
        return self._extreme.estimate

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        corrected = 1 - (1 - confidence) / len(self.parts)
        lows, highs = zip(*(part.interval(confidence) for part in self.parts), strict=True)
        wide_lows, wide_highs = zip(*(part.interval(corrected) for part in self.parts), strict=True)
        ends = (max(wide_lows), max(highs)) if self.is_largest else (min(lows), min(wide_highs))
        return UNKNOWN if np.isnan([*lows, *wide_lows]).any() else ends

    def p_value(self, bound: float) -> float:
        is_above = self.estimate > bound
        if self.estimate == bound:
            return 1.0
        if is_above != self.is_largest:
            return max(part.p_value(bound) for part in self.parts)
        beyond = (part for part in self.parts if (part.estimate > bound) == is_above)
        return min(1.0, len(self.parts) * min(part.p_value(bound) for part in beyond))


@dataclass(frozen=True)
class ResampledSample:
    """An estimate whose distribution is that of resamples of whole groups.

    The interval is the expanded percentile interval of Hesterberg 2015: the quantiles of the resamples are
    those that would give Student's interval of the mean of `n` normal values.

    Attributes:
        estimate: of all values.
        resamples: the same of each resample.
        n: number of groups.
    """

    estimate: float
    resamples: tuple[float, ...]
    n: int

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        from scipy import special

        if self.n < 2:
            return UNKNOWN
        tail = special.ndtr(self._expansion * special.stdtrit(self.n - 1, (1 - confidence) / 2))
        low, high = np.quantile(self.resamples, [tail, 1 - tail])
        return float(low), float(high)

    def p_value(self, bound: float) -> float:
        from scipy import special

        if self.n < 2:
            return math.nan
        resamples = np.asarray(self.resamples)
        share = min((resamples <= bound).mean(), (resamples >= bound).mean(), 0.5)
        return float(2 * special.stdtr(self.n - 1, special.ndtri(share) / self._expansion))

    @property
    def _expansion(self) -> float:
        return math.sqrt(self.n / (self.n - 1))


def fisher_interval(
    correlation: float, points: int, variance: float = 1.0, confidence: float = CONFIDENCE
) -> Interval:
    """Interval of a correlation by Fisher's transformation, whose variance is `variance` / (points - 3); NaN
    below four points."""
    from scipy import special

    if points < _LEAST_POINTS:
        return UNKNOWN
    if abs(correlation) >= 1:
        return correlation, correlation
    half = float(special.ndtri((1 + confidence) / 2)) * math.sqrt(variance / (points - 3))
    centre = math.atanh(correlation)
    return math.tanh(centre - half), math.tanh(centre + half)
