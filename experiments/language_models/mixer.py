"""A logistic mixer: experts' log-probabilities, weighted and made a distribution again.

It is what PAQ does for bits (Mahoney 2005), for symbols: of V symbols instead of two, with a set of weights
for each situation, learnt online by the gradient of the coding cost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def mix(weights: Floats, logs: Floats, situations: Indices) -> Floats:
    """Probabilities [n, V] by the experts' `logs` [experts, n, V], weighted by the row of `weights`
    [situations, experts] of each one's situation [n]."""
    scores = np.einsum("ne,env->nv", weights[situations], logs)
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    return chances / chances.sum(axis=1, keepdims=True)


def cost_and_gradient(
    weights: Floats, logs: Floats, situations: Indices, targets: NDArray[np.uint8]
) -> tuple[float, Floats]:
    """Mean cost of coding `targets` [n] in nats, and its gradient by `weights` [situations, experts]."""
    chances = mix(weights, logs, situations)
    rows = np.arange(len(targets))
    cost = -float(np.mean(np.log(chances[rows, targets])))
    chances[rows, targets] -= 1
    by_position = np.einsum("nv,env->ne", chances, logs) / len(targets)
    gradient = np.zeros_like(weights)
    np.add.at(gradient, situations, by_position)
    return cost, gradient
