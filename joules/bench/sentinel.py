"""A fixed piece of work on every core; its duration shows whether the machine has slowed down."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

from joules.instrument.host.limits import usable_cores

# Above 2 KiB hashing releases the interpreter's lock, so that one thread per core runs in parallel. Another
# program's thread or a lower frequency on any core slows the slowest of them.
_PIECE = bytes(4 * 1024 * 1024)
_PIECES = 8
# The fastest round counts: threads of the child may still be stopping during the first.
_ROUNDS = 3


def time_sentinel_s() -> float:
    """Runs the work; returns its wall time in seconds, some 0.01 to 0.1 s on a quiet machine."""
    cores = usable_cores()
    with ThreadPoolExecutor(cores) as pool:
        return min(_round_s(pool, cores) for _ in range(_ROUNDS))


def _round_s(pool: ThreadPoolExecutor, cores: int) -> float:
    start_s = time.monotonic()
    list(pool.map(_hash, range(cores)))
    return time.monotonic() - start_s


def _hash(_core: int) -> None:
    digest = hashlib.sha256()
    for _ in range(_PIECES):
        digest.update(_PIECE)
