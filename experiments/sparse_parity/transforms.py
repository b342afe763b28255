"""Fourier analysis over the hypercube, for all characters or only those of degree k."""

from __future__ import annotations

import numpy as np

from experiments.sparse_parity.problems import Problem
from experiments.sparse_parity.sets import all_sets

# Number of characters that are correlated with the labels at once.
_AT_ONCE = 2048
# `fourier_few` uses this many examples per bit of the number of sets.
_EXAMPLES_A_BIT = 6


def walsh_hadamard(problem: Problem) -> tuple[int, ...] | None:
    """Transform the sums of labels at all 2^n inputs; the largest coefficient belongs to the secret."""
    bits = problem.bits
    places = problem.x @ np.left_shift(1, np.arange(bits, like=problem.x))
    table = np.zeros_like(problem.x, shape=2**bits, dtype=np.int32)
    np.add.at(table, places, 1 - 2 * problem.y.astype(np.int32))
    half = 1
    while half < len(table):
        pairs = table.reshape(-1, 2, half)
        sums = pairs[:, 0] + pairs[:, 1]
        np.subtract(pairs[:, 0], pairs[:, 1], out=pairs[:, 1])
        pairs[:, 0] = sums
        half *= 2
    largest = int(np.abs(table).argmax())
    return tuple(bit for bit in range(bits) if largest >> bit & 1)


def fourier(problem: Problem) -> tuple[int, ...] | None:
    """Estimate the coefficient of every character of degree k from all examples."""
    return _largest(problem, len(problem.x))


def fourier_few(problem: Problem) -> tuple[int, ...] | None:
    """Estimate the coefficients from the number of examples that is expected to suffice."""
    choices = len(all_sets(problem, problem.k))
    return _largest(problem, int(_EXAMPLES_A_BIT * np.log2(choices)))


def _largest(problem: Problem, examples: int) -> tuple[int, ...]:
    signs = 1 - 2 * problem.x[:examples].T.astype(np.float32)
    labels = 1 - 2 * problem.y[:examples].astype(np.float32)
    every = all_sets(problem, problem.k)
    best, found = -1.0, every[0]
    for start in range(0, len(every), _AT_ONCE):
        chosen = every[start : start + _AT_ONCE]
        characters = signs[chosen[:, 0]]
        for place in range(1, problem.k):
            characters = characters * signs[chosen[:, place]]
        coefficients = np.abs(characters @ labels)
        largest = int(coefficients.argmax())
        if coefficients[largest] > best:
            best, found = float(coefficients[largest]), chosen[largest]
    return tuple(found.tolist())
