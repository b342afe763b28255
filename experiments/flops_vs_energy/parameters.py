"""What an arm of this experiment takes, checked before anything is measured."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from joules.models import Closed


class Parameters(Closed):
    """`model` is a torchvision name; `family` groups architectures in figures and fits.

    An arm with a `factor` varies that setting of an architecture that is an arm itself: it is compared with
    that arm and left out of the comparison of architectures.

    Images are square with `image_size` pixels a side; `threads` of the processor work on a pass. After
    `warmup_s` of inference the window stays open for at least `window_s` and at least `min_inferences`
    forward passes, divided evenly over `turns` between which the other arms of the block have theirs.
    """

    model: str
    family: str
    factor: Literal["batch_size", "image_size", "threads"] | None = None
    batch_size: PositiveInt
    image_size: PositiveInt
    threads: PositiveInt | Literal["all"]
    warmup_s: PositiveFloat
    window_s: PositiveFloat
    min_inferences: PositiveInt
    turns: PositiveInt
