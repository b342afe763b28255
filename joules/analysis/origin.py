"""On what a campaign was measured, read from its tables."""

from __future__ import annotations

import pandas as pd

from joules.analysis.instruments import provenance_words
from joules.analysis.tables import list_tabulated, read_tables
from joules.study.campaign import CAMPAIGN, Campaign
from joules.study.manifest import Origin


def origin_of(campaign: Campaign) -> Origin:
    """The origin of a campaign, from the tables of its experiments.

    Raises:
        UserError: a table is missing or was modified.
    """
    own = read_tables(campaign, CAMPAIGN)
    machine = own["machine"].iloc[0]
    runs = pd.concat([read_tables(campaign, name)["runs"] for name in list_tabulated(campaign)])
    by_arm = runs.groupby(["experiment", "arm"])["fingerprint"].first().astype(str)
    return Origin(
        machine=machine["machine"],
        words=machine["words"],
        scale=machine["scale"],
        energy=provenance_words(own["instruments"]),
        first_measured_at=machine["first_measured_at"],
        last_measured_at=machine["last_measured_at"],
        fingerprints={
            experiment: group.droplevel("experiment").to_dict()
            for experiment, group in by_arm.groupby(level="experiment")
        },
    )
