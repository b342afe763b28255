"""Numbers and words of the paper, each computed from tables together with the sentence that says how.

The sentence is never typed: it is made of the table, the filters, the column and the aggregation that
computed the number, or of the name of the function that did.

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
from types import ModuleType
from typing import Any, Literal

import pandas as pd

from joules.analysis.sensitivity import HIGH, LOW
from joules.errors import UserError

Raw = float | int | str
Aggregation = Literal["min", "max", "sum", "median", "nunique", "mode", "count", "cell"]
_WORDS: dict[Aggregation, str] = {"nunique": "number of different values of", "cell": "", "mode": "mode of"}


@dataclass(frozen=True)
class Cells:
    """Where a quantity comes from: a column (or an expression of columns) of the rows of a table that pass
    `filters`, one after another. Empty `column` means whole rows."""

    table: str
    filters: tuple[str, ...]
    column: str = ""

    def __str__(self) -> str:
        return " ".join([f"{self.table}.csv", *(f"where {query}" for query in self.filters)])

    def select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of the whole table `frame` that pass the filters."""
        for query in self.filters:
            frame = frame.query(query, engine="python")
        return frame


class Quantity:
    """A number or word with its source. Combine quantities with `*` and `/`."""

    @cached_property
    def raw(self) -> Raw:
        """The number or word itself."""
        raise NotImplementedError

    @property
    def source(self) -> str:
        """How `raw` was computed, as a sentence from which a reader can compute it again."""
        raise NotImplementedError

    @property
    def cells(self) -> tuple[Cells, ...]:
        """The cells of tables that `raw` was computed from."""
        return ()

    @property
    def band(self) -> tuple[float, float] | None:
        """The least and the largest `raw` over all power models, where the tables hold them."""
        return None

    def __mul__(self, other: Quantity | float) -> Quantity:
        return _Product(self, other)

    def __rmul__(self, other: float) -> Quantity:
        return self if other == 1 else _Product(other, self)

    def __truediv__(self, other: Quantity | float) -> Quantity:
        return _Quotient(self, other)


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
            return _plain(values.mode().iloc[0])
        if self.aggregation != "cell":
            return _plain(getattr(values, self.aggregation)())
        if values.empty:
            return math.nan
        if values.nunique(dropna=False) > 1:
            raise UserError(f"{column} differs between the rows of {self.rows}: select one row")
        return math.nan if pd.isna(values.iloc[0]) else _plain(values.iloc[0])


@dataclass(frozen=True)
class _Product(Quantity):
    left: Quantity | float
    right: Quantity | float

    @cached_property
    def raw(self) -> Raw:
        return _number(self.left) * _number(self.right)

    @property
    def source(self) -> str:
        return f"{_term(self.left)} * {_term(self.right)}"

    @property
    def cells(self) -> tuple[Cells, ...]:
        return _cells(self.left, self.right)

    @property
    def band(self) -> tuple[float, float] | None:
        return _scaled_band(self.left, lambda end: end * _number(self.right)) or _scaled_band(
            self.right, lambda end: _number(self.left) * end
        )


@dataclass(frozen=True)
class _Quotient(Quantity):
    left: Quantity
    right: Quantity | float

    @cached_property
    def raw(self) -> Raw:
        divisor = _number(self.right)
        return _number(self.left) / divisor if divisor else math.nan

    @property
    def source(self) -> str:
        return f"{_term(self.left)} / {_term(self.right)}"

    @property
    def cells(self) -> tuple[Cells, ...]:
        return _cells(self.left, self.right)

    @property
    def band(self) -> tuple[float, float] | None:
        return _scaled_band(self.left, lambda end: end / _number(self.right)) if _number(self.right) else None


@dataclass(frozen=True)
class _Derived(Quantity):
    function: Callable[..., Any]
    arguments: tuple[object, ...]

    @cached_property
    def raw(self) -> Raw:
        frames = [each.frame if isinstance(each, Rows) else each for each in self.arguments]
        return _plain(self.function(*frames))

    @property
    def source(self) -> str:
        given = ", ".join(
            str(each) if isinstance(each, Rows) or not isinstance(each, Raw) else repr(each)
            for each in self.arguments
        )
        return f"{self.function.__name__}({given}) in {_place(self.function.__module__)}"

    @property
    def cells(self) -> tuple[Cells, ...]:
        return tuple(each.cells for each in self.arguments if isinstance(each, Rows))


@dataclass(frozen=True)
class _Constant(Quantity):
    module: ModuleType
    name: str

    @cached_property
    def raw(self) -> Raw:
        return _plain(getattr(self.module, self.name))

    @property
    def source(self) -> str:
        return f"{self.name} in {_place(self.module.__name__)}"


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

    def mode(self, expression: str) -> Quantity:
        """The most frequent value of a column."""
        return _Aggregate(self, "mode", expression)


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


def constant(module: ModuleType, name: str) -> Quantity:
    """A constant of a module."""
    return _Constant(module, name)


def _equality(column: str, value: object) -> str:
    plain = _plain(value)
    return f"{column}.isna()" if isinstance(plain, float) and math.isnan(plain) else f"{column} == {plain!r}"


def _plain(value: Any) -> Any:
    """A number of Python's for one of NumPy's."""
    return value.item() if hasattr(value, "item") else value


def _number(term: Quantity | float) -> float:
    raw = term.raw if isinstance(term, Quantity) else term
    if isinstance(raw, str):
        raise TypeError(f"'{raw}' is text: combine numbers only")
    return raw


def _term(term: Quantity | float) -> str:
    if not isinstance(term, Quantity):
        return f"{term:.15g}"
    return f"({term.source})"


def _cells(*terms: Quantity | float) -> tuple[Cells, ...]:
    return tuple(cells for term in terms if isinstance(term, Quantity) for cells in term.cells)


def _scaled_band(term: Quantity | float, scale: Callable[[float], float]) -> tuple[float, float] | None:
    if not isinstance(term, Quantity) or term.band is None:
        return None
    low, high = (scale(end) for end in term.band)
    return low, high


def _place(module: str) -> str:
    return f"{module.replace('.', '/')}.py"
