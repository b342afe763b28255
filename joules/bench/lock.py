"""A lock for the whole machine: one measurement at a time, over all users and clones."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from joules.errors import UserError
from joules.models import printable

LOCK_NAME = "energy-of-machine-learning.lock"
_ANNOUNCE_S = 30.0


def lock_path() -> Path:
    """The lock file, shared by all clones and users of this machine."""
    return Path("/tmp") / LOCK_NAME


@contextlib.contextmanager
def machine_lock(
    holder: str, announce: Callable[[str], None], check: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Holds the lock of the machine during the body, after waiting for it.

    The kernel releases the lock when the process ends, however it ends: no stale lock is left.

    Args:
        holder: What holds the lock, shown to those who wait for it.
        announce: Gets a message while this process waits.
        check: Called repeatedly while this process waits; it may raise to give up.

    Raises:
        UserError: If the lock file cannot be created or opened.
    """
    file = _open()
    try:
        _acquire(file, announce, check)
        # A file of another user can be locked, but perhaps not written.
        with contextlib.suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, f"{holder} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(file)


def _open() -> int:
    """Opens the lock file, writable if this user may write to it. A new one is writable for all."""
    path = lock_path()
    try:
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        pass
    except OSError as fault:
        raise UserError(
            f"cannot create lock file {path} ({fault.strerror}): make the folder writable"
        ) from None
    else:
        os.fchmod(made, 0o666)
        return made
    for way in (os.O_RDWR, os.O_RDONLY):
        with contextlib.suppress(PermissionError):
            return os.open(path, way)
    raise UserError(f"cannot open lock file {path}: ask its owner to delete it or make it readable")


def _acquire(file: int, announce: Callable[[str], None], check: Callable[[], object]) -> None:
    told_s = -_ANNOUNCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() - told_s >= _ANNOUNCE_S:
                told_s = time.monotonic()
                holder = printable(os.pread(file, 200, 0).decode(errors="replace"))
                announce(f"waiting: this machine is in use by {holder or 'another process'}")
            check()
            time.sleep(0.2)
        else:
            return
