"""Facts on a campaign that every description of it states."""

from __future__ import annotations

import pandas as pd

from joules.analysis.tables import read_table
from joules.study.campaign import CAMPAIGN, Campaign
from joules.study.citation import citation

DATA_LICENCE = {
    "name": "CC0-1.0",
    "title": "Creative Commons Zero v1.0 Universal",
    "path": "https://creativecommons.org/publicdomain/zero/1.0/",
}


def describe_campaign(campaign: Campaign) -> dict[str, str]:
    """Title, description, version and time of creation of a campaign, by name."""
    cited, machine = citation(), read_machine(campaign)
    return {
        "title": f"{cited['title']}: campaign {campaign.name}",
        "description": (
            f"Energy of machine learning experiments at {machine['scale']} scale on a {machine['words']}. "
            f"Energy of every table by domain: {describe_provenance(campaign)}; modelled energy is not a "
            "measurement."
        ),
        "version": str(cited["version"]),
        "created": str(machine["last_measured_at"]),
    }


def describe_provenance(campaign: Campaign) -> str:
    """How the energy of each domain was read, in words."""
    return ", ".join(f"{row.domain} {row.provenance}" for row in read_instruments(campaign).itertuples())


def read_machine(campaign: Campaign) -> pd.Series:
    """The row of a campaign's table 'machine'."""
    return read_table(campaign.tables(CAMPAIGN) / "machine.csv").iloc[0]


def read_instruments(campaign: Campaign) -> pd.DataFrame:
    """A campaign's table 'instruments', one row per domain and source."""
    return read_table(campaign.tables(CAMPAIGN) / "instruments.csv")
