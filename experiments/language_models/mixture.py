"""Board entry: a network on top of n-grams; the network learns a correction of the tables' log-probabilities.

Tables count the leading part of the text and the network learns on the rest, on which the tables make as many
errors as on new text.
"""

from __future__ import annotations

from experiments.language_models import modern
from experiments.language_models.contracts import Note
from experiments.language_models.keys import Symbols
from experiments.language_models.ngrams import kneser_ney
from experiments.language_models.parameters import Parameters
from experiments.language_models.training import Network


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> Network:
    """Count, then train the network on the part that was not counted."""
    split = int(len(text) * (parameters.table_share or 1))
    tables = kneser_ney(text[:split], parameters.lengths, alphabet)
    return modern.train_on(tables, text[split:], alphabet, parameters, seed, device, note)
