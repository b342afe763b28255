"""The live page shows the same results for a run as the tables of the campaign."""

import pandas as pd
import pytest

from experiments.grokking import live
from joules.analysis import steps
from joules.analysis.records import load_records
from joules.live.contracts import READ
from tests import ROOT

CAMPAIGN = "epyc-2core-standard-2026-11-26b"
FOLDER = ROOT / "results" / CAMPAIGN
TABLES = FOLDER / "tables" / "grokking"


@pytest.fixture(scope="module")
def made():
    """Tables that the current code makes from the records; released tables use an older power model."""
    return steps.tabulate_records("grokking", load_records(sorted((FOLDER / "runs" / "grokking").glob("*"))))


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(live, "_released", lambda: [live.Campaign(CAMPAIGN)])


def played(arm, block):
    recorded = live.load_replay(f"{CAMPAIGN}: {arm}, block {block}")
    watch = live.start_watch(recorded.parameters)
    return recorded, [watch.observe(point, energies_j) for point, _, energies_j in recorded.points]


@pytest.mark.parametrize(("arm", "block"), [("add_transformer", 0), ("multiply_mlp", 1), ("squares_mlp", 2)])
def test_a_rule_stops_where_the_table_says(made, arm, block):
    rules = made["rules"].set_index(["arm", "block", "rule"])
    stated = rules.loc[(arm, block, "plateau")]
    _, seen = played(arm, block)
    stop = seen[-1]["stops"]["plateau"]
    assert stop["step"] == stated["stop_step"]
    curves = made["curves"].set_index(["arm", "block"]).loc[(arm, block)].set_index("step")
    after_j = curves["energy_j"].iloc[-1] - curves.loc[stop["step"], "energy_j"]
    assert stop["wasted_j"] == pytest.approx(after_j, rel=1e-6)


def test_energies_are_those_of_the_record_with_their_band(made):
    runs = made["runs"].set_index(["arm", "block"])
    recorded, seen = played("add_transformer", 0)
    last_j = recorded.points[-1][2]
    row = runs.loc[("add_transformer", 0)]
    assert last_j[READ] == pytest.approx(row["energy_j"], rel=0.01)
    assert min(last_j.values()) == pytest.approx(row["energy_j_band_low"], rel=0.05)
    assert max(last_j.values()) == pytest.approx(row["energy_j_band_high"], rel=0.05)
    stop = seen[-1]["stops"]["plateau"]
    assert stop["wasted_low_j"] < stop["wasted_j"] <= stop["wasted_high_j"]


def test_the_predicted_step_is_that_of_the_exported_coefficients():
    """Predictions err by at most the standard deviation of the steps, and most intervals cover them."""
    runs = pd.read_csv(TABLES / "runs.csv").query("rule == 'fixed'").dropna(subset=["grok_step"])
    hits = []
    for row in runs.itertuples():
        _, seen = played(row.arm, row.block)
        step, low, high = seen[-1]["predicted_step"]
        assert low < step < high
        hits.append(low <= row.grok_step <= high)
    assert sum(hits) / len(hits) > 0.8


def test_an_interval_wider_than_the_schedule_is_no_hit(monkeypatch):
    recorded = live.load_replay(f"{CAMPAIGN}: add_mlp, block 0")
    steps = recorded.parameters["steps"]
    outcomes = {}
    for name, predicted in {
        "wide": (500.0, 1.0, steps + 1.0),
        "right": (500.0, 1.0, steps - 1.0),
        "early": (2.0, 1.0, 3.0),
    }.items():
        monkeypatch.setattr(live, "predict_step", lambda *_given, _predicted=predicted: _predicted)
        watch = live.start_watch(recorded.parameters)
        outcomes[name] = [
            watch.observe(point, energies_j)["prediction_outcome"] for point, _, energies_j in recorded.points
        ]
    assert {name: each[-1] for name, each in outcomes.items()} == {
        "wide": "interval wider than the schedule",
        "right": "hit",
        "early": "missed",
    }
    assert outcomes["right"][0] is None


def test_runs_of_two_kinds_of_machine_can_be_replayed():
    machines = [name.partition("-")[0] for name in live.list_replays()]
    assert {"epyc", "xeon"} <= set(machines)
    name = next(name for name in live.list_replays() if name.startswith("xeon"))
    recorded = live.load_replay(name)
    times = [time_s for _, time_s, _ in recorded.points]
    energies = [energies_j[READ] for _, _, energies_j in recorded.points]
    assert times == sorted(times)
    assert energies == sorted(energies)
    assert energies[-1] > 0


def test_nothing_is_predicted_before_its_window_is_over():
    _, seen = played("add_mlp", 0)
    assert [each["predicted_step"] for each in seen[:19]] == [None] * 19
    assert seen[19]["predicted_step"] is not None


def test_a_question_is_a_pair_or_nothing():
    assert live.Question.model_validate({}).a is None
    for wrong in ({"a": 1}, {"a": 1, "b": 59}, {"a": -1, "b": 2}, {"a": True, "b": "x"}):
        with pytest.raises(ValueError, match=r"\w"):
            live.Question.model_validate(wrong)
