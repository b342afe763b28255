"""Trains one entry of the board from nothing and scores it after the window has closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from experiments.language_models.contracts import Model
from experiments.language_models.corpus import Corpus, load
from experiments.language_models.entries import ENTRIES
from experiments.language_models.parameters import Parameters
from experiments.language_models.scoring import score
from joules.workload.repeat import make_synchronizer, repeat_work
from joules.workload.session import Session

# Symbols and iterations of the warm-up training.
_WARM_SYMBOLS, _WARM_ITERATIONS = 20_000, 3


@dataclass
class Prepared:
    """The text and, after training, the models at checkpoints and at the end."""

    corpus: Corpus
    parameters: Parameters
    seed: int
    device: str
    checkpoints: list[tuple[int, Model]] = field(default_factory=list)
    final: Model | None = None


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Load the text, and warm the code with a short training whose model is discarded."""
    parameters = Parameters.model_validate(values)
    corpus = load(parameters.text)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    few = parameters.model_copy(update={"iterations": _WARM_ITERATIONS, "length": 1.0})
    little = corpus.train[:_WARM_SYMBOLS]
    ENTRIES[parameters.entry](little, corpus.symbols, few, seed, device, lambda *_: None)
    return Prepared(corpus, parameters, seed, device)


def run(prepared: Prepared, session: Session) -> dict[str, Any]:
    """Train from nothing, repeatedly until the window is long enough, or once if checkpoints are kept.

    Steps of a training with checkpoints are marked.
    """
    parameters, corpus = prepared.parameters, prepared.corpus
    text = corpus.train[: int(len(corpus.train) * parameters.share)]

    def note(step: int, model: Model) -> None:
        session.step(step)
        prepared.checkpoints.append((step, model))

    def once() -> None:
        prepared.final = ENTRIES[parameters.entry](
            text, corpus.symbols, parameters, prepared.seed, prepared.device, note
        )

    # A training with checkpoints runs once, so that its steps belong to one training.
    least_s = 0.0 if parameters.is_watched else parameters.least_s
    trainings = repeat_work(once, make_synchronizer(prepared.device), least_s, 1)
    return {
        "device": prepared.device,
        "threads": torch.get_num_threads(),
        "trainings": len(trainings),
        "training_symbols": len(text),
        "alphabet": corpus.symbols,
        "symbol": "character" if corpus.alphabet else "byte",
        "corpus_sha256": corpus.sha256,
    }


def evaluate(prepared: Prepared) -> dict[str, Any]:
    """Score the models on the held-out texts.

    Returns:
        Scores. `checkpoints` holds [step, accuracy, bits per symbol].
    """
    parameters, corpus, final = prepared.parameters, prepared.corpus, prepared.final
    assert final is not None, "evaluated before it was trained"
    accuracy, bits = score(final, corpus.validation, parameters.stretches)
    test_accuracy, test_bits = score(final, corpus.test, parameters.stretches)
    return {
        "model_bytes": final.nbytes,
        "constant_accuracy": corpus.constant_accuracy,
        "validation_accuracy": accuracy,
        "validation_bits": bits,
        "test_accuracy": test_accuracy,
        "test_bits": test_bits,
        "checkpoints": [
            [step, *score(model, corpus.validation, parameters.checkpoint_stretches)]
            for step, model in prepared.checkpoints
        ],
    }
