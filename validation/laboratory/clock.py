"""Clock of the laboratory, which the tests set and the simulated driver also reads."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from pathlib import Path

# Unix time at second 0 of the laboratory.
EPOCH_S = 1_700_000_000.0


class Clock:
    """A clock that is set by the test and notifies simulated hardware of every change.

    Its time is a double in `file`, where the simulated driver reads it.
    """

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(8))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 8)
        self._moved: list[Callable[[float], None]] = []
        self.set(0.0)

    def __call__(self) -> float:
        """Seconds of the laboratory."""
        return float(struct.unpack("d", self._memory[:8])[0])

    def unix_s(self) -> float:
        """Seconds of the Unix clock."""
        return EPOCH_S + self()

    def drive(self, move: Callable[[float], None]) -> None:
        """Call `move` with the current time now and after every change."""
        self._moved.append(move)
        move(self())

    def set(self, at_s: float) -> None:
        self._memory[:8] = struct.pack("d", at_s)
        for move in self._moved:
            move(at_s)
