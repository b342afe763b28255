"""Solves sparse parities repeatedly, and traces one solve after the window has closed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from experiments.sparse_parity import algebra, metrics, networks, queries, subsets, transforms
from experiments.sparse_parity.parameters import Parameters
from experiments.sparse_parity.problems import Problem, draw
from experiments.sparse_parity.tracing import Trace
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
    "backtracking": subsets.backtracking,
    "queries": queries.kushilevitz_mansour,
}


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Data sets that are solved in turn; the last one is only for tracing."""

    problems: list[Problem]
    parameters: Parameters


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Draw the data sets of a block, and warm the code by solving the one for tracing."""
    parameters = Parameters.model_validate(values)
    problems = [
        draw(
            parameters.bits,
            parameters.k,
            parameters.noise,
            parameters.examples,
            seed * (parameters.data_sets + 1) + number,
        )
        for number in range(parameters.data_sets + 1)
    ]
    PROCESSES[parameters.process](problems[-1])
    return Prepared(problems, parameters)


def run(prepared: Prepared, _session: Session) -> dict[str, Any]:
    """Solve one data set after the other for the whole window, and check every answer."""
    parameters = prepared.parameters
    solve = PROCESSES[parameters.process]
    problems = itertools.cycle(prepared.problems[:-1])
    solves = right = wrong = 0

    def once() -> None:
        nonlocal solves, right, wrong
        problem = next(problems)
        answer = solve(problem)
        solves += 1
        right += answer == problem.secret
        wrong += answer is not None and answer != problem.secret

    repeat_work(once, make_synchronizer("cpu"), parameters.window_s, 1)
    return {"solves": solves, "right": right, "wrong": wrong}


def evaluate(prepared: Prepared) -> dict[str, Any]:
    """Solve the data set for tracing once, with arrays that record their use.

    Returns:
        Whether the answer is right, and the cost by every metric that needs no meter.
    """
    problem, trace = prepared.problems[-1], Trace()
    # A fixed state of the random numbers, so that the trace depends only on the block.
    traced = dataclasses.replace(
        problem, x=trace.array(problem.x), y=trace.array(problem.y), random=np.random.default_rng(0)
    )
    answer = PROCESSES[prepared.parameters.process](traced)
    return {"traced_right": answer == problem.secret, **metrics.of(trace)}
