"""What a block is made of: runs of one node and like machines, all of them read."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from joules.bench import measure
from joules.bench.journal import write_records
from joules.bench.scheduler import Block
from joules.errors import UserError
from joules.instrument.host import machine
from joules.study.campaign import Campaign
from joules.study.config import Config
from joules.study.files import create_once
from tests import records

PRINTS = {"one": "f", "two": "f"}
LOST = records.reading(None, domain="gpu0", detail="NVML lost it (GPU is lost)")


@pytest.fixture
def block(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "describe", lambda: records.MACHINE)
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    config = Config(experiments=["flops_vs_energy"], first_seed=0)
    return Block("flops_vs_energy", 0, config, Campaign("local", tmp_path))


def test_a_block_that_moved_to_another_node_is_measured_anew_there(block, monkeypatch):
    kept = [records.run("one", node="node1"), records.run("two", node="node1")]
    monkeypatch.setenv("SLURMD_NODENAME", "node1")
    assert set(measure.select_runs(kept, block, PRINTS)) == {"one", "two"}
    monkeypatch.setenv("SLURMD_NODENAME", "node2")
    assert measure.select_runs(kept, block, PRINTS) == {}
    moved = [*kept, records.run("two", node="node2")]
    assert {run.node for run in measure.select_runs(moved, block, PRINTS).values()} == {"node2"}


def test_runs_that_name_no_node_are_kept_anywhere(block, monkeypatch):
    kept = [records.run("one"), records.run("two", node="node1")]
    assert set(measure.select_runs(kept, block, PRINTS)) == {"one", "two"}
    monkeypatch.setenv("SLURMD_NODENAME", "node2")
    assert set(measure.select_runs(kept, block, PRINTS)) == {"one"}


def test_unlike_machines_are_refused_before_a_block_is_measured(block, monkeypatch):
    write_records(block.campaign.block_file("grokking", 1), [records.run(experiment="grokking", block=1)])
    measure.check_same_machine(block)
    # As in a campaign of an earlier version.
    block.campaign.machine_file.unlink()
    other = records.MACHINE.model_copy(update={"id": "other", "processor": "Another CPU"})
    monkeypatch.setattr(machine, "describe", lambda: other)
    with pytest.raises(UserError, match=r"block-1.*Test CPU.*this is a .*Another CPU.*same hardware"):
        measure.check_same_machine(block)


def test_of_blocks_that_start_at_once_on_unlike_machines_one_is_refused(block, monkeypatch):
    """No block has a file yet."""
    other = records.MACHINE.model_copy(update={"id": "other", "processor": "Another CPU"})
    second = dataclasses.replace(block, index=1)
    measure.check_same_machine(block)
    monkeypatch.setattr(machine, "describe", lambda: other)
    with pytest.raises(
        UserError, match=r"being measured on a .*Test CPU.*this is a .*Another CPU.*same hard"
    ):
        measure.check_same_machine(second)
    monkeypatch.setattr(machine, "describe", lambda: records.MACHINE)
    measure.check_same_machine(second)


def test_of_files_that_are_created_at_once_one_is_kept(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda number: create_once(tmp_path / "a" / "file", f"{number}\n"), range(64)))
    assert len(set(kept)) == 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def test_a_block_may_be_measured_anew_on_another_machine(block, monkeypatch):
    write_records(block.campaign.block_file("flops_vs_energy", 0), [records.run()])
    other = records.MACHINE.model_copy(update={"id": "other"})
    monkeypatch.setattr(machine, "describe", lambda: other)
    measure.check_same_machine(block)


@pytest.mark.parametrize(
    "lost",
    [
        records.run("two", readings=[records.reading(), LOST]).model_copy(update={"total": None}),
        records.idle(position="after").model_copy(update={"readings": [records.reading(), LOST]}),
    ],
)
def test_a_block_in_which_a_gpu_was_lost_is_not_done(block, lost):
    measure.check_read(block, [records.run(), records.idle()])
    with pytest.raises(UserError, match=r"gpu0 was lost while flops_vs_energy block 0 .*GPU is lost"):
        measure.check_read(block, [records.run(), records.idle(), lost])


def test_a_failed_run_is_not_one_that_was_not_read(block):
    measure.check_read(block, [records.failed(records.run()), records.idle()])
