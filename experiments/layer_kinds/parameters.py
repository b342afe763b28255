"""Parameters of an arm of this experiment, validated before measuring."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt, model_validator

from joules.models import Closed

Kind = Literal["conv1x1", "conv3x3", "depthwise3x3", "linear"]
Layout = Literal["contiguous", "channels_last"]
# A depthwise convolution and the 1x1 convolution that follows it, in all shapes that a network has.
PAIRS = "pairs"


class Parameters(Closed):
    """One layer of a `kind`, or all layers of that kind in a torchvision `model`.

    `pairs` are the depthwise convolutions of a model, one of each shape, and the 1x1 convolutions that follow
    them. Images are in the memory `layout`, `batch` of them at once. A convolution maps `channels_in` to
    `channels_out` on square images of `image_size` pixels a side; for a linear layer they are its numbers of
    features. `factor` names the setting that the arm changes of another arm. After `warmup_s` the window
    stays open for at least `window_s` and `min_passes` passes.
    """

    kind: Kind | Literal["pairs"]
    model: str | None = None
    channels_in: PositiveInt | None = None
    channels_out: PositiveInt | None = None
    image_size: PositiveInt
    batch: PositiveInt = 1
    layout: Layout = "contiguous"
    threads: PositiveInt | Literal["all"]
    factor: Literal["cores"] | None = None
    warmup_s: PositiveFloat
    window_s: PositiveFloat
    min_passes: PositiveInt

    @model_validator(mode="after")
    def _alone_or_inside(self) -> Parameters:
        sizes = (self.channels_in, self.channels_out)
        if (self.model is None) != all(size is not None for size in sizes):
            raise ValueError("give either a model, or both channels_in and channels_out")
        return self
