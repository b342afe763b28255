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
# Of two updates, the time between them is known.
_LEAST_FOR_GAP = 2
# The slowest counters known are updated every second. One that shows the same value for longer than this, for
# longer than so many of its usual gaps, and for longer than a part at rest takes for one step, stands still.
_STANDSTILL_S = 1.5
_STANDSTILL_GAPS = 2.5
_LEAST_POWER_W = 1.0
# What was read so long before a window is kept for it: it tells the pace of its counters.
HISTORY_S = 15.0
# Samples of power further apart than so many times the usual distance leave a gap.
_SAMPLE_GAP = 5.0


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
        # How long each read took: its value belongs to some instant within.
        self._widths = array("f")
        self._gaps: list[tuple[float, float]] = []
        self._failed_s = -math.inf

    def append_break(self, from_s: float, to_s: float) -> None:
        """Notes that what was used between two instants is unknown, whatever samples say."""
        if self._gaps and from_s <= self._gaps[-1][1]:
            from_s, _ = self._gaps.pop()
        self._gaps.append((from_s, to_s))

    def note_failure(self, time_s: float) -> None:
        """Notes that the read at an instant failed."""
        self._failed_s = time_s

    def append(self, time_s: float, value: float, width_s: float = 0.0) -> None:
        """Adds a sample that was taken within `width_s` around an instant."""
        self._times.append(time_s)
        self._values.append(value)
        self._widths.append(width_s)

    @property
    def end_s(self) -> float:
        """Instant of the last sample, minus infinity before the first."""
        return self._times[-1] if self._times else -math.inf

    def discard_before(self, before_s: float) -> None:
        """Drops the samples older than `before_s`, all but the last of them."""
        keep = max(bisect.bisect_left(self._times, before_s) - 1, 0)
        del self._times[:keep], self._values[:keep], self._widths[:keep]
        first_s = self._times[0] if self._times else before_s
        self._gaps = [gap for gap in self._gaps if gap[1] >= first_s]

    @property
    def is_missing(self) -> bool:
        """Whether the channel stands for a part that cannot be read."""
        return self.channel.provenance == "missing"

    def is_settled(self, end_s: float) -> bool:
        """Whether further samples would change nothing that is known of the time up to an instant."""
        if self.is_missing or self._failed_s > max(end_s, self.end_s):
            return True
        if self.end_s < end_s + self.channel.averaged_s / 2:
            return False
        if self.channel.form != "cumulative_j":
            return True
        times, values = np.array(self._times), np.array(self._values)
        changed = _changes(values)
        if _is_fast(values, changed):
            return True
        updated = changed[times[changed - 1] >= end_s]
        if len(updated) and len(changed) >= _LEAST_FOR_GAP:
            return True
        last_s = times[changed[-1]] if len(changed) else times[0]
        return bool(times[-1] - last_s > _standstill_s(self.channel, times[changed]))

    def energy(self, start_s: float, end_s: float) -> Estimate:
        """Energy between two instants.

        Raises UncoveredWindow where the window is empty or the samples do not span it.
        """
        if self.is_missing:
            raise UncoveredWindow(self.channel.detail)
        times, values = np.array(self._times), np.array(self._values)
        if not start_s < end_s:
            raise UncoveredWindow(f"the window {start_s:.6f} s to {end_s:.6f} s is empty")
        if len(times) < 2 or times[0] > start_s or times[-1] < end_s:
            raise UncoveredWindow(f"{self.channel.source} has no samples around the window")
        # A sample at the very ends of the window may lie beyond them.
        before_s = times[max(int(np.searchsorted(times, start_s, side="right")) - 1, 0)]
        after_s = times[int(np.searchsorted(times, end_s))]
        if any(from_s < after_s and before_s < to_s for from_s, to_s in self._gaps):
            raise UncoveredWindow(f"what {self.channel.source} counted within the window is not known")
        samples = int(np.count_nonzero((times >= start_s) & (times <= end_s)))
        integrate = {
            "cumulative_j": self._from_counter,
            "instant_w": self._from_instant_power,
            "mean_w": self._from_mean_power,
        }[self.channel.form]
        energy_j, uncertainty_j = integrate(times, values, start_s, end_s)
        around = slice(
            max(int(np.searchsorted(times, start_s, side="right")) - 1, 0),
            int(np.searchsorted(times, end_s)) + 1,
        )
        width_s = float(np.max(np.array(self._widths)[around]))
        # At either end a sample belongs to some instant within its read.
        read_j = math.sqrt(2 / 12) * width_s * abs(energy_j) / (end_s - start_s)
        return Estimate(energy_j, math.hypot(uncertainty_j, read_j), samples)

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
        if self.channel.may_draw_nothing and values[span][0] == values[span][-1]:
            return 0.0, self.channel.resolution_j
        self._check_movement(times, values, start_s, end_s)
        knots, energies, jitter_s = _update_points(times, values)
        if knots[0] > start_s or knots[-1] < end_s:
            knots, energies = _extended(knots, energies, start_s, end_s)
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

    def _check_movement(self, times: Floats, values: Floats, start_s: float, end_s: float) -> None:
        """Raises UncoveredWindow where the counter stands still within the window, or was not updated often
        enough to tell what it counts."""
        if self.channel.may_draw_nothing:
            return
        changed = _changes(values)
        longest_s = _standstill_s(self.channel, times[changed])
        seen_s = np.concatenate([times[:1], times[changed]])
        until_s = np.concatenate([times[np.maximum(changed - 1, 0)], times[-1:]])
        stood = (until_s - seen_s > longest_s) & (until_s > start_s) & (seen_s < end_s)
        if np.any(stood):
            still_s = float(np.max((until_s - seen_s)[stood]))
            raise UncoveredWindow(f"the counter of {self.channel.source} stood still for {still_s:.1f} s")
        if not _is_fast(values, changed) and len(changed) < _LEAST_FOR_GAP:
            raise UncoveredWindow(f"the counter of {self.channel.source} was not updated often enough")

    def _from_instant_power(
        self, times: Floats, values: Floats, start_s: float, end_s: float
    ) -> tuple[float, float]:
        # A mean over the time before the read is nearest to the power in the middle of that time.
        late_s = self.channel.averaged_s / 2
        from_s, to_s = start_s + late_s, end_s + late_s
        inner = (times > from_s) & (times < to_s)
        knots = np.concatenate([[from_s], times[inner], [to_s]])
        powers = np.interp(knots, times, values)
        energy_j = float(np.trapezoid(powers, knots))
        # Between samples the power is unseen; its spread over the window, taken as independent from one
        # sample to the next, bounds the standard error of the mean.
        samples = max(int(inner.sum()), 1)
        spread_w = float(np.std(powers)) if len(powers) > 2 else abs(float(powers[1] - powers[0]))
        parts = [spread_w / np.sqrt(samples) * (end_s - start_s)]
        gaps_s = np.diff(knots)
        gaps_s = gaps_s[gaps_s > _SAMPLE_GAP * np.median(gaps_s)]
        parts.extend((float(np.ptp(powers)) * gaps_s / math.sqrt(12)).tolist())
        if late_s:
            # A step of power at an end of the window is smeared: at most an eighth of it lies beyond the end.
            for instant_s in (start_s, end_s):
                seen = values[(times >= instant_s) & (times <= instant_s + 2 * late_s)]
                parts.append(float(np.ptp(seen)) * late_s / 4 if len(seen) else 0.0)
        return energy_j, math.hypot(*parts)

    def _from_mean_power(
        self, times: Floats, values: Floats, start_s: float, end_s: float
    ) -> tuple[float, float]:
        left = np.clip(times[:-1], start_s, end_s)
        right = np.clip(times[1:], start_s, end_s)
        energy_j = float(np.sum(values[1:] * (right - left)))
        low_w, high_w = self.channel.range_w or (0.0, float(values.max()))
        return energy_j, (high_w - low_w) / 2 * (end_s - start_s)


def _changes(values: Floats) -> NDArray[np.intp]:
    """Places of the values that differ from the one before."""
    return np.flatnonzero(np.diff(values) != 0) + 1


def _is_fast(values: Floats, changed: NDArray[np.intp]) -> bool:
    """Whether a counter is updated at least as often as it is read."""
    return 1 - len(changed) / max(len(values) - 1, 1) <= _SLOW_COUNTER_REPEATS


def _standstill_s(channel: Channel, changed_s: Floats) -> float:
    """How long a counter that was seen to change at these instants may show the same value."""
    usual_s = float(np.median(np.diff(changed_s))) if len(changed_s) >= _LEAST_FOR_GAP else 0.0
    return max(_STANDSTILL_S, _STANDSTILL_GAPS * usual_s, channel.resolution_j / _LEAST_POWER_W)


def _update_points(times: Floats, values: Floats) -> tuple[Floats, Floats, float]:
    """Instants at which a counter's value is known: (times, values, width of the uncertainty in s).

    A change is seen at the first read after it, so each update is known to lie between two reads. Where
    updates come at a steady pace the line through all of them places each far better than its own two
    reads do; where they do not, each stands in the middle of its reads.
    """
    changed = _changes(values)
    if _is_fast(values, changed):
        return times, values, 0.0
    gaps = times[changed] - times[changed - 1]
    middles = times[changed] - gaps / 2
    width_s = float(np.median(gaps))
    steady = _steady(middles, gaps) if len(changed) >= _LEAST_FOR_PACE else None
    knots = middles if steady is None else steady
    if steady is not None:
        # The ends of a line are known half as well as its middle.
        width_s *= 2 / math.sqrt(len(changed))
    # The value before the first change is that of the update before it.
    before_s = knots[0] - float(np.median(np.diff(knots)))
    return np.append(before_s, knots), np.append(values[changed[0] - 1], values[changed]), width_s


def _extended(knots: Floats, energies: Floats, start_s: float, end_s: float) -> tuple[Floats, Floats]:
    """The same line with its first and last piece made long enough to span the window."""
    slopes_w = np.diff(energies)[[0, -1]] / np.diff(knots)[[0, -1]]
    before_s, after_s = max(knots[0] - start_s, 0.0), max(end_s - knots[-1], 0.0)
    return (
        np.concatenate([[knots[0] - before_s], knots, [knots[-1] + after_s]]),
        np.concatenate(
            [[energies[0] - slopes_w[0] * before_s], energies, [energies[-1] + slopes_w[1] * after_s]]
        ),
    )


def _steady(middles: Floats, gaps: Floats) -> Floats | None:
    """Instants of updates at a constant pace, None where no pace fits every pair of reads.

    The pace is found over few updates and refined over twice as many at a time: a median of their distances
    is off by whole reads, and over many updates that would number them wrong.
    """
    few = _LEAST_FOR_PACE
    between_s = (middles[few - 1] - middles[0]) / (few - 1)
    # Some updates may have been missed by the reads, and the first and last are known to a read alone.
    lines = [
        _line(middles[:few], gaps[:few], between_s * (few - 1) / count) for count in range(few - 2, few + 3)
    ]
    fitted, misfit = min(lines, key=lambda line: line[1])
    while misfit <= 1.0 and few < len(middles):
        slope_s = (fitted[-1] - fitted[0]) / round((fitted[-1] - fitted[0]) / np.min(np.diff(fitted)))
        few = min(2 * few, len(middles))
        fitted, misfit = _line(middles[:few], gaps[:few], slope_s, fitted[0] - middles[0])
    return fitted if misfit <= 1.0 else None


def _line(middles: Floats, gaps: Floats, pace_s: float, origin_s: float = 0.0) -> tuple[Floats, float]:
    """Updates numbered by a pace from an origin after the first, on their best line, and the largest distance
    from it in gaps between reads."""
    numbers = np.round((middles - middles[0] - origin_s) / pace_s)
    if np.any(np.diff(numbers) < 1):
        return middles, math.inf
    slope_s, first_s = np.polyfit(numbers, middles, 1)
    fitted = first_s + slope_s * numbers
    return fitted, float(np.max(np.abs(fitted - middles) / gaps))


def _gap_energy(knots: Floats, energies: Floats, instant_s: float) -> float:
    right = int(np.clip(np.searchsorted(knots, instant_s), 1, len(knots) - 1))
    return float(energies[right] - energies[right - 1])
