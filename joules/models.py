"""Closed data models, and a reader of JSON with clear messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from joules.errors import UserError


class Closed(BaseModel):
    """A frozen model that rejects unknown keys and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


Model = TypeVar("Model", bound=BaseModel)

# Known words that a hint lists, and how many of more.
_MOST_LISTED = 20
_FEW_LISTED = 5


def printable(text: str, most: int = 200) -> str:
    """Text for a terminal: control characters replaced, and cut at `most` characters.

    Example:
        >>> printable("a\x1b[2Jb")
        'a?[2Jb'
    """
    cut = text if len(text) <= most else f"{text[: most - 3]}..."
    return "".join(letter if letter.isprintable() else "?" for letter in cut)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint with the closest known word, or with all of them (a few, where they are many) if none is close.

    Args:
        word: The unknown word.
        known: Known words.

    Example:
        >>> did_you_mean("smok", ["smoke", "quick"])
        "did you mean 'smoke'?"
    """
    import difflib

    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    if len(words) <= _MOST_LISTED:
        return "known: " + ", ".join(words)
    nearest = difflib.get_close_matches(word, words, n=_FEW_LISTED, cutoff=0.0)
    return f"among {len(words)} known: " + ", ".join(nearest)


def _sentence(error: Mapping[str, Any], model: type[BaseModel]) -> str:
    path = [part for part in error["loc"] if part != "[key]"]
    where = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        owner = _model_at(model, path[:-1])
        known = owner.model_fields if owner else ()
        return f"unknown key '{where}' ({did_you_mean(str(path[-1]), known)})"
    if error["type"] == "literal_error":
        choices = [word.strip(" '") for word in error["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"invalid {where} '{error['input']}' ({did_you_mean(str(error['input']), choices)})"
    if error["type"] == "missing":
        return f"'{where}' is missing"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}, got {error['input']!r}"


def _model_at(model: type[BaseModel], path: list[Any]) -> type[BaseModel] | None:
    """The model that has the field at `path`, looking into containers; None if there is none."""
    current: type[BaseModel] | None = model
    for part in path:
        if current is None or part not in current.model_fields:
            continue
        current = _first_model(current.model_fields[part].annotation)
    return current


def _first_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        model = _first_model(argument)
        if model is not None:
            return model
    return None


def validate(model: type[Model], data: Any, source: str) -> Model:
    """Validates data.

    Args:
        model: Class of the model.
        data: The data.
        source: Origin of the data, for the message.

    Returns:
        The data as an instance of the model.

    Raises:
        UserError: If the data is invalid; the message has one clause per fault.
    """
    try:
        return model.model_validate(data)
    except ValidationError as fault:
        clauses = [_sentence(dict(error), model) for error in fault.errors()]
        raise UserError(f"{source}: " + "; ".join(clauses)) from None


def read_json(path: Path, absent: str, remedy: str, keys: Iterable[str] = ()) -> dict[str, Any]:
    """Reads a JSON object.

    Args:
        path: The file.
        absent: What to do if the file does not exist.
        remedy: What to do if it is not what it should be.
        keys: Keys that the object must have.

    Raises:
        UserError: If the file does not exist, is incomplete or was modified.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: {absent}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, expected a file: {remedy}") from None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not set(keys) <= set(body):
        raise UserError(f"{path} is incomplete or was modified: {remedy}")
    return body
