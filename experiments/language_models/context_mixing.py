"""Board entry: tables of every order, mixed with weights that are learnt online (after PAQ, Mahoney 2005).

Tables count the leading part of the text. On the rest, the mixer learns a weight for each table, separately
for each number of tables that know the context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.language_models.contracts import Note
from experiments.language_models.keys import Floats, Indices, Symbols
from experiments.language_models.mixer import cost_and_gradient, mix
from experiments.language_models.ngrams import Table, raw_counts
from experiments.language_models.parameters import Parameters

# Prior counts of a context, spread over all symbols; few, because few characters follow any context.
_PRIOR = 0.4
# Batch size and step size of the mixer.
_BATCH = 256
_RATE = 0.06


@dataclass(frozen=True)
class Mixed:
    """Tables, and the mixer's weights [situations, tables]."""

    tables: Sequence[Table]
    alphabet: int
    weights: Floats

    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """See `contracts.Model`."""
        places = starts[:, None] + np.arange(length)
        return mix(self.weights, *self.opinions(text, places.ravel())).reshape(*places.shape, -1)

    def opinions(self, text: Symbols, positions: Indices) -> tuple[Floats, Indices]:
        """Predict with every table.

        Returns:
            (log-probabilities of every table [tables, n, V], number of tables that know their context [n]).
        """
        logs = np.empty((len(self.tables), len(positions), self.alphabet))
        known_by = np.zeros(len(positions), dtype=np.int64)
        for table, chances in zip(self.tables, logs, strict=True):
            chances.fill(1 / self.alphabet)
            known_by += table.refine(text, positions, chances)
        return np.log(logs, out=logs), known_by

    @property
    def nbytes(self) -> int:
        """Bytes of the tables and weights."""
        return sum(table.nbytes for table in self.tables) + self.weights.nbytes


def train(text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note) -> Mixed:
    """Count, then learn to mix in one pass over the rest of the text, in its order. Nothing is random."""
    split = int(len(text) * (parameters.table_share or 1))
    tables = [raw_counts(text[:split], length, _PRIOR, alphabet) for length in parameters.lengths]
    model = Mixed(tables, alphabet, np.full((len(tables) + 1, len(tables)), 1 / len(tables)))
    squares = np.full_like(model.weights, 1e-8)
    for start in range(split, len(text) - _BATCH, _BATCH):
        positions = np.arange(start, start + _BATCH)
        _, gradient = cost_and_gradient(model.weights, *model.opinions(text, positions), text[positions])
        # AdaGrad: steps shrink with the accumulated squared gradients of a weight (Duchi et al. 2011).
        squares += gradient**2
        model.weights[...] -= _RATE * gradient / np.sqrt(squares)
    return model
