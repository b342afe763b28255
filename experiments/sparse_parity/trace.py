"""A trace: which functions read and wrote which memory, in order, and which memory was freed."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Access(NamedTuple):
    """`elements` of `itemsize` bytes within bytes [start, stop) of a buffer, read or written one after the
    other; `accesses` is larger where a function comes back to them."""

    buffer: int
    start: int
    stop: int
    itemsize: int
    elements: int
    accesses: int


class Call(NamedTuple):
    """A function that reads arrays and then writes some; `product` is (m, p, n) of a product of matrices."""

    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    product: tuple[int, int, int] | None = None


class Placed(NamedTuple):
    """Memory that a solve finds: nobody has touched it for longer than all other."""

    access: Access


class Freed(NamedTuple):
    """A buffer was freed."""

    buffer: int


Event = Call | Placed | Freed


@dataclass
class Trace:
    """Trace of a computation: events in order, operations, launches, and memory held."""

    events: list[Event] = field(default_factory=list)
    operations: int = 0
    launches: int = 0
    held_bytes: int = 0
    peak_bytes: int = 0
    _buffers: dict[int, tuple[int, int, Any]] = field(default_factory=dict)
    _made: int = 0

    def place(self, array: Array) -> None:
        """Record an array that the computation finds in memory."""
        self.events.append(Placed(self._access(array, array.size)))

    def launch(
        self,
        operations: int,
        reads: Iterable[tuple[Array, int]],
        writes: Iterable[tuple[Array, int]],
        product: tuple[int, int, int] | None = None,
    ) -> None:
        """Record a function: its number of `operations`, and the arrays that it reads and those that it
        writes, each with the number of accesses to its elements."""
        self.operations += operations
        self.launches += 1
        read, written = (
            tuple(self._access(array, accesses) for array, accesses in given if array.size and accesses)
            for given in (reads, writes)
        )
        self.events.append(Call(read, written, product))

    def _access(self, array: Array, accesses: int) -> Access:
        root = root_of(array)
        low, high = _bounds(array)
        start = low - root.__array_interface__["data"][0]
        elements = min(array.size, accesses)
        return Access(self._number(root), start, start + high - low, array.itemsize, elements, accesses)

    def _number(self, root: Array) -> int:
        key = id(root)
        if key not in self._buffers:
            self._made += 1
            self.held_bytes += root.nbytes
            self.peak_bytes = max(self.peak_bytes, self.held_bytes)
            watch = weakref.ref(root, lambda _: self._free(key))
            self._buffers[key] = (self._made, root.nbytes, watch)
        return self._buffers[key][0]

    def _free(self, key: int) -> None:
        number, nbytes, _ = self._buffers.pop(key)
        self.held_bytes -= nbytes
        self.events.append(Freed(number))


def root_of(array: Array) -> Array:
    """The array that owns the memory of `array`."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _bounds(array: Array) -> tuple[int, int]:
    if array.flags.c_contiguous:
        low = array.__array_interface__["data"][0]
        return low, low + array.nbytes
    return np.lib.array_utils.byte_bounds(array)
