"""Learning a sparse parity: find the k of n bits that determine the labels of noisy examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Bits = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Problem:
    """Examples of a parity of `k` out of `bits` bits.

    `x` [examples, bits] are inputs and `y` [examples] their labels, some of them flipped, as 0 and 1.
    `secret` is only for checking answers. `query` labels chosen inputs [q, bits], which gives more
    information than examples. `random` is the process's source of random numbers.
    """

    x: Bits
    y: Bits
    k: int
    secret: tuple[int, ...]
    query: Callable[[Bits], Bits]
    random: np.random.Generator

    @property
    def bits(self) -> int:
        """Number of bits of an input."""
        return self.x.shape[1]


def draw(bits: int, k: int, noise: float, examples: int, seed: int) -> Problem:
    """Draw a secret and examples of it; each label, also of a query, is flipped with probability `noise`."""
    random = np.random.default_rng(seed)
    secret = tuple(sorted(random.choice(bits, k, replace=False).tolist()))

    def label(x: Bits) -> Bits:
        flipped = random.random(len(x)) < noise
        return np.bitwise_xor.reduce(np.asarray(x)[:, list(secret)], axis=1) ^ flipped.astype(np.uint8)

    x = random.integers(0, 2, (examples, bits)).astype(np.uint8)
    return Problem(x, label(x), k, secret, label, random)
