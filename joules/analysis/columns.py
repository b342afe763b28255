"""Meanings and units of the columns of tables.

Meanings are data: `columns.yaml` in the folder of an experiment, and one here for what all experiments share.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import Field

from joules.models import Closed, validate
from joules.study.design import experiments_folder
from joules.yaml_files import read_yaml

FILE = "columns.yaml"
# The folder of the meanings that all experiments share.
SHARED = Path(__file__).parent
# Key of meanings that hold for every table of a file.
ANY = "any"

# Units by how a column's name ends, longest first.
_BY_NAME = {
    "bytes_moved_per_decision": "byte",
    "bytes_moved_per_update": "byte",
    "bytes_moved_per_step": "byte",
    "bytes_moved": "byte",
    "_usd_per_kwh": "USD/kWh",
    "_g_per_kwh": "g/kWh",
    "_petaflops_days": "PFLOPS d",
    "_flops_per_byte": "FLOP/byte",
    "_bytes_per_s": "byte/s",
    "_flops_per_s": "FLOP/s",
    "_flops_per_j": "FLOP/J",
    "_per_kwh": "1/kWh",
    "_per_s": "1/s",
    "_percent": "%",
    "_points": "percentage points",
    "_bytes": "byte",
    "_litres": "l",
    "_days": "d",
    "_kwh": "kWh",
    "_gib": "GiB",
    "_usd": "USD",
    "_wh": "Wh",
    "_kg": "kg",
    "_j": "J",
    "_w": "W",
    "_s": "s",
    "_h": "h",
    "_g": "g",
}
UNITS = {"1", *_BY_NAME.values()}
# Codes of these units in UCUM, which has no currencies; what is counted is an annotation in braces.
UCUM = {
    "1": "1",
    "byte": "By",
    "g/kWh": "g/(kW.h)",
    "PFLOPS d": "10*15.{FLOP}/s.d",
    "FLOP/byte": "{FLOP}/By",
    "byte/s": "By/s",
    "FLOP/s": "{FLOP}/s",
    "FLOP/J": "{FLOP}/J",
    "1/kWh": "/(kW.h)",
    "1/s": "/s",
    "%": "%",
    "percentage points": "%{point}",
    "l": "L",
    "d": "d",
    "kWh": "kW.h",
    "GiB": "GiBy",
    "Wh": "W.h",
    "kg": "kg",
    "J": "J",
    "W": "W",
    "s": "s",
    "h": "h",
    "g": "g",
}
_ENDS = {"_low": "lower", "_high": "upper"}
_BAND_ENDS = {"_band_low": "least", "_band_high": "largest"}


class Columns(Closed):
    """A file of meanings: of a row, by table; of columns, by table, or `any` for every table, then by column.
    A star in a column's name stands for a part that differs."""

    rows: dict[str, str] = Field(default_factory=dict)
    text: list[str] = Field(
        default_factory=list,
        description="columns of text, as `column` or `table/column`, also where all cells are empty",
    )
    columns: dict[str, dict[str, str]]


def unit(column: str) -> str | None:
    """The unit of a column, by its name; None where it has none."""
    whole = column.removesuffix("_band_low").removesuffix("_band_high")
    for end in _ENDS:
        whole = whole.removesuffix(end)
    return next((unit for suffix, unit in _BY_NAME.items() if whole.endswith(suffix)), None)


def text_columns(experiment: str, table: str) -> set[str]:
    """The columns of an experiment's table that hold text."""
    listed = [
        name
        for folder in (experiments_folder() / experiment, SHARED)
        if (found := _file(folder)) is not None
        for name in found.text
    ]
    return {
        name.removeprefix(f"{table}/") for name in listed if "/" not in name or name.startswith(f"{table}/")
    }


def row_meaning(experiment: str, table: str) -> str | None:
    """What a row of an experiment's table is; None where nothing says it."""
    for folder in (experiments_folder() / experiment, SHARED):
        found = _file(folder)
        if found is not None and table in found.rows:
            return found.rows[table]
    return None


def meaning(experiment: str, table: str, column: str) -> str | None:
    """The description of a column of an experiment's table; None where it has none.

    Raises:
        UserError: where a file of meanings cannot be read.
    """
    described = _described(experiment, table, column)
    for suffix, end in _BAND_ENDS.items():
        if described is None and column.endswith(suffix):
            return f"{end} of {column.removesuffix(suffix)} under all power models"
    for suffix, end in _ENDS.items():
        whole = _described(experiment, table, column.removesuffix(suffix))
        if described is None and whole is not None and column.endswith(suffix):
            described = f"{end} end of the 95 % interval of {column.removesuffix(suffix)}"
    return described


def meanings(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """The meanings in a folder's file, by table and column; none where it has no file."""
    found = _file(folder)
    return found.columns if found is not None else {}


@functools.cache
def _file(folder: Path) -> Columns | None:
    path = folder / FILE
    return validate(Columns, read_yaml(path), "/".join(path.parts[-3:])) if path.exists() else None


def _described(experiment: str, table: str, column: str) -> str | None:
    own, shared = meanings(experiments_folder() / experiment), meanings(SHARED)
    # Meanings of a shared table come before those for any table of an experiment: a family of comparisons is
    # not a family of networks.
    for words in (own.get(table), shared.get(table), own.get(ANY), shared.get(ANY)):
        for name, text in (words or {}).items():
            if fnmatchcase(column, name):
                return text
    return None
