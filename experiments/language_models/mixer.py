"""A logistic mixer: weighted log-probabilities of experts, normalised to a distribution.

PAQ does this for bits (Mahoney 2005); here it is done for V symbols. There is one set of weights per
situation, learnt online by the gradient of the coding cost.
"""

from __future__ import annotations

import numpy as np

from experiments.language_models.keys import Floats, Indices, Symbols


def mix(weights: Floats, logs: Floats, situations: Indices) -> Floats:
    """Mix the predictions of experts.

    Args:
        weights: Weights [situations, experts].
        logs: Log-probabilities [experts, n, V].
        situations: Row of `weights` for each of n places.

    Returns:
        Probabilities [n, V].
    """
    scores = np.einsum("ne,env->nv", weights[situations], logs)
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    return chances / chances.sum(axis=1, keepdims=True)


def cost_and_gradient(
    weights: Floats, logs: Floats, situations: Indices, targets: Symbols
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
