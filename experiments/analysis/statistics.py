"""Tests, intervals and corrections, chosen by the design and never by the data.

Every function returns rows of `statistics.csv`, whose columns are `COLUMNS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from experiments.config import Comparison, Test

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
_STARS = ((1e-4, "****"), (1e-3, "***"), (1e-2, "**"), (0.05, "*"))
# Below this many blocks a bootstrap of them says nothing; the interval is Student's instead.
_LEAST_FOR_BOOTSTRAP = 6

Row = dict[str, object]
Floats = NDArray[np.float64]


def stars(p: float) -> str:
    """The usual marks of a corrected p-value; 'ns' above .05."""
    return next((mark for limit, mark in _STARS if p <= limit), "ns")


def compare(runs: pd.DataFrame, comparison: Comparison) -> list[Row]:
    """Each declared pair, paired by block on the logarithm of the metric, corrected by Holm.

    `runs` has columns arm, block and the metric. The estimate is the geometric mean of group / base;
    the effect size is Cohen's d of the paired log ratios. A pair that this campaign did not measure
    in at least two common blocks is a row with a note and no estimate.
    """
    wide = runs.pivot(index="block", columns="arm", values=comparison.metric)
    rows = [_pair(wide, comparison, group, base) for group, base in comparison.pairs]
    tested = [row for row in rows if row["p"] is not None]
    if tested:
        corrected = multipletests([row["p"] for row in tested], method="holm")[1]
        for row, p in zip(tested, corrected, strict=True):
            row["p_holm"], row["stars"] = float(p), stars(float(p))
    return rows


def _pair(wide: pd.DataFrame, comparison: Comparison, group: str, base: str) -> Row:
    row: Row = dict.fromkeys(COLUMNS)
    row |= {
        "statistic": f"{comparison.family}.{group}_vs_{base}",
        "family": comparison.family,
        "test": comparison.test,
        "metric": comparison.metric,
        "group": group,
        "base": base,
        "unit": "ratio",
    }
    pairs = wide[[group, base]].dropna() if {group, base} <= set(wide.columns) else pd.DataFrame()
    row["n"] = len(pairs)
    if len(pairs) < 2:
        return row | {"note": "not measured in two common blocks"}
    ratios = np.log(pairs[group].to_numpy() / pairs[base].to_numpy())
    low, high = _mean_interval(ratios)
    spread = float(np.std(ratios, ddof=1))
    return row | {
        "estimate": math.exp(float(np.mean(ratios))),
        "ci_low": math.exp(low),
        "ci_high": math.exp(high),
        "p": p_value(ratios, comparison.test),
        "effect_size": float(np.mean(ratios)) / spread if spread > 0 else None,
    }


def p_value(ratios: Floats, test: Test) -> float:
    """Two-sided p of paired log ratios under 'no difference': Student's t, or the exact sign-flip test."""
    if test == "paired_t":
        return float(stats.ttest_1samp(ratios, 0.0).pvalue)
    result = stats.permutation_test(
        (ratios,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    return float(result.pvalue)


def _mean_interval(values: Floats) -> tuple[float, float]:
    """Interval of the mean: BCa bootstrap, or Student's where blocks are too few to resample."""
    if len(values) >= _LEAST_FOR_BOOTSTRAP:
        found = stats.bootstrap(
            (values,),
            np.mean,
            confidence_level=CONFIDENCE,
            method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval
        return float(found.low), float(found.high)
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    return float(low), float(high)


def mean_ci(values: Sequence[float]) -> tuple[float, float, float]:
    """(geometric mean, low, high) of positive values."""
    logs = np.log(np.asarray(values, dtype=float))
    if len(logs) < 2:
        return math.exp(float(logs[0])), math.nan, math.nan
    low, high = _mean_interval(logs)
    return math.exp(float(np.mean(logs))), math.exp(low), math.exp(high)


def association(x: Floats, y: Floats) -> dict[str, float]:
    """R squared, Pearson and Spearman of two columns with their 95 % intervals (nan below four points).

    Pearson's interval is Fisher's; Spearman's is Fisher's with the variance 1.06 / (n - 3) of Fieller,
    Hartley and Pearson 1957. R squared's is Pearson's squared, from 0 where that spans 0.
    """
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
    row: Row = dict.fromkeys(COLUMNS)
    row |= {
        "statistic": name,
        "family": "determination",
        "test": "r_squared",
        "metric": metric,
        "group": group,
        "n": len(x),
        "unit": "1",
    }
    if len(x) < 3:
        return row | {"note": "fewer than three members"}
    found = association(x, y)
    row |= {"estimate": found["r2"], "p": float(stats.pearsonr(x, y).pvalue), "effect_size": found["pearson"]}
    if len(x) < 4:
        return row | {"note": "too few points for an interval"}
    return row | {"ci_low": found["r2_low"], "ci_high": found["r2_high"]}
