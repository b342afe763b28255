"""Summary statistics of benchmarks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def median_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Median of the values and the ends of its 95 % interval by bootstrap, NaN for a single value."""
    observed = np.asarray(values)
    if observed.size < 2:
        return float(np.median(observed)), math.nan, math.nan
    interval = stats.bootstrap(
        (observed,), np.median, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(np.median(observed)), float(interval.low), float(interval.high)
