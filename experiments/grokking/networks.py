"""Two small networks, each computed by exact algebra with as little work as possible.

Both classify a pair of numbers. Terms that depend on one number are computed once per number instead of once
per pair, and the transformer evaluates only its last position, because no other position is read. `naive` is
the same function of the same parameters in the obvious form; tests compare both.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_HEADS = 4


class Transformer(nn.Module):
    """One layer on the sequence (a, b, =): four heads, a ReLU layer four times as wide, no normalisation.

    Power et al. 2022; Nanda et al. 2023.
    """

    def __init__(self, modulus: int, width: int) -> None:
        super().__init__()
        self.modulus = modulus
        self.tokens = nn.Parameter(torch.randn(modulus + 1, width) / math.sqrt(width))
        self.positions = nn.Parameter(torch.randn(3, width) / math.sqrt(width))
        self.query, self.key, self.value, self.output = (
            nn.Parameter(torch.randn(width, width) / math.sqrt(width)) for _ in range(4)
        )
        self.hidden = nn.Linear(width, 4 * width)
        self.back = nn.Linear(4 * width, width)
        self.unembed = nn.Parameter(torch.randn(width, modulus) / math.sqrt(width))

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (logits [N, p], hidden activations [N, 4 width]) of pairs [N, 2]."""
        numbers, equals = self.tokens[:-1], self.tokens[-1] + self.positions[2]
        first, second = numbers + self.positions[0], numbers + self.positions[1]
        query = _heads(equals @ self.query)
        scores = [
            (_heads(place @ self.key) * query).sum(-1) / math.sqrt(query.shape[-1])
            for place in (first, second, equals)
        ]
        values = [place @ self.value for place in (first, second, equals)]
        a, b = pairs[:, 0], pairs[:, 1]
        weights = torch.softmax(
            torch.stack([_rows(scores[0], a), _rows(scores[1], b), scores[2].expand(len(pairs), -1)]),
            dim=0,
        )[..., None]
        mixed = (
            weights[0] * _heads(_rows(values[0], a))
            + weights[1] * _heads(_rows(values[1], b))
            + weights[2] * _heads(values[2])
        )
        return self._read(equals + mixed.flatten(1) @ self.output)

    def naive(self, pairs: Tensor) -> Tensor:
        """Logits [N, p], computed at every position of every sequence under a causal mask."""
        equals = torch.full((len(pairs), 1), self.modulus)
        x = self.tokens[torch.cat([pairs, equals], dim=1)] + self.positions
        query, key, value = (
            _heads(x @ weight).transpose(1, 2) for weight in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + mixed.transpose(1, 2).flatten(2) @ self.output
        x = x + self.back(torch.relu(self.hidden(x)))
        logits: Tensor = x @ self.unembed
        return logits[:, -1]

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        active = torch.relu(self.hidden(x))
        return (x + self.back(active)) @ self.unembed, active


class Mlp(nn.Module):
    """Concatenated embeddings of both numbers, a ReLU layer four times as wide as one embedding, logits."""

    def __init__(self, modulus: int, width: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(modulus, width) / math.sqrt(width))
        self.hidden = nn.Linear(2 * width, 4 * width)
        self.unembed = nn.Parameter(torch.randn(4 * width, modulus) / math.sqrt(4 * width))

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (logits [N, p], hidden activations [N, 4 width]) of pairs [N, 2]."""
        for_first, for_second = self.hidden.weight.chunk(2, dim=1)
        first = self.tokens @ for_first.T + self.hidden.bias
        second = self.tokens @ for_second.T
        active = torch.relu(_rows(first, pairs[:, 0]) + _rows(second, pairs[:, 1]))
        return active @ self.unembed, active

    def naive(self, pairs: Tensor) -> Tensor:
        """Logits [N, p], with the first layer computed for every pair."""
        logits: Tensor = torch.relu(self.hidden(self.tokens[pairs].flatten(1))) @ self.unembed
        return logits


def make(architecture: str, modulus: int, width: int) -> Transformer | Mlp:
    """Make a network, initialised from torch's random stream."""
    return Transformer(modulus, width) if architecture == "transformer" else Mlp(modulus, width)


def _rows(table: Tensor, numbers: Tensor) -> Tensor:
    # Not by indexing: its gradient is summed in the order of threads, which changes from run to run.
    return functional.embedding(numbers, table)


def _heads(x: Tensor) -> Tensor:
    return x.view(*x.shape[:-1], _HEADS, -1)
