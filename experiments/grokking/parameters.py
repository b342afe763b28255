"""Parameters of an arm of this experiment, validated before measuring."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from joules.models import Closed

Task = Literal["add", "subtract", "multiply", "divide", "squares", "quadratic", "cubic"]
Architecture = Literal["transformer", "mlp"]
RuleName = Literal["fixed", "patience", "patience_accuracy", "plateau"]


class Parameters(Closed):
    """A network trained on a task modulo a prime, in full batches, for `steps` optimiser steps.

    `width` is the width of the embedding, `train_fraction` the share of all pairs in the training set. Every
    `evaluate_every` steps the network is evaluated on the other pairs, and `rule` may end the training.
    """

    task: Task
    architecture: Architecture
    modulus: PositiveInt
    width: PositiveInt
    train_fraction: Annotated[float, Field(gt=0, lt=1)]
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    steps: PositiveInt
    evaluate_every: PositiveInt
    rule: RuleName = "fixed"

    @field_validator("modulus")
    @classmethod
    def _is_prime(cls, modulus: int) -> int:
        if modulus < 3 or any(modulus % divisor == 0 for divisor in range(2, int(modulus**0.5) + 1)):
            raise ValueError("must be an odd prime, so that every number but zero has an inverse")
        return modulus
