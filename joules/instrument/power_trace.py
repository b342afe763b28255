"""Samples of one channel, and the energy between two instants that they imply."""

from __future__ import annotations

import bisect
import math
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joules.instrument.source import Channel

Floats = NDArray[np.float64]

# A counter read faster than it is updated repeats its value; above this share of repeats the
# instants of the updates, not of the reads, are what the energy is known at.
_SLOW_COUNTER_REPEATS = 0.1
# Fewer updates than this do not tell a pace.
_LEAST_FOR_PACE = 10


class UncoveredWindow(Exception):
    """The samples do not reach from the start to the end of the window."""


@dataclass(frozen=True)
class Estimate:
    """Energy over a window with its standard uncertainty, both in joules."""

    energy_j: float
    uncertainty_j: float
    samples: int


class PowerTrace:
    """Samples of `channel` in order of time (seconds on the monotonic clock)."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        # A command metered for days leaves millions of samples, and every window is taken from all of them.
        self._times = array("d")
        self._values = array("d")
        self._gaps: list[tuple[float, float]] = []

    def append_break(self, from_s: float, to_s: float) -> None:
        """Notes that what was used between two instants is unknown, whatever samples say."""
        if self._gaps and from_s <= self._gaps[-1][1]:
            from_s, _ = self._gaps.pop()
        self._gaps.append((from_s, to_s))

    def append(self, time_s: float, value: float) -> None:
        self._times.append(time_s)
        self._values.append(value)

    @property
    def end_s(self) -> float:
        """Instant of the last sample, minus infinity before the first."""
        return self._times[-1] if self._times else -math.inf

    def discard_before(self, before_s: float) -> None:
        """Drops the samples older than `before_s`, all but the last of them."""
        keep = max(bisect.bisect_left(self._times, before_s) - 1, 0)
        del self._times[:keep], self._values[:keep]
        first_s = self._times[0] if self._times else before_s
        self._gaps = [gap for gap in self._gaps if gap[1] >= first_s]

    def energy(self, start_s: float, end_s: float) -> Estimate:
        """Energy between two instants.

        Raises UncoveredWindow where the window is empty or the samples do not span it.
        """
        times, values = np.array(self._times), np.array(self._values)
        if not start_s < end_s:
            raise UncoveredWindow(f"the window {start_s:.6f} s to {end_s:.6f} s is empty")
        if len(times) < 2 or times[0] > start_s or times[-1] < end_s:
            raise UncoveredWindow(f"{self.channel.source} has no samples around the window")
        # A sample at the very ends of the window may lie beyond them.
        before_s = times[max(int(np.searchsorted(times, start_s, side="right")) - 1, 0)]
        after_s = times[int(np.searchsorted(times, end_s))]
        if any(from_s <= after_s and before_s <= to_s for from_s, to_s in self._gaps):
            raise UncoveredWindow(f"what {self.channel.source} counted within the window is not known")
        samples = int(np.count_nonzero((times >= start_s) & (times <= end_s)))
        integrate = {
            "cumulative_j": self._from_counter,
            "instant_w": _from_instant_power,
            "mean_w": self._from_mean_power,
        }[self.channel.form]
        energy_j, uncertainty_j = integrate(times, values, start_s, end_s)
        return Estimate(energy_j, uncertainty_j, samples)

    def power(self, start_s: float, end_s: float) -> list[tuple[float, float]]:
        """Power over a window as steps of (second since its start, watts), the first at 0 or before the
        first sample inside. A counter's steps are its mean power between reads."""
        times, values = self._times, self._values
        if self.channel.form == "instant_w":
            steps = list(zip(times, values, strict=True))
        elif self.channel.form == "mean_w":
            steps = list(zip(times[:-1], values[1:], strict=True))
        else:
            steps = [
                (times[i], (values[i + 1] - values[i]) / (times[i + 1] - times[i]))
                for i in range(len(times) - 1)
                if times[i + 1] > times[i]
            ]
        first = max((place for place, (at_s, _) in enumerate(steps) if at_s <= start_s), default=0)
        return [(max(at_s - start_s, 0.0), value) for at_s, value in steps[first:] if at_s < end_s]

    def _from_counter(
        self, times: Floats, values: Floats, start_s: float, end_s: float
    ) -> tuple[float, float]:
        span = slice(max(int(np.searchsorted(times, start_s)) - 1, 0), int(np.searchsorted(times, end_s)) + 1)
        if np.any(np.diff(values[span]) < 0):
            raise UncoveredWindow(f"the counter of {self.channel.source} went backwards")
        knots, energies, jitter_s = _update_points(times, values)
        inside = np.interp([start_s, end_s], knots, energies)
        energy_j = float(inside[1] - inside[0])
        mean_w = energy_j / (end_s - start_s)
        # Each end lies between two updates. The energy of that gap is known, its course is not:
        # uniform over the gap, hence the square root of 12. The instant of an update is known only
        # to the spacing of the reads.
        ends = [_gap_energy(knots, energies, instant) / np.sqrt(12) for instant in (start_s, end_s)]
        jitter = mean_w * jitter_s / np.sqrt(12)
        parts = [*ends, jitter, jitter, self.channel.resolution_j]
        return energy_j, float(np.sqrt(np.sum(np.square(parts))))

    def _from_mean_power(
        self, times: Floats, values: Floats, start_s: float, end_s: float
    ) -> tuple[float, float]:
        left = np.clip(times[:-1], start_s, end_s)
        right = np.clip(times[1:], start_s, end_s)
        energy_j = float(np.sum(values[1:] * (right - left)))
        low_w, high_w = self.channel.range_w or (0.0, float(values.max()))
        return energy_j, (high_w - low_w) / 2 * (end_s - start_s)


def _update_points(times: Floats, values: Floats) -> tuple[Floats, Floats, float]:
    """Instants at which a counter's value is known: (times, values, width of the uncertainty in s).

    A change is seen at the first read after it, so each update is known to lie between two reads. Where
    updates come at a steady pace the line through all of them places each far better than its own two
    reads do; where they do not, each stands in the middle of its reads.
    """
    changed = np.flatnonzero(np.diff(values) != 0) + 1
    repeats = 1 - len(changed) / (len(values) - 1)
    if repeats <= _SLOW_COUNTER_REPEATS or len(changed) < 2:
        return times, values, 0.0
    gaps = times[changed] - times[changed - 1]
    middles = times[changed] - gaps / 2
    width_s = float(np.median(gaps))
    steady = _steady(middles, gaps) if len(changed) >= _LEAST_FOR_PACE else None
    if steady is None:
        return middles, values[changed], width_s
    return steady, values[changed], width_s / math.sqrt(len(changed))


def _steady(middles: Floats, gaps: Floats) -> Floats | None:
    """Instants of updates at a constant pace, None where no pace fits every pair of reads."""
    rough_s = float(np.median(np.diff(middles)))
    pace_s = (middles[-1] - middles[0]) / round((middles[-1] - middles[0]) / rough_s)
    best, best_misfit = None, 1.0
    # Where updates fall close to reads, the middles scatter by a whole gap and the first of them is a poor
    # origin to number the updates from: origins to both sides of it are tried too.
    for shift in (-0.25, 0.0, 0.25):
        numbers = np.round((middles - middles[0]) / pace_s + shift)
        if np.any(np.diff(numbers) < 1):
            continue
        slope_s, first_s = np.polyfit(numbers, middles, 1)
        fitted = first_s + slope_s * numbers
        misfit = float(np.max(np.abs(fitted - middles) / gaps))
        if misfit <= best_misfit:
            best, best_misfit = fitted, misfit
    return best


def _gap_energy(knots: Floats, energies: Floats, instant_s: float) -> float:
    right = int(np.clip(np.searchsorted(knots, instant_s), 1, len(knots) - 1))
    return float(energies[right] - energies[right - 1])


def _from_instant_power(times: Floats, values: Floats, start_s: float, end_s: float) -> tuple[float, float]:
    inner = (times > start_s) & (times < end_s)
    knots = np.concatenate([[start_s], times[inner], [end_s]])
    powers = np.interp(knots, times, values)
    energy_j = float(np.trapezoid(powers, knots))
    # Between samples the power is unseen; its spread over the window, taken as independent from one
    # sample to the next, bounds the standard error of the mean.
    samples = max(int(inner.sum()), 1)
    spread_w = float(np.std(powers)) if len(powers) > 2 else abs(float(powers[1] - powers[0]))
    return energy_j, spread_w / np.sqrt(samples) * (end_s - start_s)
