"""Steps of a build in forks of one process that has imported their libraries, which takes seconds.

A build starts the process and names it to its steps by the variable `ADDRESS`. A step that does not reach it,
such as on another node, imports by itself. Code of the repository is imported by each step.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from joules.cli.failures import print_error
from joules.cli.process import fix_arithmetic

ADDRESS = "JOULES_FORKS"
_LIBRARIES = ("yaml", "pydantic", "pandas", "scipy.stats", "matplotlib.pyplot", "statannotations.Annotator")
_SERVE = "from joules.cli import forks, main; forks.serve(main)"
# What a fork answers before it starts.
_STARTED = b"+"


def start_process() -> None:
    """Starts the process for the steps that this one starts. It ends with this one."""
    if sys.platform != "linux":
        return
    folder = tempfile.mkdtemp(prefix="joules-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = f"{folder}/steps"
    listener = socket.socket(socket.AF_UNIX)
    # A path may be longer than the address of a socket: steps import by themselves.
    with listener, contextlib.suppress(OSError):
        listener.bind(address)
        listener.listen()
        number = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
            pass_fds=[number],
        )
        # It closes standard input and waits.
        atexit.register(process.communicate)
        os.environ[ADDRESS] = address


def run_in_fork(arguments: Sequence[str]) -> int | None:
    """Runs a command line in a fork of the process that a build has started.

    Returns:
        The exit status, or None if there is no such process.
    """
    address = os.environ.get(ADDRESS)
    if address is None:
        return None
    environment = {name: value for name, value in os.environ.items() if name != ADDRESS}
    ended, alive = os.pipe()
    with socket.socket(socket.AF_UNIX) as connection, os.fdopen(alive, "wb"):
        try:
            with os.fdopen(ended, "rb"):
                connection.connect(address)
                socket.send_fds(connection, [_STARTED], [0, 1, 2, ended])
            request = {"arguments": list(arguments), "folder": str(Path.cwd()), "environment": environment}
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            if connection.recv(1) != _STARTED:
                return None
        except OSError:
            return None
        # An interrupt reaches the fork too, which reports it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        status = connection.recv(16)
    if not status:
        print_error("the process of this step was killed, probably out of memory: free memory and retry")
    return int(status or 1)


def serve(run: Callable[[Sequence[str]], int]) -> None:
    """Forks for each connection until standard input is closed.

    Args:
        run: runs a command line and returns its exit status.
    """
    listener = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    has_libraries = False
    while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
        with listener.accept()[0] as connection:
            _, files, _, _ = socket.recv_fds(connection, len(_STARTED), 4)
            request = json.loads(b"".join(iter(lambda: connection.recv(2**16), b"")))
            if not has_libraries:
                # Not before the first step, so that a measurement has nothing beside it.
                os.environ.update(request["environment"])
                _import_libraries()
                has_libraries = True
            if os.fork() == 0:
                listener.close()
                _answer(connection, files, request["folder"], request["environment"])
                connection.sendall(b"%d" % _run(run, request["arguments"]))
                os._exit(0)
            for number in files:
                os.close(number)
        _await_forks(os.WNOHANG)
    _await_forks(0)
    shutil.rmtree(Path(listener.getsockname()).parent, ignore_errors=True)


def _await_forks(options: int) -> None:
    """Waits for forks that have ended, or without options for all."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


def _import_libraries() -> None:
    fix_arithmetic()
    os.environ["MPLBACKEND"] = "agg"
    for name in _LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def _answer(
    connection: socket.socket, files: Sequence[int], folder: str, environment: dict[str, str]
) -> None:
    """Makes a fork what the process of the step is, and ends it when that one ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    *streams, ended = files
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1)
    # SIGIO, which ends a process, is sent when the other end of the pipe is closed.
    fcntl.fcntl(ended, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(ended, fcntl.F_SETFL, os.O_ASYNC)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    connection.sendall(_STARTED)


def _run(run: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    try:
        status = run(arguments)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return status
