"""Entry: tables of every order, mixed by weights that are learnt online (after PAQ, Mahoney 2005).

Tables count the leading part of the text; on the rest the mixer learns how far to trust each, by how long a
context is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.language_models.contracts import Note
from experiments.language_models.mixer import cost_and_gradient, mix
from experiments.language_models.ngrams import Floats, Indices, Symbols, Table, raw_counts
from experiments.language_models.parameters import Parameters

# Counts that a context has beforehand, spread over all symbols: little, since characters follow few others.
_PRIOR = 0.4
# Positions that the mixer learns from at once, and the length of its steps.
_BATCH = 256
_RATE = 0.06


@dataclass(frozen=True)
class Mixed:
    """Tables and the mixer's weights [situations, tables]."""

    tables: Sequence[Table]
    alphabet: int
    weights: Floats

    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """See `contracts.Model`."""
        places = starts[:, None] + np.arange(length)
        return mix(self.weights, *self.opinions(text, places.ravel())).reshape(*places.shape, -1)

    def opinions(self, text: Symbols, positions: Indices) -> tuple[Floats, Indices]:
        """(log-probabilities of every table [tables, n, V], how many tables in a row know their context
        [n])."""
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
    """Counts, then learns to mix in one pass over the rest of the text, in its order. Nothing is random."""
    split = int(len(text) * (parameters.table_share or 1))
    tables = [raw_counts(text[:split], length, _PRIOR) for length in parameters.lengths]
    model = Mixed(tables, alphabet, np.full((len(tables) + 1, len(tables)), 1 / len(tables)))
    squares = np.full_like(model.weights, 1e-8)
    for start in range(split, len(text) - _BATCH, _BATCH):
        positions = np.arange(start, start + _BATCH)
        _, gradient = cost_and_gradient(model.weights, *model.opinions(text, positions), text[positions])
        # Steps shrink with the gradients that a weight has seen (Duchi et al. 2011).
        squares += gradient**2
        model.weights[...] -= _RATE * gradient / np.sqrt(squares)
    return model
