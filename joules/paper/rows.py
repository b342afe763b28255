"""Rows of tables, and the numbers of the paper that are computed from them.

>>> tables = {"anchors": pd.DataFrame({"kind": ["fit", "fit", "identity"], "ratio": [0.5, 2.0, 1.0]})}
>>> largest = 100 * pick(tables, "anchors").where(kind="fit").max("ratio")
>>> largest.raw, largest.source
(200.0, "100 * (max of ratio in anchors.csv where kind == 'fit')")
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from joules.analysis.sensitivity import HIGH, LOW
from joules.errors import UserError
from joules.paper.printing import listed
from joules.paper.quantities import Cells, Quantity, Raw, place, plain
from joules.study.claims import load_claims
from joules.study.design import Scale, load_design

Aggregation = Literal["min", "max", "sum", "median", "nunique", "mode", "names", "count", "cell"]
_WORDS: dict[Aggregation, str] = {"nunique": "number of different values of", "cell": "", "mode": "mode of"}


@dataclass(frozen=True)
class Rows:
    """Rows of a table that passed filters, and which filters these were."""

    table: str
    frame: pd.DataFrame
    filters: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.cells)

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, column: str) -> Any:
        """The cell of the only row."""
        return self.cell(column).raw

    @property
    def cells(self) -> Cells:
        """All cells of the rows."""
        return Cells(self.table, self.filters)

    def where(self, *queries: str, **equal: object) -> Rows:
        """The rows that pass all `queries` (in the language of `DataFrame.query`), and whose column equals a
        value for each of `equal`."""
        added = (*queries, *(_equality(column, value) for column, value in equal.items()))
        return Rows(self.table, Cells(self.table, added).select(self.frame), (*self.filters, *added))

    def least(self, column: str) -> Rows:
        """The rows with the least number in `column`."""
        return self.where(f"{column} == {column}.min()")

    def largest(self, column: str) -> Rows:
        """The rows with the largest number in `column`."""
        return self.where(f"{column} == {column}.max()")

    def each(self, *columns: str) -> Iterator[Rows]:
        """Every group of rows with the same cells in `columns`, in the order of the table."""
        for values, frame in self.frame.groupby(list(columns), sort=False, dropna=False):
            filters = (_equality(column, value) for column, value in zip(columns, values, strict=True))
            yield Rows(self.table, frame, (*self.filters, *filters))

    def evaluate(self, expression: str) -> pd.Series:
        """A column by its name, or an expression of columns in the language of `DataFrame.eval`."""
        if expression in self.frame:
            return self.frame[expression]
        return pd.Series(self.frame.eval(expression, engine="python"))

    def count(self) -> Quantity:
        """The number of rows."""
        return _Aggregate(self, "count", "")

    def cell(self, expression: str) -> Quantity:
        """What all rows (as a rule one) have in a column; NaN without rows.

        Raises UserError where rows differ.
        """
        return _Aggregate(self, "cell", expression)

    def min(self, expression: str) -> Quantity:
        """The least number of a column; NaN without one, as with all aggregations that follow."""
        return _Aggregate(self, "min", expression)

    def max(self, expression: str) -> Quantity:
        """The largest number of a column."""
        return _Aggregate(self, "max", expression)

    def sum(self, expression: str) -> Quantity:
        """The sum of a column."""
        return _Aggregate(self, "sum", expression)

    def median(self, expression: str) -> Quantity:
        """The median of a column."""
        return _Aggregate(self, "median", expression)

    def nunique(self, expression: str) -> Quantity:
        """How many different values a column has."""
        return _Aggregate(self, "nunique", expression)

    def names(self, expression: str) -> Quantity:
        """The names in a column as words with commas between them; "none" without any."""
        return _Aggregate(self, "names", expression)

    def mode(self, expression: str) -> Quantity:
        """The most frequent value of a column."""
        return _Aggregate(self, "mode", expression)


@dataclass(frozen=True)
class _Aggregate(Quantity):
    rows: Rows
    aggregation: Aggregation
    column: str

    @cached_property
    def raw(self) -> Raw:
        return self._of(self.column)

    @property
    def source(self) -> str:
        if self.aggregation == "count":
            return f"number of rows in {self.rows}"
        words = _WORDS.get(self.aggregation, f"{self.aggregation} of")
        return f"{words} {self.column} in {self.rows}".lstrip()

    @property
    def cells(self) -> tuple[Cells, ...]:
        return (dataclasses.replace(self.rows.cells, column=self.column),)

    @property
    def band(self) -> tuple[float, float] | None:
        ends = f"{self.column}{LOW}", f"{self.column}{HIGH}"
        if not set(ends) <= set(self.rows.frame):
            return None
        low, high = (float(self._of(end)) for end in ends)
        return None if math.isnan(low) or math.isnan(high) else (low, high)

    def _of(self, column: str) -> Raw:
        if self.aggregation == "count":
            return len(self.rows.frame)
        values = self.rows.evaluate(column)
        if self.aggregation == "mode":
            return plain(values.mode().iloc[0])
        if self.aggregation == "names":
            return listed(values)
        if self.aggregation != "cell":
            return plain(getattr(values, self.aggregation)())
        if values.empty:
            return math.nan
        if values.nunique(dropna=False) > 1:
            raise UserError(f"{column} differs between the rows of {self.rows}: select one row")
        return math.nan if pd.isna(values.iloc[0]) else plain(values.iloc[0])


@dataclass(frozen=True)
class _Derived(Quantity):
    function: Callable[..., Any]
    arguments: tuple[object, ...]

    @cached_property
    def raw(self) -> Raw:
        frames = [each.frame if isinstance(each, Rows) else each for each in self.arguments]
        return plain(self.function(*frames))

    @property
    def source(self) -> str:
        given = ", ".join(
            str(each) if isinstance(each, Rows) or not isinstance(each, Raw) else repr(each)
            for each in self.arguments
        )
        return f"{self.function.__name__}({given}) in {place(self.function.__module__)}"

    @property
    def cells(self) -> tuple[Cells, ...]:
        return tuple(each.cells for each in self.arguments if isinstance(each, Rows))


def pick(tables: Mapping[str, pd.DataFrame], name: str) -> Rows:
    """All rows of a table."""
    return Rows(name, tables[name])


def derive(function: Callable[..., Any], *arguments: object) -> Quantity:
    """What a function gives for `arguments`, of which it receives `Rows` as data frames.

    The source names the function, so it has to have a name that can be looked up.

    Raises TypeError for a lambda or a function within a function.
    """
    if not inspect.isfunction(function) or "<" in function.__qualname__:
        raise TypeError(f"{function} has no name to look it up by: define it in its module")
    return _Derived(function, arguments)


def declared(experiment: str, scale: Scale, name: str) -> float:
    """A number that the design of an experiment declares for its analysis at a scale."""
    return float(load_design(experiment).at(scale).analysis[name])


def published(experiment: str, claim: str) -> float:
    """The published number that a claim of an experiment names; NaN if it names none."""
    number = load_claims(experiment)[claim].published
    return math.nan if number is None else number


def _equality(column: str, value: object) -> str:
    cell = plain(value)
    return f"{column}.isna()" if isinstance(cell, float) and math.isnan(cell) else f"{column} == {cell!r}"
