"""Chained n-grams with modified Kneser–Ney discounts, interpolated (Chen and Goodman 1999).

An n-gram is a context and the symbol that follows it, packed into one 64-bit key: the symbol in the lowest
bits, then the context with its nearest symbol lowest. In sorted keys, n-grams of one context are adjacent;
masking a key shortens its context. Contexts that are too long for a key are hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.uint8]
Indices = NDArray[np.int64]
Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]

SYMBOL_BITS = 6
ALPHABET_MOST = 2**SYMBOL_BITS
# Longest context that is packed into a key together with a symbol.
PACKED_MOST = 64 // SYMBOL_BITS - 1
_SYMBOL = np.uint64(SYMBOL_BITS)
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Table:
    """N-grams with contexts of one length.

    `contexts` [C] are sorted keys. The symbols that follow the i-th context are `symbols[starts[i]:starts[i +
    1]]` with probabilities `shares`; `backoff[i]` is the probability that remains for the predictions of
    shorter contexts.
    """

    length: int
    contexts: Keys
    starts: Indices
    symbols: Symbols
    shares: Floats
    backoff: Floats

    def refine(self, text: Symbols, positions: Indices, shorter: Floats) -> NDArray[np.bool_]:
        """Combine this table's predictions with those of shorter contexts, in place.

        Args:
            text: Symbols.
            positions: Places to predict [n].
            shorter: Probabilities by shorter contexts [n, V]; overwritten where this table knows the context.

        Returns:
            Whether the table knows the context, by place [n].
        """
        keys = context_keys(text, positions, self.length)
        found = np.minimum(np.searchsorted(self.contexts, keys), len(self.contexts) - 1)
        known = self.contexts[found] == keys
        rows, contexts = np.flatnonzero(known), found[known]
        shorter[rows] *= self.backoff[contexts, None]
        sizes = self.starts[contexts + 1] - self.starts[contexts]
        # The n-grams of all known contexts, one context after the other.
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        entries = np.repeat(self.starts[contexts], sizes) + offsets
        shorter[np.repeat(rows, sizes), self.symbols[entries]] += self.shares[entries]
        return known

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        arrays = (self.contexts, self.starts, self.symbols, self.shares, self.backoff)
        return sum(array.nbytes for array in arrays)


@dataclass(frozen=True)
class NGrams:
    """A chain of tables, shortest context first; the first has no context."""

    tables: Sequence[Table]
    alphabet: int

    def probabilities(self, text: Symbols, positions: Indices) -> Floats:
        """Probability of every symbol at each of `positions`, given the text before it: [n, V]."""
        chances = np.full((len(positions), self.alphabet), 1 / self.alphabet)
        for table in self.tables:
            table.refine(text, positions, chances)
        return chances

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return sum(table.nbytes for table in self.tables)


def kneser_ney(text: Symbols, lengths: Sequence[int], alphabet: int) -> NGrams:
    """Build the chain of contexts of `lengths`, each of which backs off to the next shorter one.

    The longest n-grams are counted in the text. A shorter n-gram is counted by the number of distinct left
    extensions, up to the next longer length.

    Args:
        text: Symbols.
        lengths: Context lengths, rising from 0.
        alphabet: Number of symbols.
    """
    tables = []
    positions = np.arange(lengths[-1], len(text))
    keys = _every_gram(text, lengths[-1])
    for length, shorter in zip(reversed(lengths), [*reversed(lengths[:-1]), None], strict=True):
        if length <= PACKED_MOST:
            grams, counts = np.unique(keys, return_counts=True)
            keys = grams & _mask(shorter or 0)
        else:
            grams, first, counts = np.unique(keys, return_index=True, return_counts=True)
            positions = positions[first]
            keys = _gram_keys(text, positions, shorter or 0)
        discounts = np.concatenate([[0.0], modified_discounts(counts)])[np.minimum(counts, 3)]
        tables.append(tabulate(length, grams, counts - discounts, discounts))
    return NGrams(tables[::-1], alphabet)


def raw_counts(text: Symbols, length: int, prior: float) -> Table:
    """Count the symbols after contexts of one length, with `prior` counts spread over all symbols."""
    grams, counts = np.unique(_every_gram(text, length), return_counts=True)
    starts = _starts(grams >> _SYMBOL)
    sizes = np.diff(np.append(starts, len(grams)))
    return tabulate(length, grams, counts.astype(np.float64), prior / np.repeat(sizes, sizes))


def tabulate(length: int, grams: Keys, kept: Floats, left: Floats) -> Table:
    """Build the table of sorted n-grams.

    Args:
        length: Context length.
        grams: Sorted keys.
        kept: Weight of each n-gram that its symbol keeps.
        left: Weight of each n-gram that goes to shorter contexts.
    """
    contexts = grams >> _SYMBOL
    starts = _starts(contexts)
    left_over = np.add.reduceat(left, starts)
    total = np.add.reduceat(kept, starts) + left_over
    sizes = np.diff(np.append(starts, len(grams)))
    return Table(
        length=length,
        contexts=contexts[starts],
        starts=np.append(starts, len(grams)),
        symbols=(grams & np.uint64(ALPHABET_MOST - 1)).astype(np.uint8),
        shares=kept / np.repeat(total, sizes),
        backoff=left_over / total,
    )


def modified_discounts(counts: NDArray[np.int64]) -> Floats:
    """Discounts of n-grams seen once, twice, and more often (Chen and Goodman 1999, equation 26).

    A text that is too short for the estimate gets half of each count as its discount.
    """
    once, twice, thrice, four = (float(np.count_nonzero(counts == number)) for number in (1, 2, 3, 4))
    if not (once and twice and thrice):
        return np.array([0.5, 0.5, 0.5])
    share = once / (once + 2 * twice)
    return np.clip(
        [1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four / thrice],
        0.05,
        [0.95, 1.95, 2.95],
    )


def context_keys(text: Symbols, positions: Indices, length: int) -> Keys:
    """Keys of the `length` symbols before each of `positions`, all of which must be at least `length`."""
    return _keys(lambda back: text[positions - back], len(positions), length)


def _gram_keys(text: Symbols, positions: Indices, length: int) -> Keys:
    return (context_keys(text, positions, length) << _SYMBOL) | text[positions]


def _every_gram(text: Symbols, length: int) -> Keys:
    """Keys of the n-grams at all places that have `length` symbols before them."""
    places = len(text) - length
    contexts = _keys(lambda back: text[length - back : length - back + places], places, length)
    return (contexts << _SYMBOL) | text[length:]


def _keys(before: Callable[[int], Symbols], number: int, length: int) -> Keys:
    """Keys of `number` contexts; `before(n)` returns their n-th symbols, counted backwards."""
    keys = np.zeros(number, dtype=np.uint64)
    for back in range(min(length, PACKED_MOST), 0, -1):
        keys = (keys << _SYMBOL) | before(back)
    for back in range(PACKED_MOST + 1, length + 1):
        keys = (keys ^ (keys >> np.uint64(29))) * _ODD + before(back)
    # Leave room for the symbol below the hash.
    return keys if length <= PACKED_MOST else (keys ^ (keys >> np.uint64(32))) * _ODD >> _SYMBOL


def _mask(length: int) -> np.uint64:
    """Bit mask of an n-gram with a packed context of `length`."""
    return np.uint64(2 ** (SYMBOL_BITS * (length + 1)) - 1)


def _starts(contexts: Keys) -> Indices:
    return np.concatenate([[0], np.flatnonzero(np.diff(contexts)) + 1])
