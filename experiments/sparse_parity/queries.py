"""Learning by asking: Kushilevitz and Mansour 1993."""

from __future__ import annotations

import numpy as np

from experiments.sparse_parity.problems import Problem

# Pairs of queries for each estimate of a bucket's weight, and the weight that keeps it.
_PAIRS = 64
_KEPT = 0.5


def kushilevitz_mansour(problem: Problem) -> tuple[int, ...] | None:
    """Which sets of the first bits begin a set with a large coefficient, one bit more each time. The weight
    of all characters that begin alike is the mean of f(xz) f(yz) chi(x) chi(y) over random beginnings x and y
    and endings z."""
    begun: list[tuple[int, ...]] = [()]
    for known in range(1, problem.bits + 1):
        longer = [chosen for start in begun for chosen in (start, (*start, known - 1))]
        begun = [chosen for chosen in longer if _weight(problem, chosen, known) > _KEPT]
    return begun[0] if len(begun) == 1 else None


def _weight(problem: Problem, chosen: tuple[int, ...], known: int) -> float:
    draw = problem.random.integers(0, 2, (3, _PAIRS, problem.bits)).astype(np.uint8)
    drawn = np.concatenate([problem.x[:0], draw.reshape(-1, problem.bits)])
    first, second, ending = drawn[:_PAIRS], drawn[_PAIRS : 2 * _PAIRS], drawn[2 * _PAIRS :]
    first[:, known:] = ending[:, known:]
    second[:, known:] = ending[:, known:]
    sign = problem.query(first) ^ problem.query(second)
    for bit in chosen:
        sign = sign ^ first[:, bit] ^ second[:, bit]
    return float(1 - 2 * sign.mean())
