"""The number that decides each claim, over campaigns and over machines.

Campaigns on one machine are replicates of one another if they were measured on different days; where an
experiment learns, if they have different seeds, because networks learn the same from the same seeds.
Campaigns that are no replicates of one another are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from joules.analysis.origin import COMPARED, SETTING
from joules.analysis.pooling import PooledMachines
from joules.analysis.statistics import holm
from joules.means import MeanSample
from joules.paper.claims import DECIDED, LEAST_CAMPAIGNS, OPEN, verdict_of
from joules.paper.printing import cell, lay_out, spaced
from joules.study.claims import Claim, load_claims
from joules.study.design import load_design

# Levels of rows: an estimate of a campaign, of all on a machine, and over all machines.
CAMPAIGN, MACHINE, MACHINES = "campaign", "machine", "machines"
# Machines that fit on a page beside one another.
_MOST_MACHINES = 4
_NUMBERS = ["n", "contrast", "estimate", "unit", "ci_low", "ci_high"]
COLUMNS = [
    "claim",
    "experiment",
    "level",
    "campaign",
    *SETTING,
    "same_seeds_as",
    "replicates",
    *_NUMBERS,
    "verdict",
    "comparison",
    "value",
    "predicted_low",
    "predicted_high",
    "tau_campaigns",
    "tau_machines",
    "p_equal",
    "p_equal_holm",
]
# Columns that `decide_over_campaigns` adds to the verdicts.
OVER = ["replicates", "over_low", "over_high", "campaign_verdict"]


def tabulate_replication(verdicts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tabulates the estimates of every claim by campaign, machine and over machines.

    Args:
        verdicts: of each campaign by its name, the campaign at hand first, with `SETTING`. Campaigns whose
            verdicts lack these columns are left out.

    Returns:
        `COLUMNS`: for each claim that the first campaign measured, a row per campaign, a row per machine, and
        a row over machines if there are two.
    """
    known = [
        table[COMPARED].assign(campaign=name)
        for name, table in verdicts.items()
        if set(COMPARED) <= set(table.columns)
    ]
    rows: list[dict[str, Any]] = []
    if known:
        every = pd.concat(known, ignore_index=True).dropna(subset=["estimate", "first_seed"])
        declared = {experiment: load_claims(str(experiment)) for experiment in every["experiment"].unique()}
        for (experiment, claim), group in every.groupby(["experiment", "claim"], sort=False):
            bound = declared[experiment].get(claim)
            # Claims about readings of others are the same in every campaign.
            if bound and bound.read_by is None and next(iter(verdicts)) in set(group["campaign"]):
                named = {"claim": claim, "experiment": experiment}
                named |= {"comparison": bound.comparison, "value": bound.value}
                rows += [named | row for row in _rows_of_claim(group, bound, load_design(experiment).learns)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    compared = table["p_equal"].notna()
    table.loc[compared, "p_equal_holm"] = holm(table.loc[compared, "p_equal"].to_numpy(dtype=np.float64))
    return table


def _rows_of_claim(group: pd.DataFrame, claim: Claim, learns: bool) -> list[dict[str, Any]]:
    # Earlier versions state other units.
    scale = {name: group[name].iloc[0] for name in ("contrast", "unit")}
    is_ratio = scale["contrast"] == "ratio" and (group["estimate"] > 0).all()
    group = group.assign(
        **scale,
        scaled=np.log(group["estimate"]) if is_ratio else group["estimate"],
        replicate=group["first_seed" if learns else "measured_on"],
    )
    earliest = group.sort_values("measured_on", kind="stable").groupby("first_seed")["campaign"].first()
    rows: list[dict[str, Any]] = [
        row | {"level": CAMPAIGN, "same_seeds_as": earliest[row["first_seed"]]}
        for row in group.to_dict("records")
    ]
    for row in rows:
        if row["same_seeds_as"] == row["campaign"] or not learns:
            row["same_seeds_as"] = None

    def pooled(sample: MeanSample, level: str, least: int) -> dict[str, Any]:
        restored = MeanSample(sample.values, is_log=is_ratio)
        low, high = restored.interval() if sample.n >= 2 else (np.nan, np.nan)
        verdict = verdict_of(claim, restored.estimate, low, high)[0] if sample.n >= least else None
        numbers = {"estimate": restored.estimate, "ci_low": low, "ci_high": high, "replicates": sample.n}
        return numbers | scale | {"level": level, "verdict": verdict}

    replicates: dict[str, list[float]] = {}
    for (machine, _), mean in group.groupby(["machine", "replicate"], sort=False)["scaled"].mean().items():
        replicates.setdefault(machine, []).append(mean)
    by_machine = {machine: np.array(means) for machine, means in replicates.items()}
    for machine, values in by_machine.items():
        of_machine = pooled(MeanSample.from_values(values), MACHINE, LEAST_CAMPAIGNS)
        rows.append(
            of_machine | {"machine": machine, "tau_campaigns": PooledMachines([values]).tau_campaigns}
        )
    # With fewer seeds than machines, machines that learned the same are no independent sample of learning.
    if len(by_machine) > 1 and not (learns and group["first_seed"].nunique() < len(by_machine)):
        over = PooledMachines(list(by_machine.values()))
        ends = np.exp(over.prediction()) if is_ratio else over.prediction()
        rows.append(
            pooled(over.mean, MACHINES, 2)
            | {"machine": "all", "predicted_low": ends[0], "predicted_high": ends[1]}
            | {name: getattr(over, name) for name in ("tau_campaigns", "tau_machines", "p_equal")}
        )
    return rows


def decide_over_campaigns(verdicts: pd.DataFrame, replication: pd.DataFrame, campaign: str) -> pd.DataFrame:
    """Takes the spread over campaigns on the machine into the verdicts of one of them.

    If there are `LEAST_CAMPAIGNS` replicates, a claim stays decided only if the interval over them decides it
    alike; so the wider interval counts.

    Args:
        verdicts: of the campaign alone.
        replication: the table of `tabulate_replication`.
        campaign: its name.

    Returns:
        The verdicts with `SETTING` and `OVER`; `campaign_verdict` is that of the campaign alone.
    """
    own = replication[replication["campaign"] == campaign].set_index("claim")[SETTING]
    decided = verdicts.merge(own, how="left", left_on="claim", right_index=True).assign(
        campaign_verdict=verdicts["verdict"]
    )
    machines = replication[replication["level"] == MACHINE].set_index(["claim", "machine"])
    rows = [_decide(row, machines) for row in decided.to_dict("records")]
    return pd.DataFrame(rows, columns=[*decided.columns, *(name for name in OVER if name not in decided)])


def _decide(row: dict[str, Any], machines: pd.DataFrame) -> dict[str, Any]:
    key = (row["claim"], row["machine"])
    if key not in machines.index:
        return row
    over = machines.loc[key]
    count = int(over["replicates"])
    row |= {"replicates": count, "over_low": over["ci_low"], "over_high": over["ci_high"]}
    if count < LEAST_CAMPAIGNS:
        words = "one campaign" if count == 1 else f"{count} independent campaigns"
        return row | {"evidence": f"{row['evidence']}; {words}"}
    interval = "{:.3g} [{:.3g}, {:.3g}]".format(*over[["estimate", "ci_low", "ci_high"]].astype(float))
    if row["verdict"] in DECIDED and row["verdict"] != over["verdict"]:
        row["verdict"] = OPEN
    return row | {"evidence": f"{row['evidence']}; {interval} over {count} independent campaigns"}


def print_replication(replication: pd.DataFrame) -> pd.DataFrame:
    """The estimates of claims by machine, for the machines with most replicates, and over all machines."""
    of_machines = replication[replication["level"] == MACHINE]
    counts = of_machines.groupby("machine", sort=False)["replicates"].sum()
    machines = list(counts.sort_values(ascending=False, kind="stable").index[:_MOST_MACHINES])
    rows = []
    for claim, group in replication.groupby("claim", sort=False):
        by_machine = group[group["level"] == MACHINE].set_index("machine")
        over = group[group["level"] == MACHINES]
        row: dict[str, Any] = {"name": claim} | {
            name: f"{cell(of['estimate'])} ({of['replicates']:.0f})" for name, of in by_machine.iterrows()
        }
        rows.append(row | ({} if over.empty else over.iloc[0].to_dict()))
    columns = ["name", *machines, *COLUMNS[COLUMNS.index("estimate") :]]
    return lay_out(
        pd.DataFrame(rows, columns=columns)
        .astype(dict.fromkeys(machines, object))
        .fillna(dict.fromkeys(machines, "--")),
        {
            "claim": lambda row: spaced(row["name"]),
            **{machine: itemgetter(machine) for machine in machines},
            "over machines": lambda row: _span(row, "ci_low", "ci_high"),
            "a machine not seen": lambda row: _span(row, "predicted_low", "predicted_high"),
            "p of equal machines": lambda row: cell(row["p_equal"]),
            "after Holm": lambda row: cell(row["p_equal_holm"]),
        },
        empty="no claim of this campaign",
    )


def _span(row: Mapping[str, Any], low: str, high: str) -> str:
    return "--" if pd.isna(row[low]) else f"{cell(row[low])} to {cell(row[high])}"
