"""Board entry: the chunker without its routing, an ablation.

Its network learns, as the chunker's does, only where n-grams are uncertain, but it predicts by itself and is
averaged with the tables by a fixed weight at every place, also where it has learnt nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from experiments.language_models.chunker import Perceptron, fit_uncertain, read
from experiments.language_models.contracts import Note
from experiments.language_models.interpolation import Interpolated
from experiments.language_models.keys import Floats, Indices, Symbols
from experiments.language_models.kneser_ney import Chain
from experiments.language_models.ngrams import kneser_ney
from experiments.language_models.parameters import Parameters


@dataclass(frozen=True)
class Alone:
    """Predictions of the network without tables."""

    network: Perceptron

    @torch.inference_mode()
    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """See `contracts.Model`."""
        logits = read(self.network, text, (starts[:, None] + np.arange(length)).ravel())
        return logits.double().softmax(dim=-1).cpu().numpy().reshape(len(starts), length, -1)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights."""
        return sum(weight.nbytes for weight in self.network.parameters())


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> Interpolated:
    """Count the leading part of the text, then train the network on uncertain places of the rest."""
    torch.manual_seed(seed)
    tables = kneser_ney(text[: int(len(text) * (parameters.table_share or 1))], parameters.lengths, alphabet)
    network = Perceptron(alphabet).to(device)
    fit_uncertain(network, tables, text, parameters, seed, lambda places, _: read(network, text, places))
    return Interpolated(Alone(network), Chain(tables), parameters.network_share or 0)
