"""Board entry: a chunker (Schmidhuber 1992). A small network learns only where n-grams are uncertain.

A place is uncertain if the entropy of the n-grams' distribution is above a bound. This is known before the
symbol, so training and prediction select the same places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.language_models.contracts import Note
from experiments.language_models.keys import Floats, Indices, Symbols
from experiments.language_models.ngrams import NGrams, kneser_ney
from experiments.language_models.parameters import Parameters

# Network size: symbols of context, embedding width, hidden units.
_SEEN, _NUMBERS, _HIDDEN = 16, 16, 256
# Places drawn in an iteration; the network trains on the uncertain ones.
_CANDIDATES = 2048


class Perceptron(nn.Module):
    """Logits of the next symbol from the last few symbols: [n, seen] to [n, V]. Initial logits are zero."""

    def __init__(self, alphabet: int) -> None:
        super().__init__()
        self.symbols = nn.Embedding(alphabet, _NUMBERS)
        self.hidden = nn.Linear(_SEEN * _NUMBERS, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, alphabet)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, seen: Tensor) -> Tensor:
        """Compute logits; see the class."""
        return self.out(functional.relu(self.hidden(self.symbols(seen).flatten(1))))


@dataclass(frozen=True)
class Chunker:
    """N-gram tables, and a network that corrects them where their entropy is above `uncertain_bits`."""

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
        """Logits [n, V] at `places` [n]: the network's correction added to the tables' log-probabilities."""
        device = self.network.out.weight.device
        seen = torch.from_numpy(text[places[:, None] - _SEEN + np.arange(_SEEN)]).long().to(device)
        return self.network(seen) + torch.from_numpy(np.log(chances)).float().to(device)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables and the network."""
        return self.tables.nbytes + sum(weight.nbytes for weight in self.network.parameters())


def expected_bits(chances: Floats) -> Floats:
    """Entropy of each of n distributions [n, V], in bits."""
    return -(chances * np.log2(chances)).sum(axis=1)


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> Chunker:
    """Count the leading part of the text, then train the network on uncertain places of the rest."""
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
