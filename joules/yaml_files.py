"""Readers of YAML with clear messages. The meter starts without them."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from joules.errors import UserError

_BOOLEAN, _MERGE = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:merge"

# Letters and marks of a document that libyaml parses.
_FAST_LETTERS, _FAST_MARKS = 1_000_000, 1_000


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
