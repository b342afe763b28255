"""Tokens by merging frequent pairs (Gage 1994; Sennrich et al. 2016), and probabilities of the next symbol.

Tokens have no boundaries of words. A text has one encoding: merges are applied in the order in which they
were learnt, each from left to right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.language_models.keys import Floats, Indices, Symbols

Encoded = NDArray[np.uint16]
# Symbols of a text from which merges are learnt.
_LEARNT_FROM = 500_000


@dataclass(frozen=True)
class Tokens:
    """A vocabulary: the symbols of the alphabet, then a token for each pair of `merges` [M, 2].

    `spellings` are the symbols of each token. Their prefixes are nodes of a tree: `children` [nodes,
    alphabet] is the node one symbol further, or the last node, which stands for no prefix. `below`
    [vocabulary, nodes] says which tokens begin with the prefix of a node.
    """

    alphabet: int
    merges: Indices
    spellings: tuple[tuple[int, ...], ...]
    children: Indices
    below: NDArray[np.float32]

    @property
    def longest(self) -> int:
        """Symbols of the longest token."""
        return max(map(len, self.spellings))

    @property
    def nbytes(self) -> int:
        """Bytes of the merges."""
        return self.merges.nbytes

    def encode(self, symbols: Encoded) -> Encoded:
        """Encode symbols; numbers beyond the vocabulary are kept and never merged."""
        for new, (first, second) in enumerate(self.merges.tolist(), start=self.alphabet):
            symbols = _merge(symbols, first, second, new)
        return symbols


def learn(text: Symbols, alphabet: int, vocabulary: int) -> Tokens:
    """Learn a vocabulary from the leading part of a text: repeatedly, the most frequent pair is merged."""
    symbols = text[:_LEARNT_FROM].astype(np.uint16)
    merges: list[tuple[int, int]] = []
    spellings: list[tuple[int, ...]] = [(symbol,) for symbol in range(alphabet)]
    for new in range(alphabet, vocabulary):
        pair = int(np.bincount(symbols[:-1].astype(np.int64) * vocabulary + symbols[1:]).argmax())
        first, second = divmod(pair, vocabulary)
        merges.append((first, second))
        spellings.append(spellings[first] + spellings[second])
        symbols = _merge(symbols, first, second, new)
    children, below = _tree(spellings, alphabet)
    return Tokens(
        alphabet, np.array(merges, dtype=np.int64).reshape(-1, 2), tuple(spellings), children, below
    )


def _merge(symbols: Encoded, first: int, second: int, new: int) -> Encoded:
    """Replace each `first`, `second` by `new`, from left to right."""
    hits = np.flatnonzero((symbols[:-1] == first) & (symbols[1:] == second))
    if first == second and len(hits):
        # Of hits that overlap in a run, every second one, from the first.
        is_start = np.diff(hits, prepend=hits[0] - 2) > 1
        starts = np.maximum.accumulate(np.where(is_start, hits, 0))
        hits = hits[(hits - starts) % 2 == 0]
    merged = symbols.copy()
    merged[hits] = new
    return np.delete(merged, hits + 1)


def _tree(spellings: list[tuple[int, ...]], alphabet: int) -> tuple[Indices, NDArray[np.float32]]:
    prefixes = dict.fromkeys(word[:end] for word in spellings for end in range(len(word) + 1))
    nodes = {prefix: node for node, prefix in enumerate(prefixes)}
    children = np.full((len(nodes) + 1, alphabet), len(nodes))
    below = np.zeros((len(spellings), len(nodes) + 1), dtype=np.float32)
    for prefix, node in nodes.items():
        if prefix:
            children[nodes[prefix[:-1]], prefix[-1]] = node
    for token, word in enumerate(spellings):
        for end in range(len(word) + 1):
            below[token, nodes[word[:end]]] = 1
    return children, below


def next_symbols(tokens: Tokens, logs: Floats, following: NDArray[np.float32], symbols: Symbols) -> Floats:
    """Probability of each next symbol, summed over every token that may cover it.

    The token that covers the next symbol began some symbols before it. For each beginning, the encoding of
    what precedes it, and every token that continues the symbols since, contribute to the sum.

    Args:
        tokens: The vocabulary.
        logs: Log-probability of the encoding of the text before each place [n, places], from a common first
            place of each row.
        following: Probability of each token after that encoding [n, places, vocabulary].
        symbols: Symbols [n, places]; the i-th of a row is the symbol at its i-th place.

    Returns:
        Probabilities [n, places - longest + 1, alphabet] of the last places of each row.
    """
    masses = following @ tokens.below
    first = tokens.longest - 1
    places = logs.shape[1] - first
    found = np.zeros((len(logs), places, tokens.alphabet))
    # Relative to the largest of the encodings that are summed, which leaves probabilities as they are.
    windows = np.lib.stride_tricks.sliding_window_view(logs, tokens.longest, axis=1)
    largest = windows.max(axis=-1)
    rows = np.arange(len(logs))[:, None, None]
    for back in range(tokens.longest):
        begins = np.arange(first - back, first - back + places)
        node = np.zeros((len(logs), places), dtype=np.int64)
        for offset in range(back):
            node = tokens.children[node, symbols[:, begins + offset]]
        weight = np.exp(logs[:, begins] - largest)
        found += weight[..., None] * masses[rows, begins[None, :, None], tokens.children[node]]
    return found / found.sum(axis=-1, keepdims=True)
