"""Numbers the paper prints, each with where it came from."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from joules.analysis.sensitivity import HIGH, LOW
from joules.errors import UserError

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}
# Units, and heads of tables, of which no number may be printed without its band where energy is modelled.
_ENERGY_UNITS = {r"\joule", r"\milli\joule", r"\kilo\joule", r"\kWh", r"\watt\hour"}
_ENERGY_HEAD = re.compile(r"(?:^|\s)(?:mJ|J|kJ|Wh|kWh)(?:$|[/\s])")
_OF_OTHERS = "_published"
# A cell of a table of more letters is a sentence, and a head is broken into lines of no fewer.
_SENTENCE, _NARROWEST = 45, 5
# In a table of more letters than a line has in seven points, columns of more than a name are sentences.
_LINE, _NAME = 135, 16
# A column of a long table is no wider than for so many letters, and wraps; so many are left between columns.
_LONGEST, _GAP = 40, 6
# Within these a number is printed in full, beyond them with a power of ten.
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e6


@dataclass(frozen=True)
class Link:
    """Words that lead to a part of the campaign's explorer, by its fragment."""

    words: str
    fragment: str

    def latex(self) -> str:
        return f"\\explorer{{{self.fragment}}}{{{escape(self.words)}}}"


@dataclass(frozen=True)
class Value:
    """A number or word of the prose.

    `digits` are significant figures, None for words and counts; `unit` is in siunitx notation;
    `source` says which cells of which table of which `experiment` it was computed from. A value
    `on_demand` stands ready for the prose, as every statistic does; any other must be used by it. `band` is
    the least and the largest of it under all models of power, in the same unit, where it hangs on them.
    """

    key: str
    raw: float | int | str
    source: str
    digits: int | None = None
    unit: str = ""
    on_demand: bool = False
    experiment: str = ""
    band: tuple[float, float] | None = None

    @property
    def printed(self) -> str:
        """The number as rounded for print, without its unit."""
        if isinstance(self.raw, str) or self.digits is None:
            return str(self.raw)
        return significant(float(self.raw), self.digits)

    @property
    def latex(self) -> str:
        """What `\\val{key}` expands to."""
        if isinstance(self.raw, str):
            return escape(self.raw)
        number = f"\\qty{{{self.printed}}}{{{self.unit}}}" if self.unit else f"\\num{{{self.printed}}}"
        if self.band is None:
            return number
        low, high = (significant(end, self.digits or 2) for end in self.band)
        return f"{number} [\\num{{{low}}}, \\num{{{high}}}]"


def significant(number: float, digits: int) -> str:
    """`number` rounded to `digits` significant figures, trailing zeros kept."""
    if number == 0:
        return "0"
    if not _PLAIN_FROM <= abs(number) < _PLAIN_TO:
        return f"{number:.{digits - 1}e}"
    # Rounding first: 9.99 to two figures is 10, not 10.0.
    rounded = float(f"{number:.{digits - 1}e}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(decimals, 0)}f}"


def cell(number: float, digits: int = 3) -> str:
    """`significant` for a table that is printed, a dash where there is no number."""
    return significant(number, digits) if math.isfinite(number) else "--"


def banded_cell(row: Mapping[str, Any], column: str, scale: float = 1.0, digits: int = 3) -> str:
    """`cell` of a number that goes with energy, with its band where it has one."""
    number, band = cell(scale * row[column], digits), band_of(row, column, scale)
    if band is None or number == "--":
        return number
    low, high = (significant(end, digits) for end in band)
    return number if low == high else f"{number} [{low}, {high}]"


def band_of(row: Mapping[str, Any], column: str, scale: float = 1.0) -> tuple[float, float] | None:
    """The band of a column of a row of a table, in the unit that `scale` makes; None where there is none."""
    low, high = (row.get(f"{column}{end}", math.nan) for end in (LOW, HIGH))
    return None if math.isnan(low) or math.isnan(high) else (scale * low, scale * high)


def known(*values: Value) -> list[Value]:
    """Those of `values` that are numbers. What a small campaign cannot tell is no value, and the prose asks
    for it with `\\ifval`."""
    return [value for value in values if not isinstance(value.raw, float) or math.isfinite(value.raw)]


def escape(text: str) -> str:
    """`text` for LaTeX."""
    return "".join(_LATEX.get(mark, mark) for mark in text)


def statistic_values(prefix: str, statistics: pd.DataFrame, digits: int = 3) -> list[Value]:
    """Estimate, interval, range over models of power and corrected p of every row of `statistics.csv`, where
    it has them."""
    columns = {
        "estimate": "",
        "ci_low": ".low",
        "ci_high": ".high",
        "band_low": ".least",
        "band_high": ".most",
        "p_holm": ".p",
    }
    return [
        Value(
            f"{prefix}.{row['statistic']}{suffix}",
            row[column],
            f"statistics.csv {row['statistic']} {column}",
            digits,
            on_demand=True,
        )
        for row in statistics.to_dict("records")
        for column, suffix in columns.items()
        if pd.notna(row.get(column))
    ]


def check(values: Iterable[Value]) -> list[Value]:
    """The values, in order of key. Raises UserError on a duplicate or non-finite one."""
    held: dict[str, Value] = {}
    for value in values:
        if value.key in held:
            raise UserError(f"the paper's value '{value.key}' is defined twice")
        if not isinstance(value.raw, str) and not math.isfinite(value.raw):
            raise UserError(f"the paper's value '{value.key}' is {value.raw} (from {value.source})")
        held[value.key] = value
    return [held[key] for key in sorted(held)]


def check_bands(values: Iterable[Value], tables: Mapping[str, pd.DataFrame]) -> None:
    """Raises UserError where a number of joules or kilowatt-hours of a campaign whose energy is modelled is
    about to be printed without its band: one of `values`, or a cell of the printed `tables`. Zero needs none.
    Tables of what others published end in '_published'."""
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
        if _ENERGY_HEAD.search(str(column)) and any(_is_number(c) and float(c) != 0 for c in table[column])
    ]
    if bare:
        raise UserError(
            f"energy is modelled here, and printed without its band over models of power: {'; '.join(bare)}"
        )


def macros(values: Sequence[Value]) -> str:
    """`values.tex`: one definition a value."""
    return "".join(f"\\defval{{{value.key}}}{{{value.latex}}}\n" for value in values)


def listing(values: Sequence[Value]) -> pd.DataFrame:
    """`values.csv`: raw, printed, unit, experiment and source of each value."""
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
            }
            for value in values
        ],
        columns=["key", "raw", "printed", "unit", "band_low", "band_high", "experiment", "source"],
    )


def tabular(table: pd.DataFrame) -> str:
    """A table of printed cells as LaTeX: words to the left, numbers (siunitx) to the right, heads in as many
    lines as keep columns narrow. Columns of sentences share the rest of the line (tabularx, column type
    `Y`)."""
    widths = {
        column: max((len(str(cell)) for cell in table[column]), default=len(str(column))) for column in table
    }
    is_wide = sum(max(width, _NARROWEST) for width in widths.values()) > _LINE
    kinds = {
        column: "r"
        if _is_numeric(table[column])
        else "Y"
        if widths[column] > (_NAME if is_wide else _SENTENCE)
        else "l"
        for column in table
    }
    head = " & ".join(_head(str(column), widths[column], kinds[column]) for column in table)
    body = "".join(" & ".join(map(_cell, row)) + " \\\\\n" for row in table.itertuples(index=False))
    aligned = "".join(kinds.values())
    begin, end = ("tabularx}{\\linewidth", "tabularx") if "Y" in aligned else ("tabular", "tabular")
    return (
        f"\\begin{{{begin}}}{{{aligned}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}"
        f"\\bottomrule\n\\end{{{end}}}\n"
    )


def long_table(name: str, table: pd.DataFrame) -> str:
    """A table of printed cells that may go over pages (longtable), with `\\longcaption` above it: columns
    share the line as their longest cells do, words and numbers to the left."""
    widths = [
        _GAP + min(max(len(str(words)) for words in (column, *table[column])), _LONGEST) for column in table
    ]
    line = sum(widths)
    aligned = "".join(
        rf">{{\raggedright\arraybackslash}}p{{\dimexpr{width / line:.4f}\linewidth-2\tabcolsep\relax}}"
        for width in widths
    )
    head = " & ".join(escape(column) for column in table) + " \\\\\n\\midrule\n"
    body = "".join(" & ".join(map(_cell, row)) + " \\\\\n" for row in table.itertuples(index=False))
    return (
        f"\\begin{{longtable}}{{{aligned}}}\n\\caption{{\\longcaption}}\\label{{tab:{name}}}\\\\\n\\toprule\n{head}"
        f"\\endfirsthead\n\\toprule\n{head}\\endhead\n\\bottomrule\n\\endfoot\n{body}\\end{{longtable}}\n"
    )


def _head(words: str, width: int, kind: str) -> str:
    """The head of a column, in lines as long as its cells where its words allow that."""
    lines = textwrap.wrap(words, max(width, _NARROWEST), break_long_words=False, break_on_hyphens=False)
    if kind == "Y" or len(lines) < 2:
        return escape(words)
    stacked = "\\\\".join(map(escape, lines))
    return f"\\shortstack[{kind}]{{{stacked}}}"


def _cell(cell: Any) -> str:
    if isinstance(cell, Link):
        return cell.latex()
    return f"\\num{{{cell}}}" if _is_number(cell) else escape(cell)


def _is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, and dashes where there are none."""
    numbers = column.map(_is_number)
    return bool(numbers.any() and (numbers | (column == "--")).all())


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True
