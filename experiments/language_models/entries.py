"""All entries of the board by their name in the design."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.language_models import chunker, context_mixing, kneser_ney, mixture, modern, nanogpt
from experiments.language_models.contracts import Train

ENTRIES: Mapping[str, Train] = {
    "kneser_ney": kneser_ney.train,
    "context_mixing": context_mixing.train,
    "nanogpt": nanogpt.train,
    "modern": modern.train,
    "mixture": mixture.train,
    "chunker": chunker.train,
}
