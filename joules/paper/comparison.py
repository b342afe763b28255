"""Comparison of a campaign with the released ones: equal verdicts and agreeing numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from joules.analysis.origin import origin_of, read_verdicts
from joules.analysis.steps import statistics_of
from joules.analysis.tables import list_tabulated, read_tables
from joules.errors import UserError
from joules.paper.printing import listed, spaced
from joules.paper.quantities import constant
from joules.paper.rows import derive
from joules.paper.values import Value
from joules.study.campaign import Campaign, other_releases
from joules.study.config import Config
from joules.study.manifest import Origin, read_manifest, released_claims

_INTERVAL = ["estimate", "ci_low", "ci_high"]
_DECIDED = ("supported", "contradicted")
# Probability that an estimate lies within the 95 % interval of a second, equally certain estimate of the same
# quantity: with normal errors, 2 Phi(1.96 / sqrt 2) - 1.
REPEATS_WITHIN = 0.834


@dataclass(frozen=True)
class Comparison:
    """A campaign compared with one other.

    `numbers` has a row a claim whose statistic has an interval in both: name, experiment, campaign (the
    other's), estimate, ci_low and ci_high _here and _there, whether they `agree` (one estimate falls within
    the other's interval), and whether the one here is `within` the interval there. `is_repeat` says that both
    measured the same code on the same machine at the same scale, as far as they measured the same arms, so
    that they differ by chance alone, and by their seeds unless both have the same: then networks learn the
    same in both, so that what is learned is no independent replication. `verdicts` has a row a claim,
    with its verdict `here` and `there`; NaN where a campaign lacks it.
    """

    campaign: Campaign
    other: Campaign
    origin: Origin
    numbers: pd.DataFrame
    verdicts: pd.DataFrame
    is_repeat: bool
    has_same_seeds: bool

    def __str__(self) -> str:
        return self.other.name

    @property
    def decided(self) -> pd.DataFrame:
        """Verdicts on the claims that both campaigns decide."""
        return self.verdicts[self.verdicts.isin(_DECIDED).all(axis=1)]

    @property
    def opposed(self) -> list[str]:
        """Claims that one campaign supports and the other contradicts."""
        return list(self.decided.query("here != there").index)


def compare_with_releases(campaign: Campaign) -> list[Comparison]:
    """Compares a campaign with each released one. Raises UserError if it has no verdicts yet."""
    if not campaign.claims.exists():
        raise UserError(f"{campaign.claims} does not exist: run the workflow first")
    own = origin_of(campaign)
    here = _claims(campaign)
    compared = []
    for other in other_releases(campaign):
        released_claims(other)
        origin, there = read_manifest(other).origin, _claims(other)
        names = list(dict.fromkeys([*here.index, *there.index]))
        verdicts = {"here": here["verdict"].reindex(names), "there": there["verdict"].reindex(names)}
        compared.append(
            Comparison(
                campaign,
                other,
                origin,
                _agreement(here, there, other),
                pd.DataFrame(verdicts),
                own.is_repeat_of(origin),
                own.first_seed == origin.first_seed,
            )
        )
    return compared


def tabulate_claims(campaigns: Sequence[Campaign]) -> pd.DataFrame:
    """The number that decides each claim, by campaign.

    Returns:
        One row for each claim of the first campaign that at least two campaigns have with an interval: the
        least and the largest estimate, the width of the widest interval, and a column in words a campaign.
    """
    tables = {one.name: pd.read_csv(one.latest_claims).set_index("claim") for one in campaigns}
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


def write_report(campaign: Campaign, config: Config) -> Path:
    """Writes `reproduction.md` and `reproduction.csv` (a row a released campaign and statistic) into the
    campaign's results; returns the page. Statistics of the others are recomputed from their records.

    Raises UserError where there is no released campaign to compare with.
    """
    others = compare_with_releases(campaign)
    if not others:
        raise UserError("there is no other campaign in results/ to compare with")
    numbers = pd.concat([_statistics(campaign, one.other, config) for one in others], ignore_index=True)
    numbers.to_csv(
        campaign.results / "reproduction.csv", index=False, float_format="%.9g", lineterminator="\n"
    )
    page = campaign.results / "reproduction.md"
    page.write_text(_page(campaign, others, numbers), encoding="utf-8")
    return page


def values(others: list[Comparison]) -> list[Value]:
    """The numbers the paper prints about the released campaigns; none where there is no comparison."""
    if not others:
        return []
    return [
        Value("released.campaigns", derive(count_campaigns, *others)),
        Value("released.repeats", derive(count_repeats, *others)),
        Value("released.expected", 100 * constant(sys.modules[__name__], "REPEATS_WITHIN"), 2, r"\percent"),
        Value("released.claims", derive(count_claims, *others)),
        Value("released.wider", derive(count_wider, *others)),
        Value("released.numbers", derive(count_numbers, *others)),
        Value("released.agree", derive(count_agreeing, *others)),
        Value("released.decided", derive(count_decided, *others)),
        Value("released.opposed", derive(list_opposed, *others)),
    ]


def count_campaigns(*others: Comparison) -> int:
    """How many released campaigns there are."""
    return len(others)


def count_repeats(*others: Comparison) -> int:
    """How many of them are repeats."""
    return sum(one.is_repeat for one in others)


def count_claims(*others: Comparison) -> int:
    """How many claims have a number with an interval in two campaigns."""
    return len(_claims_by_campaign(others))


def count_wider(*others: Comparison) -> int:
    """How many of these numbers differ more between campaigns than the widest interval of one."""
    over = _claims_by_campaign(others)
    return int((over["largest"] - over["least"] > over["widest"]).sum())


def count_numbers(*others: Comparison) -> int:
    """How many numbers have an interval both here and in another campaign."""
    return sum(len(one.numbers) for one in others)


def count_agreeing(*others: Comparison) -> int:
    """How many of them agree."""
    return sum(int(one.numbers["agrees"].sum()) for one in others)


def count_decided(*others: Comparison) -> int:
    """How many verdicts this campaign and another both decide."""
    return sum(len(one.decided) for one in others)


def list_opposed(*others: Comparison) -> str:
    """Claims that one campaign supports and another contradicts, or none."""
    return listed(sorted({claim for one in others for claim in one.opposed}))


def _claims_by_campaign(others: Sequence[Comparison]) -> pd.DataFrame:
    return tabulate_claims([others[0].campaign, *(one.other for one in others)])


def display(others: list[Comparison]) -> dict[str, pd.DataFrame]:
    """The released campaigns as the paper prints them, a row each; nothing where there is none."""
    rows = []
    for one in others:
        rows.append(
            {
                "campaign": one.other.name,
                "machine": one.origin.words,
                "scale": one.origin.scale,
                "energy": one.origin.energy,
                "claims decided alike": f"{len(one.decided) - len(one.opposed)} of {len(one.decided)}",
                "numbers that agree": f"{int(one.numbers['agrees'].sum())} of {len(one.numbers)}",
                "within its intervals": f"{int(one.numbers['within'].sum())} of {len(one.numbers)}",
                "same code and machine": "yes" if one.is_repeat else "no",
                "same seeds": "yes" if one.has_same_seeds else "no",
            }
        )
    if not rows:
        return {}
    over = _claims_by_campaign(others)
    printed = over.drop(columns=["least", "largest", "widest"]).assign(
        claim=over["claim"].map(spaced),
        spread=[f"{row.least:.3g} to {row.largest:.3g}" for row in over.itertuples()],
    )
    return {"released": pd.DataFrame(rows), "claims_by_campaign": printed}


def _claims(campaign: Campaign) -> pd.DataFrame:
    """Verdicts, by claim."""
    (table,) = read_verdicts([campaign]).values()
    return table.set_index("claim").rename_axis("name")


def _statistics(campaign: Campaign, other: Campaign, config: Config) -> pd.DataFrame:
    """Every statistic with an interval in both campaigns."""
    columns = pd.DataFrame(columns=["statistic", "experiment", *_INTERVAL])
    ours, theirs = [columns], [columns]
    for name in sorted(set(list_tabulated(campaign)) & set(other.measured_experiments())):
        ours.append(read_tables(campaign, name)["statistics"].assign(experiment=name))
        theirs.append(statistics_of(other, name, config).assign(experiment=name))
    here, there = (
        pd.concat(tables).rename(columns={"statistic": "name"}).set_index("name") for tables in (ours, theirs)
    )
    return _agreement(here, there, other)


def _agreement(here: pd.DataFrame, there: pd.DataFrame, other: Campaign) -> pd.DataFrame:
    """The numbers of `Comparison`, from tables by name."""
    ours = here[["experiment", *_INTERVAL]].dropna(subset=_INTERVAL)
    theirs = there[_INTERVAL].dropna()
    table = ours.merge(theirs, left_index=True, right_index=True, suffixes=("_here", "_there")).reset_index()
    inside = table["estimate_here"].between(table["ci_low_there"], table["ci_high_there"])
    within = inside | table["estimate_there"].between(table["ci_low_here"], table["ci_high_here"])
    return table.assign(campaign=other.name, agrees=within, within=inside)


def _page(campaign: Campaign, others: list[Comparison], numbers: pd.DataFrame) -> str:
    everyone = [campaign, *(one.other for one in others)]
    lines = [f"# {campaign.name} against the released campaigns", "", "## Machines", ""]
    origins = [origin_of(campaign), *(one.origin for one in others)]
    lines += [
        f"- {each.name}: {origin.words}, {origin.scale} scale, {origin.last_measured_at[:10]}"
        for each, origin in zip(everyone, origins, strict=True)
    ]
    lines += ["", "## Claims", "", f"| claim | {' | '.join(each.name for each in everyone)} |"]
    lines.append("|---|" + "---|" * len(everyone))
    verdicts = pd.concat(
        [others[0].verdicts["here"], *(one.verdicts["there"] for one in others)], axis=1
    ).fillna("not in it")
    lines += [f"| {name} | {' | '.join(cells)} |" for name, *cells in verdicts.itertuples(name=None)]
    lines += ["", "## The number that decides each claim", ""]
    over = tabulate_claims(everyone)
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
        mine = numbers[numbers["campaign"] == one.other.name]
        parts = [
            f"{name} {int(group['agrees'].sum())} of {len(group)}"
            for name, group in mine.groupby("experiment")
        ]
        lines.append(
            f"- {one.other.name}: {int(mine['agrees'].sum())} of {len(mine)} agree within an "
            f"interval ({', '.join(parts) or 'nothing in common'}), "
            f"{int(mine['within'].sum())} of those here within the intervals there; "
            f"each in reproduction.csv.{repeated}"
        )
    return "\n".join(lines) + "\n"
