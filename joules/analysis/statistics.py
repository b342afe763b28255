"""Tests, intervals and corrections, chosen by the design and never by the data.

Every function returns rows of `statistics.csv`, whose columns are `COLUMNS`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from joules.study.design import Comparison, Test

COLUMNS = [
    "statistic",
    "family",
    "test",
    "metric",
    "group",
    "base",
    "n",
    "estimate",
    "unit",
    "ci_low",
    "ci_high",
    "p",
    "p_holm",
    "effect_size",
    "stars",
    "note",
]
CONFIDENCE = 0.95
# What `association` returns for two columns, each with an interval.
CORRELATIONS = [f"{name}{end}" for name in ("r2", "pearson", "spearman") for end in ("", "_low", "_high")]
STARS = ((1e-4, "****"), (1e-3, "***"), (1e-2, "**"), (0.05, "*"))
# Numbers of blocks for which the interval is a bootstrap: fewer are too few to resample; with more it agrees
# with Student's interval but takes values times resamples of memory.
_FOR_BOOTSTRAP = range(6, 201)
# Contrasts closer together than this are equal; fewer degrees of freedom count as none.
_ROUNDING = 1e-9
# Means are equal if they agree to so many digits of the spread of their values.
_DIGITS_OF_SPREAD = 10
# Largest number of contrasts for which all signed sums are counted.
_COUNTED = 40

Row = dict[str, object]
Floats = NDArray[np.float64]


def row(**cells: object) -> Row:
    """A row of `statistics.csv` with `cells` in it and None elsewhere."""
    return dict.fromkeys(COLUMNS) | cells


def stars(p: float) -> str:
    """Stars of a corrected p-value; 'ns' above .05."""
    return next((mark for limit, mark in STARS if p <= limit), "ns")


def compare(runs: pd.DataFrame, comparison: Comparison) -> list[Row]:
    """Each declared pair, paired by block, corrected by Holm.

    `runs` has columns arm, block and the metric. Where the comparison's contrast is a ratio the estimate is
    the geometric mean of group / base, tested on logarithms; where it is a difference (a metric that may be
    zero or negative) the mean of group - base. The effect size is Cohen's d of the paired contrasts. A pair
    that this campaign did not measure in at least two common blocks is a row with a note and no estimate.
    """
    wide = runs.pivot(index="block", columns="arm", values=comparison.metric)
    rows = [_pair(wide, comparison, group, base) for group, base in comparison.pairs]
    correct(rows)
    return rows


def error_cv(runs: pd.DataFrame, metric: str) -> pd.Series:
    """Coefficient of variation in per cent of each arm over blocks, without the effect of each block.

    It is the experimental error of a randomised complete block design, which paired comparisons use: the
    spread of an arm's logarithms around effects of block and arm that add, fitted by least squares, over the
    degrees of freedom that the fit leaves the arm (the sum of one minus the leverage of each of its runs).
    Runs may be missing. `runs` has columns arm, block and the metric; NaN where the fit leaves an arm none.
    """
    runs = runs.dropna(subset=[metric])
    effects = pd.get_dummies(runs[["arm", "block"]].astype(str)).to_numpy(dtype=np.float64)
    fit = effects @ np.linalg.pinv(effects)
    logs = np.log(runs[metric].to_numpy(dtype=np.float64))
    cells = pd.DataFrame(
        {"arm": runs["arm"].to_numpy(), "square": (logs - fit @ logs) ** 2, "freedom": 1 - np.diag(fit)}
    )
    sums = cells.groupby("arm")[["square", "freedom"]].sum()
    return 100 * np.sqrt(sums["square"] / sums["freedom"].where(sums["freedom"] > _ROUNDING))


def correct(rows: Sequence[Row]) -> None:
    """Fills in p_holm and stars of the rows of one family that have a p."""
    tested = [each for each in rows if each["p"] is not None]
    corrected = holm(np.array([each["p"] for each in tested], dtype=np.float64))
    for each, p in zip(tested, corrected, strict=True):
        each["p_holm"], each["stars"] = float(p), stars(float(p))


def holm(p: Floats) -> Floats:
    """p-values [n] of one family, corrected by the method of Holm 1979.

    Equal to that of statsmodels, which runs a full garbage collection at every call (0.1 s): tables under
    many power models need hundreds of calls.
    """
    order = np.argsort(p)
    steps = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def _pair(wide: pd.DataFrame, comparison: Comparison, group: str, base: str) -> Row:
    pairs = wide[[group, base]].dropna() if {group, base} <= set(wide.columns) else pd.DataFrame()
    cells = row(
        statistic=f"{comparison.family}.{group}_vs_{base}",
        family=comparison.family,
        test=comparison.test,
        metric=comparison.metric,
        group=group,
        base=base,
        unit=comparison.contrast,
        n=len(pairs),
    )
    if len(pairs) < 2:
        return cells | {"note": "not measured in two common blocks"}
    above, below = pairs[group].to_numpy(dtype=np.float64), pairs[base].to_numpy(dtype=np.float64)
    is_ratio = comparison.contrast == "ratio"
    contrasts = np.log(above / below) if is_ratio else above - below
    mean, low, high = mean_with_interval(contrasts)
    scale = math.exp if is_ratio else float
    spread = float(np.std(contrasts, ddof=1))
    if comparison.test == "paired_t" and np.ptp(contrasts) < _ROUNDING:
        # Without a spread there is no t; the pair is not one of its family's tests.
        return cells | {"estimate": scale(mean), "note": "no variation between blocks, so no test"}
    return cells | {
        "estimate": scale(mean),
        "ci_low": scale(low),
        "ci_high": scale(high),
        "p": p_value(contrasts, comparison.test),
        "effect_size": mean / spread if spread > 0 else None,
    }


def p_value(contrasts: Floats, test: Test) -> float:
    """Two-sided p of paired contrasts (log ratios or differences) where there is no difference: Student's t,
    or the sign-flip test, which is exact where it `is_counted`."""
    return _p_value(tuple(contrasts.tolist()), test)


# Quantities without energy, such as times, are equal under all power models: computed once.
@functools.cache
def _p_value(contrasts: tuple[float, ...], test: Test) -> float:
    return _sign_flip(contrasts) if test == "sign_flip" else _student(contrasts)


def _student(contrasts: tuple[float, ...]) -> float:
    from scipy import special

    values = np.asarray(contrasts)
    # Contrasts without a spread give an infinite t.
    with np.errstate(divide="ignore", invalid="ignore"):
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


def is_resampled(values: int) -> bool:
    """Whether the interval of the mean of so many values is a bootstrap."""
    return values in _FOR_BOOTSTRAP


def mean_interval(values: Floats) -> tuple[float, float]:
    """Interval of the mean: BCa bootstrap where `is_resampled`, Student's elsewhere."""
    # Contrasts from one formula differ by rounding only, which cannot be resampled.
    if np.ptp(values) < _ROUNDING:
        return float(values[0]), float(values[0])
    if is_resampled(len(values)):
        return _bootstrapped(tuple(values.tolist()))
    # Not `scipy.stats`, whose import takes half a second.
    from scipy import special

    scale = np.std(values, ddof=1) / np.sqrt(len(values))
    low, high = special.stdtrit(len(values) - 1, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    mean = np.mean(values)
    return float(low * scale + mean), float(high * scale + mean)


@functools.cache
def _bootstrapped(values: tuple[float, ...]) -> tuple[float, float]:
    from scipy import stats

    # A resample that is the sample in another order has the same mean up to rounding, and BCa counts those
    # below it: without rounding, the interval would depend on the processor.
    decimals = _DIGITS_OF_SPREAD - math.floor(math.log10(np.ptp(values)))

    def mean(resamples: Floats, axis: int) -> Floats:
        return np.asarray(np.mean(resamples, axis=axis)).round(decimals)

    interval = stats.bootstrap(
        (values,),
        mean,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def geometric_mean(values: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of positive values with its interval: (mean, low, high)."""
    logs = np.log(np.asarray(values, dtype=float))
    if len(logs) < 2:
        return math.exp(float(logs[0])), math.nan, math.nan
    low, high = mean_interval(logs)
    return math.exp(float(np.mean(logs))), math.exp(low), math.exp(high)


def mean_with_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Arithmetic mean with its interval: (mean, low, high). The interval is NaN for fewer than two values,
    the mean too for none."""
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) == 0:
        return math.nan, math.nan, math.nan
    if len(numbers) == 1:
        return float(numbers[0]), math.nan, math.nan
    return float(numbers.mean()), *mean_interval(numbers)


def mean_row(
    statistic: str, values: ArrayLike, family: str, metric: str, unit: str = "1", **cells: object
) -> Row:
    """A row with the arithmetic mean of `values` and its interval, and no test."""
    numbers = np.asarray(values, dtype=np.float64)
    estimate, low, high = mean_with_interval(numbers)
    named = {"statistic": statistic, "family": family, "test": "none", "metric": metric, "unit": unit}
    return row(**named, n=len(numbers), estimate=estimate, ci_low=low, ci_high=high) | cells


def association(x: Floats, y: Floats) -> dict[str, float]:
    """R squared, Pearson and Spearman of two columns with their 95 % intervals (nan below four points).

    Pearson's interval is Fisher's; Spearman's is Fisher's with the variance 1.06 / (n - 3) of Fieller,
    Hartley and Pearson 1957. R squared's is Pearson's squared, from 0 where that spans 0.
    """
    from scipy import stats

    pearson = float(stats.pearsonr(x, y).statistic)
    spearman = float(stats.spearmanr(x, y).statistic)
    p_low, p_high = _fisher(pearson, len(x), 1.0)
    s_low, s_high = _fisher(spearman, len(x), 1.06)
    squares = sorted((p_low**2, p_high**2))
    return {
        "n": len(x),
        "r2": pearson**2,
        "r2_low": 0.0 if p_low < 0 < p_high else squares[0],
        "r2_high": squares[1],
        "pearson": pearson,
        "pearson_low": p_low,
        "pearson_high": p_high,
        "spearman": spearman,
        "spearman_low": s_low,
        "spearman_high": s_high,
    }


def _fisher(correlation: float, points: int, variance: float) -> tuple[float, float]:
    from scipy import stats

    if points < 4:
        return math.nan, math.nan
    if abs(correlation) >= 1:
        return correlation, correlation
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * math.sqrt(variance / (points - 3))
    centre = math.atanh(correlation)
    return math.tanh(centre - half), math.tanh(centre + half)


def determination(name: str, x: Floats, y: Floats, metric: str, group: str) -> Row:
    """R squared of a straight line of `y` on `x`, as Henderson et al. report it.

    The interval is that of Pearson's r by Fisher's transformation, squared (0 where it spans 0); it
    needs four points. `n` counts points.
    """
    from scipy import stats

    cells = row(
        statistic=name,
        family="determination",
        test="r_squared",
        metric=metric,
        group=group,
        n=len(x),
        unit="1",
    )
    if len(x) < 3:
        return cells | {"note": "fewer than three members"}
    correlation = association(x, y)
    cells |= {
        "estimate": correlation["r2"],
        "p": float(stats.pearsonr(x, y).pvalue),
        "effect_size": correlation["pearson"],
    }
    if len(x) < 4:
        return cells | {"note": "too few points for an interval"}
    return cells | {"ci_low": correlation["r2_low"], "ci_high": correlation["r2_high"]}
