"""Gaussian elimination over the field of two elements, which fails if a single label is wrong."""

from __future__ import annotations

import numpy as np

from experiments.sparse_parity.problems import Problem

# Examples in addition to the number of bits, so that they almost always determine the secret.
SPARE = 12
_WORD = 64


def dense(problem: Problem) -> tuple[int, ...] | None:
    """Reduce the matrix of inputs and labels column by column, with one byte per bit."""
    rows = problem.bits + SPARE
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
        # The row is zero in the columns before.
        matrix[others[others != column], column:] ^= row[column:]
    if matrix[problem.bits :, problem.bits].any():
        return None
    return tuple(np.flatnonzero(matrix[: problem.bits, problem.bits]).tolist())


def packed(problem: Problem) -> tuple[int, ...] | None:
    """The same with 64 bits per word; the label is the bit after the inputs."""
    rows, bits = problem.bits + SPARE, problem.bits
    x, y = problem.x[:rows], problem.y[:rows, None]
    padding = np.zeros_like(x, shape=(rows, -(bits + 1) % _WORD))
    octets = np.packbits(np.concatenate([x, y, padding], axis=1), axis=1)
    words = octets.view(np.uint64)
    for column in range(bits):
        has = octets[:, column // 8] >> (7 - column % 8) & 1
        candidates = np.flatnonzero(has[column:])
        if not len(candidates):
            return None
        pivot = column + int(candidates[0])
        row = words[pivot].copy()
        words[pivot] = words[column]
        words[column] = row
        has[pivot] = has[column]
        has[column] = 0
        words[np.flatnonzero(has)] ^= row
    labels = octets[:, bits // 8] >> (7 - bits % 8) & 1
    if labels[bits:].any():
        return None
    return tuple(np.flatnonzero(labels[:bits]).tolist())
