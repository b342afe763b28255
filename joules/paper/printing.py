"""Cells and tables as LaTeX prints them."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from joules.analysis.sensitivity import HIGH, LOW
from joules.paper.letters import letter_in_latex

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}
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
    """`cell` of a number that follows from energy, with its range over power models where the row has one."""
    printed = cell(scale * row[column], digits)
    ends = [scale * row.get(f"{column}{end}", math.nan) for end in (LOW, HIGH)]
    if any(map(math.isnan, ends)) or printed == "--":
        return printed
    low, high = (significant(end, digits) for end in ends)
    return printed if low == high else f"{printed} [{low}, {high}]"


Cell = Callable[[Mapping[str, Any]], str]


def lay_out(rows: pd.DataFrame, columns: Mapping[str, str | Cell], empty: str = "") -> pd.DataFrame:
    """A table of printed cells, one row for each of `rows`.

    Args:
        columns: how a cell is printed, by the head of its column: a format string such as "{arm}", or a
            function of the row such as `number("time_s", 1e3)`.
        empty: what the first cell says where there are no rows.
    """
    printed = [
        {head: to.format_map(row) if isinstance(to, str) else to(row) for head, to in columns.items()}
        for row in rows.to_dict("records")
    ]
    if empty and not printed:
        return pd.DataFrame([{next(iter(columns)): empty}])
    return pd.DataFrame(printed, columns=list(columns))


def number(column: str, scale: float = 1.0, digits: int = 3) -> Cell:
    """Prints `scale` times the number of a column."""
    return lambda row: "--" if pd.isna(row[column]) else cell(scale * row[column], digits)


def whole(column: str, scale: float = 1.0) -> Cell:
    """Prints `scale` times the number of a column without decimals."""
    return lambda row: "--" if pd.isna(row[column]) else f"{scale * row[column]:.0f}"


def quotient(column: str, divisor: str, digits: int = 3) -> Cell:
    """Prints the number of a column divided by that of another."""
    return lambda row: cell(row[column] / row[divisor], digits)


def banded(column: str, scale: float = 1.0, digits: int = 3) -> Cell:
    """Prints `scale` times the number of a column, with its range over power models where it has one."""
    return lambda row: banded_cell(row, column, scale, digits)


def name(column: str) -> Cell:
    """Prints the name in a column with spaces for underscores."""
    return lambda row: spaced(row[column])


def spaced(words: object) -> str:
    """A name with spaces for underscores."""
    return str(words).replace("_", " ")


def listed(names: Iterable[object]) -> str:
    """Names with spaces for underscores and commas between them; "none" without any."""
    return ", ".join(map(spaced, names)) or "none"


def escape(text: str) -> str:
    """`text` for LaTeX; a letter that no font of the paper has is printed as its code point."""
    return "".join(
        _LATEX.get(letter) or letter_in_latex(letter) or f"[U+{ord(letter):04X}]"
        for letter in unicodedata.normalize("NFC", text)
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
    return f"\\num{{{cell}}}" if is_number(cell) else escape(cell)


def _is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, and dashes where there are none."""
    numbers = column.map(is_number)
    return bool(numbers.any() and (numbers | (column == "--")).all())


def is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True
