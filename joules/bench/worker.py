"""The parent's side of one child process: its turns, its marks and its end."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from joules.bench import child
from joules.bench.marks import LONGEST_MARK, InvalidMark, Mark, parse_mark
from joules.bench.record import AfterWindow
from joules.bench.sentinel import time_sentinel_s
from joules.bench.window import FINISHED, Window
from joules.instrument.host.processes import Job, descendants, signal_processes
from joules.instrument.sampler import Sampler
from joules.instrument.segments import close_segment, open_segment
from joules.instrument.source import MACHINE, Channel, Source
from joules.study.design import Scalar
from joules.workload.session import Session

# Time that a process may take to end after its work.
END_TIMEOUT_S = 5.0

_UNMETERED_GPU = (
    "the workload uses a GPU whose energy cannot be read: use a GPU that reports its energy "
    "(see 'joules doctor'), or set CUDA_VISIBLE_DEVICES='' to use the processor"
)


class Worker:
    """One child process, from its start to its end. It works in turns and is stopped while paused.

    Args:
        context: Multiprocessing context of the fork server.
        job: Processes that the run is charged for.
        sampler: Reads the sources.
        sources: Sources of energy.
        experiment: Name of the experiment.
        parameters: Parameters of the arm.
        seed: Seed of the block.
        log: File for everything the workload prints.
        time_limit_s: Working time after which the child is killed, in seconds.
    """

    # Module of the experiment that is the workload, and class of its session.
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
        self.after: AfterWindow | None = None
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

    def run_turn(self, message: object = "go") -> bool:
        """Lets the child work until it pauses or ends.

        Args:
            message: Answer to the child's pause.

        Returns:
            Whether the child is paused; otherwise it has ended.
        """
        begun_s = time.monotonic()
        is_paused = False
        try:
            if self.window.segments:
                self._signal_processes(signal.SIGCONT)
                # Read the child's memory now, before its window opens.
                self._sampler.sample()
                self._pipe.send(message)
            is_paused = self._listen(begun_s + self._left_s)
        except InvalidMark as fault:
            self._process.kill()
            self.window.failure = f"the workload interfered with its measurement: {fault}"
        except (EOFError, ConnectionResetError, BrokenPipeError):
            pass
        except BaseException:
            # An interrupt must not leave a paused child behind.
            self.kill()
            raise
        if is_paused:
            self._signal_processes(signal.SIGSTOP)
            self._left_s -= time.monotonic() - begun_s
        else:
            self._end()
        return is_paused

    def kill(self) -> None:
        """Kills the child."""
        self._process.kill()
        self._process.join()

    def _listen(self, deadline_s: float) -> bool:
        """Handles marks until the child pauses (True) or has no more work (False)."""
        while True:
            if not self._pipe.poll(max(deadline_s - time.monotonic(), 0.0)):
                self._process.kill()
                self.window.failure = f"exceeded its time limit of {self._time_limit_s:g} s and was killed"
                return False
            mark = self._receive()
            self.window.check(mark, time.monotonic())
            match mark.name:
                case "devices":
                    if mark.data["gpu"] and not _reads_gpus(self._sampler.channels):
                        self._process.kill()
                        self.window.failure = _UNMETERED_GPU
                        return False
                case "ready":
                    self.sentinel_s = time_sentinel_s()
                    self._pipe.send("go")
                case "start":
                    self.window.opening = open_segment(self._sampler, mark.at_s, self._job)
                case "pause" | "end":
                    self._close_segment(mark)
                    if mark.name == "pause":
                        return True
                case _:
                    if mark.name in ("phase_start", "phase_end"):
                        self._sampler.sample()
                    self._add_mark(mark)
                    if mark.name in ("metrics", "failed"):
                        return False

    def _receive(self) -> Mark:
        try:
            return parse_mark(self._pipe.recv_bytes(LONGEST_MARK))
        except ConnectionError:
            raise
        except OSError:
            raise InvalidMark("what it sent is too long") from None

    def _close_segment(self, mark: Mark) -> None:
        assert self.window.opening is not None, "the window has checked that it is open"
        segment = close_segment(self._sampler, self._sources, self.window.opening, mark.at_s, self._job)
        self.window.close(segment, float(mark.data.get("progress", 1.0)))

    def _add_mark(self, mark: Mark) -> None:
        """Handles a mark that neither opens nor closes a segment."""
        self.window.add_mark(mark)

    def _end(self) -> None:
        self._process.join(END_TIMEOUT_S)
        if self._process.is_alive():
            self.kill()
        if self.window.is_closed:
            used_s = max(self._job.cpu_s() - self.window.segments[-1].closed.job_cpu_s, 0.0)
            self.after = AfterWindow(cpu_s=used_s, evaluation_cpu_s=self.window.evaluation_cpu_s)
        self.window.failure = self.window.failure or self._failure_of_exit()

    def _failure_of_exit(self) -> str | None:
        exit_code = self._process.exitcode
        if exit_code is not None and exit_code < 0:
            return f"the child was killed by {signal.Signals(-exit_code).name}"
        if exit_code != 0:
            return f"the child exited with status {exit_code}, see {self._log}"
        if not self.window.is_closed:
            return f"the child ended without closing its window, see {self._log}"
        if self.window.stage != FINISHED:
            return f"the child ended without reporting its results, see {self._log}"
        return None

    def _signal_processes(self, number: signal.Signals) -> None:
        """Sends a signal to the child and its descendants."""
        pid = self._process.pid
        signal_processes([pid, *descendants(pid)], number)


def _reads_gpus(channels: Sequence[Channel]) -> bool:
    return any(channel.domain.startswith("gpu") or channel.domain == MACHINE for channel in channels)
