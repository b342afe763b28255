"""A two-layer network with explicit gradients, trained by three optimisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.sparse_parity.problems import Problem

Floats = np.ndarray[Any, np.dtype[np.float32]]
Update = Callable[[list[Floats], list[Floats]], None]

_HIDDEN, _BATCH, _EPOCHS = 128, 32, 60
# Share of held-out examples, and the accuracy on them that ends training.
_HELD_OUT, _ENOUGH = 0.2, 0.95
_DECAY = 0.01


def sgd(problem: Problem) -> tuple[int, ...] | None:
    """Plain gradient descent."""

    def update(weights: list[Floats], gradients: list[Floats]) -> None:
        for weight, gradient in zip(weights, gradients, strict=True):
            np.subtract(weight, np.float32(0.1) * (gradient + np.float32(_DECAY) * weight), out=weight)

    return _solve(problem, update)


def sign_sgd(problem: Problem) -> tuple[int, ...] | None:
    """Descent along the signs of gradients (Bernstein et al. 2018)."""

    def update(weights: list[Floats], gradients: list[Floats]) -> None:
        for weight, gradient in zip(weights, gradients, strict=True):
            np.subtract(weight, np.float32(0.02) * np.sign(gradient), out=weight)

    return _solve(problem, update)


def adam(problem: Problem) -> tuple[int, ...] | None:
    """Adam (Kingma and Ba 2015)."""
    state: dict[int, tuple[Floats, Floats]] = {}
    steps = 0

    def update(weights: list[Floats], gradients: list[Floats]) -> None:
        nonlocal steps
        steps += 1
        for place, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            mean, square = state.setdefault(place, (gradient * 0, gradient * 0))
            mean += np.float32(0.1) * (gradient - mean)
            square += np.float32(0.001) * (gradient * gradient - square)
            root = np.sqrt(square / np.float32(1 - 0.999**steps)) + np.float32(1e-8)
            np.subtract(weight, np.float32(0.01 / (1 - 0.9**steps)) * mean / root, out=weight)

    return _solve(problem, update)


def _solve(problem: Problem, update: Update) -> tuple[int, ...] | None:
    """Train on hinge loss until all held-out examples are classified correctly.

    Returns the k bits whose flips change the output most; None if training ends earlier.
    """
    x = 1 - 2 * problem.x.astype(np.float32)
    y = 1 - 2 * problem.y.astype(np.float32)
    split = int(len(y) * (1 - _HELD_OUT))
    weights = [
        problem.random.normal(0, spread, shape).astype(np.float32)
        for spread, shape in (
            (problem.bits**-0.5, (problem.bits, _HIDDEN)),
            (0.1, (_HIDDEN,)),
            (_HIDDEN**-0.5, (_HIDDEN,)),
        )
    ]
    for _ in range(_EPOCHS):
        order = problem.random.permutation(split)
        for start in range(0, split, _BATCH):
            chosen = order[start : start + _BATCH]
            update(weights, _gradients(weights, x[chosen], y[chosen]))
        right = (_output(weights, x[split:])[0] * y[split:] > 0).mean()
        if right >= _ENOUGH:
            return _most_moving(weights, x[split:], problem.k)
    return None


def _output(weights: list[Floats], x: Floats) -> tuple[Floats, Floats]:
    """(outputs [n], hidden activations [n, hidden])."""
    hidden = np.maximum(x @ weights[0] + weights[1], np.float32(0))
    return hidden @ weights[2], hidden


def _gradients(weights: list[Floats], x: Floats, y: Floats) -> list[Floats]:
    """Gradients of the mean hinge loss max(0, 1 - y f(x))."""
    output, hidden = _output(weights, x)
    by_output = -y * (y * output < 1) / np.float32(len(y))
    by_hidden = by_output[:, None] * weights[2] * (hidden > 0)
    return [x.T @ by_hidden, by_hidden.sum(axis=0), hidden.T @ by_output]


def _most_moving(weights: list[Floats], x: Floats, k: int) -> tuple[int, ...]:
    before = _output(weights, x)[0]
    moved = []
    for bit in range(x.shape[1]):
        flipped = x.copy()
        flipped[:, bit] = -flipped[:, bit]
        moved.append(float(np.abs(_output(weights, flipped)[0] - before).mean()))
    return tuple(sorted(np.argsort(np.array(moved, like=x))[-k:].tolist()))
