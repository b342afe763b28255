"""Arrays that record reads and writes, so that the metered code itself can be traced.

Tracing covers numpy's functions on arrays, one after the other. A temporary array counts as written and read
again, although a cache may never write it to memory. Python numbers are not traced; processes keep data that
grows with the problem in arrays.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Access:
    """`elements` of `itemsize` bytes, read or written at once within bytes [start, stop) of a buffer."""

    buffer: int
    start: int
    stop: int
    elements: int
    itemsize: int
    is_write: bool


@dataclass(frozen=True)
class Freed:
    """A buffer was freed."""

    buffer: int


@dataclass
class Trace:
    """Trace of a computation: accesses in order, operations, launches, and memory held."""

    events: list[Access | Freed] = field(default_factory=list)
    operations: int = 0
    launches: int = 0
    held_bytes: int = 0
    peak_bytes: int = 0
    _buffers: dict[int, int] = field(default_factory=dict)
    _made: int = 0

    def array(self, values: Any) -> TracedArray:
        """Copy `values` to an array whose use is recorded from now on."""
        copy = np.array(values).view(TracedArray)
        copy.recorder = self
        self.touch(copy, copy.size, is_write=True)
        return copy

    def launch(self, operations: int, reads: Iterable[Any], writes: Iterable[Any]) -> None:
        """Record a function with its number of `operations` and the arrays that it reads and writes."""
        self.operations += operations
        self.launches += 1
        for array in reads:
            if isinstance(array, np.ndarray):
                self.touch(array, array.size, is_write=False)
        for array in writes:
            self.touch(array, array.size, is_write=True)

    def touch(self, array: np.ndarray[Any, Any], elements: int, *, is_write: bool) -> None:
        """Record that `elements` of an array are read or written."""
        if not elements:
            return
        root = _root(array)
        low, high = np.lib.array_utils.byte_bounds(array)
        start = low - root.__array_interface__["data"][0]
        self.events.append(
            Access(self._number(root), start, start + high - low, elements, array.itemsize, is_write)
        )

    def _number(self, root: np.ndarray[Any, Any]) -> int:
        if id(root) not in self._buffers:
            self._made += 1
            self._buffers[id(root)] = self._made
            self.held_bytes += root.nbytes
            self.peak_bytes = max(self.peak_bytes, self.held_bytes)
            weakref.finalize(root, self._free, id(root), root.nbytes)
        return self._buffers[id(root)]

    def _free(self, key: int, nbytes: int) -> None:
        self.held_bytes -= nbytes
        self.events.append(Freed(self._buffers.pop(key)))


def _root(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array that owns the memory of `array`."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class TracedArray(np.ndarray[Any, Any]):
    """An array that records its use in a `Trace`; results computed from it are traced, too."""

    recorder: Trace

    def __array_finalize__(self, parent: Any) -> None:
        if parent is not None:
            self.recorder = getattr(parent, "recorder", None)  # type: ignore[assignment]

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        trace = self.recorder
        plain = [_plain(value) for value in inputs]
        if out is not None:
            options["out"] = tuple(_plain(value) for value in out)
        result = getattr(ufunc, method)(*plain, **options)
        results = result if isinstance(result, tuple) else (result,)
        written = (
            [_plain(value) for value in out] if out else [r for r in results if isinstance(r, np.ndarray)]
        )
        if method == "at":
            # `ufunc.at` modifies its first input.
            written = [plain[0]]
        trace.launch(_operations(ufunc, method, plain, results), plain, written)
        if out is not None and len(out) == 1:
            return out[0]
        return _traced(result, trace)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if function not in _MOVERS:
            # Composed of other functions, which are recorded when it calls them.
            return super().__array_function__(function, types, args, kwargs)
        given = _arrays([*args, *kwargs.values()])
        plain_args = [_plain_tree(value) for value in args]
        result = function(*plain_args, **{name: _plain_tree(value) for name, value in kwargs.items()})
        self.recorder.launch(0, given, _arrays([result]))
        return _traced(result, self.recorder)

    def __getitem__(self, key: Any) -> Any:
        result = super().__getitem__(_plain_tree(key))
        is_view = isinstance(result, np.ndarray) and _root(result) is _root(self)
        if not is_view:
            self.recorder.launch(0, _arrays([key]), _arrays([result]))
            self.recorder.touch(self, np.size(result), is_write=False)
        return _traced(result, self.recorder)

    def __setitem__(self, key: Any, value: Any) -> None:
        plain = _plain(self)
        plain[_plain_tree(key)] = _plain(value)
        part = plain[_plain_tree(key)]
        self.recorder.launch(0, _arrays([key, value]), [])
        is_view = isinstance(part, np.ndarray) and _root(part) is _root(self)
        self.recorder.touch(part if is_view else plain, np.size(part), is_write=True)

    def copy(self, order: Any = "C") -> TracedArray:
        return self._moved(_plain(self).copy(order))

    def astype(self, dtype: Any, **options: Any) -> TracedArray:  # type: ignore[override]
        return self._moved(_plain(self).astype(dtype, **options))

    def argmax(self, axis: Any = None, **options: Any) -> Any:  # type: ignore[override]
        return self._moved(_plain(self).argmax(axis, **options))

    def nonzero(self) -> Any:
        return self._moved(_plain(self).nonzero())

    def _moved(self, result: Any) -> Any:
        self.recorder.launch(0, [_plain(self)], _arrays([result]))
        return _traced(result, self.recorder)


# Functions that do not calculate and are not composed of others.
_MOVERS = {np.concatenate, np.packbits, np.unpackbits, np.flatnonzero, np.where, np.argsort, np.argmax}


def _operations(ufunc: np.ufunc, method: str, inputs: list[Any], results: tuple[Any, ...]) -> int:
    """Number of operations of a ufunc.

    One per element of the result, one per element that is reduced, and two per product of a matrix product.
    """
    if ufunc is np.matmul:
        return 2 * int(np.size(results[0])) * int(np.shape(inputs[0])[-1])
    if method == "at":
        return int(np.size(inputs[1]))
    if method in ("reduce", "accumulate", "reduceat"):
        return int(np.size(inputs[0]))
    return int(np.size(results[0]))


def _arrays(values: Iterable[Any]) -> list[np.ndarray[Any, Any]]:
    found: list[np.ndarray[Any, Any]] = []
    for value in values:
        if isinstance(value, np.ndarray):
            found.append(_plain(value))
        elif isinstance(value, list | tuple):
            found += _arrays(value)
    return found


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, TracedArray) else value


def _plain_tree(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_plain_tree(each) for each in value)
    return [_plain_tree(each) for each in value] if isinstance(value, list) else _plain(value)


def _traced(value: Any, trace: Trace) -> Any:
    if isinstance(value, tuple):
        return tuple(_traced(each, trace) for each in value)
    if not isinstance(value, np.ndarray) or isinstance(value, TracedArray):
        return value
    traced = value.view(TracedArray)
    traced.recorder = trace
    return traced
