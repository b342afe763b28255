"""What an arm of this experiment takes, checked before anything is measured."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from joules.models import Closed


class Parameters(Closed):
    """A `limit` of the machine: operations a second of matrix products or of convolutions, bytes a second of
    memory, or seconds of launching an operator on next to nothing.

    `threads` is a number, or 'all'. After `warmup_s` the window stays open for at least `window_s`.
    """

    limit: Literal["matmul", "convolution", "memory", "launch"]
    threads: PositiveInt | Literal["all"]
    warmup_s: PositiveFloat
    window_s: PositiveFloat
