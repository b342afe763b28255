"""What the analysis asks of a question: its `tables.py`, its `figures.py` and its `charts.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from joules.analysis.records import Records
from joules.study.design import Design

if TYPE_CHECKING:
    from matplotlib import figure


class Tables(Protocol):
    """`experiments/<question>/tables.py`."""

    def tabulate(self, entries: Records, design: Design) -> dict[str, pd.DataFrame]:
        """Records to tables, one for every name in the design's `tables`.

        `runs` (from `records.runs_table`, one row a run) and `statistics` (columns `statistics.COLUMNS`)
        must be among them. It is handed any part of a campaign: runs may have failed or not been read. It is
        called again without the flagged ones, and for every model of power with the energies that it gives,
        so that rows must not be ordered by energy. It makes every table all the same, if need be with its
        columns alone.
        """
        ...


class Figure(Protocol):
    """A function of `experiments/<question>/figures.py` with the name that the design gives the figure."""

    def __call__(self, tables: Mapping[str, pd.DataFrame], /) -> figure.Figure:
        """The tables of the question as a figure. Reads nothing else, and draws stars from `statistics`
        alone (`plotting.stars`)."""
        ...


class Chart(Protocol):
    """A function of `experiments/<question>/charts.py` with the name that the design gives the figure."""

    def __call__(self) -> dict[str, Any]:
        """The figure as a Vega-Lite specification (`interactive.described`) that names the tables it reads
        and holds no data."""
        ...
