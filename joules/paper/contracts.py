"""Interface between the paper and an experiment: its `report.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pandas as pd

from joules.paper.values import Value


class Report(Protocol):
    """The functions of `experiments/<experiment>/report.py`."""

    def values(self, tables: Mapping[str, pd.DataFrame]) -> list[Value]:
        """The numbers and words that the paper's section prints with `\\val{key}`.

        A value that is not `on_demand` must be used by the prose. What the campaign cannot measure is
        NaN and left out, and the prose asks for it with `\\ifval`. `statistic_values` makes a value of every
        statistic.
        """
        ...

    def display(self, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Tables of printed cells by the name that the section gives to `\\exportedtable{name}`."""
        ...
