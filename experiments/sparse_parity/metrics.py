"""Cost of a computation by each metric.

- operations: additions, products, comparisons and similar on single numbers.
- bytes moved: bytes that functions read and write, one function after the other, from memory.
- launches: functions on whole arrays ("kernels").
- average reuse distance: number of different bytes touched between two accesses to the same byte, on average
over accesses (Ding and Zhong 2003; stack distance of Mattson et al. 1970).
- data movement distance: sum over accesses of the square root of the reuse distance in bytes (Smith, Goldfarb
and Ding 2022), which is proportional to the length of a wire in a memory laid out in the plane.
- peak memory: largest number of bytes held by arrays at once.

The first access to a byte has no earlier one; its distance is all memory held at that time.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from experiments.sparse_parity.tracing import Access, Freed, Trace


def of(trace: Trace) -> dict[str, float]:
    """All metrics of a trace, by name."""
    distances = list(reuse_distances(trace.events))
    return {
        "operations": trace.operations,
        "bytes_moved": bytes_moved(trace.events),
        "launches": trace.launches,
        "average_reuse_distance_bytes": average_reuse_distance_bytes(distances),
        "data_movement_distance": data_movement_distance(distances),
        "peak_bytes": trace.peak_bytes,
    }


def bytes_moved(events: Iterable[Access | Freed]) -> int:
    """Bytes read and written."""
    return sum(event.elements * event.itemsize for event in events if isinstance(event, Access))


def average_reuse_distance_bytes(distances: Iterable[tuple[float, float]]) -> float:
    """Mean reuse distance over accesses, in bytes; 0 without accesses.

    Args:
        distances: (number of accesses, distance in bytes).
    """
    listed = list(distances)
    number = sum(count for count, _ in listed)
    return sum(count * far for count, far in listed) / number if number else 0.0


def data_movement_distance(distances: Iterable[tuple[float, float]]) -> float:
    """Sum over accesses of the square root of their distance."""
    return sum(count * math.sqrt(far) for count, far in distances)


def reuse_distances(events: Iterable[Access | Freed]) -> Iterator[tuple[float, float]]:
    """Compute reuse distances with a stack of byte spans, the most recently touched on top.

    Bytes of a span that is touched again in the same order have as distance all spans above it and the span
    itself. Bytes of a new span have as distance the whole stack and the span itself. The elements of a span
    that skips bytes are distributed evenly over the bytes that it spans.

    Args:
        events: Accesses and freed buffers, in order.

    Yields:
        (number of accesses, reuse distance in bytes) for parts of every event, in order.
    """
    stack = _Stack()
    for event in events:
        if isinstance(event, Freed):
            stack.forget(event.buffer)
            continue
        accesses = event.elements / (event.stop - event.start)
        for nbytes, far in stack.touch(_Span(event.buffer, event.start, event.stop)):
            yield nbytes * accesses, far


class _Span(NamedTuple):
    buffer: int
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


class _Stack:
    """A stack of disjoint spans. The time of an operation is proportional to its depth in the stack."""

    def __init__(self) -> None:
        self._spans: list[_Span] = []
        self._nbytes = 0
        # By buffer: its number of spans on the stack, and the disjoint ranges that they cover, in order.
        self._number: Counter[int] = Counter()
        self._covered: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)

    def touch(self, touched: _Span) -> list[tuple[int, float]]:
        """Move a span to the top; returns (bytes, former depth) of its parts."""
        missing = self._cover(touched)
        to_find = touched.nbytes - missing
        found: list[tuple[int, float]] = []
        looked_at: list[_Span] = []
        above = 0
        while to_find:
            span = self._spans.pop()
            low, high = max(span.start, touched.start), min(span.stop, touched.stop)
            if span.buffer == touched.buffer and low < high:
                found.append((high - low, float(above + span.nbytes)))
                to_find -= high - low
                ends = ((high, span.stop), (span.start, low))
                left = [_Span(span.buffer, *each) for each in ends if each[0] < each[1]]
                looked_at += left
                self._number[span.buffer] += len(left) - 1
            else:
                looked_at.append(span)
            above += span.nbytes
        self._spans += [*reversed(looked_at), touched]
        self._number[touched.buffer] += 1
        self._nbytes += missing
        if missing:
            found.append((missing, float(self._nbytes)))
        return found

    def forget(self, buffer: int) -> None:
        """Remove all spans of a buffer."""
        looked_at = []
        while self._number[buffer]:
            span = self._spans.pop()
            if span.buffer == buffer:
                self._number[buffer] -= 1
                self._nbytes -= span.nbytes
            else:
                looked_at.append(span)
        self._spans += reversed(looked_at)
        del self._number[buffer]
        self._covered.pop(buffer, None)

    def _cover(self, span: _Span) -> int:
        """Mark a span as covered; returns how many of its bytes were not covered before."""
        ranges = self._covered[span.buffer]
        first = bisect.bisect_left(ranges, span.start, key=lambda each: each[1])
        last = bisect.bisect_right(ranges, span.stop, key=lambda each: each[0])
        joined = ranges[first:last]
        had = sum(max(min(stop, span.stop) - max(start, span.start), 0) for start, stop in joined)
        start = min(span.start, *(each[0] for each in joined)) if joined else span.start
        stop = max(span.stop, *(each[1] for each in joined)) if joined else span.stop
        ranges[first:last] = [(start, stop)]
        return span.nbytes - had
