"""Solves sparse parities repeatedly, and traces one solve after the window has closed."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.sparse_parity import algebra, networks, problems, queries, subsets, transforms
from experiments.sparse_parity.coverage import Coverage
from experiments.sparse_parity.metrics import measure
from experiments.sparse_parity.parameters import Parameters
from experiments.sparse_parity.problems import Problem, draw
from experiments.sparse_parity.trace import Trace
from experiments.sparse_parity.tracing import TracedRandom, place
from joules.workload.repeat import make_synchronizer, repeat_work
from joules.workload.session import Session

PROCESSES: dict[str, Callable[[Problem], tuple[int, ...] | None]] = {
    "network_sgd": networks.sgd,
    "network_sign_sgd": networks.sign_sgd,
    "network_adam": networks.adam,
    "elimination": algebra.dense,
    "elimination_packed": algebra.packed,
    "walsh_hadamard": transforms.walsh_hadamard,
    "fourier": transforms.fourier,
    "fourier_few": transforms.fourier_few,
    "subsets": subsets.one_by_one,
    "subsets_packed": subsets.packed,
    "subsets_random": subsets.at_random,
    "meet_in_the_middle": subsets.meet_in_the_middle,
    "backtracking": subsets.backtracking,
    "queries": queries.kushilevitz_mansour,
    "queries_single_bits": queries.single_bits,
}


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Data sets that are solved in turn; the last one is only for tracing."""

    problems: list[Problem]
    parameters: Parameters


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Draw the data sets of a block, and warm the code by solving the one for tracing."""
    parameters = Parameters.model_validate(values)
    drawn = [
        draw(
            parameters.bits,
            parameters.k,
            parameters.noise,
            parameters.examples,
            seed * (parameters.data_sets + 1) + number,
        )
        for number in range(parameters.data_sets + 1)
    ]
    PROCESSES[parameters.process](drawn[-1])
    return Prepared(drawn, parameters)


def run(prepared: Prepared, _session: Session) -> dict[str, Any]:
    """Solve one data set after the other for the whole window, and check every answer."""
    parameters = prepared.parameters
    solve = PROCESSES[parameters.process]
    data_sets = itertools.cycle(prepared.problems[:-1])
    solves = right = wrong = 0

    def once() -> None:
        nonlocal solves, right, wrong
        problem = next(data_sets)
        answer = solve(problem)
        solves += 1
        right += answer == problem.secret
        wrong += answer is not None and answer != problem.secret

    repeat_work(once, make_synchronizer("cpu"), parameters.window_s, 1)
    return {"solves": solves, "right": right, "wrong": wrong}


def evaluate(prepared: Prepared) -> dict[str, Any]:
    """Solve the data set for tracing once, with arrays and random numbers that record their use.

    Returns:
        Whether the answer is right, the cost by every metric that needs no meter, the share of the array work
        that is traced, and the cache of a core in bytes where the system tells it.
    """
    problem, trace, coverage = prepared.problems[-1], Trace(), Coverage()
    process = PROCESSES[prepared.parameters.process]
    solve = coverage.watch(sys.modules[process.__module__])[process.__name__]
    given = vars(problem) | {
        "x": place(problem.x, trace),
        "y": place(problem.y, trace),
        # A fixed state of the random numbers, so that the trace depends only on the block.
        "random": TracedRandom(np.random.default_rng(0), trace),
    }
    answer = solve(coverage.watch(problems)["Problem"](**given))
    cache_bytes = core_cache_bytes()
    return {
        "traced_right": answer == problem.secret,
        "traced_share": coverage.traced_share,
        **measure(trace),
        **({} if cache_bytes is None else {"core_cache_bytes": cache_bytes}),
    }


def core_cache_bytes(caches: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int | None:
    """Size of the second-level cache of a core, the largest that it has for itself; None if unknown."""
    for cache in sorted(caches.glob("index*")):
        try:
            level, size = ((cache / name).read_text().strip() for name in ("level", "size"))
        except OSError:
            continue
        if level == "2" and size.endswith("K"):
            return 1024 * int(size.removesuffix("K"))
    return None
