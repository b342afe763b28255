"""What an arm of this experiment takes, checked before anything is measured."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from experiments.schema import Closed


class Parameters(Closed):
    """`model` is a torchvision name; `family` groups architectures in figures and fits.

    Images are square with `image_size` pixels a side. After `warmup_s` of inference the window stays
    open for at least `window_s` and at least `min_inferences` forward passes.
    """

    model: str
    family: str
    batch_size: PositiveInt
    image_size: PositiveInt
    warmup_s: PositiveFloat
    window_s: PositiveFloat
    min_inferences: PositiveInt
