"""One measurement at a time on a machine, whoever starts it and from whichever clone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LOCK_NAME = "energy-of-machine-learning.lock"
_ANNOUNCE_S = 30.0


def lock_path() -> Path:
    """The lock file all clones and users of this machine share."""
    return Path(tempfile.gettempdir()) / LOCK_NAME


@contextlib.contextmanager
def machine_lock(holder: str, announce: Callable[[str], None]) -> Iterator[None]:
    """Holds the machine for the body, waiting for whoever holds it now.

    `holder` is what others are told while they wait. The kernel frees the lock when the process ends,
    however it ends, so there is never a stale lock to remove.
    """
    file = os.open(lock_path(), os.O_RDWR | _create_flag(), 0o666)
    try:
        _acquire(file, announce)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{holder} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(file)


def _create_flag() -> int:
    # In a sticky folder the kernel may refuse O_CREAT on another user's file that exists.
    return 0 if lock_path().exists() else os.O_CREAT


def _acquire(file: int, announce: Callable[[str], None]) -> None:
    told_s = -_ANNOUNCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() - told_s >= _ANNOUNCE_S:
                told_s = time.monotonic()
                holder = os.pread(file, 200, 0).decode(errors="replace")
                announce(f"waiting: this machine is being measured by {holder or 'another process'}")
            time.sleep(0.2)
        else:
            return
