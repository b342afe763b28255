"""Board entry: chained n-grams with the discounts of Kneser–Ney, modified (by count) or one for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.language_models.contracts import Note
from experiments.language_models.keys import Floats, Indices, Symbols
from experiments.language_models.ngrams import NGrams, kneser_ney
from experiments.language_models.parameters import Parameters


@dataclass(frozen=True)
class Chain:
    """Predictions of the tables alone."""

    tables: NGrams

    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """See `contracts.Model`."""
        places = starts[:, None] + np.arange(length)
        return self.tables.probabilities(text, places.ravel()).reshape(*places.shape, -1)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return self.tables.nbytes


def train(text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note) -> Chain:
    """Count. Nothing is random, and no checkpoints are reported."""
    one = parameters.discounts == 1
    return Chain(kneser_ney(text, parameters.lengths, alphabet, has_one_discount=one))
