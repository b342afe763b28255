"""Board entry: the modern network with local winner-take-all units (Srivastava et al. 2013).

Hidden units compete in groups: the largest of a group passes, the others are zero, and learn nothing there.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from experiments.language_models import modern
from experiments.language_models.contracts import Note
from experiments.language_models.keys import Symbols
from experiments.language_models.parameters import Parameters
from experiments.language_models.training import Network


def keep_winners(x: Tensor, group_size: int) -> Tensor:
    """Set all but the largest of every `group_size` adjacent channels of `x` [..., channels] to zero."""
    groups = x.view(*x.shape[:-1], -1, group_size)
    largest, places = groups.max(dim=-1, keepdim=True)
    return torch.zeros_like(groups).scatter(-1, places, largest).flatten(-2)


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> Network:
    """Train the modern network with winner-take-all units in place of squared ReLU."""
    activation = functools.partial(keep_winners, group_size=parameters.group_size or 1)
    return modern.train_on(None, text, alphabet, parameters, seed, device, note, activation)
