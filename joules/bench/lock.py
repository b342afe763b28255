"""One measurement at a time on a machine, whoever starts it and from whichever clone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from joules.errors import UserError

LOCK_NAME = "energy-of-machine-learning.lock"
_ANNOUNCE_S = 30.0


def lock_path() -> Path:
    """The lock file all clones and users of this machine share, wherever each keeps temporary files."""
    return Path("/tmp") / LOCK_NAME


@contextlib.contextmanager
def machine_lock(
    holder: str, announce: Callable[[str], None], go_on: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Holds the machine for the body, waiting for whoever holds it now. `go_on` is called again and again
    while waiting, and may raise.

    `holder` is what others are told while they wait. The kernel frees the lock when the process ends,
    however it ends, so there is never a stale lock to remove. Raises UserError where nobody can lock.
    """
    file = _open()
    try:
        _acquire(file, announce, go_on)
        # Another user's file can be locked without being written.
        with contextlib.suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, f"{holder} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(file)


def _open() -> int:
    """The lock file, open for whatever this user may do with it; all may write to one that we make."""
    path = lock_path()
    try:
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        pass
    except OSError as fault:
        raise UserError(
            f"{path} could not be made ({fault.strerror}): one measurement at a time locks it"
        ) from None
    else:
        os.fchmod(made, 0o666)
        return made
    for way in (os.O_RDWR, os.O_RDONLY):
        with contextlib.suppress(PermissionError):
            return os.open(path, way)
    raise UserError(f"{path} may not even be read: have its owner delete it, or make it readable for all")


def _acquire(file: int, announce: Callable[[str], None], go_on: Callable[[], object]) -> None:
    told_s = -_ANNOUNCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() - told_s >= _ANNOUNCE_S:
                told_s = time.monotonic()
                holder = os.pread(file, 200, 0).decode(errors="replace")
                announce(f"waiting: this machine is being measured by {holder or 'another process'}")
            go_on()
            time.sleep(0.2)
        else:
            return
