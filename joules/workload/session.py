"""The child's side of the bench: what a workload calls while it is metered."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

Send = Callable[[tuple[str, float, dict[str, Any]]], None]


class Session:
    """Marks the course of a run. Every mark carries an instant of the monotonic clock taken after
    the device has finished what was asked of it."""

    def __init__(self, send: Send, wait: Callable[[], object], synchronize: Callable[[], None]) -> None:
        self._send = send
        self._wait = wait
        self._synchronize = synchronize

    def _mark(self, mark: str, /, **data: Any) -> None:
        self._synchronize()
        self._send((mark, time.monotonic(), data))

    def ready(self) -> None:
        """Set-up and warm-up are over; the parent looks at the machine before the window opens."""
        self._mark("ready")
        self._wait()

    @contextlib.contextmanager
    def window(self) -> Iterator[None]:
        """The stretch whose energy is the run's."""
        self._mark("start")
        yield
        self._mark("end")

    def rest(self, progress: float, warm: Callable[[], object]) -> None:
        """Leaves the machine to the other arms of the block, outside every phase.

        The window is closed until the child's next turn, and opened again after `warm` has been called.
        `progress` is the share of the work done so far. Spreading a run over its block in turns keeps
        what slows the machine for seconds from falling on one arm alone.
        """
        self._mark("rest", progress=progress)
        self._wait()
        warm()
        self._mark("start")

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A named stretch within the window; phases may nest."""
        self._mark("phase_start", name=name)
        yield
        self._mark("phase_end", name=name)

    def step(self, index: int) -> None:
        """A numbered instant within the window, cheap enough for every hundred optimiser steps."""
        self._mark("step", index=index)

    def metrics(self, values: dict[str, Any]) -> None:
        """Results of the run, any JSON values."""
        self._mark("metrics", **values)
