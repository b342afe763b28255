"""The parent's side of one child: its turns at the machine, its marks and its end."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from joules.bench import child
from joules.bench.sentinel import sentinel_s
from joules.bench.window import Window
from joules.instrument.host.processes import Job
from joules.instrument.measurement import close_stretch, open_stretch
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source
from joules.study.design import Scalar
from joules.workload.session import Session

# How long a process that has nothing more to do may take to end.
NOTHING_MORE_S = 5.0

_UNMETERED_GPU = (
    "the workload uses a GPU whose energy nothing reads: measure on a GPU that reports it "
    "(see `joules doctor`), or on the processor with CUDA_VISIBLE_DEVICES set to nothing"
)


class Worker:
    """One child, from its start to its end, working in turns. It is stopped while it rests."""

    # The module of the experiment that the child runs, and what that calls while it is metered.
    part: str = "workload"
    session_class: type[Session] = Session

    def __init__(
        self,
        context: Any,
        job: Job,
        sampler: Sampler,
        sources: Sequence[Source],
        experiment: str,
        parameters: dict[str, Scalar],
        seed: int,
        log: Path,
        time_limit_s: float,
    ) -> None:
        self.window = Window()
        self.sentinel_s: float | None = None
        self._job = job
        self._sampler = sampler
        self._sources = sources
        self._log = log
        self._time_limit_s = self._left_s = time_limit_s
        self._pipe: Connection
        self._pipe, there = multiprocessing.Pipe()
        log.unlink(missing_ok=True)
        arguments = (there, experiment, parameters, seed, log.resolve(), self.part, self.session_class)
        self._process = context.Process(target=child.work, args=arguments)
        self._process.start()
        there.close()

    def turn(self, message: object = "go") -> bool:
        """Lets the child work until it rests, where the result is True, or has ended. `message` is what it is
        woken with."""
        begun_s = time.monotonic()
        rests = False
        try:
            if self.window.stretches:
                self._each_process(psutil.Process.resume)
                # The child's memory is looked at now and not when its window opens.
                self._sampler.sample()
                self._pipe.send(message)
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
                if data["gpu"] and not any(c.domain.startswith("gpu") for c in self._sampler.channels):
                    self._process.kill()
                    self.window.failure = _UNMETERED_GPU
                    return False
                continue
            if name == "ready":
                self.sentinel_s = sentinel_s()
                self._pipe.send("go")
                continue
            if name == "start":
                self.window.opening = open_stretch(self._sampler, at_s, self._job)
            elif name in ("rest", "end"):
                assert self.window.opening is not None, "a window closes that never opened"
                stretch = close_stretch(self._sampler, self._sources, self.window.opening, at_s, self._job)
                self.window.close(stretch, data.get("progress", 1.0), at_end=name == "end")
                if name == "rest":
                    return True
            else:
                if name in ("phase_start", "phase_end"):
                    self._sampler.sample()
                self._take(name, at_s, data)

    def _take(self, name: str, at_s: float, data: dict[str, Any]) -> None:
        """Notes a mark that neither opens nor closes a stretch."""
        self.window.take(name, at_s, data)

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
