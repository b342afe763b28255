"""The small GPT that nanoGPT trains on a processor (Karpathy 2022): pre-norm blocks, learnt positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.language_models.contracts import Note
from experiments.language_models.keys import Symbols
from experiments.language_models.parameters import Parameters
from experiments.language_models.training import Network, adamw, fit

# Settings of nanoGPT's recipe for a processor: config/train_shakespeare_char.py and the README.
_BETAS, _DECAY, _CLIP = (0.9, 0.99), 0.1, 1.0
# The rate rises for 100 of 2,000 steps and then falls to a tenth.
_WARM_SHARE, _LEAST_SHARE = 0.05, 0.1


class NanoGpt(nn.Module):
    """Logits of the next symbol at every place of a window: [batch, places] to [batch, places, V]."""

    def __init__(self, alphabet: int, *, layers: int, heads: int, width: int, window: int) -> None:
        super().__init__()
        self.symbols = nn.Embedding(alphabet, width)
        self.places = nn.Embedding(window, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                # Initial weights of residual layers are smaller in a deeper network.
                spread = 0.02 / math.sqrt(2 * layers) if name.endswith("out.weight") else 0.02
                nn.init.normal_(weight, std=spread)

    def forward(self, window: Tensor) -> Tensor:
        """Compute logits; see the class."""
        x = self.symbols(window) + self.places.weight[: window.size(1)]
        for block in self.blocks:
            x = block(x)
        # Input and output share the embedding.
        return functional.linear(self.norm(x), self.symbols.weight)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = (nn.LayerNorm(width, bias=False) for _ in range(2))
        self.attention_in = nn.Linear(width, 3 * width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.mlp_in = nn.Linear(width, 4 * width, bias=False)
        self.mlp_out = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.attention_in(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attention_out(attended.transpose(1, 2).flatten(-2))
        return x + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(x))))


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> Network:
    """Board entry: the recipe with which the others are compared."""
    torch.manual_seed(seed)
    size = {name: getattr(parameters, name) for name in ("layers", "heads", "width", "window")}
    network = NanoGpt(alphabet, **size).to(device)
    optimizer = adamw(list(network.parameters()), parameters.learning_rate or 0, _BETAS, _DECAY)
    model = Network(network, parameters.window)
    return fit(model, text, parameters, seed, [optimizer], warm_then_cosine, note, _CLIP)


def warm_then_cosine(done: float) -> float:
    """Share of the learning rate at a share of the training: a rise, then half a cosine to a tenth."""
    if done < _WARM_SHARE:
        return done / _WARM_SHARE
    cosine = 0.5 * (1 + math.cos(math.pi * (done - _WARM_SHARE) / (1 - _WARM_SHARE)))
    return _LEAST_SHARE + (1 - _LEAST_SHARE) * cosine
