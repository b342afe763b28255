"""The parent's side of one child: its turns at the machine, its marks and its end."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from experiments.bench import child
from experiments.bench.sentinel import sentinel_s
from experiments.config import Scalar
from experiments.energy import contention
from experiments.energy.meter import Meter
from experiments.energy.source import Source
from experiments.energy.sources.nvml import GpuUse, use_of_gpus

# How long a process that has nothing more to do may take to end.
NOTHING_MORE_S = 5.0

_UNMETERED_GPU = (
    "the workload uses a GPU whose energy nothing reads: measure on a GPU that reports it (see `python -m "
    "experiments doctor`), or on the processor with CUDA_VISIBLE_DEVICES set to nothing"
)


@dataclass
class Stretch:
    """Part of a window: from its opening to a rest or the end. Times are instants of the monotonic clock."""

    start_s: float
    opened: contention.Snapshot
    end_s: float
    closed: contention.Snapshot
    gpus: list[GpuUse]


@dataclass
class Window:
    """What the marks of a child said: stretches of work, and what happened in them."""

    stretches: list[Stretch] = field(default_factory=list)
    phases: list[tuple[str, float, float]] = field(default_factory=list)
    steps: list[tuple[int, float]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    closed: bool = False
    # Share of the work done at the last rest, between 0 and 1.
    progress: float = 0.0
    _open: tuple[float, contention.Snapshot] | None = None
    _open_phases: list[tuple[str, float]] = field(default_factory=list)

    def take(self, name: str, at_s: float, data: dict[str, Any], sources: Sequence[Source]) -> None:
        """Notes one mark, right after it came."""
        if name == "start":
            self._open = at_s, contention.snapshot()
        elif name in ("rest", "end"):
            assert self._open is not None, "a window closes that never opened"
            start_s, opened = self._open
            gpus = use_of_gpus(sources, opened.wall_s)
            self.stretches.append(Stretch(start_s, opened, at_s, contention.snapshot(), gpus))
            self._open, self.closed = None, name == "end"
            self.progress = data.get("progress", 1.0)
        elif name == "phase_start":
            self._open_phases.append((data["name"], at_s))
        elif name == "phase_end":
            opened_name, opened_s = self._open_phases.pop()
            self.phases.append((opened_name, opened_s, at_s))
        elif name == "step":
            self.steps.append((data["index"], at_s))
        elif name == "metrics":
            self.metrics = data
        elif name == "failed":
            self.failure = data["reason"]

    @property
    def stretches_s(self) -> list[tuple[float, float]]:
        """Opening and close of every stretch."""
        return [(part.start_s, part.end_s) for part in self.stretches]

    def between(self, from_s: float, to_s: float) -> list[tuple[float, float]]:
        """The stretches of work between two instants."""
        clipped = [(max(start_s, from_s), min(end_s, to_s)) for start_s, end_s in self.stretches_s]
        return [(start_s, end_s) for start_s, end_s in clipped if start_s < end_s]

    def worked_s(self, at_s: float) -> float:
        """Seconds of work from the opening of the window to an instant."""
        return sum(end_s - start_s for start_s, end_s in self.between(float("-inf"), at_s))


class Worker:
    """One child, from its start to its end, working in turns. It is stopped while it rests."""

    def __init__(
        self,
        context: Any,
        meter: Meter,
        sources: Sequence[Source],
        experiment: str,
        parameters: dict[str, Scalar],
        seed: int,
        log: Path,
        time_limit_s: float,
    ) -> None:
        self.window = Window()
        self.sentinel_s: float | None = None
        self._meter = meter
        self._sources = sources
        self._log = log
        self._time_limit_s = self._left_s = time_limit_s
        self._pipe: Connection
        self._pipe, there = multiprocessing.Pipe()
        log.unlink(missing_ok=True)
        arguments = (there, experiment, parameters, seed, log.resolve())
        self._process = context.Process(target=child.work, args=arguments)
        self._process.start()
        there.close()

    def turn(self) -> bool:
        """Lets the child work until it rests, where the result is True, or has ended."""
        begun_s = time.monotonic()
        rests = False
        try:
            if self.window.stretches:
                self._each_process(psutil.Process.resume)
                # The child's memory is looked at now and not when its window opens.
                self._meter.sample()
                self._pipe.send("go")
            rests = self._listen(begun_s + self._left_s)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            pass
        except BaseException:
            # An interrupt must not leave a child behind that waits for its next turn.
            self.kill()
            raise
        if rests:
            self._each_process(psutil.Process.suspend)
            self._left_s -= time.monotonic() - begun_s
        else:
            self._end()
        return rests

    def kill(self) -> None:
        """Ends the child now."""
        self._process.kill()
        self._process.join()

    def _listen(self, deadline_s: float) -> bool:
        while True:
            if not self._pipe.poll(max(deadline_s - time.monotonic(), 0.0)):
                self._process.kill()
                self.window.failure = f"exceeded its limit of {self._time_limit_s:g} s and was killed"
                return False
            name, at_s, data = self._pipe.recv()
            if name == "devices":
                if data["gpu"] and not any(c.domain.startswith("gpu") for c in self._meter.channels):
                    self._process.kill()
                    self.window.failure = _UNMETERED_GPU
                    return False
                continue
            if name == "ready":
                self.sentinel_s = sentinel_s()
                self._pipe.send("go")
                continue
            if name in ("start", "rest", "end", "phase_start", "phase_end"):
                self._meter.sample()
            self.window.take(name, at_s, data, self._sources)
            if name == "rest":
                return True

    def _end(self) -> None:
        self._process.join(NOTHING_MORE_S)
        if self._process.is_alive():
            self.kill()
        self.window.failure = self.window.failure or self._failure_of_exit()

    def _failure_of_exit(self) -> str | None:
        exit_code = self._process.exitcode
        if exit_code is not None and exit_code < 0:
            return f"the child was killed by {signal.Signals(-exit_code).name}"
        if exit_code != 0:
            return f"the child exited with status {exit_code}, see {self._log}"
        if not self.window.closed:
            return f"the child ended without closing its window, see {self._log}"
        return None

    def _each_process(self, act: Callable[[psutil.Process], None]) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            whole = psutil.Process(self._process.pid)
            for process in [whole, *whole.children(recursive=True)]:
                act(process)
