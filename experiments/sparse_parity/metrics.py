"""Cost of a computation by each metric that needs a trace.

- operations: additions, products, comparisons, random draws and similar, each on single numbers.
- bytes moved: bytes that functions read and write, one function after the other, each array once.
- launches: functions on whole arrays ("kernels").
- average reuse distance: number of different elements touched between two accesses to the same element, on
average over accesses (Ding and Zhong 2003; stack distance of Mattson et al. 1970).
- data movement distance: sum over all accesses, reads and writes, of the square root of the reuse distance
(Smith, Goldfarb and Ding 2022), which is proportional to the length of a wire in a memory laid out in the
plane. Every access counts: a product of matrices reads each of its factors many times. The first access to
an element has no reuse distance. Freed memory stays where it is.
- byte movement distance (ByteDMD, cybertronai): only reads count; each byte costs the square root of its
depth when the function begins, rounded up. Freed memory stays.
- live byte movement distance: the same where freed memory is removed.
- array movement distance, defined here: every function touches each of its arrays once, reading or writing;
an element costs the square root of its reuse distance in bytes, a new one that of all memory held. Freed
memory is removed.
- peak memory: largest number of bytes held by arrays at once.

A function touches its arrays one after the other, each in the order of its memory. A product of matrices is
that of three loops over rows, columns and terms, whose sum stays in a register. What another function touches
more than once it sweeps again and again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.sparse_parity.stack import LruStack, Part
from experiments.sparse_parity.trace import Access, Call, Event, Placed, Trace

Floats = NDArray[np.float64]


def measure(trace: Trace) -> dict[str, float]:
    """All metrics of a trace, by name."""
    kept, live = (measure_movement(trace.events, keeps_freed) for keeps_freed in (True, False))
    return {
        "operations": trace.operations,
        "bytes_moved": count_bytes(trace.events),
        "launches": trace.launches,
        "average_reuse_distance": kept.average_reuse_distance,
        "data_movement_distance": kept.by_access,
        "byte_movement_distance": kept.by_byte,
        "live_byte_movement_distance": live.by_byte,
        "array_movement_distance": live.by_array,
        "peak_bytes": trace.peak_bytes,
    }


def count_bytes(events: Iterable[Event]) -> int:
    """Bytes read and written, each array of a function once."""
    calls = (event for event in events if isinstance(event, Call))
    return sum(each.elements * each.itemsize for call in calls for each in (*call.reads, *call.writes))


@dataclass(frozen=True)
class Movement:
    """Distances that data move: by access, by byte that is read, and by array; and their mean by access."""

    average_reuse_distance: float
    by_access: float
    by_byte: float
    by_array: float


def measure_movement(events: Iterable[Event], keeps_freed: bool) -> Movement:
    """Simulate the memory of a trace as a stack, with freed memory in it or without."""
    stack = LruStack(keeps_freed)
    reused: list[tuple[float, float]] = []
    once: list[tuple[float, float]] = []
    read: list[tuple[float, float, float]] = []

    def touch(access: Access) -> list[Part]:
        parts, missing = stack.touch(access)
        per_byte = access.elements / (access.stop - access.start)
        reused.extend((per_byte * part.nbytes, part.reuse_elements) for part in parts)
        once.extend((per_byte * part.nbytes, part.reuse_bytes) for part in parts)
        if missing:
            once.append((per_byte * missing, stack.held_bytes))
        return parts

    products = np.zeros(4)
    again: list[tuple[float, float, float, float]] = []
    for event in events:
        if isinstance(event, Placed):
            stack.place(event.access)
        elif not isinstance(event, Call):
            stack.free(event.buffer)
        else:
            # All reads are priced before one of them moves anything.
            later = [stack.find(each) for each in event.reads[1:]]
            found = [touch(each) for each in (*event.reads, *event.writes)]
            for each, parts in zip(event.reads, [*found[:1], *later], strict=False):
                share = each.elements * each.itemsize / (each.stop - each.start)
                read.extend((share, part.depth_bytes, part.depth_bytes - part.nbytes) for part in parts)
            if event.product:
                products += _repeat_product(*event.product, *(each.itemsize for each in event.reads))
                continue
            for each in (*event.reads, *event.writes):
                if each.accesses > each.elements:
                    again.append((each.accesses - each.elements, each.elements, each.elements, each.itemsize))
    number, distance, roots, rounded = products + _sum_repeated(*_to_columns(again, 4))
    accesses, reuse = _to_columns(reused, 2)
    elements, far_bytes = _to_columns(once, 2)
    shares, deepest, above = _to_columns(read, 3)
    number += accesses.sum()
    return Movement(
        average_reuse_distance=float((accesses @ reuse + distance) / number) if number else 0.0,
        by_access=float(accesses @ np.sqrt(reuse) + roots),
        by_byte=float(shares @ (sum_roots(deepest) - sum_roots(above)) + rounded),
        by_array=float(elements @ np.sqrt(far_bytes)),
    )


def sum_roots(numbers: ArrayLike) -> Floats:
    """The sum of the square roots of 1 to n, each rounded up, for each n."""
    n = np.asarray(numbers, dtype=np.float64)
    largest = np.ceil(np.sqrt(n))
    smaller = largest - 1
    # 2 r - 1 numbers have the root r.
    whole = smaller * (smaller + 1) * (2 * smaller + 1) / 3 - smaller * (smaller + 1) / 2
    return np.where(n > 0, whole + largest * (n - smaller**2), 0.0)


@functools.cache
def _repeat_product(m: int, p: int, n: int, first_bytes: int, second_bytes: int) -> Floats:
    """What a product of matrices [m, p] and [p, n] adds by touching elements again (see `_sum_repeated`).

    For each row, column and term it reads an element of the first and then one of the second. Between two
    accesses lie a row of the first and a column of the second, for an element of the first; all of the second
    and up to two rows of the first, for one of the second.
    """
    terms = np.arange(p)
    # Between two accesses to an element of the second: terms left of the earlier row, and done of the later.
    left, done = p - 1 - terms, terms + 1
    edges = np.concatenate([p + done, left + p]) if n > 1 else left + done
    rows = [(m * p * (n - 1), p, p, first_bytes), ((m - 1) * p * max(n - 2, 0), 2 * p, p * n, second_bytes)]
    rows += [(m - 1, of_first, p * n, second_bytes) for of_first in edges.tolist()]
    number, of_first, of_second, itemsize = _to_columns(rows, 4)
    depth = of_first * first_bytes + of_second * second_bytes
    return _sum_repeated(number, of_first + of_second, depth / itemsize, itemsize)


def _sum_repeated(number: Floats, reuse: Floats, depth: Floats, itemsize: Floats) -> Floats:
    """Accesses, and the sums over them of the reuse distance in elements, of its root, and of the rounded
    roots of the depths of their bytes: `number` each, at a depth in items of `itemsize` bytes."""
    rounded = sum_roots(depth * itemsize) - sum_roots((depth - 1) * itemsize)
    return np.array([number.sum(), number @ reuse, number @ np.sqrt(reuse), number @ rounded])


def _to_columns(rows: Sequence[tuple[float, ...]], columns: int) -> Floats:
    return np.array(rows, dtype=np.float64).reshape(-1, columns).T
