"""Parameters of an arm of this experiment, validated before measuring."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat

from joules.models import Closed


class Parameters(Closed):
    """A kind of work, repeated for at least `window_s` seconds after `warmup_s` seconds of warm-up."""

    work: Literal["ppo_pong", "vision", "small_kernels", "memory_bound"]
    warmup_s: PositiveFloat
    window_s: PositiveFloat
