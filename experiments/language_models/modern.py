"""A transformer of the same size with modern components.

Rotary positions (Su et al. 2021), normalised queries and keys (Henry et al. 2020), squared ReLU (So et al.
2021), root-mean-square norms, and output weights that start at zero.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.language_models.contracts import Note
from experiments.language_models.keys import Symbols
from experiments.language_models.muon import Muon
from experiments.language_models.ngrams import NGrams
from experiments.language_models.parameters import Parameters
from experiments.language_models.training import Network, adamw, fit

# What hidden units [..., channels] do with their inputs.
Activation = Callable[[Tensor], Tensor]
# Base of the wavelengths of rotary positions.
_BASE = 1000.0
_BETAS, _DECAY = (0.9, 0.95), 0.0
# Share of the training after which the rates decay to zero.
_FALLS_FROM = 0.3


def square_positive(x: Tensor) -> Tensor:
    """Squared ReLU."""
    return functional.relu(x).square()


class Modern(nn.Module):
    """Logits of the next symbol at every place of a window: [batch, places] to [batch, places, V]."""

    def __init__(
        self,
        alphabet: int,
        *,
        layers: int,
        heads: int,
        width: int,
        window: int,
        activation: Activation = square_positive,
    ) -> None:
        super().__init__()
        self.symbols = nn.Embedding(alphabet, width)
        self.blocks = nn.ModuleList(_Block(width, heads, activation) for _ in range(layers))
        self.head = nn.Linear(width, alphabet, bias=False)
        nn.init.zeros_(self.head.weight)
        half = width // heads // 2
        angles = torch.outer(torch.arange(window), _BASE ** -(torch.arange(half) / half))
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, window: Tensor) -> Tensor:
        """Compute logits; see the class."""
        turn = self.cos[: window.size(1)], self.sin[: window.size(1)]
        x = _norm(self.symbols(window))
        for block in self.blocks:
            x = block(x, turn)
        return self.head(_norm(x))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, activation: Activation) -> None:
        super().__init__()
        self.heads, self.activation = heads, activation
        # Separate queries, keys and values, because Muon orthogonalises each matrix.
        self.query, self.key, self.value, self.attention_out = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.mlp_in = nn.Linear(width, 4 * width, bias=False)
        self.mlp_out = nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.attention_out.weight)
        nn.init.zeros_(self.mlp_out.weight)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        normed = _norm(x)
        query, key, value = (
            project(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        attended = functional.scaled_dot_product_attention(
            _rotated(_norm(query), turn), _rotated(_norm(key), turn), value, is_causal=True
        )
        x = x + self.attention_out(attended.transpose(1, 2).flatten(-2))
        return x + self.mlp_out(self.activation(self.mlp_in(_norm(x))))


def _norm(x: Tensor) -> Tensor:
    return functional.rms_norm(x, (x.size(-1),))


def _rotated(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate pairs of channels of `x` [..., places, channels] by the angle of their place."""
    cos, sin = turn
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> Network:
    """Board entry: the modern network, trained by AdamW or by Muon."""
    return train_on(None, text, alphabet, parameters, seed, device, note)


def train_on(
    tables: NGrams | None,
    text: Symbols,
    alphabet: int,
    parameters: Parameters,
    seed: int,
    device: str,
    note: Note,
    activation: Activation = square_positive,
) -> Network:
    """Train the modern network on top of tables; without tables if `tables` is None."""
    torch.manual_seed(seed)
    size = {name: getattr(parameters, name) for name in ("layers", "heads", "width", "window")}
    network = Modern(alphabet, **size, activation=activation).to(device)

    def schedule(done: float) -> float:
        return min(1.0, (1 - done) / (1 - _FALLS_FROM) + 1e-3)

    model = Network(network, parameters.window, tables)
    return fit(model, text, parameters, seed, _optimizers(network, parameters), schedule, note)


def _optimizers(network: Modern, parameters: Parameters) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for embeddings and outputs."""
    rate = parameters.learning_rate or 0
    if parameters.optimizer != "muon":
        return [adamw(list(network.parameters()), rate, _BETAS, _DECAY)]
    ends = [*network.symbols.parameters(), *network.head.parameters()]
    matrices = [weight for block in network.blocks for weight in block.parameters()]
    return [adamw(ends, rate, _BETAS, _DECAY), Muon(matrices, lr=parameters.matrix_learning_rate or 0)]
