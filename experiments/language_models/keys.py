"""N-grams as 64-bit keys.

A key is the symbol in the lowest bits, then its context with the nearest symbol lowest. In sorted keys, the
n-grams of one context are adjacent; masking a key shortens its context. Contexts that are too long for a key
are hashed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Symbols of an alphabet, or tokens.
Symbols = NDArray[np.uint8 | np.uint16]
Indices = NDArray[np.int64]
Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]

# Symbols of the smaller alphabet; a byte is the larger one.
ALPHABET_MOST = 64
# Odd multiplier of the hash.
ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Packing:
    """How n-grams of an alphabet are packed into keys."""

    alphabet: int

    @property
    def bits(self) -> np.uint64:
        """Bits of a symbol."""
        return np.uint64(6 if self.alphabet <= ALPHABET_MOST else 8)

    @property
    def most(self) -> int:
        """Longest context that is packed into a key together with a symbol."""
        return 64 // int(self.bits) - 1

    def mask(self, length: int) -> np.uint64:
        """Bit mask of an n-gram with a packed context of `length`."""
        return np.uint64(2 ** (int(self.bits) * (length + 1)) - 1)

    def context_keys(self, text: Symbols, positions: Indices, length: int) -> Keys:
        """Keys of the `length` symbols before each of `positions`, all of which must be at least `length`."""
        return self._keys(lambda back: text[positions - back], len(positions), length)

    def gram_keys(self, text: Symbols, positions: Indices, length: int) -> Keys:
        """Keys of the n-grams at each of `positions`."""
        return (self.context_keys(text, positions, length) << self.bits) | text[positions]

    def every_gram(self, text: Symbols, length: int) -> Keys:
        """Keys of the n-grams at all places that have `length` symbols before them."""
        places = len(text) - length
        contexts = self._keys(lambda back: text[length - back : length - back + places], places, length)
        return (contexts << self.bits) | text[length:]

    def _keys(self, before: Callable[[int], Symbols], number: int, length: int) -> Keys:
        """Keys of `number` contexts; `before(n)` returns their n-th symbols, counted backwards."""
        keys = np.zeros(number, dtype=np.uint64)
        for back in range(min(length, self.most), 0, -1):
            keys = (keys << self.bits) | before(back)
        for back in range(self.most + 1, length + 1):
            keys = (keys ^ (keys >> np.uint64(29))) * ODD + before(back)
        # Leave room for the symbol below the hash.
        return keys if length <= self.most else (keys ^ (keys >> np.uint64(32))) * ODD >> self.bits
