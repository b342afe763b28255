"""A source that replays known power, so that readings can be compared with the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from joules.instrument.source import Channel, Source


class Replay(Source):
    """Delivers `value(t)` for each channel, with t in seconds on `clock`.

    A value function may raise SourceError to simulate a failed read.
    """

    def __init__(
        self,
        values: Mapping[Channel, Callable[[float], float]],
        period_s: float = 0.02,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._values = dict(values)
        self._clock = clock
        self.period_s = period_s

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(self._values)

    def read(self) -> Mapping[Channel, float]:
        now = self._clock()
        return {channel: value(now) for channel, value in self._values.items()}
