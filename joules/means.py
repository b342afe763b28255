"""Tests of means and of their differences, and the intervals that invert them, with numpy alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Tests of comparisons that a design declares, and the test of means that may be skewed.
Test = Literal["paired_t", "sign_flip"]
MeanTest = Test | Literal["skewed_t"]
CONFIDENCE = 0.95
Floats = NDArray[np.float64]
Interval = tuple[float, float]
UNKNOWN: Interval = (math.nan, math.nan)
# Values closer together than this are equal.
_ROUNDING = 1e-9
# Largest number of values for which all signed sums are counted, and for which the means of all subsets are
# listed.
_COUNTED, _LISTED = 40, 16
# The logarithm of what is small beside 1.
_SMALL = -45.0


def student_tail(freedom: float, t: float) -> float:
    """The probability that Student's t exceeds `t`, of any sign, with `freedom` of at least 1.

    With t = tan(x) freedom^.5, the density is that of cos(x)^(freedom - 1) between -pi/2 and pi/2.
    """
    if t < 0:
        return 1 - student_tail(freedom, -t)
    start = math.atan2(t, math.sqrt(freedom))
    # Beyond `end` there is nothing that counts beside what lies between.
    fall = math.exp(_SMALL / (freedom - 1)) if freedom > 1 else 0.0
    end = math.acos(math.cos(start) * fall)
    half = (end - start) / 2
    nodes, weights = _gauss_legendre()
    density = np.cos(start + half * (1 + nodes)) ** (freedom - 1)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    return float(scale * half * (weights @ density))


@functools.cache
def _gauss_legendre() -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss and Legendre; not on import, which a meter pays for."""
    return np.polynomial.legendre.leggauss(64)


@functools.cache
def student_quantile(freedom: float, probability: float) -> float:
    """The quantile of Student's t distribution, by bisection; `probability` is above one half."""
    low, high = 0.0, 1.0
    while student_tail(freedom, high) > 1 - probability:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if student_tail(freedom, middle) > 1 - probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@dataclass(frozen=True)
class MeanSample:
    """Independent values whose mean is estimated.

    Attributes:
        values: logarithms where `is_log`.
        test: Student's t test, the sign-flip test, or for values that may be skewed the larger p of Student's
            t test and of Hall's.
        is_log: whether estimate and bound are ratios, tested on logarithms.
    """

    values: tuple[float, ...]
    test: MeanTest = "paired_t"
    is_log: bool = False

    @classmethod
    def from_values(cls, values: ArrayLike, test: MeanTest = "paired_t") -> MeanSample:
        """A sample for an arithmetic mean."""
        return cls(tuple(np.asarray(values, dtype=np.float64).tolist()), test)

    @classmethod
    def from_ratios(cls, ratios: ArrayLike, test: MeanTest = "paired_t") -> MeanSample:
        """A sample for the geometric mean of positive ratios."""
        return cls.from_logs(np.log(np.asarray(ratios, dtype=np.float64)), test)

    @classmethod
    def from_logs(cls, logs: ArrayLike, test: MeanTest = "paired_t") -> MeanSample:
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
        half = student_quantile(self.freedom, (1 + confidence) / 2) * self.standard_error
        return self.estimate - half, self.estimate + half

    def p_value(self, bound: float) -> float:
        return 2 * student_tail(self.freedom, abs(self.estimate - bound) / self.standard_error)


def p_value(contrasts: Floats, test: MeanTest) -> float:
    """Two-sided p of paired contrasts (log ratios or differences) where there is no difference: Student's t,
    the larger of its p and Hall's, or the sign-flip test, which is exact where it `is_counted`. NaN for fewer
    than two contrasts."""
    return _p_value(tuple(contrasts.tolist()), test)


# Quantities without energy, such as times, are equal under all power models: computed once.
@functools.cache
def _p_value(contrasts: tuple[float, ...], test: MeanTest) -> float:
    if len(contrasts) < 2 or any(map(math.isnan, contrasts)):
        return math.nan
    if test == "sign_flip":
        return _sign_flip(contrasts)
    p = _student(contrasts)
    return max(p, _hall(contrasts)) if test == "skewed_t" else p


def _student(contrasts: tuple[float, ...]) -> float:
    # Not `scipy.stats`, whose import takes half a second.
    values = np.asarray(contrasts)
    # Contrasts from one formula differ by rounding only.
    if np.ptp(values) < _ROUNDING:
        return 1.0 if abs(values[0]) < _ROUNDING else 0.0
    t = values.mean() / np.sqrt(values.var(ddof=1) / len(values))
    return 2 * student_tail(len(values) - 1, abs(float(t)))


def _skewness(values: Floats) -> float:
    """Third central moment over the cubed standard deviation; 0 where values are equal."""
    deviations = values - values.mean()
    scale = float(np.sqrt(np.mean(deviations**2)))
    return float(np.mean(deviations**3)) / scale**3 if np.ptp(values) >= _ROUNDING else 0.0


def _hall(contrasts: tuple[float, ...]) -> float:
    """p of Student's t after the cubic transformation that removes its skewness (Hall 1992)."""
    values, n = np.asarray(contrasts), len(contrasts)
    if np.ptp(values) < _ROUNDING:
        return 0.0
    t, skewness = float(values.mean() / np.std(values, ddof=1)), _skewness(values)
    cubic = t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / (6 * n)
    return 2 * student_tail(n - 1, math.sqrt(n) * abs(cubic))


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


def mean_interval(values: Floats, test: MeanTest = "paired_t", confidence: float = CONFIDENCE) -> Interval:
    """Interval of a mean by inverting its test.

    Args:
        values: shape [n].
        test: `paired_t` gives Student's interval, `sign_flip` the means of subsets of values that the
            sign-flip test does not reject (Hartigan 1969), `skewed_t` the bounds that either Student's or
            Hall's test does not reject.
        confidence: 0 to 1.

    Returns:
        The ends; NaN for fewer than two values, and where the test of so few cannot reject.
    """
    if len(values) < 2:
        return UNKNOWN
    return _INVERTED[test](tuple(values.tolist()), confidence)


def _invert_student(values: tuple[float, ...], confidence: float) -> Interval:
    if np.ptp(values) < _ROUNDING:
        return values[0], values[0]
    half = student_quantile(len(values) - 1, (1 + confidence) / 2) * float(np.std(values, ddof=1))
    half /= math.sqrt(len(values))
    mean = float(np.mean(values))
    return mean - half, mean + half


def _invert_skewed(values: tuple[float, ...], confidence: float) -> Interval:
    low, high = _invert_student(values, confidence)
    skewness, n = _skewness(np.asarray(values)), len(values)
    if abs(skewness) < _ROUNDING:
        return low, high
    mean, scale = float(np.mean(values)), float(np.std(values, ddof=1))
    reach = student_quantile(n - 1, (1 + confidence) / 2) / math.sqrt(n)
    ends = [
        mean - scale * 3 / skewness * (np.cbrt(1 + skewness * (end - skewness / (6 * n))) - 1)
        for end in (reach, -reach)
    ]
    return min(low, float(ends[0])), max(high, float(ends[1]))


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


_INVERTED: dict[MeanTest, Callable[[tuple[float, ...], float], Interval]] = {
    "paired_t": _invert_student,
    "skewed_t": _invert_skewed,
    "sign_flip": _invert_sign_flip,
}
