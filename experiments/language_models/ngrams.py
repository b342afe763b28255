"""Chained n-grams with modified Kneser–Ney discounts, interpolated (Chen and Goodman 1999).

An n-gram is a context and the symbol that follows it, packed into one 64-bit key: the symbol in the lowest
bits, above it the context with its nearest symbol lowest. Sorted keys hold n-grams of one context side by
side, and to shorten a context is to mask its key. Contexts too long for that are hashed.
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
# Longest context that is packed; a symbol has to fit beside it.
PACKED_MOST = 64 // SYMBOL_BITS - 1
_SYMBOL = np.uint64(SYMBOL_BITS)
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Table:
    """What is known of contexts of one length.

    `contexts` [C] are sorted keys; what follows the i-th is `symbols[starts[i]:starts[i + 1]]`, with
    `shares` of its probability there and `backoff[i]` left over for what shorter contexts say.
    """

    length: int
    contexts: Keys
    starts: Indices
    symbols: Symbols
    shares: Floats
    backoff: Floats

    def refine(self, text: Symbols, positions: Indices, shorter: Floats) -> NDArray[np.bool_]:
        """Turns `shorter` [n, V], what shorter contexts say of the symbols at `positions` [n], into what this
        table says, where it knows the context. Returns where it does [n]."""
        keys = context_keys(text, positions, self.length)
        found = np.minimum(np.searchsorted(self.contexts, keys), len(self.contexts) - 1)
        known = self.contexts[found] == keys
        rows, contexts = np.flatnonzero(known), found[known]
        shorter[rows] *= self.backoff[contexts, None]
        sizes = self.starts[contexts + 1] - self.starts[contexts]
        # The entries of all found contexts, one context after the other.
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        entries = np.repeat(self.starts[contexts], sizes) + offsets
        shorter[np.repeat(rows, sizes), self.symbols[entries]] += self.shares[entries]
        return known

    @property
    def nbytes(self) -> int:
        """Bytes that the table takes."""
        arrays = (self.contexts, self.starts, self.symbols, self.shares, self.backoff)
        return sum(array.nbytes for array in arrays)


@dataclass(frozen=True)
class NGrams:
    """A chain of tables, the one without context first."""

    tables: Sequence[Table]
    alphabet: int

    def probabilities(self, text: Symbols, positions: Indices) -> Floats:
        """Probability of every symbol at each of `positions` given what precedes it: [n, V]."""
        chances = np.full((len(positions), self.alphabet), 1 / self.alphabet)
        for table in self.tables:
            table.refine(text, positions, chances)
        return chances

    @property
    def nbytes(self) -> int:
        """Bytes that the tables take."""
        return sum(table.nbytes for table in self.tables)


def kneser_ney(text: Symbols, lengths: Sequence[int], alphabet: int) -> NGrams:
    """The chain of contexts of `lengths` (0 first, then longer ones), each backing off to the next shorter.

    Counts of the longest are those of the text; a shorter n-gram counts in how many ways it is continued to
    the left, up to the next longer one.
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
    """Counts of what follows contexts of one length in the text, with `prior` counts spread over all
    symbols."""
    grams, counts = np.unique(_every_gram(text, length), return_counts=True)
    starts = _starts(grams >> _SYMBOL)
    sizes = np.diff(np.append(starts, len(grams)))
    return tabulate(length, grams, counts.astype(np.float64), prior / np.repeat(sizes, sizes))


def tabulate(length: int, grams: Keys, kept: Floats, left: Floats) -> Table:
    """The table of sorted n-grams. Of the weight of each, `kept` goes to its symbol and `left` to what
    shorter contexts say."""
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
    """What is taken off n-grams seen once, twice, and more often (Chen and Goodman 1999, equation 26).

    Texts so small that the estimate does not exist get half of what there is.
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
    """The key of the `length` symbols before each of `positions`, all of which have so many before them."""
    return _keys(lambda back: text[positions - back], len(positions), length)


def _gram_keys(text: Symbols, positions: Indices, length: int) -> Keys:
    return (context_keys(text, positions, length) << _SYMBOL) | text[positions]


def _every_gram(text: Symbols, length: int) -> Keys:
    """The same of all places that have so many symbols before them."""
    places = len(text) - length
    contexts = _keys(lambda back: text[length - back : length - back + places], places, length)
    return (contexts << _SYMBOL) | text[length:]


def _keys(before: Callable[[int], Symbols], number: int, length: int) -> Keys:
    """Keys of `number` contexts; `before(n)` are their n-th symbols, counted back."""
    keys = np.zeros(number, dtype=np.uint64)
    for back in range(min(length, PACKED_MOST), 0, -1):
        keys = (keys << _SYMBOL) | before(back)
    for back in range(PACKED_MOST + 1, length + 1):
        keys = (keys ^ (keys >> np.uint64(29))) * _ODD + before(back)
    # The symbol has to fit below a hash as well.
    return keys if length <= PACKED_MOST else (keys ^ (keys >> np.uint64(32))) * _ODD >> _SYMBOL


def _mask(length: int) -> np.uint64:
    """The bits of an n-gram with a packed context of `length`."""
    return np.uint64(2 ** (SYMBOL_BITS * (length + 1)) - 1)


def _starts(contexts: Keys) -> Indices:
    return np.concatenate([[0], np.flatnonzero(np.diff(contexts)) + 1])
