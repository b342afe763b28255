"""Parameters of an arm of this experiment, validated before measuring."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from joules.models import Closed


class Parameters(Closed):
    """Products of two square matrices of `side` rows, for `window_s` after `warmup_s` seconds."""

    side: PositiveInt
    warmup_s: PositiveFloat
    window_s: PositiveFloat
