"""The marks that a child sends over its pipe. They are text: nothing of a workload is run to read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Longest mark in bytes: the results of a run.
LONGEST_MARK = 256_000_000

# What the data of a mark must hold, by mark. Results and marks that an experiment adds may hold anything.
_DATA: Mapping[str, Mapping[str, type]] = {
    "devices": {"gpu": bool},
    "pause": {"progress": float},
    "phase_start": {"name": str},
    "phase_end": {"name": str},
    "step": {"index": int},
    "threads": {"given": int, "asked": int, "at_work": int},
    "evaluated": {"cpu_s": float},
    "failed": {"reason": str},
}


class InvalidMark(ValueError):
    """What a child sent is not a mark, or a mark out of order."""


@dataclass(frozen=True)
class Mark:
    """Something that happened in a child, at an instant of the monotonic clock in seconds."""

    name: str
    at_s: float
    data: dict[str, Any]


def format_mark(name: str, at_s: float, data: Mapping[str, Any]) -> bytes:
    """A mark as JSON.

    Raises:
        ValueError: If its data hold a number that is not finite, or text that is not Unicode.
        TypeError: If its data hold something that JSON cannot.
    """
    return json.dumps([name, at_s, data], allow_nan=False, ensure_ascii=False).encode()


def parse_mark(content: bytes) -> Mark:
    """Parses what a child has sent.

    Raises:
        InvalidMark: If it is not a mark.
    """
    try:
        name, at_s, data = json.loads(content, parse_constant=_refuse_constant)
        # Text with half a surrogate pair is in no record.
        json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError):
        raise InvalidMark("what it sent is not a mark") from None
    if not isinstance(name, str) or not isinstance(data, dict) or not _is_number(at_s):
        raise InvalidMark("what it sent is not a mark")
    for key, kind in _DATA.get(name, {}).items():
        value = data.get(key)
        is_kind = _is_number(value) if kind is float else type(value) is kind
        if not is_kind or (isinstance(value, int) and abs(value) >= 2**63):
            raise InvalidMark(f"mark '{name}' has no {key}")
    return Mark(name, float(at_s), data)


def _is_number(value: object) -> bool:
    """Whether a value is a number that a float can hold: an integer of JSON has any size."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")
