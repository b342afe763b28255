"""Learning a sparse parity: find the k of n bits that determine the labels of noisy examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Bits = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Problem:
    """Examples of a parity of `k` out of several bits.

    `x` [examples, bits] are inputs and `y` [examples] their labels, as 0 and 1; a share `noise` of the labels
    is wrong. `secret` is only for checking answers. `random` is the source of random numbers.
    """

    x: Bits
    y: Bits
    k: int
    secret: tuple[int, ...]
    noise: float
    random: np.random.Generator

    @property
    def bits(self) -> int:
        """Number of bits of an input."""
        return self.x.shape[1]

    def query(self, x: Bits) -> Bits:
        """Label chosen inputs [q, bits]: a membership query, which gives more information than examples."""
        return label(x, self.secret, self.noise, self.random)


def label(x: Bits, secret: tuple[int, ...], noise: float, random: np.random.Generator) -> Bits:
    """The parity of the secret bits of each input, wrong with probability `noise`."""
    parity: Bits = np.bitwise_xor.reduce(x[:, list(secret)], axis=1)
    return parity ^ (random.random(len(x)) < noise) if noise else parity


def draw(bits: int, k: int, noise: float, examples: int, seed: int) -> Problem:
    """Draw a secret and examples of it; each label, also of a query, is wrong with probability `noise`."""
    random = np.random.default_rng(seed)
    secret = tuple(sorted(random.choice(bits, k, replace=False).tolist()))
    x = random.integers(0, 2, (examples, bits), dtype=np.uint8)
    return Problem(x, label(x, secret, noise, random), k, secret, noise, random)
