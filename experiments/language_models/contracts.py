"""Interface between an entry of the board and the rest of the experiment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from experiments.language_models.keys import Floats, Indices, Symbols
from experiments.language_models.parameters import Parameters


class Model(Protocol):
    """A trained model."""

    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """Predict the symbols of stretches of a text.

        Args:
            text: Symbols. Before each start there are at least as many symbols as a model uses as context.
            starts: First places of the stretches [n].
            length: Symbols in a stretch.

        Returns:
            Probability of every symbol at every place, given the text before it [n, length, V].
        """
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that a prediction needs."""
        ...


# Called during training with the number of steps so far and a copy of the current model.
Note = Callable[[int, Model], None]


class Train(Protocol):
    """Trains an entry from nothing; the same seed gives the same model."""

    def __call__(
        self, text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
    ) -> Model: ...
