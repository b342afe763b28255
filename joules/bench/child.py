"""The child process that runs one arm."""

from __future__ import annotations

import ctypes
import importlib
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from joules.workload.session import Session

_PR_SET_PDEATHSIG = 1


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
    session = session_class(connection.send, connection.recv, _synchronizer())
    try:
        workload = importlib.import_module(f"experiments.{experiment}.{part}")
        prepared = workload.build(parameters, seed)
        connection.send(("devices", 0.0, {"gpu": _uses_gpu()}))
        session.ready()
        with session.window():
            results = workload.run(prepared, session)
        results |= _peak_memory_bytes()
        if hasattr(workload, "evaluate"):
            results |= workload.evaluate(prepared)
        _refuse_non_finite(results)
        session.metrics(results)
    except Exception as fault:
        traceback.print_exc()
        connection.send(("failed", 0.0, {"reason": f"{type(fault).__name__}: {fault}"}))
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


def _refuse_non_finite(results: dict[str, Any]) -> None:
    for name, value in results.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}; the run diverged")
