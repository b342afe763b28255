"""Claims over campaigns and machines: what is a replicate, and when campaigns together decide."""

import numpy as np
import pandas as pd
import pytest

from experiments.campaign import figures
from joules.analysis.origin import SETTING
from joules.paper.claims import state_claim
from joules.paper.replication import decide_over_campaigns, print_replication, tabulate_replication
from joules.study.claims import load_claims

# A ratio with the bound 1.25, and a claim of an experiment that learns.
VISION, LEARNING = ("flops_vs_energy", "equal_flops_unequal_energy"), ("grokking", "plateau_saves_a_quarter")


def verdicts(estimate, day, machine="Genoa", seed=0, asked=VISION, verdict="supported"):
    """The verdict of a campaign on one claim."""
    experiment, name = asked
    contrast = "ratio" if asked is VISION else None
    ends = {"estimate": estimate, "ci_low": 0.95 * estimate, "ci_high": 1.05 * estimate}
    row = {"experiment": experiment, "claim": name, "n": 4, "verdict": verdict, **ends}
    row |= {"contrast": contrast, "unit": "1"}
    setting = {"machine": machine, "scale": "quick", "measured_on": f"2026-01-0{day}", "first_seed": seed}
    return pd.DataFrame([row | setting | {"evidence": "e"}])


def level(table, name, **having):
    rows = table[table["level"] == name]
    for column, value in having.items():
        rows = rows[rows[column] == value]
    (row,) = rows.to_dict("records")
    return row


def test_campaigns_of_one_day_are_averaged_and_days_are_replicates():
    table = tabulate_replication(
        {"own": verdicts(1.4, 1), "b": verdicts(1.6, 2), "c": verdicts(1.2, 3), "d": verdicts(1.8, 3)}
    )
    machine = level(table, "machine")
    logs = np.log([1.4, 1.6, np.sqrt(1.2 * 1.8)])
    assert machine["replicates"] == 3
    assert machine["estimate"] == pytest.approx(np.exp(logs.mean()))
    half = 4.303 * logs.std(ddof=1) / np.sqrt(3)
    assert machine["ci_high"] == pytest.approx(np.exp(logs.mean() + half), rel=1e-3)
    assert machine["tau_campaigns"] == pytest.approx(logs.std(ddof=1))
    assert "machines" not in set(table["level"])
    assert set(table["value"]) == {1.25}


def test_the_same_seeds_are_no_replication_of_learning():
    of = {"own": (1, 0), "b": (2, 0), "c": (3, 1000)}
    table = tabulate_replication(
        {name: verdicts(0.5, day, seed=seed, asked=LEARNING) for name, (day, seed) in of.items()}
    )
    assert level(table, "machine")["replicates"] == 2
    assert level(table, "campaign", campaign="b")["same_seeds_as"] == "own"
    assert pd.isna(level(table, "campaign", campaign="own")["same_seeds_as"])
    # On three machines with two seeds, there is no interval over machines.
    elsewhere = {
        name: verdicts(0.5, day, machine=name, seed=seed, asked=LEARNING) for name, (day, seed) in of.items()
    }
    assert "machines" not in set(tabulate_replication(elsewhere)["level"])
    # Time and energy are measured anew whatever the seeds.
    timed = tabulate_replication({name: verdicts(1.5, day) for name, (day, _) in of.items()})
    assert level(timed, "machine")["replicates"] == 3
    assert timed["same_seeds_as"].isna().all()


def test_machines_that_differ_are_shown_as_such():
    days = {"own": 1.16, "b": 1.18, "c": 1.17}
    table = tabulate_replication(
        {name: verdicts(ratio, day) for day, (name, ratio) in enumerate(days.items(), 1)}
        | {"xeon": verdicts(1.85, 4, machine="Xeon")}
    )
    over = level(table, "machines")
    assert over["p_equal"] < 0.001
    assert over["predicted_low"] < min(days.values())
    assert over["predicted_high"] > 1.85
    assert over["verdict"] == "inconclusive"
    printed = print_replication(table)
    assert printed.loc[0, ["Genoa", "Xeon"]].to_list() == ["1.17 (3)", "1.85 (1)"]
    assert print_replication(table.iloc[:0]).iloc[0, 0] == "no claim of this campaign"


@pytest.mark.parametrize(
    ("others", "verdict", "words"),
    [
        ([1.55, 1.45], "supported", "over 3 independent campaigns"),
        ([1.1, 1.9], "inconclusive", "over 3 independent campaigns"),
        ([1.1], "supported", "; 2 independent campaigns"),
        ([], "supported", "; one campaign"),
    ],
)
def test_a_claim_stays_decided_only_if_campaigns_together_decide_it_alike(others, verdict, words):
    own = verdicts(1.5, 1)
    table = tabulate_replication(
        {"own": own} | {f"b{day}": verdicts(ratio, day) for day, ratio in enumerate(others, 2)}
    )
    alone = own.drop(columns=SETTING)
    (row,) = decide_over_campaigns(alone, table, "own").to_dict("records")
    assert (row["verdict"], row["campaign_verdict"]) == (verdict, "supported")
    assert words in row["evidence"]
    stated = state_claim(
        pd.DataFrame([row | {"statement": load_claims(VISION[0])[VISION[1]].statement, "declaration": ""}])
    )
    together = stated.startswith("The campaigns on this machine together cannot decide whether")
    assert together == (verdict == "inconclusive")


def test_verdicts_of_earlier_versions_are_left_out():
    table = tabulate_replication(
        {"own": verdicts(1.5, 1), "old": verdicts(1.5, 2).drop(columns=["unit", "first_seed"])}
    )
    assert set(table["campaign"].dropna()) == {"own"}


def test_the_figure_shows_every_campaign_beside_the_bound_of_the_claim():
    table = tabulate_replication({"own": verdicts(1.5, 1), "b": verdicts(2.5, 2, machine="Xeon")})
    (panel,) = figures.replication({"replication": table}).panels
    campaigns, over = (
        next(layer for layer in panel.layers if layer.mark == "point" and getattr(layer, by) == value)
        for by, value in (("by", "machine"), ("name", "all machines"))
    )
    assert campaigns.data["estimate"].to_list() == pytest.approx([1.2, 2.0])
    assert over.data["estimate"].to_list() == pytest.approx([np.sqrt(1.2 * 2.0)])
    alone = tabulate_replication({"own": verdicts(1.5, 1)})
    assert figures.replication({"replication": alone}).note == "no ratio was measured in two campaigns"
