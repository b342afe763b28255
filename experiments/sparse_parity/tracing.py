"""Arrays and random numbers that record their use, so that the metered code itself can be traced.

Every function on a traced array is recorded with the arrays that it reads and writes, by its number of
operations and of accesses to each element. A function that the tracer does not know raises, so nothing is
done to a traced array unseen; `coverage.py` finds arrays that are not traced. A temporary array counts as
written and read again, although a cache may never write it to memory. Python numbers are not traced;
processes keep data that grows with the problem in arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from experiments.sparse_parity.trace import Array, Trace, root_of


class TracedRandom:
    """A source of random numbers whose draws are recorded, one operation per number."""

    def __init__(self, generator: np.random.Generator, trace: Trace) -> None:
        self._generator, self._trace = generator, trace

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def draw(*args: Any, **options: Any) -> Any:
            result = getattr(self._generator, name)(*args, **options)
            self._trace.launch(int(np.size(result)), [], _whole(result))
            return wrap(result, self._trace)

        return draw


class TracedArray(Array):
    """An array that records its use in a `Trace`; results computed from it are traced, too."""

    recorder: Trace

    def __array_finalize__(self, parent: Any) -> None:
        if parent is not None:
            self.recorder = getattr(parent, "recorder", None)  # type: ignore[assignment]

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        plain = [_plain(value) for value in inputs]
        if out is not None:
            options["out"] = tuple(_plain(value) for value in out)
        result = getattr(ufunc, method)(*plain, **options)
        results = result if isinstance(result, tuple) else (result,)
        product = _sides(*plain[:2]) if ufunc is np.matmul else None
        operations, accesses = _count_ufunc(method, plain, results, product)
        reads = [(value, accesses) for value in plain if isinstance(value, np.ndarray)]
        # `ufunc.at` changes its first input.
        written = reads[:1] if method == "at" else _whole(*options.get("out", results))
        self.recorder.launch(operations, reads, written, product)
        return out[0] if out is not None and len(out) == 1 else wrap(result, self.recorder)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if name in _COMPOSED:
            # Python code of functions that are recorded when it calls them.
            return super().__array_function__(function, types, args, kwargs)
        if name not in _FUNCTIONS:
            raise TypeError(f"the tracer does not know numpy.{name}: add it to _FUNCTIONS")
        plain = [_plain_tree(value) for value in args]
        result = getattr(np, name)(*plain, **{key: _plain_tree(value) for key, value in kwargs.items()})
        if name == "asanyarray":
            return place(result, self.recorder)
        given = [] if name in _CREATORS else _arrays(plain)
        count = _FUNCTIONS[name](given)
        self.recorder.launch(count, [(each, max(count, each.size)) for each in given], _whole(result))
        return wrap(result, self.recorder)

    def __getitem__(self, key: Any) -> Any:
        plain_key = _plain_tree(key)
        result = _plain(self)[plain_key]
        if not (isinstance(result, np.ndarray) and root_of(result) is root_of(self)):
            reads = [*_whole(plain_key), (_plain(self), int(np.size(result)))]
            self.recorder.launch(0, reads, _whole(result))
        return wrap(result, self.recorder)

    def __setitem__(self, key: Any, value: Any) -> None:
        plain, plain_key = _plain(self), _plain_tree(key)
        plain[plain_key] = _plain(value)
        part = plain[plain_key]
        is_view = isinstance(part, np.ndarray) and root_of(part) is root_of(self)
        written = (part if is_view else plain, int(np.size(part)))
        self.recorder.launch(0, _whole(plain_key, value), [written])

    def reshape(self, *shape: Any, **options: Any) -> Any:
        result = _plain(self).reshape(*shape, **options)
        return wrap(result, self.recorder) if root_of(result) is root_of(self) else self._moved(result)

    def copy(self, order: Any = "C") -> Any:
        return self._moved(_plain(self).copy(order))

    def astype(self, dtype: Any, **options: Any) -> Any:  # type: ignore[override]
        return self._moved(_plain(self).astype(dtype, **options))

    def tolist(self) -> Any:
        return self._moved(_plain(self).tolist())

    def argmax(self, axis: Any = None, **options: Any) -> Any:  # type: ignore[override]
        return self._moved(_plain(self).argmax(axis, **options), self.size)

    def nonzero(self) -> Any:
        return self._moved(_plain(self).nonzero(), self.size)

    def _moved(self, result: Any, operations: int = 0) -> Any:
        self.recorder.launch(operations, _whole(self), _whole(result))
        return wrap(result, self.recorder)


# Methods that the class records, that numpy composes of recorded functions, and that only make a view.
_METHODS = {"reshape", "copy", "astype", "tolist", "argmax", "nonzero"} | {
    *("sum", "mean", "any", "all", "min", "max", "prod"),
    *("view", "transpose", "swapaxes", "squeeze"),
}


def _refuse(name: str) -> Callable[..., Any]:
    def method(*_: Any, **__: Any) -> Any:
        raise TypeError(f"the tracer does not know ndarray.{name}: record it in TracedArray")

    return method


for _name in {name for name in dir(np.ndarray) if callable(getattr(np.ndarray, name)) and name[0] != "_"}:
    if _name not in _METHODS:
        setattr(TracedArray, _name, _refuse(_name))
TracedArray.__contains__ = _refuse("__contains__")  # type: ignore[method-assign]

_COMPOSED = {"sum", "mean", "any", "all", "min", "max", "prod"}
_CREATORS = {"zeros_like", "arange", "eye", "array"}


def _count_sort(given: Sequence[Array]) -> int:
    """Comparisons of a merge sort along the last axis."""
    return given[0].size * math.ceil(math.log2(max(given[0].shape[-1], 2)))


def _count_search(given: Sequence[Array]) -> int:
    """Comparisons of a binary search for each of the second array."""
    return given[1].size * math.ceil(math.log2(given[0].size + 1))


def _count_each(given: Sequence[Array]) -> int:
    return given[0].size


def _count_nothing(_given: Sequence[Array]) -> int:
    return 0


# Functions that are recorded as a whole, and their number of operations.
_FUNCTIONS: dict[str, Callable[[Sequence[Array]], int]] = {
    **dict.fromkeys((*_CREATORS, "asanyarray", "concatenate", "packbits"), _count_nothing),
    **dict.fromkeys(("flatnonzero", "argmax", "argpartition"), _count_each),
    **dict.fromkeys(("sort", "argsort"), _count_sort),
    "searchsorted": _count_search,
}


def _count_ufunc(
    method: str, inputs: list[Any], results: tuple[Any, ...], product: tuple[int, int, int] | None
) -> tuple[int, int]:
    """Number of operations of a ufunc, and of accesses to each input.

    One operation per element of the result, one per element that is reduced, and two per product of a matrix
    product, which reads both factors anew for each.
    """
    if product:
        return 2 * math.prod(product), math.prod(product)
    counted = inputs[1] if method == "at" else results[0] if method == "__call__" else inputs[0]
    return int(np.size(counted)), int(np.size(counted))


def _sides(first: Array, second: Array) -> tuple[int, int, int]:
    """(m, p, n) of the product of a matrix [m, p] and a matrix [p, n]; a vector is a row or a column."""
    if first.ndim > 2 or second.ndim > 2:
        raise TypeError("the tracer knows products of matrices and vectors only")
    return first.size // first.shape[-1], first.shape[-1], second.size // second.shape[0]


def place(array: Array, trace: Trace) -> TracedArray:
    """An array that a computation finds in memory, whose use is recorded from now on."""
    trace.place(array)
    traced: TracedArray = wrap(array, trace)
    return traced


def wrap(value: Any, trace: Trace) -> Any:
    """A result whose arrays are traced, too."""
    if isinstance(value, tuple):
        return tuple(wrap(each, trace) for each in value)
    if not isinstance(value, np.ndarray):
        return value
    traced = value.view(TracedArray)
    traced.recorder = trace
    return traced


def _whole(*values: Any) -> list[tuple[Array, int]]:
    """The arrays among `values`, each element accessed once."""
    return [(array, array.size) for array in _arrays(values)]


def _arrays(values: Iterable[Any]) -> list[Array]:
    found: list[Array] = []
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
