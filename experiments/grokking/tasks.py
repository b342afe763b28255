"""Modular arithmetic as classification: pairs (a, b) and the number they result in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.grokking.parameters import Task

_RESULT: dict[Task, Callable[[int, int, int], int]] = {
    "add": lambda a, b, _: a + b,
    "subtract": lambda a, b, _: a - b,
    "multiply": lambda a, b, _: a * b,
    "divide": lambda a, b, p: a * pow(b, -1, p),
    "squares": lambda a, b, _: a**2 + b**2,
    "quadratic": lambda a, b, _: a**2 + a * b + b**2,
    "cubic": lambda a, b, _: a**3 + a * b,
}


@dataclass(frozen=True)
class Examples:
    """`pairs` [N, 2] and `results` [N], whole numbers from 0 to the modulus minus one."""

    pairs: Tensor
    results: Tensor


def split(task: Task, modulus: int, train_fraction: float, seed: int) -> tuple[Examples, Examples]:
    """Divide all pairs on which the task is defined into training and validation, at random by `seed`.

    Division is `a b^-1 mod p`, defined for b > 0.

    Returns:
        (training examples, validation examples).
    """
    first = 1 if task == "divide" else 0
    pairs = [(a, b) for a in range(modulus) for b in range(first, modulus)]
    results = [_RESULT[task](a, b, modulus) % modulus for a, b in pairs]
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))
    chosen, answers = torch.tensor(pairs)[order], torch.tensor(results)[order]
    count = round(len(pairs) * train_fraction)
    return Examples(chosen[:count], answers[:count]), Examples(chosen[count:], answers[count:])
