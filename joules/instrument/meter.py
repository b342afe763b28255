"""The meter for one's own code: joules of any block of Python, read while it runs."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from joules.errors import UserError
from joules.instrument.host.processes import WITH_THIS_PROCESS, Job
from joules.instrument.measurement import Measurement, Opening, close_segment, measure, open_segment
from joules.instrument.reading import floor_power_w, primary
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source
from joules.instrument.sources import discover


class WindowReading:
    """What a window of a meter reads: after its end, everything that a `Measurement` has."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._measurement: Measurement | None = None

    @property
    def measurement(self) -> Measurement:
        """Raises UserError while the window is open."""
        if self._measurement is None:
            raise UserError(f"the window '{self.name}' is still open: read it after its end")
        return self._measurement

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self.measurement, attribute)

    def __str__(self) -> str:
        return f"{self.name}: still open" if self._measurement is None else str(self._measurement)


class Meter:
    """Meters windows of this process and its descendants on every source that the machine has.

    Windows have names, may nest and may overlap:

    >>> from joules import Meter
    >>> with Meter() as meter:
    ...     meter.begin_window("training")
    ...     with meter.window("epoch") as epoch:
    ...         total = sum(number * number for number in range(100_000))
    ...     training = meter.end_window("training")
    >>> epoch.energy_j <= training.energy_j
    True
    >>> training.provenance in ("counter", "sampled", "modelled")
    True
    >>> print(training)  # doctest: +ELLIPSIS
    training: ... J ... (...), ... s of processor time...

    Work that PyTorch has put on a GPU is waited for at both ends of a window. Where energy is read from
    counters, the end of a window takes up to 0.3 s, until they have been updated.

    `idle_s` are seconds of rest that are measured at the start, so that counted energy can be divided above
    rest. `floor_w` is the least power of the whole machine in watts (default: 50 where a GPU is metered, 0
    elsewhere). `sources` replaces what the machine has. `job` are the processes whose share is told.

    A meter belongs to the process that made it; threads may share it. Raises UserError where nothing can be
    read, and at a window that was not begun, is begun twice or belongs to another process.
    """

    def __init__(
        self,
        *,
        idle_s: float = 0.0,
        floor_w: float | None = None,
        sources: Sequence[Source] | None = None,
        job: Job = WITH_THIS_PROCESS,
    ) -> None:
        self._sources = list(discover(job)[0] if sources is None else sources)
        self._sampler = Sampler(self._sources)
        self._job = job
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._open: dict[str, Opening] = {}
        self._closed = False
        domains = [channel.domain for channel in self._sampler.channels]
        self._floor_power_w = floor_power_w(domains, floor_w)
        self._sampler.__enter__()
        self.idle_power_w = self._rest(idle_s)

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops reading; windows that are still open are lost. A second call does nothing."""
        if not self._closed and os.getpid() == self._pid:
            self._closed = True
            self._sampler.__exit__(None, None, None)

    def begin_window(self, name: str = "window") -> None:
        """Opens a window. Raises UserError where one of this name is open."""
        self._check_alive()
        _synchronize()
        with self._lock:
            if name in self._open:
                raise UserError(
                    f"the window '{name}' is open already: end it, or give the other a name of its own"
                )
            if not self._open:
                # What was read before the oldest open window is not needed again.
                self._sampler.discard_before(self._sampler.now())
            self._open[name] = open_segment(self._sampler, job=self._job)

    def end_window(self, name: str = "window") -> Measurement:
        """Closes a window and tells its energy. Raises UserError where none of this name is open."""
        self._check_alive()
        _synchronize()
        with self._lock:
            if name not in self._open:
                known = ", ".join(f"'{other}'" for other in self._open) or "none"
                raise UserError(f"no window '{name}' is open (open: {known}): begin it first")
            opening = self._open.pop(name)
            segment = close_segment(self._sampler, self._sources, opening, job=self._job)
            self._sampler.flush()
            return measure(self._sampler, [segment], self.idle_power_w, self._floor_power_w, name)

    @contextlib.contextmanager
    def window(self, name: str = "window") -> Iterator[WindowReading]:
        """A window around the body. What it yields can be read after the body, also where that raised."""
        window = WindowReading(name)
        self.begin_window(name)
        try:
            yield window
        finally:
            window._measurement = self.end_window(name)

    def _check_alive(self) -> None:
        if os.getpid() != self._pid:
            raise UserError(
                f"this meter belongs to process {self._pid} and reads nothing in its child {os.getpid()}: "
                "make a meter in the child, or begin and end the window in the parent"
            )
        if self._closed:
            raise UserError("this meter was closed: make another")

    def _rest(self, idle_s: float) -> dict[str, float]:
        """Power at rest by domain in watts; empty where no rest was asked for."""
        if idle_s <= 0:
            return {}
        start_s = self._sampler.now()
        time.sleep(idle_s)
        end_s = self._sampler.now()
        self._sampler.flush()
        return {
            reading.domain: reading.energy_j / (end_s - start_s)
            for reading in primary(self._sampler.readings(start_s, end_s))
            if reading.energy_j is not None
        }


def _synchronize() -> None:
    """Waits for what PyTorch has put on a GPU, where this process uses one. Imports nothing."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()
