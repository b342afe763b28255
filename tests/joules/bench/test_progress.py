"""Progress messages: expected time from released campaigns, and time used."""

import pytest

from joules.bench.journal import write_records
from joules.bench.progress import Progress, load_expectation, summarize_times
from joules.bench.record import Spent
from joules.study.campaign import Campaign
from tests.records import idle, run


def released(root, name, measured_at, unread=(), **seconds):
    """A released campaign at smoke scale whose arms took so long in each of two blocks, and a joule each but
    for those that are `unread`."""
    made = Campaign(name, root)
    for block in (0, 1):
        entries = [
            run(
                arm,
                block,
                measured_at=measured_at,
                spent=Spent(duration_s=taken_s, energy_j=None if arm in unread else 1.0),
            )
            for arm, taken_s in seconds.items()
        ]
        write_records(made.block_file("flops_vs_energy", block), [idle(block), *entries])
    made.manifest.write_text("{}")
    return made


@pytest.fixture
def own(tmp_path):
    return Campaign("local", tmp_path)


def test_the_first_estimate_is_that_of_the_newest_released_campaign(own, tmp_path, capsys):
    released(tmp_path, "older", "2026-01-01", one=1000.0)
    released(tmp_path, "newer", "2026-02-01", one=30.0, two=61.0, three=5.0)
    expected = load_expectation(own, "flops_vs_energy", "smoke")
    Progress("flops_vs_energy", 0, 2).plan(3, ["one", "two", "unknown"], expected)
    said = capsys.readouterr().err
    assert "3 runs to measure, 3 already recorded; about 1 min 31 s as in newer (on Test CPU)" in said


@pytest.mark.parametrize("scale", ["quick", "standard"])
def test_another_scale_tells_nothing(own, tmp_path, scale, capsys):
    released(tmp_path, "newer", "2026-02-01", one=30.0)
    assert load_expectation(own, "flops_vs_energy", scale) is None
    Progress("flops_vs_energy", 0, 2).plan(0, ["one"], None)
    assert capsys.readouterr().err == "flops_vs_energy block 1/2: 1 runs to measure\n"


def test_a_torn_file_of_another_campaign_spoils_no_estimate(own, tmp_path):
    made = released(tmp_path, "newer", "2026-02-01", one=30.0)
    made.block_file("flops_vs_energy", 2).write_text('{"kind": "run", "sca')
    assert load_expectation(own, "flops_vs_energy", "smoke").seconds == {"one": 30.0}


def test_the_end_says_what_was_measured_waited_and_built(own):
    progress = Progress("flops_vs_energy", 0, 2)
    progress.finish(own.times_file)
    lines = own.times_file.read_text()
    own.times_file.write_text(
        '{"experiment": "e", "block": 0, "finished_at_s": 150.0, "measured_s": 70.0, "waited_s": 5.0}\n'
        '{"experiment": "e", "block": 1, "finished_at_s": 50.0, "measured_s": 900.0, "waited_s": 900.0}\n'
        '{"experiment": "e", "block": 2, "finished_at_s": 160.0, "meas'
    )
    said = summarize_times(own.times_file, 100.0, 200.0)
    assert said.startswith("took 1 min 40 s: measuring 1 min 10 s, waiting for other ")
    assert said.endswith("a quiet machine 5 s, tables, figures and paper 25 s")
    assert lines.startswith('{"experiment": "flops_vs_energy", "block": 0')


def test_where_nothing_was_measured_nothing_is_said(own):
    assert summarize_times(own.times_file, 100.0, 200.0) == ""
