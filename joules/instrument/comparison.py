"""Ratios of repeated work, each with its interval and a test that is declared before anything is measured."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from joules.errors import UserError
from joules.instrument.repeats import Repeats
from joules.means import CONFIDENCE, DifferenceSample, Floats, MeanSample
from joules.models import Closed

PAIRED = "paired t test on logarithms, by block"
UNPAIRED = "Welch's t test on logarithms"
_ROUNDING = 1e-9
# Names of ratios in conditions.
_METRICS = {"energy": "ratio", "attributed energy": "attributed_ratio", "time": "time_ratio"}
_CONDITION = re.compile(r"\s*(ratio|attributed_ratio|time_ratio)\s*(<=|>=|<|>)\s*([0-9.eE+-]+)\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Ratio(Closed):
    """How many times the energy, the attributed energy or the time of one command that of another is.

    Attributes:
        name: The command.
        base: The command that it is divided by.
        metric: 'energy' (of the whole machine), 'attributed energy' or 'time'.
        estimate: Ratio of the geometric means.
        low: Lower end of its 95 % interval, which is simultaneous for all ratios to the same base.
        high: Upper end.
        p: Two-sided p of the ratio being 1, by `test`, corrected for the number of ratios to the same base.
        n: Number of values of the command with fewer of them.
        test: The test.
    """

    name: str
    base: str
    metric: str
    estimate: float
    low: float
    high: float
    p: float
    n: int
    test: str

    def __str__(self) -> str:
        p = f"p = {self.p:.2g}" if self.p >= 1e-4 else "p < 0.0001"
        return f"{self.estimate:.4f} times the {self.metric} ({self.low:.4f} to {self.high:.4f}, {p})"


def paired_ratios(results: Sequence[Repeats]) -> list[Ratio]:
    """Ratios of each result to the first one, whose repeats are in the same blocks."""
    base, *others = results
    return [
        _ratio(other.name, base.name, metric, MeanSample.from_logs(above - below), len(others), PAIRED)
        for other in others
        for metric in _METRICS
        for above, below in _log_pairs(other, base, metric)
    ]


def unpaired_ratios(old: Repeats, new: Repeats, comparisons: int = 1) -> list[Ratio]:
    """Ratios of `new` to `old`, which were measured at different times.

    Args:
        old: Repeats of the work before.
        new: Repeats of the work after.
        comparisons: Number of pairs that are compared, for the correction of interval and p.
    """
    return [
        _ratio(new.name, old.name, metric, _welch(above, below), comparisons, UNPAIRED)
        for metric in _METRICS
        for above, below in _log_pairs(new, old, metric)
    ]


@dataclass(frozen=True)
class Condition:
    """A condition on ratios, such as `ratio > 1.05`.

    It is met where the whole interval of a ratio meets it: a difference that chance explains fails no build.
    """

    metric: str
    comparison: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Reads 'ratio > 1.05' (energy), 'attributed_ratio > 1.05' or 'time_ratio > 1.05'.

        Raises:
            UserError: If it is none of these.
        """
        found = _CONDITION.fullmatch(text)
        try:
            bound = float(found[3]) if found else math.nan
        except ValueError:
            bound = math.nan
        if found is None or not bound > 0:
            raise UserError(f"invalid condition '{text}': use 'ratio > 1.05' or 'time_ratio > 1.05'")
        metric = next(metric for metric, name in _METRICS.items() if name == found[1])
        return cls(metric, found[2], bound)

    def judge(self, ratios: Sequence[Ratio]) -> tuple[bool, list[str]]:
        """Whether one of the ratios meets it, and a sentence on each."""
        is_met, sentences = False, []
        for ratio in ratios:
            if ratio.metric != self.metric:
                continue
            ends = [_COMPARE[self.comparison](end, self.bound) for end in (ratio.low, ratio.high)]
            is_met |= all(ends)
            verdict = "met" if all(ends) else "undecided, measure longer" if any(ends) else "not met"
            sentences.append(
                f"{_METRICS[self.metric]} {self.comparison} {self.bound:g} for '{ratio.name}': {verdict} "
                f"({ratio.low:.4f} to {ratio.high:.4f})"
            )
        return is_met, sentences


def _log_pairs(above: Repeats, below: Repeats, metric: str) -> Iterator[tuple[Floats, Floats]]:
    """The logarithms of two results; none of attributed energy if that is not known, or none was used."""
    pair = []
    for each in (above, below):
        values = {
            "energy": each.energies_j,
            "attributed energy": each.energies_attributed_j,
            "time": each.durations_s,
        }[metric]
        if values is None or min(values) <= 0:
            if metric == "attributed energy":
                return
            raise UserError(f"a repeat of '{each.name}' is too short for its counter: make it longer")
        pair.append(np.log(np.array(values)))
    yield pair[0], pair[1]


def _ratio(
    name: str, base: str, metric: str, sample: MeanSample | DifferenceSample, comparisons: int, test: str
) -> Ratio:
    low, high = sample.interval(1 - (1 - CONFIDENCE) / comparisons)
    is_log = isinstance(sample, MeanSample)
    ends = (sample.estimate, low, high)
    estimate, low, high = ends if is_log else tuple(map(math.exp, ends))
    p = min(1.0, comparisons * sample.p_value(1.0 if is_log else 0.0))
    return Ratio(
        name=name, base=base, metric=metric, estimate=estimate, low=low, high=high, p=p, n=sample.n, test=test
    )


def _welch(above: Floats, below: Floats) -> DifferenceSample:
    """The difference of two means with Satterthwaite's degrees of freedom."""
    if min(len(above), len(below)) < 2:
        raise UserError("fewer than two repeats: measure both commands again")
    squares = [float(values.var(ddof=1)) / len(values) for values in (above, below)]
    terms = sum(square**2 / (len(values) - 1) for square, values in zip(squares, (above, below), strict=True))
    freedom = sum(squares) ** 2 / terms if terms else 1.0
    return DifferenceSample(
        float(above.mean() - below.mean()),
        # Equal values have no spread.
        max(math.sqrt(sum(squares)), _ROUNDING),
        freedom,
        min(len(above), len(below)),
    )
