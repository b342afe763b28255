"""Load of the machine's processors."""

from __future__ import annotations

import psutil


class LoadMeter:
    """Load of the whole machine, 0 to 1, since the previous read. Stolen time counts as busy."""

    def __init__(self) -> None:
        self._last = psutil.cpu_times()

    def read(self) -> float:
        now, last = psutil.cpu_times(), self._last
        self._last = now
        whole_s = _whole_s(now) - _whole_s(last)
        if whole_s <= 0:
            return 0.0
        idle_s = sum(getattr(now, name, 0.0) - getattr(last, name, 0.0) for name in ("idle", "iowait"))
        return min(max(1 - idle_s / whole_s, 0.0), 1.0)


def _whole_s(times: object) -> float:
    # The kernel counts a guest's time in that of its host's user already.
    return sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)  # type: ignore[call-overload]
