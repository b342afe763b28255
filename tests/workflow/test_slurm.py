"""Blocks as jobs of Slurm, on three nodes of this machine: what is left of a campaign after each situation.

The tests build on one another, in their order.
"""

import json
import re
import shutil
import signal

import pytest

from joules.bench.scheduler import shuffle_items
from tests.cluster import Cluster, missing_part, wait_until
from tests.conftest import link_environment

_MISSING = missing_part()
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"no cluster can be made here, {_MISSING}")

SIDES = {"small": 256, "large": 512}
QUEUED = 50
RUNS, JOURNAL = "runs", "journal"
OTHER = ("--default-resources", "slurm_partition=other")

# Asks for the state of jobs every second, where Snakemake waits 10 s longer each time. It can be interrupted
# also if tests run in the background of a script, where interrupts are ignored.
SNAKEMAKE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor
Executor.next_seconds_between_status_checks = property(lambda _: 1, lambda _, seconds: None)
main()
"""
# Importing PyTorch takes longer than a block.
TORCH = """
from types import SimpleNamespace
cuda = SimpleNamespace(is_initialized=lambda: False)
get_num_threads = lambda: 2
ones = lambda count: SimpleNamespace(sin_=lambda: None)
"""
# A run goes on when its file has been removed.
WORKLOAD = """
import time
from pathlib import Path

def build(values, seed):
    return Path(f"held-{seed}-{values['side']}")

def run(held, session):
    while held.exists():
        time.sleep(0.05)
    time.sleep(0.3)
    return {"flops": 1, "passes": 1}
"""


class Workflow:
    """A copy of the repository whose experiment `matrices` takes a second a block, run on a cluster."""

    def __init__(self, repository, cluster, python):
        self.repository, self.cluster, self.python = repository, cluster, python
        self.started = []
        self.results = repository.path / "results" / "local"
        repository.environment |= cluster.environment
        made = repository.joules("new-experiment", "matrices")
        assert made.returncode == 0, made.stdout
        repository.edit("joules/bench/scheduler.py", "_QUIET_WAIT_S = 20.0", "_QUIET_WAIT_S = 0.0")
        design = "experiments/matrices/design.yaml"
        repository.edit(design, "smoke: {blocks: 2, idle_s: 0.5", f"smoke: {{blocks: {QUEUED}, idle_s: 0.1")
        repository.edit(design, "time_limit_s: 120", "time_limit_s: 900")
        repository.edit("joules/bench/environment.py", '"torch", "torchvision", ', "")
        (repository.path / "torch.py").write_text(TORCH)
        (repository.path / "experiments/matrices/workload.py").write_text(WORKLOAD)

    def start(self, blocks, *options):
        """Starts Snakemake, which measures blocks on the cluster."""
        process = self.repository.start(
            *("-c", SNAKEMAKE, "--quiet", "host", "--workflow-profile", "profiles/slurm"),
            *("--set-threads", "measure=2", "--latency-wait", "5", "--slurm-status-command", "squeue"),
            *("--slurm-init-seconds-before-status-checks", "1", *options),
            *("--config", "scale=smoke", "experiments=[matrices]", "--"),
            *(f"results/local/runs/matrices/block-{block}.jsonl" for block in blocks),
            python=self.python,
        )
        self.started.append(process)
        return process

    def file(self, kind, block):
        return self.results / kind / "matrices" / f"block-{block}.jsonl"

    def runs(self, kind, block):
        """Runs that a file of records has."""
        path = self.file(kind, block)
        # The last line may not be complete yet.
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [each for each in map(json.loads, lines) if each["kind"] == "run"]

    def hold(self, *blocks):
        """Lets the second run of each block wait."""
        for block in blocks:
            self._held(block).touch()

    def release(self, *blocks):
        for block in blocks:
            self._held(block).unlink(missing_ok=True)

    def _held(self, block):
        return self.repository.path / f"held-{block}-{SIDES[shuffle_items('matrices', block, SIDES)[1]]}"

    def begun(self, blocks):
        """Blocks with one run measured."""
        return [block for block in blocks if len(self.runs(JOURNAL, block)) == 1]

    def untouched(self):
        """A block of which nothing was measured."""
        return next(block for block in range(QUEUED) if not self.file(JOURNAL, block).exists())

    def jobs(self):
        """Block, number, state, node and reason of each job that is not done."""
        lines = self.cluster.query("squeue", "-h", "-o", "%k|%i|%T|%N|%r").splitlines()
        parts = [line.split("|") for line in lines]
        return {int(comment.rpartition("_")[2]): rest for comment, *rest in parts}

    def check_block(self, block):
        """Every arm once, on one node; returns the node."""
        runs = self.runs(RUNS, block)
        assert sorted(run["arm"] for run in runs) == sorted(SIDES)
        (node,) = {run["node"] for run in runs}
        return node

    def check_log(self, output, cause):
        """A message names a log that says the cause."""
        logs = re.findall(r"^ +log: (.*) \(check log", output, re.MULTILINE)
        named = [self.repository.path / name for each in logs for name in each.split(", ")]
        assert any(cause in log.read_text() for log in named if log.is_file()), (output, named)


def finish(process, returncode):
    output = process.communicate(timeout=300)[0]
    assert process.returncode == returncode, output
    return output


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"), {"n1": None, "n2": None, "other": "Another CPU"})
    try:
        try:
            made.start()
        except AssertionError as reason:
            pytest.skip(f"no cluster starts here: {reason}")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def workflow(cluster, copy_repository, tmp_path_factory):
    python = link_environment(tmp_path_factory.mktemp("python") / "environment")
    made = Workflow(copy_repository(), cluster, python)
    yield made
    for process in made.started:
        process.kill()
        process.wait()


def test_a_node_that_dies_within_a_block_loses_nothing(workflow, cluster):
    """The folders for output and logs are removed while the job is queued again."""
    blocks = (0, 1)
    workflow.hold(*blocks)
    measuring = workflow.start(blocks)
    wait_until(lambda: len(workflow.begun(blocks)) == 2, "no block has begun")
    dead, alive = blocks
    node = cluster.nodes[workflow.jobs()[dead][2]]
    (first,) = workflow.runs(JOURNAL, dead)
    node.lose_power()
    node.set_state("down")
    wait_until(lambda: workflow.jobs()[dead][1] == "PENDING", "the job was not queued again")
    shutil.rmtree(workflow.results / "logs" / "measure")
    shutil.rmtree(workflow.results / "runs", ignore_errors=True)
    workflow.release(*blocks)
    finish(measuring, 0)
    assert workflow.check_block(dead) == workflow.check_block(alive) != node.name
    assert [len(workflow.runs(JOURNAL, block)) for block in (dead, alive)] == [3, 2]
    assert workflow.runs(JOURNAL, dead) == [first, *workflow.runs(RUNS, dead)]
    node.start()
    wait_until(lambda: cluster.state(node.name) == "idle", "the node did not return")


def test_an_interrupted_snakemake_leaves_no_job_in_the_queue(workflow, cluster):
    shutil.rmtree(workflow.results)
    cluster.nodes["n2"].set_state("drain")
    blocks = range(QUEUED)
    workflow.hold(*blocks)
    measuring = workflow.start(blocks, "--jobs", str(QUEUED))
    wait_until(lambda: len(workflow.jobs()) == QUEUED and workflow.begun(blocks), "blocks are not queued")
    states = sorted(state for _, state, *_ in workflow.jobs().values())
    assert states == ["PENDING"] * (QUEUED - 1) + ["RUNNING"]
    (begun,) = workflow.begun(blocks)
    measuring.send_signal(signal.SIGINT)
    finish(measuring, 1)
    wait_until(lambda: not workflow.jobs(), "jobs are left in the queue")
    assert not list(workflow.results.glob("runs/*/*"))
    assert [block for block in blocks if workflow.runs(JOURNAL, block)] == [begun]
    workflow.release(*blocks)


def test_it_goes_on_while_another_job_is_cancelled(workflow, cluster):
    """Both are on the node on which one of them had begun."""
    (begun,) = workflow.begun(range(QUEUED))
    (kept,) = workflow.runs(JOURNAL, begun)
    other = (begun + 1) % QUEUED
    workflow.hold(other)
    measuring = workflow.start([begun, other])
    wait_until(lambda: workflow.begun([other]), "the other block has not begun")
    cluster.query("scancel", workflow.jobs()[other][0])
    output = finish(measuring, 1)
    workflow.release(other)
    cluster.nodes["n2"].set_state("resume")
    assert "SLURM status is: 'CANCELLED'" in output
    workflow.check_log(output, "CANCELLED")
    assert workflow.check_block(begun) == kept["node"]
    assert workflow.runs(RUNS, begun) == workflow.runs(JOURNAL, begun)
    assert workflow.runs(RUNS, begun)[0] == kept
    assert not workflow.file(RUNS, other).exists()
    assert len(workflow.runs(JOURNAL, other)) == 1


def test_a_node_of_another_kind_is_refused(workflow):
    block = workflow.untouched()
    output = finish(workflow.start([block], *OTHER), 1)
    cause = "Another CPU, .*measure all blocks on the same hardware"
    assert re.search(rf"^failed: .*{cause}.*matrices-{block}.log", output, re.MULTILINE), output
    workflow.check_log(output, "Another CPU")
    assert workflow.untouched() == block


def test_a_node_with_a_full_disk_and_another_users_job(workflow, cluster):
    """It is a campaign of its own, on a cluster that gives no node to one job alone."""
    block = workflow.untouched()
    workflow.results.rename(workflow.results.with_name("first"))
    node = cluster.nodes["other"]
    node.fill_disk()
    shared = ("--set-threads", "measure=1", "--set-resources", "measure:slurm_extra=''")
    measuring = workflow.start([block], *OTHER, *shared)
    held = "launch failed requeued held"
    wait_until(lambda: [job[-1] for job in workflow.jobs().values()] == [held], "the job is not held")
    number = workflow.jobs()[block][0]
    wait_until(lambda: cluster.state(node.name) == "drained", "the node is in use")
    assert not workflow.results.exists()
    node.empty_disk()
    node.set_state("resume")
    neighbour = shutil.copy(shutil.which("dash"), cluster.folder / "neighbour")
    cluster.query(
        "sbatch", "-p", node.name, "-o", "/dev/null", "--wrap", f"{neighbour} -c 'while :; do :; done'"
    )
    wait_until(lambda: cluster.state(node.name) == "mixed", "the neighbour does not run")
    cluster.control("release", number)
    finish(measuring, 0)
    assert workflow.check_block(block) == node.name
    for run in workflow.runs(RUNS, block):
        assert run["machine"]["processor"] == "Another CPU"
        assert any(flag.startswith("foreign-cpu") and "neighbour" in flag for flag in run["flags"])
        assert any(flag.startswith("shared-node: Slurm granted 1 of 2") for flag in run["flags"])
        job_j, machine_j = (
            [
                each["energy_j"]
                for each in run["readings"]
                if (each["domain"], each["scope"]) == ("cpu", scope)
            ]
            for scope in ("job", "machine")
        )
        assert max(job_j) < min(machine_j)


def test_tables_hold_one_kind_of_node(workflow):
    """Blocks of both kinds are refused together, and are campaigns apart."""
    for name, sources in (("both", ("first", "local")), ("other", ("local",))):
        for source in sources:
            shutil.copytree(
                workflow.results.with_name(source) / "runs",
                workflow.results.with_name(name) / "runs",
                dirs_exist_ok=True,
            )
    tabulated = {
        name: workflow.repository.joules("tabulate", "matrices", "--campaign", name)
        for name in ("both", "other")
    }
    assert tabulated["other"].returncode == 0, tabulated["other"].stdout
    assert tabulated["both"].returncode == 2
    assert "measure each machine as a campaign of its own" in tabulated["both"].stdout
