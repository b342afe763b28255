"""Numbers and words of the paper, each with the sentence that says how it was computed.

The sentence is never typed: it is made of what computed the number. Rows of tables are the usual start
(`joules.paper.rows`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, Literal

import pandas as pd

Raw = float | int | str


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


class Quantity(ABC):
    """A number or word with its source. Combine quantities with `*` and `/`."""

    @property
    @abstractmethod
    def raw(self) -> Raw:
        """The number or word itself."""

    @property
    @abstractmethod
    def source(self) -> str:
        """How `raw` was computed, as a sentence from which a reader can compute it again."""

    @property
    def cells(self) -> tuple[Cells, ...]:
        """The cells of tables that `raw` was computed from."""
        return ()

    @property
    def band(self) -> tuple[float, float] | None:
        """The least and the largest `raw` over all power models, where the tables hold them."""
        return None

    def __mul__(self, other: Quantity | float) -> Quantity:
        return _Combined(self, "*", other)

    def __rmul__(self, other: float) -> Quantity:
        return self if other == 1 else _Combined(other, "*", self)

    def __truediv__(self, other: Quantity | float) -> Quantity:
        return _Combined(self, "/", other)


@dataclass(frozen=True)
class _Combined(Quantity):
    """A product or a quotient; a quotient by zero is NaN."""

    left: Quantity | float
    sign: Literal["*", "/"]
    right: Quantity | float

    @cached_property
    def raw(self) -> Raw:
        return self._combine(_number(self.left), _number(self.right))

    @property
    def source(self) -> str:
        return f"{_term(self.left)} {self.sign} {_term(self.right)}"

    @property
    def cells(self) -> tuple[Cells, ...]:
        terms = (term for term in (self.left, self.right) if isinstance(term, Quantity))
        return tuple(cells for term in terms for cells in term.cells)

    @property
    def band(self) -> tuple[float, float] | None:
        if isinstance(self.left, Quantity) and self.left.band:
            low, high = (self._combine(end, _number(self.right)) for end in self.left.band)
        elif isinstance(self.right, Quantity) and self.right.band and self.sign == "*":
            low, high = (self._combine(_number(self.left), end) for end in self.right.band)
        else:
            return None
        return None if math.isnan(low) else (low, high)

    def _combine(self, left: float, right: float) -> float:
        if self.sign == "*":
            return left * right
        return left / right if right else math.nan


@dataclass(frozen=True)
class _Constant(Quantity):
    module: ModuleType
    name: str

    @cached_property
    def raw(self) -> Raw:
        return plain(getattr(self.module, self.name))

    @property
    def source(self) -> str:
        return f"{self.name} in {place(self.module.__name__)}"


def constant(module: ModuleType, name: str) -> Quantity:
    """A constant of a module."""
    return _Constant(module, name)


def plain(value: Any) -> Any:
    """The Python number for one of NumPy."""
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


def place(module: str) -> str:
    """The file of a module, from the root of the repository."""
    return f"{module.replace('.', '/')}.py"
