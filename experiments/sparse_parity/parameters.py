"""What an arm of this experiment takes, checked before anything is measured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from joules.models import Closed, did_you_mean

NAMES = (
    "network_sgd",
    "network_sign_sgd",
    "network_adam",
    "elimination",
    "elimination_packed",
    "walsh_hadamard",
    "fourier",
    "fourier_few",
    "subsets",
    "subsets_packed",
    "subsets_random",
    "backtracking",
    "queries",
)


class Parameters(Closed):
    """A process that solves a sparse parity of `k` of `bits` bits from `examples` examples, of whose labels a
    share of `noise` is wrong. It solves `data_sets` different ones in turn, each anew, for at least
    `window_s`."""

    process: str
    bits: PositiveInt
    k: PositiveInt
    noise: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    examples: PositiveInt
    data_sets: PositiveInt
    window_s: PositiveFloat

    @field_validator("process")
    @classmethod
    def _exists(cls, process: str) -> str:
        if process not in NAMES:
            raise ValueError(f"no process is called '{process}' ({did_you_mean(process, NAMES)})")
        return process
