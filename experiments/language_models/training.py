"""Trains the networks of the board: batches, optimisers, learning rates, checkpoints."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.language_models.contracts import Note
from experiments.language_models.keys import Floats, Indices, Symbols
from experiments.language_models.ngrams import NGrams
from experiments.language_models.parameters import Parameters

# Maps a share of the training to a share of the learning rates.
Schedule = Callable[[float], float]
_SCORED_AT_ONCE = 256


@dataclass(frozen=True)
class Network:
    """A network, alone or on top of tables, in which case its logits are added to their log-probabilities."""

    network: nn.Module
    window: int
    tables: NGrams | None = None

    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """See `contracts.Model`. Every place is predicted from at least `window - length` symbols."""
        parts = np.array_split(starts, math.ceil(len(starts) / _SCORED_AT_ONCE))
        return np.concatenate([self._probabilities(text, part, length) for part in parts])

    @torch.inference_mode()
    def _probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        device = next(self.network.parameters()).device
        firsts = starts + length - 1 - self.window
        seen = torch.from_numpy(text[firsts[:, None] + np.arange(self.window)]).long().to(device)
        logits = self.network(seen)[:, -length:]
        if self.tables is not None:
            logits = logits + table_logs(self.tables, text, starts[:, None] + np.arange(length), device)
        return logits.double().softmax(dim=-1).cpu().numpy()

    @property
    def nbytes(self) -> int:
        """Bytes of the weights and of any tables."""
        weights = sum(weight.nbytes for weight in self.network.parameters())
        return weights + (self.tables.nbytes if self.tables else 0)


def table_logs(tables: NGrams, text: Symbols, places: Indices, device: torch.device | str) -> Tensor:
    """Log-probabilities of the tables at `places` [n, length], as [n, length, V]."""
    chances = tables.probabilities(text, places.ravel()).reshape(*places.shape, -1)
    return torch.from_numpy(np.log(chances)).float().to(device)


def fit(
    model: Network,
    text: Symbols,
    parameters: Parameters,
    seed: int,
    optimizers: Sequence[torch.optim.Optimizer],
    schedule: Schedule,
    note: Note,
    clip: float | None = None,
) -> Network:
    """Train a network on windows drawn from `text`.

    Args:
        model: The network.
        text: Symbols.
        parameters: Parameters of the arm.
        seed: Seed of the windows.
        optimizers: Optimisers of the weights.
        schedule: Share of the learning rates at a share of the training.
        note: Called at `checkpoints` instants, evenly spread over logarithms of iterations.
        clip: Largest norm of all gradients; None for no limit.

    Raises:
        ValueError: If the loss is not finite.
    """
    iterations = parameters.steps
    network, device = model.network, next(model.network.parameters()).device
    rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    noted = checkpoints(iterations, parameters.checkpoints)
    random = np.random.default_rng(seed)
    # Windows begin where tables have enough context.
    first = max([table.length for table in model.tables.tables], default=0) if model.tables else 0
    for iteration in range(iterations):
        starts = random.integers(first, len(text) - parameters.window - 1, size=parameters.batch)
        places = starts[:, None] + np.arange(parameters.window)
        logits = network(torch.from_numpy(text[places]).long().to(device))
        if model.tables is not None:
            logits = logits + table_logs(model.tables, text, places + 1, device)
        targets = torch.from_numpy(text[places + 1]).long().to(device)
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        if not math.isfinite(loss.item()):
            raise ValueError(f"learning diverged: the loss is {loss.item()} after {iteration} iterations")
        loss.backward()  # type: ignore[no-untyped-call]
        if clip is not None:
            nn.utils.clip_grad_norm_(network.parameters(), clip)
        share = schedule((iteration + 1) / iterations)
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = share * rate
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if iteration + 1 in noted:
            note(iteration + 1, Network(copy.deepcopy(network), model.window, model.tables))
    return model


def checkpoints(iterations: int, number: int) -> set[int]:
    """At most `number` iterations from 1 % of `iterations` to the last, evenly spread over logarithms."""
    return {int(step) for step in np.geomspace(max(iterations / 100, 1), iterations, number).round()}


def adamw(
    weights: Sequence[nn.Parameter], rate: float, betas: tuple[float, float], decay: float
) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only, not on vectors."""
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": decay},
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate, betas=betas, fused=True)
