"""Learning a sparse parity: which k of n bits decide, of noisy examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Bits = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Problem:
    """Examples of a parity of `k` of `bits` bits: `x` [examples, bits] and their labels `y` [examples], a few
    of them flipped, as 0 and 1. `secret` is for checking answers alone. `query` labels inputs of one's own
    choice [q, bits], which is more than examples tell; `random` is what a process draws from."""

    x: Bits
    y: Bits
    k: int
    secret: tuple[int, ...]
    query: Callable[[Bits], Bits]
    random: np.random.Generator

    @property
    def bits(self) -> int:
        """Bits of an input."""
        return self.x.shape[1]


def draw(bits: int, k: int, noise: float, examples: int, seed: int) -> Problem:
    """A secret and examples of it. With probability `noise` a label is flipped, in queries as well."""
    random = np.random.default_rng(seed)
    secret = tuple(sorted(random.choice(bits, k, replace=False).tolist()))

    def label(x: Bits) -> Bits:
        flipped = random.random(len(x)) < noise
        return np.bitwise_xor.reduce(np.asarray(x)[:, list(secret)], axis=1) ^ flipped.astype(np.uint8)

    x = random.integers(0, 2, (examples, bits)).astype(np.uint8)
    return Problem(x, label(x), k, secret, label, random)
