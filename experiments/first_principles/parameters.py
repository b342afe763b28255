"""Parameters of an arm of this experiment, validated before measuring."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from joules.models import Closed


class Parameters(Closed):
    """A `limit` of the machine to measure.

    Limits are operations per second of matrix products or of convolutions, bytes per second of memory, and
    seconds per launch of an operator on a minimal input. `threads` is a number or 'all'. After `warmup_s` the
    window stays open for at least `window_s`.
    """

    limit: Literal["matmul", "convolution", "memory", "launch"]
    threads: PositiveInt | Literal["all"]
    warmup_s: PositiveFloat
    window_s: PositiveFloat
