"""Search over sets of bits for one that explains the labels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from experiments.sparse_parity.problems import Problem
from experiments.sparse_parity.sets import all_sets

# Largest share of labels that a correct set fails to explain; a wrong set fails on half.
_TOLERATED = 0.25
_AT_ONCE = 4096
_WORD = 64


def one_by_one(problem: Problem) -> tuple[int, ...] | None:
    """Try every set in order, on all examples, with one byte per bit."""
    tolerated = _TOLERATED * len(problem.y)
    for chosen in all_sets(problem, problem.k):
        wrong = np.bitwise_xor.reduce(problem.x[:, chosen], axis=1) ^ problem.y
        if wrong.sum() <= tolerated:
            return tuple(chosen.tolist())
    return None


def packed(problem: Problem) -> tuple[int, ...] | None:
    """Try every set in order, many at once, with 64 examples per word."""
    columns, labels = _words(problem)
    every = all_sets(problem, problem.k)
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


def meet_in_the_middle(problem: Problem) -> tuple[int, ...] | None:
    """Look up, for every larger half of a set, the smaller half that completes the labels of 64 examples.

    All other examples confirm what is found. A single wrong label breaks it.
    """
    columns, labels = _words(problem)
    smaller, larger = (all_sets(problem, size) for size in (problem.k // 2, problem.k - problem.k // 2))
    first, label = columns[:, 0], labels[0]
    parities = _parity(first, smaller)
    order = np.argsort(parities)
    ordered = parities[order]
    for start in range(0, len(larger), _AT_ONCE):
        chosen = larger[start : start + _AT_ONCE]
        wanted = _parity(first, chosen) ^ label
        places = np.searchsorted(ordered, wanted) % len(ordered)
        for row in np.flatnonzero(ordered[places] == wanted).tolist():
            found = {*chosen[row].tolist(), *smaller[int(order[int(places[row])])].tolist()}
            if len(found) == problem.k and _explains(columns, labels, found):
                return tuple(sorted(found))
    return None


def _parity(columns: Any, sets: Any) -> Any:
    """The parity of the chosen columns, for each set of `sets` [sets, size]."""
    parity = columns[sets[:, 0]]
    for place in range(1, sets.shape[1]):
        parity ^= columns[sets[:, place]]
    return parity


def _explains(columns: Any, labels: Any, chosen: Iterable[int]) -> bool:
    parity = np.bitwise_xor.reduce(columns[sorted(chosen)], axis=0)
    return not (parity ^ labels).any()


def _words(problem: Problem) -> tuple[Any, Any]:
    """Columns [bits, words] and labels [words], 64 examples per word, padded with zeros."""
    whole = np.concatenate([problem.x, problem.y[:, None]], axis=1)
    missing = -len(whole) % _WORD
    padded = np.concatenate([whole, np.zeros_like(whole, shape=(missing, whole.shape[1]))])
    words = np.packbits(padded.T.copy(), axis=1).view(np.uint64)
    return words[:-1], words[-1]


def _explaining(columns: Any, labels: Any, chosen: Any, examples: int) -> tuple[int, ...] | None:
    """The first of the sets [sets, k] that explains the labels."""
    wrong = _parity(columns, chosen) ^ labels
    fits = np.flatnonzero(np.bitwise_count(wrong).sum(axis=1) <= _TOLERATED * examples)
    return tuple(chosen[int(fits[0])].tolist()) if len(fits) else None
