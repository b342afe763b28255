"""Board entry: the modern network on tokens of byte-pair encoding, which are learnt from the text as well.

The board asks for the next symbol. Its probability is a sum over tokens (`byte_pairs.next_symbols`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

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
        shape = len(encodings[0]), len(encodings)
        longest, found = _longest_encodings(encodings)
        ends = np.array([len(of_place[row]) - 1 for row in range(shape[0]) for of_place in encodings])
        logs = np.empty(len(ends))
        following = np.empty((len(ends), len(self.tokens.spellings)), dtype=np.float32)
        device = next(self.network.network.parameters()).device
        lengths = np.array(list(map(len, longest)))
        parts = np.array_split(lengths.argsort(kind="stable"), math.ceil(len(longest) / _READ_AT_ONCE))
        for part in parts:
            padded = np.zeros((len(part), lengths[part].max()), dtype=np.int64)
            padded[np.arange(padded.shape[1]) < lengths[part, None]] = np.concatenate(
                [longest[i] for i in part]
            )
            window = torch.from_numpy(padded).to(device)
            chances = self.network.network(window).log_softmax(dim=-1)
            of_tokens = chances[:, :-1].gather(-1, window[:, 1:, None]).squeeze(-1).double()
            passed = functional.pad(of_tokens.cumsum(dim=-1), (1, 0))
            row = np.full(len(longest), -1)
            row[part] = np.arange(len(part))
            here = np.flatnonzero(row[found] >= 0)
            logs[here] = passed[row[found[here]], ends[here]].cpu().numpy()
            following[here] = chances[row[found[here]], ends[here]].exp().cpu().numpy()
        return logs.reshape(shape), following.reshape(*shape, -1)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights and merges."""
        return self.network.nbytes + self.tokens.nbytes


def _longest_encodings(encodings: list[list[Encoded]]) -> tuple[list[Encoded], Indices]:
    """Leave out encodings with which a longer one of their row begins: the network reads both at once.

    Returns:
        (encodings that are left, the index among them for each row and place [n * places]).
    """
    left: list[Encoded] = []
    found = []
    for of_row in zip(*encodings, strict=True):
        first, written = len(left), list[bytes]()
        of_places = []
        for encoding in reversed(of_row):
            own = encoding.tobytes()
            index = next((i for i, other in enumerate(written) if other.startswith(own)), len(written))
            if index == len(written):
                written.append(own)
                left.append(encoding)
            of_places.append(first + index)
        found += of_places[::-1]
    return left, np.array(found)


def train(
    text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note
) -> TokenNetwork:
    """Learn tokens, encode the text, train the network. No checkpoints are kept: they are slow to score."""
    tokens = learn(text, alphabet, parameters.vocabulary or alphabet)
    encoded = tokens.encode(text.astype(np.uint16))
    unwatched = parameters.model_copy(update={"checkpoints": 0})
    network = modern.train_on(None, encoded, len(tokens.spellings), unwatched, seed, device, note)
    return TokenNetwork(tokens, network)
