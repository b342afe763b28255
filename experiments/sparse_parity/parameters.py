"""Parameters of an arm of this experiment, validated before measuring."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from joules.models import Closed, did_you_mean

# Access to labels: of given examples, or of inputs that the process chooses.
EXAMPLES, QUERIES = "examples", "membership queries"
ACCESS = {
    "network_sgd": EXAMPLES,
    "network_sign_sgd": EXAMPLES,
    "network_adam": EXAMPLES,
    "elimination": EXAMPLES,
    "elimination_packed": EXAMPLES,
    "walsh_hadamard": EXAMPLES,
    "fourier": EXAMPLES,
    "fourier_few": EXAMPLES,
    "subsets": EXAMPLES,
    "subsets_packed": EXAMPLES,
    "subsets_random": EXAMPLES,
    "meet_in_the_middle": EXAMPLES,
    "backtracking": EXAMPLES,
    "queries": QUERIES,
    "queries_single_bits": QUERIES,
}


class Parameters(Closed):
    """A process that solves a sparse parity of `k` out of `bits` bits from `examples` examples.

    A share `noise` of the labels is wrong. The process solves `data_sets` different data sets in turn, each
    from nothing, for at least `window_s`.
    """

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
        if process not in ACCESS:
            raise ValueError(f"no process is called '{process}' ({did_you_mean(process, ACCESS)})")
        return process
