"""A stack of byte spans, the most recently touched on top (LRU stack of Mattson et al. 1970)."""

from __future__ import annotations

import bisect
from collections import defaultdict
from typing import NamedTuple

from experiments.sparse_parity.trace import Access

# Stands for the buffers of all freed memory that the stack keeps.
_FREED = 0


class Part(NamedTuple):
    """Bytes of an access that were on the stack.

    Attributes:
        nbytes: their number.
        depth_bytes: depth of the deepest of them when the access begins; the others lie on it, one by one.
        reuse_bytes: reuse distance of each when the bytes of the access are touched in order: the number of
            different bytes touched since it was last touched, itself included.
        reuse_elements: the same in elements.
    """

    nbytes: int
    depth_bytes: int
    reuse_bytes: int
    reuse_elements: float


class _Span(NamedTuple):
    buffer: int
    start: int
    stop: int
    elements: float


_NOTHING = _Span(_FREED, 0, 0, 0.0)


class LruStack:
    """Disjoint spans in the order of their last access.

    Bytes within a span that skips some count as touched. Freed memory stays where it is if `keeps_freed`, as
    memory that nobody touches again; else it is removed.
    """

    def __init__(self, keeps_freed: bool) -> None:
        self.held_bytes = 0
        self._keeps_freed = keeps_freed
        self._spans: list[_Span] = []
        self._freed = {_FREED}
        # By buffer: the disjoint ranges of it that are on the stack, in order.
        self._covered: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)

    def place(self, access: Access) -> None:
        """Put memory that was never touched under all other."""
        self._spans.insert(0, self._span(access))
        self._cover(access)

    def find(self, access: Access) -> list[Part]:
        """The parts of an access, which is not made."""
        return self._search(access, self._count_missing(access))[0]

    def touch(self, access: Access) -> tuple[list[Part], int]:
        """Move the bytes of an access to the top.

        Returns:
            Its parts, and how many of its bytes were not on the stack.
        """
        missing = self._cover(access)
        parts, left, looked_at = self._search(access, missing)
        self._spans[left:] = [*reversed(looked_at), self._span(access)]
        return parts, missing

    def free(self, buffer: int) -> None:
        """Free a buffer; its spans are merged or removed when they are next looked at."""
        self._freed.add(buffer)
        ranges = self._covered.pop(buffer, [])
        if not self._keeps_freed:
            self.held_bytes -= sum(stop - start for start, stop in ranges)

    @staticmethod
    def _span(access: Access) -> _Span:
        nbytes = access.stop - access.start
        return _Span(access.buffer, access.start, access.stop, nbytes / access.itemsize)

    def _search(self, access: Access, missing: int) -> tuple[list[Part], int, list[_Span]]:
        """The parts of an access, how many spans lie under the deepest of them, and what is left of these and
        of the others, from the top."""
        to_find = access.stop - access.start - missing
        parts: list[Part] = []
        looked_at: list[_Span] = []
        # Shallower parts of the access: where each begins, its bytes and elements.
        shallower: list[tuple[int, int, float]] = []
        wanted, first, last = access.buffer, access.start, access.stop
        above_bytes, above_elements, place = 0, 0.0, len(self._spans)
        while to_find:
            place -= 1
            span = self._spans[place]
            buffer, start, stop, elements = span
            if buffer == wanted and start < last and first < stop:
                low, high = max(start, first), min(stop, last)
                density = elements / (stop - start)
                earlier_bytes = low - first
                earlier_elements = earlier_bytes / access.itemsize
                for begin, found, of_found in shallower:
                    if begin < low:
                        earlier_bytes, earlier_elements = earlier_bytes - found, earlier_elements - of_found
                depth = above_bytes + stop - low
                reuse_elements = above_elements + density * (stop - low) + earlier_elements
                parts.append(Part(high - low, depth, depth + earlier_bytes, reuse_elements))
                shallower.append((low, high - low, density * (high - low)))
                to_find -= high - low
                for begin, end in ((high, stop), (start, low)):
                    if begin < end:
                        looked_at.append(_Span(buffer, begin, end, density * (end - begin)))
            elif buffer in self._freed:
                if not self._keeps_freed:
                    continue
                # Freed spans that lie on one another become one.
                above = looked_at.pop() if looked_at and looked_at[-1].buffer == _FREED else _NOTHING
                looked_at.append(_Span(_FREED, 0, above.stop + stop - start, above.elements + elements))
            else:
                looked_at.append(span)
            above_bytes += stop - start
            above_elements += elements
        return parts, place, looked_at

    def _count_missing(self, access: Access) -> int:
        """How many bytes of an access are not on the stack."""
        missing = access.stop - access.start
        for start, stop in self._covered.get(access.buffer, ()):
            if start < access.stop and access.start < stop:
                missing -= min(stop, access.stop) - max(start, access.start)
        return missing

    def _cover(self, access: Access) -> int:
        """Note that the bytes of an access are on the stack; returns how many were not."""
        missing = self._count_missing(access)
        if missing:
            ranges = self._covered[access.buffer]
            first = bisect.bisect_left(ranges, access.start, key=lambda each: each[1])
            last = bisect.bisect_right(ranges, access.stop, key=lambda each: each[0])
            ends = [access.start, access.stop, *(end for each in ranges[first:last] for end in each)]
            ranges[first:last] = [(min(ends), max(ends))]
            self.held_bytes += missing
        return missing
