"""The meter for your own code: the energy of any block of Python."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType

from joules.errors import UserError
from joules.instrument.host.processes import WITH_THIS_PROCESS, Job
from joules.instrument.measurement import Measurement, Opening, close_segment, measure, open_segment
from joules.instrument.reading import RecordedProvenance, floor_power_w, primary
from joules.instrument.sampler import Sampler
from joules.instrument.source import Notice, Source
from joules.instrument.sources import discover


class Window:
    """A window of a `Meter`. It can be read after its end.

    Args:
        name: Name of the window.

    Raises:
        UserError: From every property except `name` while the window is open.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._measurement: Measurement | None = None

    @property
    def measurement(self) -> Measurement:
        """Everything that was measured in the window."""
        if self._measurement is None:
            raise UserError(f"window '{self.name}' is still open: read it after its end")
        return self._measurement

    @property
    def energy_j(self) -> float | None:
        """Energy of the whole machine in joules; None if the energy of a domain was not read."""
        return self.measurement.energy_j

    @property
    def uncertainty_j(self) -> float | None:
        """Standard uncertainty of `energy_j` in joules."""
        return self.measurement.uncertainty_j

    @property
    def energy_attributed_j(self) -> float | None:
        """Energy attributed to this process and its descendants, in joules; None if it is not known."""
        return self.measurement.energy_attributed_j

    @property
    def provenance(self) -> RecordedProvenance:
        """How `energy_j` was read, 'counter', 'sampled', 'modelled' or 'missing'."""
        return self.measurement.provenance

    @property
    def duration_s(self) -> float:
        """Length of the window in seconds."""
        return self.measurement.duration_s

    @property
    def cpu_s(self) -> float:
        """Processor time of this process and its descendants, in seconds."""
        return self.measurement.cpu_s

    @property
    def flags(self) -> list[str]:
        """Quality flags, each a keyword with its evidence."""
        return self.measurement.flags

    def __str__(self) -> str:
        return f"{self.name}: still open" if self._measurement is None else str(self._measurement)


class Meter:
    """Measures the energy of windows of this process and its descendants, from every source of the machine.

    Windows have names; they may nest and overlap. At both ends of a window the meter waits for work that
    PyTorch has queued on a GPU. The end of a window takes until its counters are updated: about 0.1 s on most
    GPUs, at most 4 s. A meter belongs to the process that made it; threads may share it.

    Args:
        idle_s: Idle time to measure now, in seconds. Energy above idle power is attributed to processes.
        floor_w: Minimum power of the whole machine, in watts. Default: 50 if a GPU is metered, otherwise 0.
        sources: Sources of energy. Default: all that this machine has.
        job: Processes that energy is attributed to. Default: this process and its descendants.
        without_gpu: Leave GPUs out, for example because one cannot be read.

    Attributes:
        idle_power_w: Power of the idle machine by domain, in watts; empty if `idle_s` is 0.

    Raises:
        UserError: If no energy can be read.

    Example:
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
        training: ... s of processor time...
    """

    def __init__(
        self,
        *,
        idle_s: float = 0.0,
        floor_w: float | None = None,
        sources: Sequence[Source] | None = None,
        job: Job = WITH_THIS_PROCESS,
        without_gpu: bool = False,
    ) -> None:
        found = discover(job, without_gpu=without_gpu)[0] if sources is None else sources
        self._sources = list(found)
        self._sampler = Sampler(self._sources)
        self._job = job
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._open: dict[str, Opening] = {}
        self._is_closed = False
        domains = [channel.domain for channel in self._sampler.channels]
        self._floor_power_w = floor_power_w(domains, floor_w)
        self._sampler.__enter__()
        self.idle_power_w = self._measure_idle_w(idle_s)

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def notices(self) -> list[Notice]:
        """What its sources say of themselves, such as parts of the machine that they cannot read."""
        return self._sampler.notices()

    def close(self) -> None:
        """Stops reading. Windows that are still open are lost; a second call does nothing."""
        if not self._is_closed and os.getpid() == self._pid:
            self._is_closed = True
            self._sampler.__exit__(None, None, None)

    def begin_window(self, name: str = "window") -> None:
        """Opens a window.

        Args:
            name: Name of the window.

        Raises:
            UserError: If a window of this name is open, or the meter cannot be used here (see `end_window`).
        """
        self._check_usable()
        _synchronize()
        with self._lock:
            if name in self._open:
                raise UserError(f"window '{name}' is already open: end it, or use another name")
            if not self._open:
                # Samples before the oldest open window are not needed any more.
                self._sampler.discard_before(self._sampler.now())
            self._open[name] = open_segment(self._sampler, job=self._job)

    def end_window(self, name: str = "window") -> Measurement:
        """Closes a window.

        Args:
            name: Name of the window.

        Returns:
            What was measured in it.

        Raises:
            UserError: If no window of this name is open, the meter is closed, or another process made it.
        """
        self._check_usable()
        _synchronize()
        with self._lock:
            if name not in self._open:
                known = ", ".join(f"'{other}'" for other in self._open) or "none"
                raise UserError(f"window '{name}' is not open (open: {known}): begin it first")
            opening = self._open.pop(name)
            segment = close_segment(self._sampler, self._sources, opening, job=self._job)
            self._sampler.flush()
            return measure(self._sampler, [segment], self.idle_power_w, self._floor_power_w, name)

    @contextlib.contextmanager
    def window(self, name: str = "window") -> Iterator[Window]:
        """Opens a window for the body of a `with` statement.

        Args:
            name: Name of the window.

        Yields:
            The window, which can be read after the body, even if the body raises.

        Raises:
            UserError: As `begin_window` and `end_window`.

        Example:
            >>> with Meter() as meter, meter.window("sum") as window:
            ...     total = sum(range(1_000_000))
            >>> window.energy_j is None or window.energy_j > 0
            True
        """
        window = Window(name)
        self.begin_window(name)
        try:
            yield window
        finally:
            window._measurement = self.end_window(name)

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise UserError(
                f"this meter belongs to process {self._pid}, not to its child {os.getpid()}: create a meter "
                "in the child, or begin and end the window in the parent"
            )
        if self._is_closed:
            raise UserError("this meter is closed: create another")

    def _measure_idle_w(self, idle_s: float) -> dict[str, float]:
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
    """Waits for work that PyTorch has queued on a GPU, if this process uses one. Imports nothing."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()
