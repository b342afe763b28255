"""On what and with which seeds a campaign was measured."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pandas as pd

from joules.analysis.instruments import provenance_words
from joules.analysis.records import Records
from joules.analysis.tables import list_tabulated, read_tables
from joules.power.servers import choose_servers
from joules.study.campaign import CAMPAIGN, Campaign
from joules.study.manifest import Origin, released_claims

# What is stated of a campaign with its verdicts, and the columns of verdicts that are compared.
SETTING = ["machine", "scale", "measured_on", "first_seed"]
COMPARED = [
    "claim",
    "experiment",
    *SETTING,
    "n",
    "contrast",
    "estimate",
    "unit",
    "ci_low",
    "ci_high",
    "verdict",
]


def read_verdicts(campaigns: Iterable[Campaign]) -> dict[str, pd.DataFrame]:
    """The latest verdicts of campaigns by their name, each that of the campaign alone: of `COMPARED` those
    columns that a campaign has."""
    return {each.name: _read_verdicts(each) for each in campaigns}


def _read_verdicts(campaign: Campaign) -> pd.DataFrame:
    alone = "campaign_verdict"
    table = pd.read_csv(released_claims(campaign), usecols=[*COMPARED, alone].__contains__)
    return table.assign(verdict=table.pop(alone)) if alone in table else table


def describe_setting(every: Collection[Records]) -> dict[str, object]:
    """The machine (generation of its processor, or its name), scale, day and first seed of a campaign.

    Args:
        every: records of each of its experiments, on one machine.
    """
    machine = next(iter(next(iter(every)).cells.machines.values()))
    servers = choose_servers(machine.identity)
    cells = [each.cells.runs for each in every]
    return {
        "machine": servers.name if servers.evidence == "generation" else machine.processor,
        "scale": ", ".join(sorted({str(scale) for runs in cells for scale in runs["scale"]})),
        "measured_on": min(str(instant) for runs in cells for instant in runs["measured_at"])[:10],
        "first_seed": min(int((runs["seed"] - runs["block"]).min()) for runs in cells),
    }


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
        first_seed=int(machine["first_seed"]),
        energy=provenance_words(own["instruments"]),
        first_measured_at=machine["first_measured_at"],
        last_measured_at=machine["last_measured_at"],
        fingerprints={
            experiment: group.droplevel("experiment").to_dict()
            for experiment, group in by_arm.groupby(level="experiment")
        },
    )
