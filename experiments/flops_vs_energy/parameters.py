"""Parameters of an arm of this experiment, validated before measuring."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from joules.models import Closed


class Parameters(Closed):
    """Inference of a torchvision `model`; `family` groups architectures in figures and fits.

    An arm with a `factor` changes that setting of an architecture that is itself an arm. It is compared with
    that arm and left out of the comparison of architectures.

    Images are square with `image_size` pixels a side; a pass uses `threads` threads. After `warmup_s` of
    inference the window stays open for at least `window_s` and at least `min_inferences` forward passes. The
    window is divided evenly into `turns`; the other arms of the block have their turns in between.
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
