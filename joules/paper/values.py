"""Numbers and words that the paper prints, each with the quantity it prints."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from joules.errors import UserError
from joules.paper.printing import escape, is_number, significant
from joules.paper.quantities import Cells, Quantity, Raw
from joules.paper.rows import Rows, pick

# Units, and heads of tables, whose numbers need a range over power models if energy is modelled.
_ENERGY_UNITS = {r"\joule", r"\milli\joule", r"\kilo\joule", r"\kWh", r"\watt\hour"}
_ENERGY_HEAD = re.compile(r"(?:^|\s)(?:mJ|J|kJ|Wh|kWh)(?:$|[/\s])")
_OF_OTHERS = "_published"
# Columns of statistics.csv that are values too, by the last part of their keys.
_STATISTIC_COLUMNS = {
    "": "estimate",
    "low": "ci_low",
    "high": "ci_high",
    "least": "band_low",
    "most": "band_high",
    "p": "p_holm",
}


# Significant digits of a number for which none are said.
_DIGITS = 3


@dataclass(frozen=True)
class Value:
    """What `\\val{key}` prints.

    `digits` are significant figures, None for words and counts; `unit` is in siunitx notation. The prose has
    to print a value unless it is `on_demand`, as every statistic is. `experiment` is set by the export.

    Raises TypeError for a number or text in place of a quantity: a value cannot be typed.
    """

    key: str
    quantity: Quantity
    digits: int | None = None
    unit: str = ""
    on_demand: bool = False
    experiment: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.quantity, Quantity):
            raise TypeError(f"the value '{self.key}' is typed by hand: compute it from a table with pick()")

    @property
    def raw(self) -> Raw:
        """The number or word; a whole number without `digits` is a count."""
        raw = self.quantity.raw
        if isinstance(raw, str):
            return raw
        is_count = self.digits is None and math.isfinite(raw) and raw == int(raw)
        return int(raw) if is_count else float(raw)

    @property
    def source(self) -> str:
        """How the number is computed, in which tables."""
        return self.quantity.source

    @property
    def band(self) -> tuple[float, float] | None:
        """The least and the largest `raw` over all power models, where it depends on them."""
        return self.quantity.band

    @property
    def printed(self) -> str:
        """The number as rounded for print, without its unit."""
        if isinstance(self.raw, str | int):
            return str(self.raw)
        return significant(self.raw, self.digits or _DIGITS)

    @property
    def latex(self) -> str:
        """What `\\val{key}` expands to."""
        if isinstance(self.raw, str):
            return escape(self.raw)
        number = f"\\qty{{{self.printed}}}{{{self.unit}}}" if self.unit else f"\\num{{{self.printed}}}"
        if self.band is None:
            return number
        low, high = (significant(end, self.digits or _DIGITS) for end in self.band)
        return f"{number} [\\num{{{low}}}, \\num{{{high}}}]"


def cell_values(
    prefix: str,
    rows: Rows,
    by: Sequence[str],
    columns: Mapping[str, str],
    digits: int,
    unit: str = "",
    factor: float = 1,
) -> list[Value]:
    """`factor` times the number in each of `columns` of each row, on demand.

    The key is `prefix`, the cells of the row in `by`, and the key of the column, with dots between them.
    """
    return [
        Value(
            ".".join([prefix, *(str(row[name]) for name in by), *key.split()]),
            factor * row.cell(column),
            digits,
            unit,
            True,
        )
        for row in rows.each(*by)
        for key, column in columns.items()
        if column in row.frame
    ]


def statistic_values(prefix: str, tables: Mapping[str, pd.DataFrame], digits: int = 3) -> list[Value]:
    """Estimate, interval, range over power models and corrected p of every row of `statistics.csv`."""
    return cell_values(prefix, pick(tables, "statistics"), ["statistic"], _STATISTIC_COLUMNS, digits)


def check_values(values: Iterable[Value]) -> list[Value]:
    """The values that are known, in order of key: what a small campaign cannot measure is NaN and left out,
    and the prose asks for it with `\\ifval`.

    Raises UserError on a duplicate or infinite one.
    """
    held: dict[str, Value] = {}
    for value in values:
        if value.key in held:
            raise UserError(f"the paper's value '{value.key}' is defined twice: rename one")
        held[value.key] = value
    infinite = [value for value in held.values() if isinstance(value.raw, float) and math.isinf(value.raw)]
    if infinite:
        raise UserError(f"the paper's value '{infinite[0].key}' is infinite (from {infinite[0].source})")
    return [held[key] for key in sorted(held) if held[key].raw == held[key].raw]


def check_bands(values: Iterable[Value], tables: Mapping[str, pd.DataFrame]) -> None:
    """Raises UserError if a modelled energy is printed without its range over power models.

    `values` and the cells of the printed `tables` are checked. A zero needs no range, nor does a table of
    published numbers, whose name ends in '_published'.
    """
    bare = [
        f"the value '{value.key}' ({value.source})"
        for value in values
        if value.unit in _ENERGY_UNITS and value.band is None and value.raw != 0
    ]
    bare += [
        f"the column '{column}' of the table '{name}'"
        for name, table in tables.items()
        if not name.endswith(_OF_OTHERS)
        for column in table
        if _ENERGY_HEAD.search(str(column)) and any(is_number(c) and float(c) != 0 for c in table[column])
    ]
    if bare:
        raise UserError(f"modelled energy without its range over power models: {'; '.join(bare)}")


def macros(values: Sequence[Value]) -> str:
    """`values.tex`: one definition a value."""
    return "".join(f"\\defval{{{value.key}}}{{{value.latex}}}\n" for value in values)


def listing(values: Sequence[Value]) -> pd.DataFrame:
    """`values.csv`: raw, printed, unit, experiment and source of each value, and in JSON the cells that it
    was computed from."""
    return pd.DataFrame(
        [
            {
                "key": value.key,
                "raw": value.raw,
                "printed": value.printed,
                "unit": value.unit,
                "band_low": None if value.band is None else value.band[0],
                "band_high": None if value.band is None else value.band[1],
                "experiment": value.experiment,
                "source": value.source,
                "cells": json.dumps([dataclasses.astuple(cells) for cells in value.quantity.cells]),
            }
            for value in values
        ],
        columns=["key", "raw", "printed", "unit", "band_low", "band_high", "experiment", "source", "cells"],
    )


def read_cells(listed: str) -> list[Cells]:
    """The `cells` of a row of `values.csv`."""
    return [Cells(table, tuple(filters), column) for table, filters, column in json.loads(listed)]
