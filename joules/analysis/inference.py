"""Tests of an estimate against a bound, and the intervals that invert them.

A sample holds the values that an estimate rests on and the test declared for it. Its interval holds the
bounds that the test does not reject, so that p, interval and verdict agree.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joules.study.design import Test

CONFIDENCE = 0.95
Floats = NDArray[np.float64]
Interval = tuple[float, float]
UNKNOWN: Interval = (math.nan, math.nan)
# Values closer together than this are equal.
_ROUNDING = 1e-9
# Largest number of values for which all signed sums are counted, and for which the means of all subsets are
# listed.
_COUNTED, _LISTED = 40, 16
# Least number of points for Fisher's interval.
_LEAST_POINTS = 4


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
class MeanSample:
    """Independent values whose mean is estimated.

    Attributes:
        values: logarithms where `is_log`.
        test: Student's t test or the sign-flip test.
        is_log: whether estimate and bound are ratios, tested on logarithms.
    """

    values: tuple[float, ...]
    test: Test = "paired_t"
    is_log: bool = False

    @classmethod
    def from_values(cls, values: ArrayLike, test: Test = "paired_t") -> MeanSample:
        """A sample for an arithmetic mean."""
        return cls(tuple(np.asarray(values, dtype=np.float64).tolist()), test)

    @classmethod
    def from_ratios(cls, ratios: ArrayLike, test: Test = "paired_t") -> MeanSample:
        """A sample for the geometric mean of positive ratios."""
        return cls.from_logs(np.log(np.asarray(ratios, dtype=np.float64)), test)

    @classmethod
    def from_logs(cls, logs: ArrayLike, test: Test = "paired_t") -> MeanSample:
        """A sample for the geometric mean of ratios, from their logarithms."""
        return cls(tuple(np.asarray(logs, dtype=np.float64).tolist()), test, is_log=True)

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def estimate(self) -> float:
        mean = float(np.mean(self.values)) if self.values else math.nan
        return math.exp(mean) if self.is_log else mean

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        low, high = mean_interval(np.asarray(self.values), self.test, confidence)
        return (math.exp(low), math.exp(high)) if self.is_log else (low, high)

    def p_value(self, bound: float) -> float:
        if self.is_log and bound <= 0:
            return 0.0
        centre = math.log(bound) if self.is_log else bound
        return p_value(np.asarray(self.values) - centre, self.test)

    def inverted(self) -> MeanSample:
        """The sample of the inverse ratios."""
        return MeanSample(tuple(-value for value in self.values), self.test, self.is_log)


@dataclass(frozen=True)
class CorrelationSample:
    """Pearson's correlation of `n` points, whose square is estimated; tested by Fisher's transformation."""

    correlation: float
    n: int

    @property
    def estimate(self) -> float:
        return self.correlation**2

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        low, high = fisher_interval(self.correlation, self.n, confidence=confidence)
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
        return math.erfc(distance * math.sqrt((self.n - 3) / 2))


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
class DifferenceSample:
    """The difference of two independent means, tested by Welch's t.

    Attributes:
        estimate: the difference.
        standard_error: its standard error.
        freedom: degrees of freedom by Satterthwaite.
        n: values of the smaller of the two samples.
    """

    estimate: float
    standard_error: float
    freedom: float
    n: int

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        from scipy import special

        half = float(special.stdtrit(self.freedom, (1 + confidence) / 2)) * self.standard_error
        return self.estimate - half, self.estimate + half

    def p_value(self, bound: float) -> float:
        from scipy import special

        return float(2 * special.stdtr(self.freedom, -abs(self.estimate - bound) / self.standard_error))


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


def p_value(contrasts: Floats, test: Test) -> float:
    """Two-sided p of paired contrasts (log ratios or differences) where there is no difference: Student's t,
    or the sign-flip test, which is exact where it `is_counted`. NaN for fewer than two contrasts."""
    return _p_value(tuple(contrasts.tolist()), test)


# Quantities without energy, such as times, are equal under all power models: computed once.
@functools.cache
def _p_value(contrasts: tuple[float, ...], test: Test) -> float:
    if len(contrasts) < 2 or any(map(math.isnan, contrasts)):
        return math.nan
    return _sign_flip(contrasts) if test == "sign_flip" else _student(contrasts)


def _student(contrasts: tuple[float, ...]) -> float:
    # Not `scipy.stats`, whose import takes half a second.
    from scipy import special

    values = np.asarray(contrasts)
    # Contrasts from one formula differ by rounding only.
    if np.ptp(values) < _ROUNDING:
        return 1.0 if abs(values[0]) < _ROUNDING else 0.0
    t = values.mean() / np.sqrt(values.var(ddof=1) / len(values))
    return float(2 * special.stdtr(len(values) - 1, -abs(t)))


def _sign_flip(contrasts: tuple[float, ...]) -> float:
    """The share of all 2^n sums of contrasts under either sign that are no nearer to zero than theirs.

    A sum is one of the first half of the contrasts plus one of the second; pairs are counted without forming
    them, so 40 blocks take less than a second. Sums of more blocks are taken to be normal.
    """
    least = abs(math.fsum(contrasts)) - _ROUNDING * math.fsum(map(abs, contrasts))
    if least <= 0:
        return 1.0
    if not is_counted(len(contrasts)):
        return math.erfc(least / math.sqrt(2 * math.fsum(each**2 for each in contrasts)))
    half = len(contrasts) // 2
    first, second = _signed_sums(contrasts[:half]), np.sort(_signed_sums(contrasts[half:]))
    reached = len(second) - np.searchsorted(second, least - first)
    # The distribution is symmetric about zero.
    return float(2 * reached.sum() / (len(first) * len(second)))


def _signed_sums(values: tuple[float, ...]) -> Floats:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def is_counted(contrasts: int) -> bool:
    """Whether a sign-flip test of so many contrasts is exact: it counts every sum."""
    return contrasts <= _COUNTED


def can_reject(contrasts: int, confidence: float = CONFIDENCE) -> bool:
    """Whether a sign-flip test of so many contrasts can reject at level 1 - `confidence`."""
    return _rejected(contrasts, confidence) > 0


def _rejected(contrasts: int, confidence: float) -> int:
    """How many of the 2^n subsets lie in one tail."""
    return math.floor((1 - confidence) / 2 * 2**contrasts + _ROUNDING)


def mean_interval(values: Floats, test: Test = "paired_t", confidence: float = CONFIDENCE) -> Interval:
    """Interval of a mean by inverting its test.

    Args:
        values: shape [n].
        test: `paired_t` gives Student's interval, `sign_flip` the means of subsets of values that the
            sign-flip test does not reject (Hartigan 1969).
        confidence: 0 to 1.

    Returns:
        The ends; NaN for fewer than two values, and where the test of so few cannot reject.
    """
    if len(values) < 2:
        return UNKNOWN
    invert = _invert_sign_flip if test == "sign_flip" else _invert_student
    return invert(tuple(values.tolist()), confidence)


def _invert_student(values: tuple[float, ...], confidence: float) -> Interval:
    from scipy import special

    if np.ptp(values) < _ROUNDING:
        return values[0], values[0]
    half = float(special.stdtrit(len(values) - 1, (1 + confidence) / 2) * np.std(values, ddof=1))
    half /= math.sqrt(len(values))
    mean = float(np.mean(values))
    return mean - half, mean + half


@functools.cache
def _invert_sign_flip(values: tuple[float, ...], confidence: float) -> Interval:
    tail = _rejected(len(values), confidence)
    if tail == 0:
        return UNKNOWN
    if len(values) > _LISTED:
        mirrored = tuple(-value for value in values)
        return _search_low(values, confidence), -_search_low(mirrored, confidence)
    # A bound is rejected where fewer than `tail` subsets, the empty one left out, have a mean beyond it.
    sums, sizes = np.zeros(1), np.zeros(1)
    for value in values:
        sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
    means = np.sort(sums[1:] / sizes[1:])
    return float(means[tail - 1]), float(means[-tail])


def _search_low(values: tuple[float, ...], confidence: float) -> float:
    """The least bound that the sign-flip test does not reject, by bisection between least value and mean."""
    rejected, kept = min(values), float(np.mean(values))
    while kept - rejected > _ROUNDING * np.ptp(values):
        middle = (rejected + kept) / 2
        if _sign_flip(tuple(value - middle for value in values)) > 1 - confidence:
            kept = middle
        else:
            rejected = middle
    return kept


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
