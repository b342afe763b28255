"""The functions that a workload calls while it is metered."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

Send = Callable[[tuple[str, float, dict[str, Any]]], None]


class Session:
    """Marks the course of a run.

    Each mark carries an instant of the monotonic clock, taken after the device has finished its queued work.

    Args:
        send: Sends a mark to the parent: its name, its instant in seconds, its data.
        wait: Waits for the parent's answer.
        synchronize: Waits until the device has finished.

    Example:
        >>> def run(network, session):
        ...     with session.phase("training"):
        ...         for step in range(1000):
        ...             network.train_step()
        ...             if step % 100 == 0:
        ...                 session.step(step)
        ...     return {"loss": network.loss()}
    """

    def __init__(self, send: Send, wait: Callable[[], object], synchronize: Callable[[], None]) -> None:
        self._send = send
        self._wait = wait
        self._synchronize = synchronize

    def _mark(self, mark: str, /, **data: Any) -> None:
        self._synchronize()
        self._send((mark, time.monotonic(), data))

    def ready(self) -> None:
        """Says that set-up and warm-up are over, and waits until the parent has checked the machine."""
        self._mark("ready")
        self._wait()

    @contextlib.contextmanager
    def window(self) -> Iterator[None]:
        """Opens the metered window for the body."""
        self._mark("start")
        yield
        self._mark("end")

    def pause(self, progress: float, warm_up: Callable[[], object]) -> None:
        """Pauses this run so that the other arms of the block can work, until its next turn.

        The window is closed meanwhile. Short turns, spread over the block, share out a slowdown of the
        machine that lasts seconds: it does not hit one arm alone. Call it outside every phase.

        Args:
            progress: Share of the work done so far, from 0 to 1.
            warm_up: Called after the pause, before the window is opened again.
        """
        self._mark("pause", progress=progress)
        self._wait()
        warm_up()
        self._mark("start")

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Marks the body as a named part of the window; phases may nest.

        Args:
            name: Name of the phase; its energy is recorded under this name.
        """
        self._mark("phase_start", name=name)
        yield
        self._mark("phase_end", name=name)

    def step(self, index: int) -> None:
        """Marks a numbered instant within the window; cheap enough for every hundred optimiser steps.

        Args:
            index: Number of the step, such as the optimiser's.
        """
        self._mark("step", index=index)

    def metrics(self, values: dict[str, Any]) -> None:
        """Reports results of the run.

        Args:
            values: Results by name, any JSON values.
        """
        self._mark("metrics", **values)
