"""Feature extractors, which turn an observation into a vector."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn


class _Convolutions(BaseFeaturesExtractor):
    """Convolutions, then one fully connected layer. Observations are [B, C, H, W], in the memory layout of
    the weights.

    If observations are bytes, the first weights are divided by 255 instead of the observations. By linearity
    the features are the same, but thousands of numbers are divided and not millions.
    """

    def __init__(self, space: spaces.Box, layers: list[nn.Module], features: int) -> None:
        super().__init__(space, features)
        first, *others = layers
        assert isinstance(first, nn.Conv2d)
        self._brightest = float(space.high.max())
        self.first = first
        self.convolutions = nn.Sequential(*others, nn.Flatten())
        with torch.no_grad():
            width = self.convolutions(first(torch.zeros(1, *space.shape))).shape[1]
        self.linear = nn.Sequential(nn.Linear(width, features), nn.ReLU())

    def forward(self, observations: Tensor) -> Tensor:
        weight = self.first.weight
        if weight.is_contiguous(memory_format=torch.channels_last):
            observations = observations.contiguous(memory_format=torch.channels_last)
        seen = self.first._conv_forward(observations, weight / self._brightest, self.first.bias)
        return self.linear(self.convolutions(seen))


class MinAtarNetwork(_Convolutions):
    """One 3x3 convolution of 16 channels and 128 units: the network of Young and Tian 2019."""

    def __init__(self, space: spaces.Box) -> None:
        super().__init__(space, [nn.Conv2d(space.shape[0], 16, 3), nn.ReLU()], features=128)


class NatureNetwork(_Convolutions):
    """The network of Mnih et al. 2015."""

    def __init__(self, space: spaces.Box) -> None:
        layers = [
            nn.Conv2d(space.shape[0], 32, 8, stride=4),
            nn.ReLU(),
            nn.Conv2d(32, 64, 4, stride=2),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3),
            nn.ReLU(),
        ]
        super().__init__(space, layers, features=512)


class SeparableNetwork(_Convolutions):
    """`NatureNetwork` with each convolution split into a depthwise and a 1x1 convolution, as in MobileNet.

    Howard et al. 2017: fewer operations, with more memory traffic per operation.
    """

    def __init__(self, space: spaces.Box) -> None:
        layers = [
            *_separable(space.shape[0], 32, 8, stride=4),
            *_separable(32, 64, 4, stride=2),
            *_separable(64, 64, 3, stride=1),
        ]
        super().__init__(space, layers, features=512)


def _separable(channels_in: int, channels_out: int, side: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_in, side, stride=stride, groups=channels_in),
        nn.Conv2d(channels_in, channels_out, 1),
        nn.ReLU(),
    ]


EXTRACTORS: dict[str, type[_Convolutions]] = {
    "minatar": MinAtarNetwork,
    "nature": NatureNetwork,
    "separable": SeparableNetwork,
}
