"""What an arm of this experiment takes, checked before anything is measured."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from joules.models import Closed


class Parameters(Closed):
    """Products of two square matrices of `side` rows, for `window_s` after `warmup_s` of them."""

    side: PositiveInt
    warmup_s: PositiveFloat
    window_s: PositiveFloat
