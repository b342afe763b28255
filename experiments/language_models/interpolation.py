"""Board entry: a network and tables that learn apart; a fixed weight averages their probabilities.

Both learn the whole text. `mixture`, by contrast, lets its network learn a correction of the tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from experiments.language_models import lwta, modern
from experiments.language_models.contracts import Model, Note
from experiments.language_models.keys import Floats, Indices, Symbols
from experiments.language_models.kneser_ney import Chain
from experiments.language_models.ngrams import kneser_ney
from experiments.language_models.parameters import Parameters


@dataclass(frozen=True)
class Interpolated:
    """`network_share` of the network's probabilities and the rest of those of the tables."""

    network: Model
    tables: Chain
    network_share: float

    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """See `contracts.Model`."""
        network, tables = (model.probabilities(text, starts, length) for model in (self.network, self.tables))
        return self.network_share * network + (1 - self.network_share) * tables

    @property
    def nbytes(self) -> int:
        """Bytes of the weights and tables."""
        return self.network.nbytes + self.tables.nbytes


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> Interpolated:
    """Count, then train a network of its own: with winner-take-all units where the arm has a `group_size`."""
    tables = Chain(kneser_ney(text, parameters.lengths, alphabet))

    def with_tables(network: Model) -> Interpolated:
        return Interpolated(network, tables, parameters.network_share or 0)

    train_network = lwta.train if parameters.group_size else modern.train
    return with_tables(
        train_network(
            text,
            alphabet,
            parameters,
            seed,
            device,
            lambda step, network: note(step, with_tables(network)),
        )
    )
