"""Entry: a chunker (Schmidhuber 1992): n-grams predict, and a small network learns only where they do not
know.

A place counts as unknown where the surprise that the n-grams themselves expect, the entropy of their
distribution, is above a bound. That is known before the symbol, so that the same places are asked when
predicting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.language_models.contracts import Note
from experiments.language_models.ngrams import Floats, Indices, NGrams, Symbols, kneser_ney
from experiments.language_models.parameters import Parameters

# Of the network: symbols it sees, numbers a symbol becomes, hidden units.
_SEEN, _NUMBERS, _HIDDEN = 16, 16, 256
# Places looked at in an iteration, of which the unknown are learnt.
_CANDIDATES = 2048


class Perceptron(nn.Module):
    """Logits of the next symbol from the last few: [n, seen] to [n, V]. They start at zero."""

    def __init__(self, alphabet: int) -> None:
        super().__init__()
        self.symbols = nn.Embedding(alphabet, _NUMBERS)
        self.hidden = nn.Linear(_SEEN * _NUMBERS, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, alphabet)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, seen: Tensor) -> Tensor:
        """See the class."""
        return self.out(functional.relu(self.hidden(self.symbols(seen).flatten(1))))


@dataclass(frozen=True)
class Chunker:
    """Tables, and the network that is asked where these expect more than `uncertain_bits` of surprise."""

    tables: NGrams
    network: Perceptron
    uncertain_bits: float

    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """See `contracts.Model`."""
        places = (starts[:, None] + np.arange(length)).ravel()
        chances = self.tables.probabilities(text, places)
        unknown = expected_bits(chances) > self.uncertain_bits
        with torch.inference_mode():
            logits = self.correct(text, places[unknown], chances[unknown])
            chances[unknown] = logits.double().softmax(dim=-1).cpu().numpy()
        return chances.reshape(len(starts), length, -1)

    def correct(self, text: Symbols, places: Indices, chances: Floats) -> Tensor:
        """What the network makes of the tables' probabilities at `places` [n]: logits [n, V]."""
        device = self.network.out.weight.device
        seen = torch.from_numpy(text[places[:, None] - _SEEN + np.arange(_SEEN)]).long().to(device)
        return self.network(seen) + torch.from_numpy(np.log(chances)).float().to(device)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables and of the network."""
        return self.tables.nbytes + sum(weight.nbytes for weight in self.network.parameters())


def expected_bits(chances: Floats) -> Floats:
    """Entropy of each of n distributions [n, V], in bits."""
    return -(chances * np.log2(chances)).sum(axis=1)


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> Chunker:
    """Counts the leading part, then trains the network on unknown places of the rest."""
    torch.manual_seed(seed)
    split = int(len(text) * (parameters.table_share or 1))
    model = Chunker(
        kneser_ney(text[:split], parameters.lengths, alphabet),
        Perceptron(alphabet).to(device),
        parameters.uncertain_bits or 0,
    )
    optimizer = torch.optim.AdamW(
        model.network.parameters(), lr=parameters.learning_rate or 0, weight_decay=0.0, fused=True
    )
    random = np.random.default_rng(seed)
    for step in range(parameters.steps):
        optimizer.param_groups[0]["lr"] = (parameters.learning_rate or 0) * (1 - step / parameters.steps)
        places = random.integers(split, len(text), size=_CANDIDATES)
        chances = model.tables.probabilities(text, places)
        unknown = expected_bits(chances) > model.uncertain_bits
        logits = model.correct(text, places[unknown], chances[unknown])
        targets = torch.from_numpy(text[places[unknown]]).long().to(device)
        functional.cross_entropy(logits, targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return model
