"""Ranks of arms by resampling blocks, and how certain they are."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.analysis.statistics import mean_with_interval

RESAMPLES = 10_000
COLUMNS = ["n", "mean", "mean_low", "mean_high", "iqm", "place", "inconclusive", "place_error"]


def place_probabilities(wide: pd.DataFrame, *, largest_first: bool = True, seed: int = 0) -> pd.DataFrame:
    """How probable each place is for each column of `wide` (a row a block), by resampling blocks.

    Blocks are drawn with replacement, all columns of a block together, so that what a block has in common
    stays common; blocks that lack a column are left out. A row a column, in their order: n, mean with its
    interval, iqm (interquartile mean), place, place_1 ... with `place_error` (the largest Monte Carlo error
    of these), and `inconclusive`: whether the interval overlaps another's. No row where there is no block or
    fewer than two columns.
    """
    wide = wide.dropna()
    if wide.empty or wide.shape[1] < 2:
        return pd.DataFrame(columns=COLUMNS)
    sign = -1.0 if largest_first else 1.0
    drawn = np.random.default_rng(seed).integers(len(wide), size=(RESAMPLES, len(wide)))
    order = (sign * wide.to_numpy()[drawn].mean(axis=1)).argsort(axis=1).argsort(axis=1)
    overall = (sign * wide.mean().to_numpy()).argsort().argsort()
    intervals = {name: mean_with_interval(wide[name].to_numpy()) for name in wide}
    rows = []
    for column, (name, (mean, low, high)) in enumerate(intervals.items()):
        shares = [float((order[:, column] == place).mean()) for place in range(wide.shape[1])]
        others = [ends for other, (_, *ends) in intervals.items() if other != name]
        rows.append(
            {
                "n": len(wide),
                "mean": mean,
                "mean_low": low,
                "mean_high": high,
                "iqm": interquartile_mean(wide[name].to_numpy()),
                "place": int(overall[column]) + 1,
                "inconclusive": not all(low > top or high < bottom for bottom, top in others),
                "place_error": max(math.sqrt(share * (1 - share) / RESAMPLES) for share in shares),
                **{f"place_{place}": share for place, share in enumerate(shares, start=1)},
            }
        )
    return pd.DataFrame(rows, index=wide.columns)


def interquartile_mean(scores: NDArray[np.float64]) -> float:
    """Mean of the middle half of `scores` (Agarwal et al. 2021)."""
    from scipy import stats

    return float(stats.trim_mean(scores, 0.25))
