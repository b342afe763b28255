"""Muon: momentum matrices are orthogonalised before they are applied (Jordan 2024)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

# The quintic polynomial that moves singular values towards one; they end between .7 and 1.2.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def orthogonalize(matrices: Tensor) -> Tensor:
    """Approximate the nearest orthonormal matrices [..., m, n] by Newton–Schulz iteration."""
    tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum on matrices, orthogonalised. Matrices of equal shape are processed together."""

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(list(matrices), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override] # noqa: ARG002
        """Update the weights from their current gradients."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for weight in group["params"]:
                alike[weight.shape].append(weight)
            for (rows, columns), weights in alike.items():
                gradients = torch.stack([weight.grad for weight in weights if weight.grad is not None])
                momentum = self.state[weights[0]].setdefault("momentum", torch.zeros_like(gradients))
                momentum.lerp_(gradients, 1 - group["momentum"])
                update = orthogonalize(gradients.lerp(momentum, group["momentum"]))
                scale = max(1.0, rows / columns) ** 0.5
                torch._foreach_add_(list[Tensor](weights), list(update.unbind()), alpha=-group["lr"] * scale)
