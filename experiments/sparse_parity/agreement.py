"""How well metrics agree about the order of processes."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.analysis import statistics
from joules.means import Floats, MeanSample

# Processes are ranked together if they solve the same problem with the same access to labels.
RANKED = ["problem", "access"]
# Fewer processes have no order to agree about.
LEAST_PROCESSES = 3
_RESAMPLES = 500
_ENERGY = "energy_per_solve_j"


def group_solved(arms: pd.DataFrame, least: int = 1) -> list[pd.DataFrame]:
    """The processes that solve each problem with the same access, in the order of the design, where there are
    at `least` so many."""
    if arms.empty:
        return []
    groups = arms[arms["solved"]].groupby(RANKED, sort=False)
    return [group for _, group in groups if len(group) >= least]


def group_by_memory(arms: pd.DataFrame) -> dict[str, list[pd.DataFrame]]:
    """Groups of processes that have an order: all, and those `within` and `beyond` the cache of a core.

    Beyond it are problems where at least half of the processes hold more. Without a trace it is neither.
    """
    every = group_solved(arms, LEAST_PROCESSES)
    known = [group for group in every if group[["peak_bytes", "core_cache_bytes"]].notna().all(axis=None)]
    is_beyond = [(group["peak_bytes"] > group["core_cache_bytes"]).mean() >= 0.5 for group in known]
    return {
        "all": every,
        "within": [group for group, beyond in zip(known, is_beyond, strict=True) if not beyond],
        "beyond": [group for group, beyond in zip(known, is_beyond, strict=True) if beyond],
    }


def agreement(groups: Sequence[pd.DataFrame], metrics: Sequence[str]) -> pd.DataFrame:
    """Kendall's tau of every pair of metrics over the processes of a group, mean over groups.

    The interval comes from resampling processes within groups.
    """
    values = [group[[*metrics]].to_numpy(float) for group in groups]
    random = np.random.default_rng(0)
    means = np.full((len(metrics), len(metrics)), np.nan)
    lows, highs = means.copy(), means.copy()
    if values:
        drawn = [taus(one, random.integers(len(one), size=(_RESAMPLES, len(one)))) for one in values]
        with warnings.catch_warnings(category=RuntimeWarning, action="ignore"):
            # Tau is NaN if all drawn processes are the same or if a metric is unknown for a problem.
            means = np.nanmean([taus(one, np.arange(len(one))[None])[0] for one in values], axis=0)
            lows, highs = np.nanquantile(np.nanmean(drawn, axis=0), [0.025, 0.975], axis=0)
    return pd.DataFrame(
        [
            [metrics[a], metrics[b], len(values), means[a, b], lows[a, b], highs[a, b]]
            for a, b in itertools.combinations(range(len(metrics)), 2)
        ],
        columns=["metric", "other", "problems", "tau", "tau_low", "tau_high"],
    )


def compare_agreement(
    groups: Sequence[pd.DataFrame], metric: str, other: str, missing: str
) -> statistics.Row:
    """By how much the order of a metric agrees better with that of energy than the order of another does.

    The unit is the problem: Student's interval of the differences of Kendall's tau. `missing` says why a
    metric is unknown.
    """
    both = [tau_of(group, metric, _ENERGY) - tau_of(group, other, _ENERGY) for group in groups]
    known = [difference for difference in both if not np.isnan(difference)]
    cells = statistics.row(
        statistic=f"agreement.{metric}_over_{other}",
        family="agreement",
        test="none",
        metric=_ENERGY,
        group=metric,
        base=other,
    )
    if len(known) < 2:
        return cells | {"n": len(known), "note": missing or "fewer than two problems with three processes"}
    return cells | statistics.estimate_cells(MeanSample.from_values(known, "skewed_t"))


def tau_of(group: pd.DataFrame, metric: str, other: str) -> float:
    """Kendall's tau-b of two metrics of the processes of a group."""
    values = group[[metric, other]].to_numpy(float)
    return float(taus(values, np.arange(len(values))[None])[0, 0, 1])


def taus(values: Floats, chosen: NDArray[np.int64]) -> Floats:
    """Kendall's tau-b of every pair of columns over resampled rows.

    Args:
        values: One row per process, one column per metric [n, metrics].
        chosen: Rows of each resampling [draws, m].

    Returns:
        Taus [draws, metrics, metrics]; NaN where a column is constant.
    """
    signs = np.sign(values[:, None] - values[None, :])
    drawn = signs[chosen[:, :, None], chosen[:, None, :]].reshape(len(chosen), -1, values.shape[1])
    products = np.einsum("dia,dib->dab", drawn, drawn)
    scale = np.sqrt(np.einsum("daa->da", products))
    with np.errstate(invalid="ignore"):
        return products / (scale[:, :, None] * scale[:, None, :])
