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
# Least number of updates from which a pace is computed.
_LEAST_FOR_PACE = 10
# Updates at a steady pace fall uniformly between their reads: their distances from it have a root mean square
# of .29 gaps between reads, which scatters over few, and of more where there is no such pace.
_STEADY_GAPS = 0.29
_STEADY_SCATTER = 2.0
# Of two updates, the time between them is known.
_LEAST_FOR_GAP = 2
# The slowest known counters are updated every second. A counter stands still if its value is constant for
# longer than this time, than this number of its usual gaps, and than an idle part takes for one step.
_STANDSTILL_S = 1.5
_STANDSTILL_GAPS = 2.5
_LEAST_POWER_W = 1.0
# Length of history before a window that is kept, from which the pace of counters is computed.
HISTORY_S = 15.0
# Samples of power that are further apart than this multiple of the usual distance leave a gap.
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
        self._failure: tuple[float, str] = (-math.inf, "")

    def append_break(self, from_s: float, to_s: float) -> None:
        """Notes that what was used between two instants is unknown, whatever samples say."""
        if self._gaps and from_s <= self._gaps[-1][1]:
            from_s, _ = self._gaps.pop()
        self._gaps.append((from_s, to_s))

    def note_failure(self, time_s: float, sentence: str) -> None:
        """Notes that the read at an instant failed."""
        self._failure = (time_s, sentence)

    def append(self, time_s: float, value: float, width_s: float = 0.0) -> None:
        """Adds a sample that was taken within `width_s` around an instant."""
        self._times.append(time_s)
        self._values.append(value)
        self._widths.append(width_s)

    @property
    def is_answering(self) -> bool:
        """Whether the last read of the channel gave a sample."""
        return not self.is_missing and self._failure[0] <= self.end_s

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
        if self.is_missing or self._failure[0] > max(end_s, self.end_s):
            return True
        if self.end_s < end_s + self.channel.averaged_s / 2:
            return False
        if self.channel.form != "cumulative_j":
            return True
        recent = slice(bisect.bisect_left(self._times, end_s - HISTORY_S), None)
        times, values = np.array(self._times[recent]), np.array(self._values[recent])
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
            failed_s, sentence = self._failure
            missing = f"{self.channel.source} has no samples around the window"
            raise UncoveredWindow(sentence if failed_s >= start_s else missing)
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
        # At either end a sample belongs to some instant within its read.
        ends = [bisect.bisect_right(self._times, start_s) - 1, bisect.bisect_left(self._times, end_s)]
        reads_j = [self._widths[end] / math.sqrt(12) * abs(energy_j) / (end_s - start_s) for end in ends]
        return Estimate(energy_j, math.hypot(uncertainty_j, *reads_j), samples)

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
        knots, energies, jitter_s = _update_points(times, values, np.array(self._widths))
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


def _update_points(times: Floats, values: Floats, widths_s: Floats) -> tuple[Floats, Floats, float]:
    """Instants at which a counter's value is known: (times, values, width of the uncertainty in s).

    A change is seen at the first read after it, so each update is known to lie between two reads. Where
    updates come at a steady pace the line through all of them places each far better than its own two
    reads do; where they do not, each stands in the middle of its reads.
    """
    changed = _changes(values)
    if _is_fast(values, changed):
        return times, values, 0.0
    before_s, after_s = (times - widths_s / 2)[changed - 1], (times + widths_s / 2)[changed]
    gaps, middles = after_s - before_s, (after_s + before_s) / 2
    width_s = float(np.median(gaps))
    steady = _steady(middles, gaps) if len(changed) >= _LEAST_FOR_PACE else None
    knots = middles if steady is None else steady
    if steady is not None:
        # The ends of a line are known half as well as its middle.
        width_s *= 2 / math.sqrt(len(changed))
    # The value before the first change is that of the update before it.
    previous_s = knots[0] - float(np.median(np.diff(knots)))
    return np.append(previous_s, knots), np.append(values[changed[0] - 1], values[changed]), width_s


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

    The pace is found over few updates and refined over some more at a time: a first guess is off by parts of
    a read, and over many updates that would number them wrong.
    """
    few = min(2 * _LEAST_FOR_PACE, len(middles))
    # Hardly ever do reads miss an update of a counter that is read faster than it is updated.
    line = _line(middles[:few], gaps[:few], np.arange(float(few)))
    while line is not None and few < len(middles):
        few = min(few + few // 8, len(middles))
        line = _line(middles[:few], gaps[:few], _numbers(middles[:few], line))
    return None if line is None else line[1] + line[0] * _numbers(middles, line)


def _line(middles: Floats, gaps: Floats, numbers: Floats) -> tuple[float, float] | None:
    """The pace of numbered updates and the instant of number 0, in seconds, by least squares; None where they
    are farther from their line than the gaps between reads explain."""
    # An update is known the better the closer its reads are.
    weights = 1 / np.maximum(gaps, 1e-9) ** 2
    weights /= weights.sum()
    for _ in range(2):
        if np.any(np.diff(numbers) < 1):
            return None
        number, middle_s = weights @ numbers, weights @ middles
        pace_s = float(
            weights @ ((numbers - number) * (middles - middle_s)) / (weights @ (numbers - number) ** 2)
        )
        line = (pace_s, float(middle_s - pace_s * number))
        numbers = _numbers(middles, line)
    apart = (middles - line[1] - pace_s * numbers) / np.maximum(gaps, 1e-9)
    most = _STEADY_GAPS * (1 + _STEADY_SCATTER / math.sqrt(len(middles)))
    return line if math.sqrt(float(np.mean(apart**2))) <= most else None


def _numbers(middles: Floats, line: tuple[float, float]) -> Floats:
    pace_s, first_s = line
    return np.round((middles - first_s) / pace_s)


def _gap_energy(knots: Floats, energies: Floats, instant_s: float) -> float:
    right = int(np.clip(np.searchsorted(knots, instant_s), 1, len(knots) - 1))
    return float(energies[right] - energies[right - 1])
