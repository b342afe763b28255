"""Board entry: a selective state-space network (Gu and Dao 2023, Mamba) in plain PyTorch.

Each channel keeps a few states that decay and take up input at rates that depend on the input. The closed
form of this recurrence divides by products of decays, which overflow 32-bit numbers within about a hundred
symbols. Here the states are stepped: decays lie between 0 and 1 and only multiply, so nothing can overflow,
forward or backward. A step is one fused operation, and the gradient is the same recurrence from the end.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.language_models.contracts import Note
from experiments.language_models.keys import Symbols
from experiments.language_models.nanogpt import warm_then_cosine
from experiments.language_models.parameters import Parameters
from experiments.language_models.training import Network, adamw, fit

# Settings of the paper: expansion of the width, taps of the convolution, widths per rate of the projection
# of time steps, and the range of initial time steps.
_EXPANSION, _TAPS, _PER_RATE, _STEPS = 2, 4, 16, (1e-3, 1e-1)
_BETAS, _DECAY, _CLIP = (0.9, 0.95), 0.1, 1.0


class Scan(torch.autograd.Function):
    """States h[t] = decay[t] h[t - 1] + taken[t] [places, ...], from zero; decays are within [0, 1]."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, taken: Tensor) -> Tensor:
        """Step the states; see the class."""
        states = taken.clone()
        for place in range(1, len(states)):
            states[place].addcmul_(decay[place], states[place - 1])
        ctx.save_for_backward(decay, states)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Step the gradients of the states from the last place to the first."""
        decay, states = ctx.saved_tensors
        by_taken = gradients[0].clone()
        for place in range(len(states) - 1, 0, -1):
            by_taken[place - 1].addcmul_(decay[place], by_taken[place])
        by_decay = torch.zeros_like(decay)
        torch.mul(by_taken[1:], states[:-1], out=by_decay[1:])
        return by_decay, by_taken


class StateSpace(nn.Module):
    """Logits of the next symbol at every place of a window: [batch, places] to [batch, places, V]."""

    def __init__(self, alphabet: int, *, layers: int, width: int, states: int) -> None:
        super().__init__()
        self.symbols = nn.Embedding(alphabet, width)
        nn.init.normal_(self.symbols.weight, std=0.02)
        self.blocks = nn.ModuleList(_Block(width, states) for _ in range(layers))

    def forward(self, window: Tensor) -> Tensor:
        """Compute logits; see the class."""
        x = self.symbols(window)
        for block in self.blocks:
            x = x + block(functional.rms_norm(x, (x.size(-1),)))
        # Input and output share the embedding.
        return functional.linear(functional.rms_norm(x, (x.size(-1),)), self.symbols.weight)


class _Block(nn.Module):
    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        channels, self.states, self.rates = _EXPANSION * width, states, math.ceil(width / _PER_RATE)
        self.enter = nn.Linear(width, 2 * channels, bias=False)
        self.convolution = nn.Conv1d(channels, channels, _TAPS, groups=channels, padding=_TAPS - 1)
        self.select = nn.Linear(channels, self.rates + 2 * states, bias=False)
        self.step = nn.Linear(self.rates, channels)
        self.log_decays = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(channels, 1))
        self.direct = nn.Parameter(torch.ones(channels))
        self.leave = nn.Linear(channels, width, bias=False)
        steps = torch.exp(torch.empty(channels).uniform_(*map(math.log, _STEPS)))
        with torch.no_grad():
            # The inverse of softplus, so that initial time steps are `steps`.
            self.step.bias.copy_(steps + torch.log(-torch.expm1(-steps)))

    def forward(self, x: Tensor) -> Tensor:
        inner, gate = self.enter(x).chunk(2, dim=-1)
        inner = self.convolution(inner.mT)[..., : x.size(1)].mT
        # Places first: a place of all batches is then one piece of memory.
        inner = functional.silu(inner).transpose(0, 1)
        rates, read_in, read_out = self.select(inner).split((self.rates, self.states, self.states), dim=-1)
        step = functional.softplus(self.step(rates))
        decay = torch.exp(step.unsqueeze(-1) * -self.log_decays.exp())
        taken = (step * inner).unsqueeze(-1) * read_in.unsqueeze(-2)
        states: Tensor = Scan.apply(decay, taken)
        outer = (states @ read_out.unsqueeze(-1)).squeeze(-1) + self.direct * inner
        return self.leave(outer.transpose(0, 1) * functional.silu(gate))


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> Network:
    """Train the network by AdamW, as its paper does."""
    torch.manual_seed(seed)
    network = StateSpace(
        alphabet, layers=parameters.layers, width=parameters.width, states=parameters.states or 1
    ).to(device)
    optimizer = adamw(list(network.parameters()), parameters.learning_rate or 0, _BETAS, _DECAY)
    model = Network(network, parameters.window)
    return fit(model, text, parameters, seed, [optimizer], warm_then_cosine, note, _CLIP)
