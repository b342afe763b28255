"""Tables of sets of bits, which no example changes: made before a window opens, and read within it."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from experiments.sparse_parity.problems import Problem

Sets = np.ndarray[Any, np.dtype[np.int64]]


def all_sets(problem: Problem, size: int) -> Sets:
    """All sets of `size` bits of an input, in lexicographic order: [sets, size]."""
    table: Sets = np.asanyarray(make_table(problem.bits, size), like=problem.x)
    return table


@functools.cache
def make_table(bits: int, size: int) -> Sets:
    """The same of so many bits."""
    every = itertools.chain.from_iterable(itertools.combinations(range(bits), size))
    return np.fromiter(every, np.int64, math.comb(bits, size) * size).reshape(-1, size)
