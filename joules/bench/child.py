"""The child process that runs one arm."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import math
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from joules.bench.marks import format_mark
from joules.workload.session import Session

_PR_SET_PDEATHSIG = 1
_TASKS = Path("/proc/self/task")
# With a thread id above it, the id of that thread's clock (clock_getcpuclockid(3), as glibc makes it).
_CPUCLOCK_THREAD = 6
# Numbers for each thread: PyTorch divides no fewer than 32,768 (at::internal::GRAIN_SIZE).
_LEAST_SHARED = 2**17


def work(
    connection: Connection,
    experiment: str,
    parameters: dict[str, Any],
    seed: int,
    log: Path,
    part: str,
    session_class: type[Session],
) -> None:
    """Builds a workload, runs it in the metered window, evaluates it, and reports over the connection.

    A failure is reported as the mark 'failed' with its message; the traceback goes to the log.

    Args:
        connection: Pipe to the parent.
        experiment: Name of the experiment.
        parameters: Parameters of the arm.
        seed: Seed of the block.
        log: File for everything the workload prints.
        part: Module of the experiment that is the workload.
        session_class: Class of the session that the workload gets.
    """
    _end_with_bench()
    _redirect_output(log)

    def send(mark: tuple[str, float, dict[str, Any]]) -> None:
        connection.send_bytes(format_mark(*mark))

    session = session_class(send, connection.recv, _synchronizer())
    try:
        given = _threads()
        workload = importlib.import_module(f"experiments.{experiment}.{part}")
        prepared = workload.build(parameters, seed)
        send(("devices", time.monotonic(), {"gpu": _uses_gpu()}))
        session.ready()
        with session.window():
            returned = workload.run(prepared, session)
        results = _check_results("run", returned)
        peaks = _peak_memory_bytes()
        asked = _threads()
        at_work, cpu_s = _time_call(count_working_threads)
        send(("threads", time.monotonic(), {"given": given, "asked": asked, "at_work": at_work}))
        if hasattr(workload, "evaluate"):
            evaluated, evaluation_cpu_s = _time_call(lambda: workload.evaluate(prepared))
            results |= _check_results("evaluate", evaluated)
            cpu_s += evaluation_cpu_s
        send(("evaluated", time.monotonic(), {"cpu_s": cpu_s}))
        session.metrics(results | peaks)
    except Exception as fault:
        traceback.print_exc()
        reason = f"{type(fault).__name__}: {fault}".encode("utf-8", "backslashreplace").decode()
        send(("failed", time.monotonic(), {"reason": reason}))
    connection.close()


def _end_with_bench() -> None:
    """Asks the kernel to kill this process when the bench ends, so that no orphan disturbs the next run.

    The parent of this process is the fork server, which ends when no process holds the bench's end of a pipe.
    Each child inherits that end and must close it: a paused child would keep it open for ever.
    """
    alive_fd = forkserver._forkserver._forkserver_alive_fd  # type: ignore[attr-defined]
    if alive_fd is not None:
        os.close(alive_fd)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _redirect_output(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def _uses_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _synchronizer() -> Callable[[], None]:
    import torch

    def synchronize() -> None:
        if _uses_gpu():
            torch.cuda.synchronize()

    return synchronize


def _peak_memory_bytes() -> dict[str, int]:
    import torch

    peaks = {"peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if _uses_gpu():
        peaks["peak_gpu_memory_bytes"] = torch.cuda.max_memory_allocated()
    return peaks


def _check_results(function: str, results: Any) -> dict[str, Any]:
    """Returns what a workload has returned.

    Raises:
        TypeError, ValueError: If it is not results by name, or JSON cannot hold one of them.
    """
    if not isinstance(results, dict) or not all(isinstance(name, str) for name in results):
        raise TypeError(f"{function} returned {type(results).__name__}: return results by name, as a dict")
    for name, value in results.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}; the run diverged")
        try:
            format_mark("metrics", 0.0, {name: value})
        except (TypeError, ValueError, RecursionError) as fault:
            raise TypeError(
                f"result '{name}' is not JSON ({fault}): return finite Python numbers, text, lists and dicts"
            ) from None
    return results


def _threads() -> int:
    """Threads that PyTorch divides its work among."""
    import torch

    return int(torch.get_num_threads())


def count_working_threads() -> int:
    """Counts the threads of this process that work when PyTorch divides work; 0 if that is unknown."""
    import torch

    if not _TASKS.exists():
        return 0
    shared = torch.ones(torch.get_num_threads() * _LEAST_SHARED)
    # Threads that have worked before wait for more, busily, for some milliseconds.
    time.sleep(0.05)
    before_s = _clocks_s()
    for _ in range(10):
        shared.sin_()
    used_s = [clock_s - before_s.get(task, 0.0) for task, clock_s in _clocks_s().items()]
    return sum(each_s > max(used_s) / 10 for each_s in used_s)


def _clocks_s() -> dict[str, float]:
    """Processor time in seconds of each thread of this process."""
    clocks_s = {}
    for task in _TASKS.iterdir():
        with contextlib.suppress(OSError):
            clocks_s[task.name] = time.clock_gettime(~int(task.name) << 3 | _CPUCLOCK_THREAD)
    return clocks_s


def _time_call(function: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and its processor time in seconds, without that of threads left by `run`."""
    left_s, before_s = _threads_cpu_s(), _cpu_s()
    returned = function()
    used_s, now_s = _cpu_s() - before_s, _threads_cpu_s()
    return returned, max(used_s - sum(now_s.get(thread, at_s) - at_s for thread, at_s in left_s.items()), 0.0)


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _threads_cpu_s() -> dict[int, float]:
    """Processor time of the other threads that Python has started, by their id (Linux; elsewhere none)."""
    cpu_s = {}
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        # Not by the clock of the thread: its id may be that of one that has ended.
        with contextlib.suppress(OSError):
            spent_ns = (_TASKS / f"{thread.native_id}" / "schedstat").read_text().split()[0]
            cpu_s[thread.native_id or 0] = int(spent_ns) / 1e9
    return cpu_s
