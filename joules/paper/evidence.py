"""The evidence on each claim: readings of others, this campaign and those released earlier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from joules.paper.claims import Verdict, evaluate_tables, holds, verdict_of
from joules.paper.printing import cell, lay_out, spaced
from joules.study.claims import Claim, load_claims

THIS = "this campaign"
# Of each claim, readings of meters come first and modelled energy last.
ORDER = ("wall meters", "counters", "published", THIS)
COLUMNS = [
    "claim",
    "experiment",
    "evidence",
    "verdict",
    "estimate",
    "ci_low",
    "ci_high",
    "n",
    "provenance",
    "asked",
]
Tables = Mapping[str, Mapping[str, pd.DataFrame]]
# A verdict in one word.
_BRIEF: Mapping[Verdict, str] = {
    "supported": "yes",
    "contradicted": "no",
    "inconclusive": "open",
    "depends on the power model": "model",
}


def tabulate_evidence(tables: Tables, provenance: str, releases: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Verdicts on every claim by the kind of evidence.

    Args:
        tables: of the experiments of the campaign, by experiment and name.
        provenance: how the campaign read its energy, in words.
        releases: verdicts of campaigns that were released earlier, by campaign.

    Returns:
        A row a claim and evidence, with `COLUMNS`: `ORDER`, then a row an earlier campaign.
    """
    statistics = {name: of["statistics"] for name, of in tables.items() if "statistics" in of}
    rows: list[dict[str, Any]] = []
    for verdict in evaluate_tables(tables).to_dict("records"):
        name, experiment = verdict["claim"], verdict["experiment"]
        claim = load_claims(experiment)[name]
        of_others = [*_elsewhere(claim, statistics), *_published(claim)]
        found = [*of_others, *_campaigns(verdict, claim, statistics[experiment], provenance, releases)]
        rows += [{"claim": name, "experiment": experiment} | row for row in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def _elsewhere(claim: Claim, statistics: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    for asked in sorted(claim.elsewhere, key=lambda each: ORDER.index(each.evidence)):
        if asked.experiment not in statistics:
            continue
        cells = statistics[asked.experiment].set_index("statistic").loc[asked.statistic]
        numbers = {name: float(cells[name]) for name in ("estimate", "ci_low", "ci_high")}
        yield {
            "evidence": asked.evidence,
            "verdict": verdict_of(asked, *numbers.values())[0],
            **numbers,
            "n": cells["n"],
            "provenance": f"{asked.experiment}, {asked.statistic}",
            "asked": asked.words,
        }


def _published(claim: Claim) -> Iterator[dict[str, Any]]:
    if claim.published is not None:
        yield {
            "evidence": "published",
            "verdict": "supported" if holds(claim, claim.published) else "contradicted",
            "estimate": claim.published,
            "provenance": claim.source,
            "asked": "a single number without an interval",
        }


def _campaigns(
    verdict: Mapping[str, Any],
    claim: Claim,
    statistics: pd.DataFrame,
    provenance: str,
    releases: Mapping[str, pd.DataFrame],
) -> Iterator[dict[str, Any]]:
    counts = statistics.set_index("statistic")["n"]
    shown = ("verdict", "estimate", "ci_low", "ci_high")
    here = {name: verdict[name] for name in shown}
    here["n"] = counts.get(claim.statistic)
    if claim.read_by is not None:
        yield {"evidence": claim.read_by, "provenance": claim.statistic} | here
        return
    yield {"evidence": THIS, "provenance": provenance} | here
    for campaign, table in releases.items():
        for there in table[table["claim"] == verdict["claim"]].to_dict("records"):
            yield {"evidence": campaign} | {name: there[name] for name in shown}


def print_evidence(evidence: pd.DataFrame) -> pd.DataFrame:
    """The evidence as the paper prints it: claims of campaigns that others were asked about, a row a kind of
    evidence; verdicts of earlier campaigns are counted."""
    of_campaigns = evidence[evidence["evidence"] == THIS]["claim"]
    evidence = evidence[evidence["claim"].isin(of_campaigns)]
    asked = evidence[evidence["evidence"].isin(ORDER[:-1])]["claim"]
    rows = []
    for claim, group in evidence[evidence["claim"].isin(asked)].groupby("claim", sort=False):
        is_earlier = ~group["evidence"].isin(ORDER)
        for place, row in enumerate(group[~is_earlier].to_dict("records")):
            rows.append({"name": claim if place == 0 else ""} | row)
        if is_earlier.any():
            counts = group.loc[is_earlier, "verdict"].value_counts()
            rows.append({"name": "", "evidence": "earlier campaigns", "verdict": _count(counts.items())})
    return lay_out(
        pd.DataFrame(rows, columns=["name", *COLUMNS]),
        {
            "claim": lambda row: spaced(row["name"]),
            "evidence": "{evidence}",
            "verdict": "{verdict}",
            "estimate": lambda row: cell(row["estimate"]),
            "interval": _interval,
            "n": lambda row: "--" if pd.isna(row["n"]) else f"{row['n']:.0f}",
            "asked": lambda row: "" if pd.isna(row["asked"]) else row["asked"],
        },
        empty="no claim of this campaign",
    )


def print_verdicts(evidence: pd.DataFrame) -> pd.DataFrame:
    """Verdicts as the paper prints them: a row a claim, a column a kind of evidence. Kinds that cannot be
    asked about a claim are dashes; verdicts of earlier campaigns are counted."""
    rows = []
    for claim, group in evidence.groupby("claim", sort=False):
        row = {"claim": spaced(str(claim))}
        for kind in (THIS, *ORDER[:-1]):
            verdicts = group.loc[group["evidence"] == kind, "verdict"]
            row[kind] = " and ".join(dict.fromkeys(verdicts.map(dict(_BRIEF)))) or "--"
        earlier = group.loc[~group["evidence"].isin(ORDER), "verdict"].map(dict(_BRIEF)).value_counts()
        row["earlier campaigns"] = _count(earlier.items()) or "--"
        rows.append(row)
    return pd.DataFrame(rows, columns=["claim", THIS, *ORDER[:-1], "earlier campaigns"])


def _count(counts: Iterable[tuple[Any, int]]) -> str:
    return ", ".join(f"{verdict} {count}" for verdict, count in counts)


def _interval(row: Mapping[str, Any]) -> str:
    if pd.isna(row["ci_low"]):
        return "--"
    return f"{cell(row['ci_low'])} to {cell(row['ci_high'])}"
