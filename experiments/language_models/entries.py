"""All entries of the board by their name in the design."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.language_models import (
    chunker,
    chunker_unrouted,
    context_mixing,
    device_tables,
    interpolation,
    kneser_ney,
    lwta,
    mixture,
    modern,
    nanogpt,
    state_space,
    token_network,
)
from experiments.language_models.contracts import Train

ENTRIES: Mapping[str, Train] = {
    "kneser_ney": kneser_ney.train,
    "device_tables": device_tables.train,
    "context_mixing": context_mixing.train,
    "nanogpt": nanogpt.train,
    "modern": modern.train,
    "lwta": lwta.train,
    "state_space": state_space.train,
    "token_network": token_network.train,
    "mixture": mixture.train,
    "interpolation": interpolation.train,
    "chunker": chunker.train,
    "chunker_unrouted": chunker_unrouted.train,
}
