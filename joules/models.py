"""Closed data models, and readers of YAML and JSON with clear messages."""

from __future__ import annotations

import contextlib
import difflib
import functools
import json
import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from joules.errors import UserError


class Closed(BaseModel):
    """A frozen model that rejects unknown keys and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


Model = TypeVar("Model", bound=BaseModel)

_BOOLEAN, _MERGE = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:merge"


# Letters and marks of a document that libyaml parses.
_FAST_LETTERS, _FAST_MARKS = 1_000_000, 1_000

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


class _StrictLoader(yaml.SafeLoader):
    """Rejects duplicate keys. As in YAML 1.2, yes, no, on and off are words: NO is a country code."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    problem="a key must be a word", problem_mark=key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"duplicate key '{key}'", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(
    _BOOLEAN, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


@functools.cache
def _fast_loader() -> type[_StrictLoader]:
    """`_StrictLoader` with libyaml's parser, which takes a tenth of the time."""
    if not yaml.__with_libyaml__:
        return _StrictLoader
    from yaml._yaml import CParser

    class FastLoader(CParser, _StrictLoader):
        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            yaml.constructor.SafeConstructor.__init__(self)
            yaml.resolver.Resolver.__init__(self)

    return FastLoader


def parse_yaml(text: str) -> Any:
    """Parses a YAML document.

    Raises:
        yaml.YAMLError: If it is malformed, or has a duplicate key.
    """
    # Tens of thousands of levels overflow libyaml's stack; each takes one of these marks or more indentation.
    is_shallow = len(text) < _FAST_LETTERS and sum(map(text.count, "[{-?")) < _FAST_MARKS
    if is_shallow:
        # Messages of PyYAML's own parser quote the line.
        with contextlib.suppress(yaml.YAMLError, ValueError, RecursionError, OverflowError):
            return yaml.load(text, _fast_loader())
    try:
        return yaml.load(text, _StrictLoader)
    except (ValueError, RecursionError, OverflowError) as fault:
        # For example a date that does not exist.
        raise yaml.YAMLError(str(fault)) from None


def read_yaml(path: Path) -> Any:
    """Reads a YAML file.

    Raises:
        UserError: If it cannot be read, is malformed, or has a duplicate key.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: create it or restore it") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, expected a file: move or delete it") from None
    except UnicodeDecodeError as fault:
        raise UserError(f"{path} is not UTF-8 text (byte {fault.start}): save it as UTF-8") from None
    except yaml.YAMLError as fault:
        detail = " ".join(str(fault).split())
        raise UserError(f"{path} is not valid YAML: {detail}") from None


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
