"""Records in columns: tables are the same as from one record at a time."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from experiments.campaign import tables as campaign_tables
from joules.analysis import parallel, records, sensitivity, tables
from joules.analysis.records import Records
from joules.bench.journal import write_records
from joules.bench.record import Run
from joules.errors import UserError
from joules.power.models import POWER_MODELS
from joules.power.servers import ProcessorIdentity
from joules.power.use import NotCovered
from joules.study.campaign import Campaign
from joules.study.fingerprint import file_sha256
from tests.records import MACHINE, QUIET, campaign_evidence, failed, idle, reading, run, unread

GENOA = ProcessorIdentity(vendor="AuthenticAMD", family=25, model=17, stepping=1)
HERE = MACHINE.model_copy(update={"identity": GENOA, "virtual": True})
MODELLED = [
    reading(3.0, detail="load model on a TDP of 8 W (per thread) for any"),
    reading(40.0, domain="dram", detail="constant 20 W for 8 GiB"),
    reading(2.5, scope="job"),
    reading(1.0, scope="job", domain="dram"),
]


def of_every_kind():
    """Runs with every kind of reading, and idle windows."""
    busy = QUIET.model_copy(update={"busy_cores": 0.7, "job_cpu_s": 1.1})
    counted = [reading(30.0, provenance="counter"), reading(31.0, provenance="modelled", source="other")]
    readings = {
        "modelled": MODELLED,
        "beside_a_gpu": [*MODELLED, reading(100.0, domain="gpu0", provenance="sampled")],
        "processors_alone": MODELLED[:1],
        "memory_without_energy": [
            MODELLED[0],
            reading(0.0, domain="dram", detail="constant 0 W for 8 GiB"),
            MODELLED[3],
        ],
        "counted": counted,
        "counted_in_part": [*counted, *MODELLED[1:]],
        "memory_not_read": [MODELLED[0], reading(None, domain="dram")],
    }
    runs = [
        run(
            name, position=9 - place, readings=each, machine=HERE, contention=busy, floor_power_w=20.0 * place
        )
        for place, (name, each) in enumerate(readings.items())
    ]
    runs[-1] = runs[-1].model_copy(update={"total": None})
    odd = [failed(run("failed", readings=MODELLED)), unread(run("unread", readings=MODELLED))]
    unwatched = run("unwatched", readings=MODELLED, machine=HERE).model_copy(update={"contention": None})
    before, after = (
        idle(position=position).model_copy(update={"readings": MODELLED, "machine": HERE})
        for position in ("before", "after")
    )
    return [before, *runs, *odd, unwatched, after]


def is_covered(entry, model):
    try:
        records.recompute_under(Records.from_sequence([entry]), model)
    except NotCovered:
        return False
    return True


@pytest.mark.parametrize("model", POWER_MODELS)
def test_columns_are_read_again_as_records_are(model):
    entries = [entry for entry in of_every_kind() if is_covered(entry, model)]
    assert len(entries) >= 5
    again = records.recompute_under(Records.from_sequence(entries), model)
    pd.testing.assert_frame_equal(
        records.runs_table(again),
        records.runs_table(Records.from_sequence(list(again))),
        check_exact=False,
        rtol=1e-12,
    )
    spent_j = [entry.spent.energy_j for entry in again]
    assert sum(alike.spent_j.sum() for alike in again.groups) == pytest.approx(sum(spent_j))


@pytest.mark.parametrize(
    "campaign", sorted(Path("results").glob("*/runs")), ids=lambda path: path.parent.name
)
def test_totals_of_released_records_are_the_sums_of_their_readings(campaign):
    loaded = records.load_records(
        [
            sorted(experiment.glob("block-*.jsonl*"))[0]
            for experiment in campaign.iterdir()
            if experiment.is_dir()
        ]
    )
    runs = [entry for entry in loaded if isinstance(entry, Run)]
    for group in loaded.groups:
        totals = [group.total(place) for place in range(len(group.rows))]
        assert group.kind == "idle" or totals == [runs[row].total for row in group.rows]


def in_files(folder, entries):
    """Six blocks of such records, one file each."""
    paths = []
    for block in range(6):
        path = Campaign("any", folder).block_file("flops_vs_energy", block)
        changes = {"block": block, "session": f"s{block}"}
        write_records(path, [entry.model_copy(update=changes) for entry in entries])
        paths.append(path)
    return paths


@pytest.fixture
def many(monkeypatch):
    """Two processors, and no file of records small enough to be kept in memory."""
    monkeypatch.setattr(records.loading, "_KEPT_BYTES", 0)
    monkeypatch.setattr(records.loading, "_READ_BYTES", 1)
    monkeypatch.setattr(parallel, "_processors", lambda: 2)


def test_records_too_many_to_keep_are_those_that_are_kept(tmp_path, many, monkeypatch):
    paths = in_files(tmp_path, [entry for entry in of_every_kind() if is_covered(entry, "boavizta")])
    loaded = records.load_records(paths)
    assert not loaded.is_kept
    monkeypatch.setattr(records.loading, "_KEPT_BYTES", 1e9)
    kept = records.load_records(paths)
    assert kept.is_kept
    assert list(loaded) == list(kept)
    hashes = {f"flops_vs_energy/{path.name}": file_sha256(path) for path in paths}
    assert dict(loaded.sha256) == dict(kept.sha256) == hashes
    names = {"parameters": ("family", "none"), "metrics": ("flops", "inferences", "none")}
    pd.testing.assert_frame_equal(records.runs_table(loaded, **names), records.runs_table(kept, **names))
    again = records.recompute_under(loaded, "boavizta")
    assert list(again) == list(records.recompute_under(kept, "boavizta"))
    pd.testing.assert_frame_equal(
        records.runs_table(again), records.runs_table(records.recompute_under(kept, "boavizta"))
    )


def test_many_records_have_the_bands_of_few(tmp_path, many, monkeypatch):
    def tabulate(entries):
        runs = records.select_measured(records.runs_table(entries))
        mean = {"statistic": "mean", "n": len(runs), "estimate": runs["energy_j"].mean()}
        return {"runs": runs, "statistics": pd.DataFrame([mean | {"ci_low": 0.0, "ci_high": 1.0}])}

    entries = of_every_kind()
    paths = in_files(tmp_path, [entries[0], entries[1], entries[2], entries[-1]])
    made = []
    for kept_bytes in (0, 1e9):
        monkeypatch.setattr(records.loading, "_KEPT_BYTES", kept_bytes)
        entries = records.load_records(paths)
        made.append(sensitivity.with_power_models(tabulate(entries), entries, tabulate))
    assert {"energy_j_band_low", "energy_j_band_high"} <= set(made[0]["runs"])
    for name, table in made[0].items():
        pd.testing.assert_frame_equal(table, made[1][name])


def test_flags_of_a_run_and_of_its_rests_stand_together():
    sessions = {
        "rested": [idle(), idle(position="after")],
        "unsettled": [idle(), idle(position="after", energy_j=8.0)],
        "alone": [],
    }
    entries = []
    for session, rests in sessions.items():
        for arm, flags in (
            ("plain", []),
            ("stolen", ["cpu-steal: 12 %"]),
            ("both", ["cpu-steal: 9 %", "x: y"]),
        ):
            entries.append(run(f"{arm}-{session}", flags=flags, session=session))
        entries += [rest.model_copy(update={"session": session}) for rest in rests]
    loaded = Records.from_sequence(entries)
    flags = records.runs_table(loaded).set_index("arm")["flags"]
    assert (flags["plain-rested"], flags["both-rested"]) == ("", "cpu-steal: 9 %; x: y")
    assert flags["plain-unsettled"].startswith("idle-mismatch: ")
    assert flags["stolen-alone"].startswith("cpu-steal: 12 %; idle-bracket: ")
    of_campaign = campaign_tables.tabulate(campaign_evidence(loaded))
    assert of_campaign["energy"]["flagged"].tolist() == [8]
    by_flag = of_campaign["flags"].set_index("flag")
    assert by_flag["runs"].to_dict() == {"cpu-steal": 6, "idle-bracket": 3, "idle-mismatch": 3, "x": 3}
    assert by_flag["example"]["cpu-steal"] == "stolen-rested block 0, 12 %"


def test_a_part_of_records_is_as_if_there_were_no_others(tmp_path):
    own = [run("one", parameters={"bits": 20}, metrics={"solves": 3}), idle()]
    other = [run("two", parameters={"entry": "any"}, metrics={"solves": 0.5}, experiment="layer_kinds")]
    both = records.concat([Records.from_sequence(other), Records.from_sequence(own)])
    for part in (both.select_experiments("flops_vs_energy"), both.drop_experiments("layer_kinds")):
        assert list(part) == own
        table = records.runs_table(part, ("bits", "entry"), ("solves",))
        pd.testing.assert_frame_equal(table, records.runs_table(own, ("bits", "entry"), ("solves",)))
        assert (table["bits"].dtype, table["solves"].dtype) == ("int64", "int64")
    assert not both.select_experiments("grokking").has_runs


def test_records_are_walked_over_more_than_once():
    entries = of_every_kind()
    again = records.recompute_under(
        Records.from_sequence([entry for entry in entries if isinstance(entry, Run)][:1]), "boavizta"
    )
    assert list(again) == list(again)
    assert len(again) == 1


def test_a_table_is_written_in_pieces_as_in_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_ROWS", 2)
    monkeypatch.setattr(parallel, "_processors", lambda: 2)
    table = pd.DataFrame(
        {
            "text": ["plain", 'of "two", words', None, "", "line\nbreak"],
            "number": [1 / 3, float("nan"), float("inf"), -1e-300, 123456789012.0],
            "whole": [1, 2, 3, 4, 10**12],
            "flag": [True, False, True, True, False],
            "nothing": [None] * 5,
        }
    )
    tables.write_tables(tmp_path, {"any": table, "empty": table.iloc[:0], "one": table[["number"]]}, {})
    for name, each in (("any", table), ("empty", table.iloc[:0]), ("one", table[["number"]])):
        expected = each.to_csv(index=False, float_format="%.9g", lineterminator="\n")
        expected = expected.replace("True", "true").replace("False", "false")
        assert (tmp_path / f"{name}.csv").read_text(encoding="utf-8") == expected


def test_a_process_that_is_killed_ends_in_a_sentence(many):
    with pytest.raises(UserError, match="killed, probably out of memory"):
        list(parallel.parallel_map(lambda _: os.kill(os.getpid(), signal.SIGKILL), [1, 2]))


def test_a_damaged_record_among_many_is_named(tmp_path, many):
    paths = in_files(tmp_path, of_every_kind())
    edited = paths[4].read_text(encoding="utf-8").replace('"seed": 0', '"seed": 1', 1)
    paths[4].write_text(edited, encoding="utf-8")
    with pytest.raises(UserError, match=r"block-4\.jsonl line \d+ was modified"):
        records.load_records(paths)


def test_what_no_power_model_changes_is_computed_once_for_the_same_runs():
    whole = Records.from_sequence([run(arm, block) for arm in "ab" for block in range(2)])
    computed = []

    def number_runs(of):
        return of.cells.compute_once("runs", lambda: computed.append(of) or of.count("run"))

    assert [number_runs(whole), number_runs(whole.with_readings(whole.groups, lambda record, _: record))] == [
        4,
        4,
    ]
    assert computed == [whole]
    fewer = whole.subset(whole.cells.runs["arm"] == "a", whole.cells.idle["session"] == "")
    assert number_runs(fewer) == 2
    assert whole.cells.compute_once("other", list) == []
