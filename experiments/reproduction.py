"""One page that sets a campaign against the released ones: which claims agree, which numbers fall within."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.analysis.tables import read_tables
from experiments.campaigns import SELF, Campaign, released
from experiments.config import LOCAL
from experiments.errors import UserError


def report(campaign: Campaign) -> Path:
    """Writes `reproduction.md` and `reproduction.csv` (a row a released campaign and statistic) into the
    campaign's results; returns the page.

    A number agrees where its estimate falls within the other campaign's interval, or the other way round.
    Raises UserError where there is no released campaign to compare with.
    """
    others = [Campaign(name) for name in released() if name not in (LOCAL, campaign.name)]
    others = [other for other in others if other.claims.exists()]
    if not others:
        raise UserError("there is no other campaign in results/ to compare with")
    if not campaign.claims.exists():
        raise UserError(f"{campaign.claims} does not exist: run the workflow first")
    numbers = pd.concat([_numbers(campaign, other) for other in others], ignore_index=True)
    numbers.to_csv(
        campaign.results / "reproduction.csv", index=False, float_format="%.9g", lineterminator="\n"
    )
    page = campaign.results / "reproduction.md"
    page.write_text(_page(campaign, others, numbers), encoding="utf-8")
    return page


def _numbers(campaign: Campaign, other: Campaign) -> pd.DataFrame:
    """Statistics with an interval in both campaigns, side by side, and whether they agree."""
    shared = sorted(set(campaign.experiments()) & set(other.experiments()))
    columns = ["estimate", "ci_low", "ci_high"]
    tables = []
    for experiment in shared:
        ours, theirs = (
            read_tables(one.tables(experiment))["statistics"].set_index("statistic")[columns].dropna()
            for one in (campaign, other)
        )
        both = ours.join(theirs, how="inner", lsuffix="_here", rsuffix="_there")
        tables.append(both.reset_index().assign(experiment=experiment))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if table.empty:
        return table
    within = table["estimate_here"].between(table["ci_low_there"], table["ci_high_there"])
    within |= table["estimate_there"].between(table["ci_low_here"], table["ci_high_here"])
    return table.assign(campaign=other.name, agrees=within)


def _page(campaign: Campaign, others: list[Campaign], numbers: pd.DataFrame) -> str:
    lines = [f"# {campaign.name} against the released campaigns", "", "## Machines", ""]
    for one in (campaign, *others):
        machine = read_tables(one.tables(SELF))["machine"].iloc[0]
        lines.append(
            f"- {one.name}: {machine['words']}, {machine['scale']} scale, {machine['last_measured_at'][:10]}"
        )
    lines += ["", "## Claims", "", f"| claim | {' | '.join(one.name for one in (campaign, *others))} |"]
    lines.append("|---|" + "---|" * (1 + len(others)))
    verdicts = {
        one.name: pd.read_csv(one.claims).set_index("claim")["verdict"] for one in (campaign, *others)
    }
    names = list(dict.fromkeys(name for found in verdicts.values() for name in found.index))
    for name in names:
        cells = [str(found.get(name, "not in it")) for found in verdicts.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "## Numbers", ""]
    for other in others:
        found = numbers[numbers["campaign"] == other.name] if len(numbers) else numbers
        if found.empty:
            lines.append(f"- {other.name}: no statistic with an interval in both")
            continue
        parts = [
            f"{name} {int(group['agrees'].sum())} of {len(group)}"
            for name, group in found.groupby("experiment")
        ]
        lines.append(
            f"- {other.name}: {int(found['agrees'].sum())} of {len(found)} agree within an interval "
            f"({', '.join(parts)}); each in reproduction.csv"
        )
    return "\n".join(lines) + "\n"
