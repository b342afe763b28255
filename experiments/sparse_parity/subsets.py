"""Search over sets of bits for one that explains the labels."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from experiments.sparse_parity.problems import Problem

# Largest share of labels that a correct set fails to explain; a wrong set fails on half.
_TOLERATED = 0.25
_AT_ONCE = 1024
_WORD = 64


@functools.cache
def subsets(bits: int, k: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """All sets of `k` out of `bits`, in lexicographic order: [sets, k]."""
    every = itertools.chain.from_iterable(itertools.combinations(range(bits), k))
    return np.fromiter(every, np.int64, math.comb(bits, k) * k).reshape(-1, k)


def one_by_one(problem: Problem) -> tuple[int, ...] | None:
    """Try every set in order, on all examples, with one byte per bit."""
    tolerated = _TOLERATED * len(problem.y)
    for chosen in subsets(problem.bits, problem.k):
        wrong = np.bitwise_xor.reduce(problem.x[:, chosen], axis=1) ^ problem.y
        if wrong.sum() <= tolerated:
            return tuple(chosen.tolist())
    return None


def packed(problem: Problem) -> tuple[int, ...] | None:
    """Try every set in order, a thousand at once, with 64 examples per word."""
    columns, labels = _words(problem)
    every = subsets(problem.bits, problem.k)
    for start in range(0, len(every), _AT_ONCE):
        chosen = every[start : start + _AT_ONCE]
        found = _explaining(columns, labels, chosen, len(problem.y))
        if found is not None:
            return found
    return None


def at_random(problem: Problem) -> tuple[int, ...] | None:
    """Try random sets until one explains the labels or ten times the number of sets were drawn."""
    columns, labels = _words(problem)
    for _ in range(10 * math.comb(problem.bits, problem.k) // _AT_ONCE + 10):
        keys = problem.random.random((_AT_ONCE, problem.bits))
        chosen = np.sort(np.argpartition(keys, problem.k, axis=1)[:, : problem.k], axis=1)
        found = _explaining(columns, labels, chosen, len(problem.y))
        if found is not None:
            return found
    return None


def backtracking(problem: Problem) -> tuple[int, ...] | None:
    """Depth-first search: the parity of k - 1 columns is kept, and all last bits are tried at once."""
    columns, labels = _words(problem)
    tolerated = _TOLERATED * len(problem.y)

    def complete(chosen: tuple[int, ...], parity: Any) -> tuple[int, ...] | None:
        first = chosen[-1] + 1 if chosen else 0
        if len(chosen) == problem.k - 1:
            wrong = np.bitwise_count(columns[first:] ^ parity).sum(axis=1)
            fits = np.flatnonzero(wrong <= tolerated)
            return (*chosen, first + int(fits[0])) if len(fits) else None
        for bit in range(first, problem.bits - (problem.k - len(chosen)) + 1):
            found = complete((*chosen, bit), parity ^ columns[bit])
            if found is not None:
                return found
        return None

    return complete((), labels)


def _words(problem: Problem) -> tuple[Any, Any]:
    """Columns [bits, words] and labels [words], 64 examples per word, padded with zeros."""
    whole = np.concatenate([problem.x, problem.y[:, None]], axis=1)
    missing = -len(whole) % _WORD
    padded = np.concatenate([whole, np.zeros_like(whole, shape=(missing, whole.shape[1]))])
    words = np.packbits(padded.T.copy(), axis=1).view(np.uint64)
    return words[:-1], words[-1]


def _explaining(columns: Any, labels: Any, chosen: Any, examples: int) -> tuple[int, ...] | None:
    """The first of the sets [sets, k] that explains the labels."""
    parity = columns[chosen[:, 0]] ^ labels
    for place in range(1, chosen.shape[1]):
        parity ^= columns[chosen[:, place]]
    fits = np.flatnonzero(np.bitwise_count(parity).sum(axis=1) <= _TOLERATED * examples)
    return tuple(chosen[int(fits[0])].tolist()) if len(fits) else None
