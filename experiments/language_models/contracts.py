"""What an entry of the board is to the rest of the experiment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from experiments.language_models.ngrams import Floats, Indices, Symbols
from experiments.language_models.parameters import Parameters


class Model(Protocol):
    """What a training leaves behind."""

    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """Probability of every symbol at the `length` places from each of `starts` [n], given the text before
        each place: [n, length, V]. There are at least as many symbols before a start as a model looks
        back."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that a prediction has to have at hand."""
        ...


# Called on the way with the steps done so far and a copy of the model as it is.
Note = Callable[[int, Model], None]


class Train(Protocol):
    """Trains an entry from nothing; the same seed gives the same model."""

    def __call__(
        self, text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
    ) -> Model: ...
