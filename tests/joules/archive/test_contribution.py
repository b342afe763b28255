"""A campaign made into a bundle, and bundles that are accepted or refused."""

import json
import zipfile
from pathlib import Path

import pytest

from joules.archive.acceptance import accept_bundle, read_bundle
from joules.archive.contribution import CONTENTS, Redaction, collect_records, describe_contents, write_bundle
from joules.archive.plausibility import most_power_w
from joules.bench.journal import read_records, write_records
from joules.bench.record import Run
from joules.bench.scheduler import shuffle_items
from joules.errors import UserError
from joules.instrument import METER_VERSION
from joules.study.campaign import Campaign
from joules.study.design import load_design
from joules.study.fingerprint import run_fingerprint
from tests.records import MACHINE, QUIET, idle, reading, run

EXPERIMENT, FIRST_SEED, SCALE = "grokking", 12_345, "smoke"
ARMS = load_design(EXPERIMENT).runs(SCALE)
FINGERPRINTS = {arm: run_fingerprint(EXPERIMENT, arm, parameters) for arm, parameters in ARMS.items()}
BUSY = QUIET.model_copy(
    update={"foreign_cores": 0.3, "foreign_programs": {"secret-game": 0.2, "python": 0.1}}
)


def block_records(block):
    """What the bench would have written of a block."""
    session = f"{block:012x}"
    order = shuffle_items(EXPERIMENT, FIRST_SEED + block, ARMS)
    runs = [
        run(
            arm,
            block,
            meter_version=METER_VERSION,
            fingerprint=FINGERPRINTS[arm],
            experiment=EXPERIMENT,
            parameters=ARMS[arm],
            position=position,
            seed=FIRST_SEED + block,
            session=session,
            node="gpu17.example.org",
            measured_at=f"2026-01-01T00:0{block}:0{position + 1}+00:00",
            duration_s=2.0 + 0.01 * block + 0.001 * position,
            contention=BUSY,
            flags=[f"foreign-cpu: other programs or the kernel used {BUSY.foreign_words}"],
            environment={"TORCHINDUCTOR_CACHE_DIR": f"{Path.home()}/cache"},
        )
        for position, arm in enumerate(order)
    ]
    around = [
        idle(block, position).model_copy(
            update={
                "meter_version": METER_VERSION,
                "experiment": EXPERIMENT,
                "session": session,
                "duration_s": 1.9 + 0.01 * block + 0.001 * (position == "after"),
            }
        )
        for position in ("before", "after")
    ]
    return [*around, *runs]


def store(root, changes=lambda record: record):
    """A local campaign whose records were changed."""
    campaign = Campaign("local", root)
    for block in range(load_design(EXPERIMENT).at(SCALE).blocks):
        changed = [record for each in block_records(block) if (record := changes(each)) is not None]
        write_records(campaign.runs / EXPERIMENT / f"block-{block}.jsonl", changed)
    return campaign


def bundle_of(root, changes=lambda record: record):
    campaign = store(root / "theirs", changes)
    path = root / "campaign.bundle"
    write_bundle(path, collect_records(campaign, Redaction(["ada"])))
    return path


def change_runs(**changes):
    """Changes the first run of block 1."""

    def change(record):
        chosen = isinstance(record, Run) and record.block == 1 and record.position == 0
        return record.model_copy(update=changes) if chosen else record

    return change


def test_a_campaign_travels_without_what_is_private(tmp_path):
    path = bundle_of(tmp_path)
    bundle, _ = read_bundle(path)
    with zipfile.ZipFile(path) as packed:
        text = b"".join(packed.read(name) for name in packed.namelist()).decode()
    assert not [word for word in ("secret-game", "gpu17", str(Path.home()), "/cache") if word in text]
    assert all(word in text for word in ("program-1", "python", "node-1", "(path)"))
    ours = tmp_path / "ours"
    accepted = accept_bundle(path, "test-2core-smoke-2026-01-01", bundle.sha256, ours)
    theirs = [
        record
        for block in (0, 1)
        for record in read_records(tmp_path / f"theirs/results/local/runs/{EXPERIMENT}/block-{block}.jsonl")
    ]
    added = [record for file in sorted(accepted.runs.glob("*/*")) for record in read_records(file)]
    private = {"node", "contention", "flags", "environment"}
    assert [record.model_dump(exclude=private) for record in added] == [
        record.model_dump(exclude=private) for record in theirs
    ]
    assert added[2].flags == [
        "foreign-cpu: other programs or the kernel used 0.30 cores (program-1 0.20, python 0.10)"
    ]
    assert added[2].contention.foreign_cores == BUSY.foreign_cores


def test_the_same_bundle_has_the_same_bytes(tmp_path):
    one, other = (bundle_of(tmp_path / name) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_what_it_would_tell_is_listed(tmp_path):
    redaction = Redaction()
    records = collect_records(store(tmp_path), redaction)
    listed = "\n".join([*describe_contents(records), *redaction.describe()])
    assert f"{EXPERIMENT}/block-0.jsonl: {len(ARMS) + 2} records" in listed
    assert MACHINE.words in listed
    assert "1 names replaced" in listed
    assert "secret-game" not in listed


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (change_runs(fingerprint="0" * 64), "was measured by other code than this"),
        (change_runs(parameters={"task": "easier"}), "has other parameters than its design"),
        (change_runs(meter_version=1), "was read by meter version 1"),
        (change_runs(seed=FIRST_SEED), f"has seed {FIRST_SEED}, not {FIRST_SEED + 1}"),
        (change_runs(position=1), "the seed of its block gives it 0"),
        (change_runs(measured_at="2026-01-01T00:01:09+00:00"), "which came first in its block"),
        (change_runs(measured_at="2999-01-01T00:00:00+00:00"), "which is not a time in the past"),
        (change_runs(measured_at="soon"), "which is not a time in the past"),
        (change_runs(duration_s=2.001), "to the last digit"),
        (change_runs(duration_s=5.0), "has a window of 5 s within 4 s"),
        (change_runs(duration_s=0.01, total=run(energy_j=0.1).total), "times as long as"),
        (change_runs(total=run(energy_j=1e6).total), "more than the"),
        (change_runs(readings=[reading(-1.0)]), "has -1.0 J of cpu"),
        (change_runs(arm="another"), "does not hold each arm"),
        (
            change_runs(machine=MACHINE.model_copy(update={"logical_cores": 4})),
            "was measured on a 4-core machine",
        ),
        (
            lambda record: (
                record.model_copy(update={"readings": [reading(100.0)]}) if record.kind == "idle" else record
            ),
            "the idle machine draws",
        ),
        (
            lambda record: (
                None if record.kind == "run" and record.block == 1 and record.position == 0 else record
            ),
            "does not hold each arm",
        ),
    ],
)
def test_records_that_cannot_be_are_refused(tmp_path, changes, sentence):
    path = bundle_of(tmp_path, changes)
    with pytest.raises(UserError, match=f"refused: .*{sentence}"):
        accept_bundle(path, "test", root=tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_a_campaign_with_a_block_missing_is_refused(tmp_path):
    campaign = store(tmp_path / "theirs")
    (campaign.runs / EXPERIMENT / "block-0.jsonl").unlink()
    path = tmp_path / "campaign.bundle"
    write_bundle(path, collect_records(campaign, Redaction()))
    with pytest.raises(UserError, match=f"{EXPERIMENT} lacks block 0"):
        accept_bundle(path, "test", root=tmp_path / "ours")


def test_records_with_private_names_are_refused(tmp_path):
    campaign = store(tmp_path / "theirs")
    records = {
        f"{path.parent.name}/{path.name}": read_records(path) for path in sorted(campaign.runs.glob("*/*"))
    }
    write_bundle(tmp_path / "b", records)
    with pytest.raises(UserError, match="holds private names or paths"):
        accept_bundle(tmp_path / "b", "test", root=tmp_path / "ours")


def test_a_campaign_is_accepted_once(tmp_path):
    path, ours = bundle_of(tmp_path), tmp_path / "ours"
    accept_bundle(path, "first", root=ours)
    with pytest.raises(UserError, match="campaign 'first' holds these records"):
        accept_bundle(path, "second", root=ours)
    with pytest.raises(UserError, match="exists: choose another --name"):
        accept_bundle(path, "first", root=ours)


@pytest.mark.parametrize("name", ["local", "../up", "Two Words", ""])
def test_a_name_is_a_folder_of_results(tmp_path, name):
    with pytest.raises(UserError, match="invalid name"):
        accept_bundle(bundle_of(tmp_path), name, root=tmp_path / "ours")


def repack(path, change):
    """Writes a bundle again with what `change` does to its files by name."""
    with zipfile.ZipFile(path) as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    change(contents)
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in contents.items():
            packed.writestr(name, content)
    return path


FILE = f"{EXPERIMENT}/block-0.jsonl"


def state(contents, **changes):
    contents[CONTENTS] = json.dumps(json.loads(contents[CONTENTS]) | changes).encode()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.update({FILE: c[FILE].replace(b"2.0", b"1.0", 1)}), f"{FILE} was modified"),
        (lambda c: c.pop(FILE), f"{FILE} is missing"),
        (lambda c: c.update({"../../evil": b""}), "evil is not listed"),
        (lambda c: c.pop(CONTENTS), "has no bundle.json"),
        (lambda c: c.update({CONTENTS: b"{"}), "is not JSON"),
        (lambda c: c.update({CONTENTS: b"{}"}), "bundle.json"),
        (lambda c: state(c, files={}), "is not listed"),
    ],
)
def test_a_modified_bundle_is_refused(tmp_path, change, sentence):
    path = repack(bundle_of(tmp_path), change)
    with pytest.raises(UserError, match=sentence):
        accept_bundle(path, "test", root=tmp_path / "ours")


def test_a_bundle_is_the_one_that_its_author_states(tmp_path):
    with pytest.raises(UserError, match="its author states 00"):
        accept_bundle(bundle_of(tmp_path), "test", "00", tmp_path / "ours")


def test_what_is_no_bundle_is_said(tmp_path):
    (tmp_path / "b").write_text("no zip")
    with pytest.raises(UserError, match="is not a bundle"):
        read_bundle(tmp_path / "b")
    with pytest.raises(UserError, match="is not a bundle"):
        read_bundle(tmp_path / "absent")


def test_no_metered_server_draws_more_than_can_be():
    assert most_power_w(MACHINE) > 2 * 20
    assert most_power_w(MACHINE.model_copy(update={"logical_cores": 256})) > 1000
