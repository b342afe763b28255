"""Board entry: the modern network on tokens of byte-pair encoding, which are learnt from the text as well.

The board asks for the next symbol. Its probability is a sum over tokens (`byte_pairs.next_symbols`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.language_models import modern
from experiments.language_models.byte_pairs import Encoded, Tokens, learn, next_symbols
from experiments.language_models.contracts import Note
from experiments.language_models.keys import Floats, Indices, Symbols
from experiments.language_models.parameters import Parameters
from experiments.language_models.training import Network

# Stretches of text that are predicted at once, and encodings that the network reads at once.
_STRETCHES, _READ_AT_ONCE = 128, 256


@dataclass(frozen=True)
class TokenNetwork:
    """A network that predicts tokens."""

    tokens: Tokens
    network: Network

    def probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        """See `contracts.Model`. A stretch is read from `window - length` symbols before it."""
        parts = np.array_split(starts, math.ceil(len(starts) / _STRETCHES))
        return np.concatenate([self._probabilities(text, part, length) for part in parts])

    def _probabilities(self, text: Symbols, starts: Indices, length: int) -> Floats:
        begin = self.network.window - length
        seen = text[starts[:, None] - begin + np.arange(self.network.window)].astype(np.uint16)
        ends = range(begin - self.tokens.longest + 1, begin + length)
        logs, following = self._read([self._encodings(seen[:, :end]) for end in ends])
        return next_symbols(self.tokens, logs, following, seen[:, ends.start :])

    def _encodings(self, seen: Encoded) -> list[Encoded]:
        """Encode each row of `seen`."""
        end = len(self.tokens.spellings)
        rows = np.concatenate([seen, np.full((len(seen), 1), end, dtype=seen.dtype)], axis=1)
        encoded = self.tokens.encode(rows.ravel())
        return [row[row != end] for row in np.split(encoded, np.flatnonzero(encoded == end)[:-1] + 1)]

    @torch.inference_mode()
    def _read(self, encodings: list[list[Encoded]]) -> tuple[Floats, NDArray[np.float32]]:
        """Read encodings of n rows, by place.

        Returns:
            (log-probability of each encoding after its first token [n, places], probability of every token
            after it [n, places, vocabulary]).
        """
        device = next(self.network.network.parameters()).device
        every = [row for of_place in encodings for row in of_place]
        lengths = np.array(list(map(len, every)))
        order = np.argsort(lengths, kind="stable")
        logs, following = np.empty(len(every)), np.empty((len(every), len(self.tokens.spellings)), np.float32)
        for part in np.array_split(order, math.ceil(len(order) / _READ_AT_ONCE)):
            padded = np.zeros((len(part), lengths[part].max()), dtype=np.int64)
            is_read = np.arange(padded.shape[1]) < lengths[part, None]
            padded[is_read] = np.concatenate([every[row] for row in part])
            window = torch.from_numpy(padded).to(device)
            chances = self.network.network(window).log_softmax(dim=-1)
            of_tokens = chances[:, :-1].gather(-1, window[:, 1:, None]).squeeze(-1).cpu().numpy()
            logs[part] = (of_tokens * is_read[:, 1:]).sum(axis=1, dtype=np.float64)
            following[part] = chances[np.arange(len(part)), lengths[part] - 1].exp().cpu().numpy()
        shape = (len(encodings), -1)
        return logs.reshape(shape).T, following.reshape(*shape, following.shape[-1]).swapaxes(0, 1)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights and merges."""
        return self.network.nbytes + self.tokens.nbytes


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> TokenNetwork:
    """Learn tokens, encode the text, train the network. No checkpoints are kept: they are slow to score."""
    tokens = learn(text, alphabet, parameters.vocabulary or alphabet)
    encoded = tokens.encode(text.astype(np.uint16))
    unwatched = parameters.model_copy(update={"checkpoints": 0})
    network = modern.train_on(None, encoded, len(tokens.spellings), unwatched, seed, device, note)
    return TokenNetwork(tokens, network)
