"""Power that is known at every instant, and its exact energy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Curve:
    """Power in steps: `watts[i]` holds from `from_s[i]` seconds to the next step, the last one forever."""

    from_s: tuple[float, ...]
    watts: tuple[float, ...]

    def energy_j(self, start_s: float, end_s: float) -> float:
        """Energy between two instants in joules."""
        return float(self.counted_j(end_s) - self.counted_j(start_s))

    def counted_j(self, at_s: ArrayLike) -> NDArray[np.float64]:
        """Energy since the first step in joules, for instants of any shape."""
        edges = np.array([*self.from_s, max(self.from_s[-1] + 1.0, float(np.max(at_s)))])
        sums = np.concatenate([[0.0], np.cumsum(np.array(self.watts) * np.diff(edges))])
        return np.interp(np.asarray(at_s), edges, sums)

    def power_w(self, at_s: ArrayLike) -> NDArray[np.float64]:
        """Power in watts, for instants of any shape."""
        place = np.searchsorted(self.from_s, at_s, side="right") - 1
        return np.array(self.watts)[np.maximum(place, 0)]


def constant(watts: float) -> Curve:
    """Constant power."""
    return Curve((0.0,), (watts,))


def steps(*pairs: tuple[float, float]) -> Curve:
    """Power from (second, watts) pairs in order of time."""
    return Curve(tuple(at_s for at_s, _ in pairs), tuple(watts for _, watts in pairs))


def square(low_w: float, high_w: float, period_s: float, until_s: float) -> Curve:
    """Power that is low for half a period, then high for the other half."""
    edges = np.arange(0.0, until_s, period_s / 2)
    return Curve(tuple(edges.tolist()), tuple(high_w if i % 2 else low_w for i in range(len(edges))))


def total(curves: Iterable[Curve]) -> Curve:
    """Sum of several curves."""
    known = list(curves)
    edges = sorted({at_s for curve in known for at_s in curve.from_s})
    watts = [sum(float(curve.power_w(at_s)) for curve in known) for at_s in edges]
    return Curve(tuple(edges), tuple(watts))
