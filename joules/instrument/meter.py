"""The meter for your own code: the energy of any block of Python."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from joules.errors import UserError
from joules.instrument.calls import Function, name_of, wrap_calls
from joules.instrument.host.contention import Contention, between, snapshot
from joules.instrument.host.node import MachineClaim, local_rank
from joules.instrument.host.processes import WITH_THIS_PROCESS, Job
from joules.instrument.measurement import Measurement
from joules.instrument.reading import floor_power_w, primary
from joules.instrument.sampler import Sampler
from joules.instrument.segments import close_segment, observe, open_segment
from joules.instrument.source import Notice, Source
from joules.instrument.sources import discover
from joules.instrument.sources.other_meter import OtherRank, SecondMeter
from joules.instrument.window import Window, Windows

if TYPE_CHECKING:
    from joules.instrument.repeats import Repeats


class Meter:
    """Measures the energy of windows of this process and its descendants, from every source of the machine.

    Windows have names, which may repeat; they may nest and overlap. At both ends of a window the meter waits
    for work that PyTorch has queued on a GPU. The end of a window takes until its counters are updated: about
    0.1 s on most GPUs, at most 4 s. A meter belongs to the process that made it; threads and tasks may share
    it.

    Of the processes that a launcher (torchrun, MPI, Slurm) starts on a node, rank 0 reads the machine; the
    energy of the others is missing. A meter warns if another process of this user meters the machine already.

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
        ...     training = meter.begin_window("training")
        ...     with meter.window("epoch") as epoch:
        ...         total = sum(number * number for number in range(100_000))
        ...     _ = meter.end_window(training)
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
        self._claim: MachineClaim | None = None
        self._sources = list(sources) if sources is not None else self._open_sources(job, without_gpu)
        self._sampler = Sampler(self._sources)
        self._job = job
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._open: list[Window] = []
        self._flushing: list[Window] = []
        self._ended: list[Window] = []
        self._is_closed = False
        domains = [channel.domain for channel in self._sampler.channels]
        self._floor_power_w = floor_power_w(domains, floor_w)
        self._sampler.__enter__()
        self._idle_use: Contention | None = None
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
            if self._claim is not None:
                self._claim.close()

    @property
    def windows(self) -> Windows:
        """Windows that have ended, in the order of their ends."""
        with self._lock:
            return Windows(self._ended)

    def begin_window(self, name: str = "window") -> Window:
        """Opens a window.

        Args:
            name: Name of the window.

        Returns:
            The window, to be ended by `end_window`.

        Raises:
            UserError: If the meter cannot be used here (see `end_window`).
        """
        return self.window(name).__enter__()

    def end_window(self, window: Window | str = "window") -> Measurement:
        """Closes a window.

        Args:
            window: What `begin_window` returned, or the name of a window: of several that are open under
                this name, the last one that was opened is closed.

        Returns:
            What was measured in it.

        Raises:
            UserError: If no such window is open, the meter is closed, or another process made it.
        """
        return self.close_window(window).measurement

    def window(self, name: str = "window") -> Window:
        """A window for a `with` or `async with` statement, or for `begin_window`.

        Args:
            name: Name of the window.

        Returns:
            The window. It is measured even if the body raises, and can be read after it.

        Raises:
            UserError: As `begin_window` and `end_window`.

        Example:
            >>> with Meter() as meter, meter.window("sum") as window:
            ...     total = sum(range(1_000_000))
            >>> window.energy_j is None or window.energy_j > 0
            True
        """
        return Window(self, name)

    def measure(self, name: str | None = None) -> Callable[[Function], Function]:
        """Makes a decorator that measures every call of a function, a coroutine or a generator.

        The window of a coroutine or of a generator is open from its first step to its end, also while others
        work in between.

        Args:
            name: Name of the windows. Default: that of the function.

        Returns:
            The decorator.

        Example:
            >>> meter = Meter()
            >>> @meter.measure("sum")
            ... def add(count):
            ...     return sum(range(count))
            >>> add(10)
            45
            >>> [window.name for window in meter.windows]
            ['sum']
            >>> meter.close()
        """

        def decorate(function: Function) -> Function:
            return wrap_calls(function, lambda: self.window(name or name_of(function)))

        return decorate

    def profile(
        self,
        function: Callable[[], object],
        *,
        name: str | None = None,
        within: float = 0.02,
        budget_s: float = 60.0,
        warm_ups: int = 1,
    ) -> Repeats:
        """Repeats a function until its energy and its time are known with a precision.

        Args:
            function: What to repeat.
            name: Name of the windows. Default: that of the function.
            within: Aim: half of the 95 % interval of the mean, as a share of the mean.
            budget_s: Time after which no further repeat begins, in seconds.
            warm_ups: Calls before the first that is measured.

        Returns:
            All repeats, with mean and interval.

        Raises:
            UserError: If the energy of a domain cannot be read.
        """
        from joules.instrument.repeats import Precision, repeat_in_blocks

        named = name or name_of(function)

        def measure_once(_index: int) -> Measurement:
            with self.window(named) as window:
                function()
            return window.measurement

        for _ in range(warm_ups):
            function()
        return repeat_in_blocks([named], measure_once, Precision(within, budget_s))[0]

    def _find_open(self, window: Window | str) -> Window:
        for each in reversed(self._open):
            if each is window or each.name == window:
                return each
        name = window.name if isinstance(window, Window) else window
        known = ", ".join(f"'{other.name}'" for other in self._open) or "none"
        raise UserError(f"window '{name}' is not open (open: {known}): begin it first")

    def open_window(self, window: Window) -> None:
        """Opens a window that `window` made; see `begin_window`.

        Args:
            window: The window.

        Raises:
            UserError: If the window was opened before, or the meter cannot be used here.
        """
        self._check_usable()
        if window._opening is not None:
            raise UserError(f"window '{window.name}' was opened before: create another")
        _synchronize()
        with self._lock:
            if not self._open and not self._flushing:
                # Samples before the oldest open window are not needed any more.
                self._sampler.discard_before(self._sampler.now())
            window._opening = open_segment(self._sampler, job=self._job)
            self._open.append(window)

    def close_window(self, window: Window | str) -> Window:
        """Closes a window, which computes its measurement when it is first asked for; see `end_window`.

        Args:
            window: The window, or its name.

        Returns:
            The window.

        Raises:
            UserError: As `end_window`.
        """
        self._check_usable()
        _synchronize()
        with self._lock:
            ended = self._find_open(window)
            assert ended._opening is not None
            segment = close_segment(self._sampler, self._sources, ended._opening, job=self._job)
            self._open.remove(ended)
            self._flushing.append(ended)
        self._sampler.flush()
        observation = observe(
            self._sampler, [segment], self.idle_power_w, self._floor_power_w, ended.name, self._idle_use
        )
        with self._lock:
            ended._observation = observation
            self._flushing.remove(ended)
            self._ended.append(ended)
        return ended

    def _open_sources(self, job: Job, without_gpu: bool) -> list[Source]:
        rank = local_rank()
        if rank is not None and rank[0] > 0:
            return [OtherRank(*rank)]
        self._claim = MachineClaim()
        found = discover(job, without_gpu=without_gpu)[0]
        if self._claim.other is None:
            return found
        second = SecondMeter(self._claim.other)
        warnings.warn(str(second.notices()[0]), stacklevel=3)
        return [*found, second]

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
        opened = snapshot(self._job)
        start_s = self._sampler.now()
        time.sleep(idle_s)
        end_s = self._sampler.now()
        self._idle_use = between(opened, snapshot(self._job))
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
