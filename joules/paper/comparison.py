"""A campaign set against the released ones: which claims are decided alike, which numbers agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from joules.analysis import campaign_tables
from joules.analysis.tables import read_tables
from joules.errors import UserError
from joules.paper.values import Value
from joules.study.campaign import SELF, Campaign, other_releases

_DECIDED = ("supported", "contradicted")
# How often an estimate falls within the 95 % interval of another of the same thing, both being as certain:
# normal errors of both, 2 Phi(1.96 / sqrt 2) - 1.
REPEATS_WITHIN = 0.834


@dataclass(frozen=True)
class Comparison:
    """A campaign against one other.

    `numbers` has a row a statistic with an interval in both: statistic, experiment, campaign (the other's),
    estimate, ci_low and ci_high _here and _there, whether they `agree` (one estimate falls within the other's
    interval), and whether the one here is `within` the interval there. `is_repeat` says that both measured
    the same code on the same machine at the same scale, as far as they measured the same arms, so that
    nothing but chance, and the seeds where these differ, tells them apart. `verdicts` has a row a claim, with
    its verdict `here` and `there`; NaN where a campaign lacks it.
    """

    campaign: Campaign
    other: Campaign
    numbers: pd.DataFrame
    verdicts: pd.DataFrame
    is_repeat: bool

    @property
    def decided(self) -> pd.DataFrame:
        """Verdicts on the claims that both campaigns decide."""
        return self.verdicts[self.verdicts.isin(_DECIDED).all(axis=1)]

    @property
    def opposed(self) -> list[str]:
        """Claims that one campaign supports and the other contradicts."""
        return list(self.decided.query("here != there").index)


def comparisons(campaign: Campaign) -> list[Comparison]:
    """`campaign` against each released one. Raises UserError where it has no verdicts yet."""
    if not campaign.claims.exists():
        raise UserError(f"{campaign.claims} does not exist: run the workflow first")
    return [
        Comparison(
            campaign,
            other,
            _numbers(campaign, other),
            _verdicts(campaign, other),
            _is_repeat(campaign, other),
        )
        for other in other_releases(campaign)
    ]


def over_campaigns(campaigns: Sequence[Campaign]) -> pd.DataFrame:
    """The number that decides each claim in every campaign: a row a claim of the first that several have with
    an interval; least and largest estimate, the widest interval of one, and a column in words for each."""
    tables = {one.name: pd.read_csv(one.claims).set_index("claim") for one in campaigns}
    rows = []
    for claim in next(iter(tables.values())).index:
        known = {
            name: table.loc[claim, ["estimate", "ci_low", "ci_high"]].astype(float)
            for name, table in tables.items()
            if claim in table.index
        }
        known = {name: cells for name, cells in known.items() if cells.notna().all()}
        if len(known) < 2:
            continue
        estimates = [cells["estimate"] for cells in known.values()]
        rows.append(
            {
                "claim": claim,
                "least": min(estimates),
                "largest": max(estimates),
                "widest": max(cells["ci_high"] - cells["ci_low"] for cells in known.values()),
                **{
                    name: "{:.3g} [{:.3g}, {:.3g}]".format(*known[name]) if name in known else "--"
                    for name in tables
                },
            }
        )
    return pd.DataFrame(rows, columns=["claim", "least", "largest", "widest", *tables])


def report(campaign: Campaign) -> Path:
    """Writes `reproduction.md` and `reproduction.csv` (a row a released campaign and statistic) into the
    campaign's results; returns the page.

    Raises UserError where there is no released campaign to compare with.
    """
    others = comparisons(campaign)
    if not others:
        raise UserError("there is no other campaign in results/ to compare with")
    numbers = pd.concat([one.numbers for one in others], ignore_index=True)
    numbers.to_csv(
        campaign.results / "reproduction.csv", index=False, float_format="%.9g", lineterminator="\n"
    )
    page = campaign.results / "reproduction.md"
    page.write_text(_page(campaign, others), encoding="utf-8")
    return page


def values(others: list[Comparison]) -> list[Value]:
    """The numbers the paper prints about the released campaigns; none where there is no comparison."""
    if not others:
        return []
    numbers = pd.concat([one.numbers for one in others], ignore_index=True)
    over = over_campaigns([others[0].campaign, *(one.other for one in others)])
    opposed = sorted({claim for one in others for claim in one.opposed})
    both = f"here and in {', '.join(one.other.name for one in others)}"
    return [
        Value("beside.campaigns", len(others), "released campaigns, number"),
        Value(
            "beside.repeats", sum(one.is_repeat for one in others), "campaigns of the same code and machine"
        ),
        Value("beside.expected", 100 * REPEATS_WITHIN, "joules/paper/comparison.py", 2, r"\percent"),
        Value("beside.claims", len(over), f"claims.csv {both}, with an interval in two of them"),
        Value(
            "beside.wider",
            int((over["largest"] - over["least"] > over["widest"]).sum()),
            f"claims.csv {both}, range of estimates over widest interval",
        ),
        Value("beside.numbers", len(numbers), f"statistics.csv {both}, rows with an interval"),
        Value(
            "beside.agree", int(numbers["agrees"].sum()), f"statistics.csv {both}, estimates within intervals"
        ),
        Value(
            "beside.decided", sum(len(one.decided) for one in others), f"claims.csv {both}, decided verdicts"
        ),
        Value(
            "beside.opposed",
            ", ".join(name.replace("_", " ") for name in opposed) or "none",
            f"claims.csv {both}, supported in one and contradicted in the other",
        ),
    ]


def display(others: list[Comparison]) -> dict[str, pd.DataFrame]:
    """The released campaigns as the paper prints them, a row each; nothing where there is none."""
    rows = []
    for one in others:
        own = read_tables(one.other.tables(SELF))
        machine = own["machine"].iloc[0]
        rows.append(
            {
                "campaign": one.other.name,
                "machine": machine["words"],
                "scale": machine["scale"],
                "energy": campaign_tables.words(own["instruments"]),
                "claims decided alike": f"{len(one.decided) - len(one.opposed)} of {len(one.decided)}",
                "numbers that agree": f"{int(one.numbers['agrees'].sum())} of {len(one.numbers)}",
                "within its intervals": f"{int(one.numbers['within'].sum())} of {len(one.numbers)}",
                "same code and machine": "yes" if one.is_repeat else "no",
            }
        )
    if not rows:
        return {}
    over = over_campaigns([others[0].campaign, *(one.other for one in others)])
    printed = over.drop(columns=["least", "largest", "widest"]).assign(
        claim=[str(name).replace("_", " ") for name in over["claim"]],
        spread=[f"{row.least:.3g} to {row.largest:.3g}" for row in over.itertuples()],
    )
    return {"beside": pd.DataFrame(rows), "over": printed}


def _numbers(campaign: Campaign, other: Campaign) -> pd.DataFrame:
    columns = ["estimate", "ci_low", "ci_high"]
    sides = [f"{name}_{side}" for side in ("here", "there") for name in columns]
    tables = [pd.DataFrame(columns=["statistic", *sides, "experiment", "campaign"])]
    for experiment in sorted(set(campaign.experiments()) & set(other.experiments())):
        ours, theirs = (
            read_tables(one.tables(experiment))["statistics"].set_index("statistic")[columns].dropna()
            for one in (campaign, other)
        )
        both = ours.join(theirs, how="inner", suffixes=("_here", "_there"))
        tables.append(both.reset_index().assign(experiment=experiment, campaign=other.name))
    table = pd.concat(tables, ignore_index=True)
    inside = table["estimate_here"].between(table["ci_low_there"], table["ci_high_there"])
    within = inside | table["estimate_there"].between(table["ci_low_here"], table["ci_high_here"])
    return table.assign(agrees=within, within=inside)


def _is_repeat(campaign: Campaign, other: Campaign) -> bool:
    machines, prints = [], []
    for each in (campaign, other):
        machine = read_tables(each.tables(SELF))["machine"].iloc[0]
        machines.append((machine["machine"], machine["scale"]))
        runs = pd.concat([read_tables(each.tables(name))["runs"] for name in each.experiments()])
        prints.append(runs.groupby(["experiment", "arm"])["fingerprint"].first())
    here, there = (one.align(two, join="inner")[0] for one, two in (prints, prints[::-1]))
    return machines[0] == machines[1] and len(here) > 0 and bool((here == there).all())


def _verdicts(campaign: Campaign, other: Campaign) -> pd.DataFrame:
    here, there = (pd.read_csv(one.claims).set_index("claim")["verdict"] for one in (campaign, other))
    names = list(dict.fromkeys([*here.index, *there.index]))
    return pd.DataFrame({"here": here.reindex(names), "there": there.reindex(names)})


def _page(campaign: Campaign, others: list[Comparison]) -> str:
    everyone = [campaign, *(one.other for one in others)]
    lines = [f"# {campaign.name} against the released campaigns", "", "## Machines", ""]
    for each in everyone:
        machine = read_tables(each.tables(SELF))["machine"].iloc[0]
        lines.append(
            f"- {each.name}: {machine['words']}, {machine['scale']} scale, {machine['last_measured_at'][:10]}"
        )
    lines += ["", "## Claims", "", f"| claim | {' | '.join(each.name for each in everyone)} |"]
    lines.append("|---|" + "---|" * len(everyone))
    verdicts = pd.concat(
        [others[0].verdicts["here"], *(one.verdicts["there"] for one in others)], axis=1
    ).fillna("not in it")
    lines += [f"| {name} | {' | '.join(cells)} |" for name, *cells in verdicts.itertuples(name=None)]
    lines += ["", "## The number that decides each claim", ""]
    over = over_campaigns(everyone)
    lines.append(f"| claim | {' | '.join(each.name for each in everyone)} | least to largest |")
    lines.append("|---|" + "---|" * (len(everyone) + 1))
    lines += [
        f"| {row['claim']} | {' | '.join(row[each.name] for each in everyone)} | "
        f"{row['least']:.3g} to {row['largest']:.3g} |"
        for row in over.to_dict("records")
    ]
    lines += ["", "## Numbers", ""]
    for one in others:
        repeated = (
            " It is a repeat: the same code on the same machine at the same scale." if one.is_repeat else ""
        )
        parts = [
            f"{name} {int(group['agrees'].sum())} of {len(group)}"
            for name, group in one.numbers.groupby("experiment")
        ]
        lines.append(
            f"- {one.other.name}: {int(one.numbers['agrees'].sum())} of {len(one.numbers)} agree within an "
            f"interval ({', '.join(parts) or 'nothing in common'}), "
            f"{int(one.numbers['within'].sum())} of those here within the intervals there; "
            f"each in reproduction.csv.{repeated}"
        )
    return "\n".join(lines) + "\n"
