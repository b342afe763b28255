"""A median with its interval, as the benchmarks print it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def median_interval(values: ArrayLike) -> tuple[float, float, float]:
    """(median, low, high), the 95 % interval by bootstrap of the values."""
    interval = stats.bootstrap(
        (np.asarray(values),), np.median, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(np.median(values)), float(interval.low), float(interval.high)
