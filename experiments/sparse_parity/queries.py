"""Learning by membership queries: the process chooses inputs and is told their labels."""

from __future__ import annotations

import numpy as np

from experiments.sparse_parity.problems import Problem

# Pairs of queries per estimate of a bucket's weight, and the least weight of a kept bucket.
_PAIRS = 64
_KEPT = 0.5


def single_bits(problem: Problem) -> tuple[int, ...] | None:
    """Ask for the label of each input with a single one. A wrong label adds or hides a bit."""
    labels = problem.query(np.eye(problem.bits, dtype=np.uint8, like=problem.x))
    return tuple(np.flatnonzero(labels).tolist())


def kushilevitz_mansour(problem: Problem) -> tuple[int, ...] | None:
    """Extend the prefixes of sets with a large coefficient, one bit at a time (Kushilevitz, Mansour 1993).

    The weight of all characters with a common prefix is the mean of f(xz) f(yz) chi(x) chi(y) over random
    prefixes x and y and suffixes z.
    """
    begun: list[tuple[int, ...]] = [()]
    for known in range(1, problem.bits + 1):
        longer = [chosen for start in begun for chosen in (start, (*start, known - 1))]
        begun = [chosen for chosen in longer if _weight(problem, chosen, known) > _KEPT]
    return begun[0] if len(begun) == 1 else None


def _weight(problem: Problem, chosen: tuple[int, ...], known: int) -> float:
    first, second, ending = problem.random.integers(0, 2, (3, _PAIRS, problem.bits), dtype=np.uint8)
    first[:, known:] = ending[:, known:]
    second[:, known:] = ending[:, known:]
    sign = problem.query(first) ^ problem.query(second)
    for bit in chosen:
        sign = sign ^ first[:, bit] ^ second[:, bit]
    return float(1 - 2 * sign.mean())
