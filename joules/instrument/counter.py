"""Energy of a hardware counter, used only while its steps are plausible."""

from __future__ import annotations

from collections.abc import Sequence

from joules.instrument.source import CounterGap

# Two views of one counter are not updated at the same instant.
_SKEW_S = 0.03


class Accumulator:
    """Sums the steps of one counter of joules from one read to the next.

    A step is refused, so that what was used is unknown, where it is more than the part can draw, where the
    counter may have wrapped unseen, where it was reset, and where it stands still.

    Args:
        name: The counter in messages.
        most_w: Greatest power of its part in watts.
        value_j: Its value now, in joules.
        now_s: The instant of that value (monotonic clock, seconds).
        ranges_j: Joules at which it wraps; several where only some possible ones are known, none where it
            never does.
        still_s: Seconds without a change after which it stands still.
        update_s: Seconds between two updates of the counter, at most.
    """

    def __init__(
        self,
        name: str,
        most_w: float,
        value_j: float,
        now_s: float,
        ranges_j: Sequence[float] = (),
        still_s: float = 0.25,
        update_s: float = 0.01,
    ) -> None:
        self.name = name
        self.most_w = most_w
        self.total_j = 0.0
        self._ranges_j = tuple(ranges_j)
        self._still_s = still_s
        self._update_s = update_s
        self.value_j, self.read_s, self._moved_s = value_j, now_s, now_s
        self._opened_s = now_s

    def add(self, value_j: float, now_s: float) -> None:
        """Adds what was counted since the last read.

        Args:
            value_j: The counter now, in joules.
            now_s: The instant of the read.

        Raises:
            CounterGap: where that is not known.
        """
        step_j, last_s, moved_s = value_j - self.value_j, self.read_s, self._moved_s
        self.value_j, self.read_s = value_j, now_s
        if step_j == 0:
            if now_s - moved_s > self._still_s:
                raise CounterGap(f"the counter of {self.name} stands still", moved_s)
            return
        self._moved_s = now_s
        elapsed_s = now_s - last_s
        most_j = self.most_w * (elapsed_s + self._update_s)
        if now_s - moved_s > self._still_s and elapsed_s <= self._still_s:
            raise CounterGap(f"the counter of {self.name} stood still for {now_s - moved_s:.1f} s", moved_s)
        if self._ranges_j and self.most_w * elapsed_s > min(self._ranges_j):
            raise CounterGap(
                f"{self.name} was not read for {elapsed_s:.1f} s: its counter may have wrapped unseen",
                last_s,
            )
        if step_j < 0:
            wrapped_j = [step_j + range_j for range_j in self._ranges_j if 0 <= step_j + range_j <= most_j]
            if not wrapped_j:
                raise CounterGap(
                    f"the counter of {self.name} was reset: the energy of that time is unknown", last_s
                )
            step_j = wrapped_j[0]
        elif step_j > most_j:
            raise CounterGap(
                f"the counter of {self.name} jumped by {step_j:.4g} J in {elapsed_s:.2g} s, "
                f"more than the {self.most_w:.4g} W that it can draw",
                last_s,
            )
        self.total_j += step_j

    def is_near(self, value_j: float, now_s: float) -> bool:
        """Whether a counter that reads `value_j` may be this one, which was read a moment ago.

        They are no further apart than twice what the part uses, by its mean power, in the time between the
        reads and `_SKEW_S`.
        """
        apart_j = abs(value_j - self.value_j)
        apart_j = min([apart_j, *(abs(apart_j - range_j) for range_j in self._ranges_j)])
        power_w = self.total_j / max(self.read_s - self._opened_s, self._update_s)
        return apart_j <= 2 * power_w * (now_s - self.read_s + _SKEW_S)
