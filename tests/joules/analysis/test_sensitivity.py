"""Results without flagged runs."""

import numpy as np
import pandas as pd
import pytest

from experiments.campaign import report as campaign_report
from experiments.campaign import tables as campaign_tables
from joules.analysis import records, sensitivity
from joules.analysis.records import Records
from joules.bench.record import Run
from joules.paper import claims, printing
from tests.claims import claim
from tests.records import campaign_evidence, idle, run


def statistics_of(entries):
    energies_j = [entry.total.energy_j for entry in entries if isinstance(entry, Run)]
    row = {"statistic": "mean", "n": len(energies_j), "estimate": np.mean(energies_j)}
    return pd.DataFrame([row | {"ci_low": min(energies_j), "ci_high": max(energies_j), "p_bound": 0.5}])


def beside(runs):
    rests = [idle(block, position) for block in (0, 1) for position in ("before", "after")]
    entries = Records.from_sequence(rests + runs)
    table = records.runs_table(entries)
    (row,) = sensitivity.with_unflagged(statistics_of(entries), table, entries, statistics_of).to_dict(
        "records"
    )
    return row


def test_a_statistic_stands_beside_the_same_without_flagged_runs():
    row = beside([run(energy_j=10.0), run(block=1, energy_j=30.0, flags=["cpu-steal: much"])])
    assert (row["n"], row["estimate"]) == (2, 20.0)
    assert (row["unflagged_n"], row["unflagged_estimate"], row["unflagged_ci_high"]) == (1, 10.0, 10.0)


def test_without_flags_both_are_the_same():
    row = beside([run(energy_j=10.0), run(block=1, energy_j=30.0)])
    assert row["unflagged_n"] == 2
    assert row["unflagged_estimate"] == row["estimate"]


def test_flags_alone_leave_nothing_to_tell():
    row = beside([run(flags=["cpu-steal: much"]), run("two", flags=["cpu-steal: much"])])
    assert row["estimate"] == 20.0
    assert np.isnan(row["unflagged_estimate"])


@pytest.fixture
def judged(monkeypatch):
    """Four claims that a quantity is above one: kept, no longer decided, reversed, never decided."""
    bounds = {"kept": (2, 3, 2, 3), "lost": (2, 3, 0, 3), "turned": (2, 3, 0, 0.5), "never": (0, 3, 0, 3)}
    rows = [
        {"statistic": name, "n": 4, "estimate": low, "ci_low": low, "ci_high": high, "unit": "1"}
        | {
            "p_bound": 0.01,
            "unflagged_p_bound": 0.5,
            "unflagged_n": 3,
            "unflagged_estimate": a,
            "unflagged_ci_low": a,
            "unflagged_ci_high": b,
        }
        | dict.fromkeys(sensitivity.MODEL_COLUMNS, np.nan)
        for name, (low, high, a, b) in bounds.items()
    ]
    declared = {f"it_{name}": claim(kind="secondary", statistic=name, value=1.0) for name in bounds}
    monkeypatch.setattr(claims, "load_claims", lambda _experiment: declared)
    return claims.evaluate_claims(
        {"any": pd.DataFrame(rows)}, {"any": pd.DataFrame(columns=sensitivity.MODEL_TABLE_COLUMNS)}
    )


def test_a_claim_is_judged_without_flagged_runs_too(judged):
    open_ = "inconclusive"
    assert list(judged["verdict"]) == ["supported", "supported", "supported", open_]
    assert list(judged["unflagged_verdict"]) == ["supported", open_, "contradicted", open_]
    assert list(claims.display(judged)["without flagged runs"]) == ["same", open_, "contradicted", "same"]


def test_the_paper_counts_what_becomes_of_verdicts(judged):
    printed = {
        value.key: value.raw
        for value in claims.values(judged.assign(campaign_verdict=judged["verdict"], replicates=1))
    }
    assert printed["claims.decided"] == 3
    assert (printed["claims.unflagged.kept"], printed["claims.unflagged.open"]) == (1, 1)
    assert printed["claims.unflagged.turned"] == "it turned"


def test_flags_are_counted_by_kind_with_an_example():
    entries = [
        run(flags=["cpu-steal: the hypervisor took 0.07 cores", "cpu-steal: again", "short-window: 0.1 s"]),
        run("two", flags=["cpu-steal: the hypervisor took 0.2 cores"]),
        idle(),
        idle(position="after", energy_j=8.0),
    ]
    made = campaign_tables.tabulate(campaign_evidence(Records.from_sequence(entries)))
    flags = made["flags"].set_index("flag")
    assert dict(flags["runs"]) == {"cpu-steal": 2, "idle-mismatch": 2, "short-window": 1}
    assert "one block 0" in flags.loc["short-window", "example"]
    printed = campaign_report.display(made)["flags"]
    assert list(printed["flops vs energy"]) == ["2", "2", "1"]


def test_a_campaign_without_flags_prints_an_empty_table():
    made = campaign_tables.tabulate(
        campaign_evidence(Records.from_sequence([run(), idle(), idle(position="after")]))
    )
    printed = campaign_report.display(made)["flags"]
    assert printed.empty
    assert "flops vs energy" in printing.tabular(printed)
