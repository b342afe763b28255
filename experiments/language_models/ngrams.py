"""Chained n-grams with modified Kneser–Ney discounts, interpolated (Chen and Goodman 1999).

Contexts of an n-gram are adjacent in its sorted keys (`keys.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.language_models.keys import Floats, Indices, Keys, Packing, Symbols


@dataclass(frozen=True)
class Table:
    """N-grams with contexts of one length.

    `contexts` [C] are sorted keys. The symbols that follow the i-th context are `symbols[starts[i]:starts[i +
    1]]` with probabilities `shares`; `backoff[i]` is the probability that remains for the predictions of
    shorter contexts.
    """

    packing: Packing
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
        keys = self.packing.context_keys(text, positions, self.length)
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


def kneser_ney(
    text: Symbols, lengths: Sequence[int], alphabet: int, *, has_one_discount: bool = False
) -> NGrams:
    """Build the chain of contexts of `lengths`, each of which backs off to the next shorter one.

    The longest n-grams are counted in the text. A shorter n-gram is counted by the number of distinct left
    extensions, up to the next longer length.

    Args:
        text: Symbols.
        lengths: Context lengths, rising from 0.
        alphabet: Number of symbols.
        has_one_discount: Discount every n-gram alike, as Kneser and Ney 1995 do, and not by its count.
    """
    tables = []
    positions = np.arange(lengths[-1], len(text))
    packing = Packing(alphabet)
    keys = packing.every_gram(text, lengths[-1])
    for length, shorter in zip(reversed(lengths), [*reversed(lengths[:-1]), None], strict=True):
        if length <= packing.most:
            grams, counts = np.unique(keys, return_counts=True)
            keys = grams & packing.mask(shorter or 0)
        else:
            grams, first, counts = np.unique(keys, return_index=True, return_counts=True)
            positions = positions[first]
            keys = packing.gram_keys(text, positions, shorter or 0)
        by_count = np.repeat(one_discount(counts), 3) if has_one_discount else modified_discounts(counts)
        discounts = np.concatenate([[0.0], by_count])[np.minimum(counts, 3)]
        tables.append(tabulate(packing, length, grams, counts - discounts, discounts))
    return NGrams(tables[::-1], alphabet)


def raw_counts(text: Symbols, length: int, prior: float, alphabet: int) -> Table:
    """Count the symbols after contexts of one length, with `prior` counts spread over all symbols."""
    packing = Packing(alphabet)
    grams, counts = np.unique(packing.every_gram(text, length), return_counts=True)
    starts = _starts(grams >> packing.bits)
    sizes = np.diff(np.append(starts, len(grams)))
    return tabulate(packing, length, grams, counts.astype(np.float64), prior / np.repeat(sizes, sizes))


def tabulate(packing: Packing, length: int, grams: Keys, kept: Floats, left: Floats) -> Table:
    """Build the table of sorted n-grams.

    Args:
        packing: How they are packed into keys.
        length: Context length.
        grams: Sorted keys.
        kept: Weight of each n-gram that its symbol keeps.
        left: Weight of each n-gram that goes to shorter contexts.
    """
    contexts = grams >> packing.bits
    starts = _starts(contexts)
    left_over = np.add.reduceat(left, starts)
    total = np.add.reduceat(kept, starts) + left_over
    sizes = np.diff(np.append(starts, len(grams)))
    return Table(
        packing=packing,
        length=length,
        contexts=contexts[starts],
        starts=np.append(starts, len(grams)),
        symbols=(grams & packing.mask(0)).astype(np.uint8),
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


def one_discount(counts: NDArray[np.int64]) -> float:
    """The discount of all n-grams (Ney, Essen and Kneser 1994); half a count where the text is too short."""
    once, twice = (float(np.count_nonzero(counts == number)) for number in (1, 2))
    return once / (once + 2 * twice) if once and twice else 0.5


def _starts(contexts: Keys) -> Indices:
    return np.concatenate([[0], np.flatnonzero(np.diff(contexts)) + 1])
