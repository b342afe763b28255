"""A fixed piece of work on every core, whose duration tells whether the machine is as fast as it was."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

from joules.instrument.host.limits import usable_cores

# Hashing releases the interpreter's lock above 2 KiB, so one thread a core runs truly in parallel; a
# foreign thread or a lowered clock on any core lengthens the slowest of them.
_PIECE = bytes(4 * 1024 * 1024)
_PIECES = 8
# The least of some rounds: threads of the child may still be spinning down during the first.
_ROUNDS = 3


def sentinel_s() -> float:
    """Wall seconds the work takes now, some tens of milliseconds on a quiet machine."""
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
