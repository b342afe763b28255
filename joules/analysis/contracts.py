"""What the analysis asks of an experiment: its `tables.py` and its `figures.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pandas as pd

from joules.analysis.drawing import description
from joules.analysis.records import Records, Stated
from joules.study.config import LOCAL, Config
from joules.study.design import Design


class Tables(Protocol):
    """`experiments/<experiment>/tables.py` where the design's `evidence` is `runs`."""

    def tabulate(self, records: Records, design: Design) -> dict[str, pd.DataFrame]:
        """Makes the tables of an experiment, one for every name in the design's `tables`.

        `runs` (from `records.runs_table`, one row a run) and `statistics` (columns `statistics.COLUMNS`)
        must be among them. The records may be any part of a campaign: runs may have failed, and energies may
        be missing. The function is called again without flagged runs, and for every power model with the
        energies that it gives, so rows must not be ordered by energy. It always returns every table, if
        necessary with no rows.
        """
        ...


@dataclass(frozen=True)
class CampaignEvidence:
    """What tables about a whole campaign are made from.

    Args:
        records: of every experiment with runs, by experiment.
        tables: of every experiment whose evidence is not the campaign itself, by experiment and name.
        config: options of the campaign.
        campaign: its name.
        stated: facts about the machine that the records lack and a file adds; None if there is no such file.
        releases: the latest verdicts of campaigns that were released on the same day or earlier, by campaign.
    """

    records: Mapping[str, Records]
    tables: Mapping[str, Mapping[str, pd.DataFrame]]
    config: Config
    campaign: str = LOCAL
    stated: Stated | None = None
    releases: Mapping[str, pd.DataFrame] = field(default_factory=dict)


class CampaignTables(Protocol):
    """`experiments/<experiment>/tables.py` where the design's `evidence` is `campaign`."""

    def tabulate(self, evidence: CampaignEvidence) -> dict[str, pd.DataFrame]:
        """Records and tables of a campaign to tables, one for every name in the design's `tables`.

        Those of the experiment `campaign` describe the campaign as a whole: the machinery reads `machine`
        (one row), `instruments` (one row a domain) and `energy` (one row an experiment).
        """
        ...


class PublishedTables(Protocol):
    """`experiments/<experiment>/tables.py` where the design's `evidence` is `published`."""

    def tabulate(self, sources: Sequence[Path]) -> dict[str, pd.DataFrame]:
        """Published readings to tables, one for every name in the design's `tables`.

        Args:
            sources: the files of the design's `sources`, in its order.

        Returns:
            Tables by name. `statistics` (columns `statistics.COLUMNS`) is among them where the experiment
            makes claims.
        """
        ...


class Figure(Protocol):
    """A function of `experiments/<experiment>/figures.py` with the name that the design gives the figure."""

    def __call__(self, tables: Mapping[str, pd.DataFrame], /) -> description.Figure:
        """Describes the figure by its layers, from the tables of the experiment alone. Print and page are
        drawn from the description. Stars come from `statistics` alone (`description.compare_runs`)."""
        ...
