"""Board entry: a chunker (Schmidhuber 1992). A small network learns only where n-grams are uncertain.

A place is uncertain if the entropy of the n-grams' distribution is above a bound. This is known before the
symbol, so training and prediction select the same places.
"""

from __future__ import annotations

from collections.abc import Callable
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
        logits = read(self.network, text, places)
        return logits + torch.from_numpy(np.log(chances)).to(logits)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables and the network."""
        return self.tables.nbytes + sum(weight.nbytes for weight in self.network.parameters())


def read(network: Perceptron, text: Symbols, places: Indices) -> Tensor:
    """Logits of the network alone at `places` [n], as [n, V]."""
    seen = torch.from_numpy(text[places[:, None] - _SEEN + np.arange(_SEEN)]).long()
    return network(seen.to(network.out.weight.device))


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
    fit_uncertain(
        model.network,
        model.tables,
        text,
        parameters,
        seed,
        lambda places, chances: model.correct(text, places, chances),
    )
    return model


def fit_uncertain(
    network: Perceptron,
    tables: NGrams,
    text: Symbols,
    parameters: Parameters,
    seed: int,
    logits_at: Callable[[Indices, Floats], Tensor],
) -> None:
    """Train a network at the uncertain ones of places drawn from the part of the text that was not counted.

    Args:
        network: The network.
        tables: Tables of the leading part of `text`; their entropy decides which places are uncertain.
        text: Symbols.
        parameters: Parameters of the arm.
        seed: Seed of the places.
        logits_at: Logits [n, V] to learn at places [n], for which the tables predict probabilities [n, V].
    """
    rate, split = parameters.learning_rate or 0, int(len(text) * (parameters.table_share or 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.0, fused=True)
    random = np.random.default_rng(seed)
    for step in range(parameters.steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / parameters.steps)
        places = random.integers(split, len(text), size=_CANDIDATES)
        chances = tables.probabilities(text, places)
        unknown = expected_bits(chances) > (parameters.uncertain_bits or 0)
        logits = logits_at(places[unknown], chances[unknown])
        targets = torch.from_numpy(text[places[unknown]]).long().to(logits.device)
        functional.cross_entropy(logits, targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
