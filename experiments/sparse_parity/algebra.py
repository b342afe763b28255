"""Gaussian elimination over the field of two elements, which fails if a single label is wrong."""

from __future__ import annotations

import numpy as np

from experiments.sparse_parity.problems import Problem

# Examples in addition to the number of bits, so that they almost always determine the secret.
_SPARE = 12


def dense(problem: Problem) -> tuple[int, ...] | None:
    """Reduce the matrix of inputs and labels column by column, with one byte per bit."""
    rows = problem.bits + _SPARE
    matrix = np.concatenate([problem.x[:rows], problem.y[:rows, None]], axis=1)
    for column in range(problem.bits):
        candidates = np.flatnonzero(matrix[column:, column])
        if not len(candidates):
            return None
        pivot = column + int(candidates[0])
        row = matrix[pivot].copy()
        matrix[pivot] = matrix[column]
        matrix[column] = row
        others = np.flatnonzero(matrix[:, column])
        matrix[others[others != column]] ^= row
    if matrix[problem.bits :, problem.bits].any():
        return None
    return tuple(np.flatnonzero(matrix[: problem.bits, problem.bits]).tolist())


def packed(problem: Problem) -> tuple[int, ...] | None:
    """The same with one word per row; the label is the bit above the inputs."""
    rows, bits = problem.bits + _SPARE, problem.bits
    powers = np.left_shift(np.uint64(1), np.arange(bits, dtype=np.uint64))
    words = problem.x[:rows] @ powers | np.left_shift(problem.y[:rows].astype(np.uint64), np.uint64(bits))
    for column in range(bits):
        has = (words >> np.uint64(column)) & np.uint64(1)
        candidates = np.flatnonzero(has[column:])
        if not len(candidates):
            return None
        pivot = column + int(candidates[0])
        word = words[pivot]
        words[pivot] = words[column]
        words[column] = word
        has[pivot] = has[column]
        has[column] = 0
        words ^= has * word
    labels = words >> np.uint64(bits)
    if labels[bits:].any():
        return None
    return tuple(np.flatnonzero(labels[:bits]).tolist())
