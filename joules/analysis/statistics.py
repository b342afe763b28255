"""Rows of `statistics.csv` and their corrections, chosen by the design and never by the data.

A row keeps the sample that it rests on, until `with_p_bound` has tested it against the bound of a claim.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from joules.analysis import columns
from joules.analysis.inference import CorrelationSample, Sample, fisher_interval
from joules.means import Floats, MeanSample, mean_interval
from joules.study.design import Comparison

COLUMNS = [
    "statistic",
    "family",
    "test",
    "metric",
    "group",
    "base",
    "n",
    "contrast",
    "estimate",
    "unit",
    "ci_low",
    "ci_high",
    "p",
    "p_holm",
    "effect_size",
    "stars",
    "note",
    "sample",
]
# What `association` returns for two columns, each with an interval.
CORRELATIONS = [f"{name}{end}" for name in ("r2", "pearson", "spearman") for end in ("", "_low", "_high")]
STARS = ((1e-4, "****"), (1e-3, "***"), (1e-2, "**"), (0.05, "*"))
# Fewer degrees of freedom count as none, and contrasts closer together than this are equal.
_ROUNDING = 1e-9

Row = dict[str, object]


def row(**cells: object) -> Row:
    """A row of `statistics.csv` with `cells` in it and None elsewhere.

    Its unit is 1 if no other is given: that of ratios, shares and counts.

    Raises:
        ValueError: where the unit is none of `columns.UNITS`.
    """
    made = dict.fromkeys(COLUMNS) | {"unit": "1"} | cells
    if made["unit"] not in columns.UNITS:
        raise ValueError(f"unknown unit '{made['unit']}' of '{made['statistic']}': use one of columns.UNITS")
    return made


def estimate_cells(sample: Sample) -> Row:
    """The cells of a row that follow from its sample: n, estimate, interval and the sample itself."""
    low, high = sample.interval()
    return {"n": sample.n, "estimate": sample.estimate, "ci_low": low, "ci_high": high, "sample": sample}


def with_p_bound(table: pd.DataFrame, bounds: Mapping[str, float]) -> pd.DataFrame:
    """Replaces the samples of `statistics` by `p_bound`, the p of each named statistic against a bound.

    Args:
        table: with `COLUMNS`.
        bounds: by statistic.

    Returns:
        The table with `p_bound` in place of `sample`: the declared test of the row applied to its sample less
        the bound. NaN where no bound is named, or the row has no interval.

    Raises:
        ValueError: where a row with an interval has no sample.
    """

    def test(row: dict[str, Any]) -> float:
        if row["statistic"] not in bounds or pd.isna(row["ci_low"]):
            return math.nan
        if pd.isna(row["sample"]):
            raise ValueError(f"'{row['statistic']}' decides a claim without a sample: use estimate_cells")
        return float(row["sample"].p_value(bounds[row["statistic"]]))

    tested = [test(row) for row in table.to_dict("records")]
    return table.drop(columns="sample").assign(p_bound=np.array(tested, dtype=np.float64))


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
        n=len(pairs),
        contrast=comparison.contrast,
        unit="1" if comparison.contrast == "ratio" else columns.unit(comparison.metric) or "1",
    )
    if len(pairs) < 2:
        return cells | {"note": "not measured in two common blocks"}
    above, below = pairs[group].to_numpy(dtype=np.float64), pairs[base].to_numpy(dtype=np.float64)
    is_ratio = comparison.contrast == "ratio"
    contrasts = np.log(above / below) if is_ratio else above - below
    sample = MeanSample(tuple(contrasts.tolist()), comparison.test, is_ratio)
    spread = float(np.std(contrasts, ddof=1))
    if comparison.test == "paired_t" and np.ptp(contrasts) < _ROUNDING:
        # Without a spread there is no t; the pair is not one of its family's tests.
        note = "no variation between blocks, so no test"
        return cells | {"estimate": sample.estimate, "sample": sample, "note": note}
    return cells | {
        **estimate_cells(sample),
        "p": sample.p_value(1.0 if is_ratio else 0.0),
        "effect_size": float(contrasts.mean()) / spread if spread > 0 else None,
    }


def geometric_mean(values: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of positive values with Student's interval of their logarithms: (mean, low, high)."""
    logs = np.log(np.asarray(values, dtype=float))
    low, high = mean_interval(logs)
    return math.exp(float(np.mean(logs))), math.exp(low), math.exp(high)


def mean_with_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Arithmetic mean with the interval for values that may be skewed: (mean, low, high). The interval is NaN
    for fewer than two values, the mean too for none."""
    sample = MeanSample.from_values(values, "skewed_t")
    return sample.estimate, *sample.interval()


def mean_row(statistic: str, values: ArrayLike, family: str, metric: str, **cells: object) -> Row:
    """A row with the arithmetic mean of `values`, which may be skewed, and no test against zero. Its unit is
    that of its metric."""
    named = {"statistic": statistic, "family": family, "test": "none", "metric": metric}
    return (
        row(**named, unit=columns.unit(metric) or "1")
        | estimate_cells(MeanSample.from_values(values, "skewed_t"))
        | cells
    )


def association(x: Floats, y: Floats) -> dict[str, float]:
    """R squared, Pearson and Spearman of two columns with their 95 % intervals (nan below four points).

    Pearson's interval is that of `CorrelationSample`; Spearman's is Fisher's with the variance
    1.06 / (n - 3) of Fieller, Hartley and Pearson 1957. R squared's is Pearson's squared, from 0 where that
    spans 0.
    """
    from scipy import stats

    sample = CorrelationSample.from_columns(x, y)
    pearson = sample.correlation
    spearman = float(stats.spearmanr(x, y).statistic)
    p_low, p_high = sample.correlation_interval()
    s_low, s_high = fisher_interval(spearman, len(x), variance=1.06)
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


def determination(name: str, x: Floats, y: Floats, metric: str, group: str) -> Row:
    """R squared of a straight line of `y` on `x`, as Henderson et al. report it.

    The interval is that of Pearson's r by `CorrelationSample`, squared (0 where it spans 0), and p is of the
    same test; both need four points. `n` counts points.
    """
    cells = row(
        statistic=name,
        family="determination",
        test="r_squared",
        metric=metric,
        group=group,
        n=len(x),
    )
    if len(x) < 3:
        return cells | {"note": "fewer than three members"}
    sample = CorrelationSample.from_columns(x, y)
    cells |= estimate_cells(sample) | {"effect_size": sample.correlation}
    if math.isnan(sample.interval()[0]):
        return cells | {"note": "too few points for an interval"}
    return cells | {"p": sample.p_value(0.0)}
