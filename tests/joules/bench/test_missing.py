"""The announcement of a campaign before it measures: missing runs, and their time in released campaigns."""

import pytest

from joules.bench import missing
from joules.bench.journal import Journal
from joules.instrument.host import machine
from joules.study.campaign import Campaign
from joules.study.config import Config
from tests import records
from tests.joules.bench.test_progress import released

CONFIG = Config(experiments=["flops_vs_energy"], scale="smoke", first_seed=0)
PRINTS = {"flops_vs_energy": {"one": "f", "two": "f", "new": "f"}}


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "describe", lambda: records.MACHINE)
    return Campaign("local", tmp_path)


def test_it_says_how_many_runs_and_what_they_took_elsewhere(own, tmp_path):
    released(tmp_path, "newer", "2026-02-01", one=30.0, two=60.0)
    said = missing.describe_missing_runs(own, CONFIG, PRINTS)
    assert said.startswith(
        "to measure: 6 runs of flops_vs_energy, at scale smoke; about 3 min 0 s and 0.004 kJ (modelled)"
    )
    assert "as in newer (on Test CPU); 2 more runs are in no released campaign" in said


def test_energy_that_was_not_read_there_is_no_zero(own, tmp_path):
    released(tmp_path, "newer", "2026-02-01", unread=["two"], one=30.0, two=60.0, new=10.0)
    said = missing.describe_missing_runs(own, CONFIG, PRINTS)
    assert "3 min 20 s and 0.004 kJ" in said
    assert said.endswith("; no energy is known of 2 of these runs")


def test_what_is_recorded_already_is_left_out(own):
    journal = Journal(own.journal_file("flops_vs_energy", 1))
    journal.append(records.run("one", block=1))
    journal.append(records.run("two", block=1, fingerprint="of other code"))
    with journal.path.open("a") as file:
        file.write('{"kind": "run", "torn')
    assert missing.describe_missing_runs(own, CONFIG, PRINTS).startswith("to measure: 6 runs")
    journal.path.write_text(journal.path.read_text().rpartition("\n")[0] + "\n")
    said = missing.describe_missing_runs(own, CONFIG, PRINTS)
    assert said == (
        "to measure: 5 runs of flops_vs_energy, at scale smoke; "
        "duration unknown (no released campaign has this scale)"
    )


def test_where_all_is_recorded_nothing_is_said(own):
    for block in (0, 1):
        journal = Journal(own.journal_file("flops_vs_energy", block))
        for arm in PRINTS["flops_vs_energy"]:
            journal.append(records.run(arm, block=block))
    assert missing.describe_missing_runs(own, CONFIG, PRINTS) == ""
