"""Work in as many processes as there are processors."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from joules.errors import UserError

Item = TypeVar("Item")
Made = TypeVar("Made")

# What forked processes work on. They share it, and all that it refers to, without a copy.
_function: Callable[[Any], Any] | None = None
_items: Sequence[Any] = ()


def parallel_map(function: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """Applies `function` to each of the items, in parallel.

    Args:
        function: may close over anything, of any size; what it returns is pickled.
        items: what it is applied to.

    Returns:
        The results, in the order of the items.

    Raises:
        UserError: where a process was killed.
    """
    global _function, _items
    processes = min(len(items), _processors())
    if processes < 2:
        yield from map(function, items)
        return
    _function, _items = function, items
    try:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
            yield from pool.map(_call, range(len(items)))
    except BrokenProcessPool:
        raise UserError("a process was killed, probably out of memory: free memory and retry") from None
    finally:
        _function, _items = None, ()


def _call(place: int) -> Any:
    if _function is None:
        raise ValueError("no function to apply")
    return _function(_items[place])


def _processors() -> int:
    # Elsewhere a forked process may not use the system's libraries.
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
