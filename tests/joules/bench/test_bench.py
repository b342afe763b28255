"""The bench with misbehaving workloads, in an experiment that is added as a folder."""

import importlib
import json
import subprocess
import textwrap
import time
from types import SimpleNamespace

import psutil
import pytest

from joules.bench import child
from joules.bench.flags import AFTER_WINDOW_CPU_S
from joules.bench.journal import Journal
from joules.bench.lock import lock_path, machine_lock
from joules.bench.marks import parse_mark
from joules.bench.measure import select_runs
from joules.bench.record import Idle, Run
from joules.bench.scheduler import Block, shuffle_items
from joules.instrument.host import machine
from joules.instrument.host.limits import usable_cores
from joules.study.campaign import Campaign
from joules.study.config import Config
from joules.workload.session import Session
from tests import records

pytestmark = pytest.mark.alone

WORKLOAD = """
import os, subprocess, sys, threading, time
import torch

SEEDS = []

def build(parameters, seed):
    SEEDS.append(seed)
    if parameters["what"] == "refuse":
        raise ValueError("the network is not healthy")
    if parameters["what"] == "patch":
        break_the_meter()
    if parameters["what"] == "one_thread":
        torch.set_num_threads(1)
    if parameters["what"] == "busy_threads":
        torch.set_num_threads(1)
        torch.get_num_threads = lambda: 2
    if parameters["what"] == "gpu":
        torch.cuda.is_initialized = lambda: True
    return parameters["what"]

def break_the_meter():
    import importlib, pkgutil
    import codecarbon.external.hardware, codecarbon.external.ram, psutil, pynvml
    import joules.bench, joules.instrument
    modules = [codecarbon.external.hardware, codecarbon.external.ram, psutil, pynvml]
    for package in (joules.bench, joules.instrument):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            # The child's own side of the pipe is all that is left alone: without it no run would end.
            if not module.name.endswith((".session", ".child", ".marks")):
                modules.append(importlib.import_module(module.name))
    for module in modules:
        for name in [name for name in vars(module) if not name.startswith("__")]:
            setattr(module, name, None)

def take_turns(what, session):
    spinning = threading.Thread(target=spin, daemon=True)
    spinning.start()
    paused_s, cpu_s = 0.0, 0.0
    for turn in range(3):
        if turn:
            if what == "pause_and_fail":
                raise ValueError("the second turn failed")
            before_s, before_cpu_s = time.monotonic(), time.process_time()
            session.pause(turn / 3, lambda: None)
            paused_s += time.monotonic() - before_s
            cpu_s += time.process_time() - before_cpu_s
        time.sleep(0.3)
        session.step(turn)
    return {"paused_s": paused_s, "cpu_while_paused_s": cpu_s}

def spin():
    while True:
        pass

def run(what, session):
    if what.startswith("pause"):
        return take_turns(what, session)
    if what == "die":
        os.kill(os.getpid(), 9)
    if what == "hang":
        time.sleep(3600)
    if what == "diverge":
        return {"loss": float("nan")}
    if what == "numpy":
        return numpy_number()
    if what in ("second_window", "end_and_exit", "leave_thread"):
        globals()[what](session)
    began_s = time.monotonic()
    if what == "orphan":
        code = "import os, time; os.fork() and os._exit(0)\\n"
        code += "while time.process_time() < 0.4: pass\\ntime.sleep(3600)"
        subprocess.run([sys.executable, "-c", code], check=True)
    with session.phase("first"):
        time.sleep(0.5)
    with session.phase("second"):
        for index in range(5):
            time.sleep(0.1)
            session.step(index)
    worked_s, threads = time.monotonic() - began_s, torch.get_num_threads()
    return {"answer": 42, "environment": dict(os.environ), "threads": threads, "worked_s": worked_s}

def numpy_number():
    import numpy
    return {"loss": numpy.float32(1)}

def second_window(session):
    with session.window():
        pass

def end_and_exit(session):
    session._mark("end")
    os._exit(0)

def spin_for(seconds):
    began_s = time.process_time()
    while time.process_time() < began_s + seconds:
        pass

def leave_thread(session):
    threading.Thread(target=spin_for, args=(3.0,)).start()

def evaluate(what):
    return {"seed": SEEDS[0]}
"""
# What a user's shell may export, and what of it a child keeps.
HOSTILE = {
    **{
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "GOMP_CPU_AFFINITY": "0",
    },
    **{"KMP_BLOCKTIME": "0", "NPY_DISABLE_CPU_FEATURES": "AVX2", "ATEN_CPU_CAPABILITY": "default"},
    **{"MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.check=3", "LD_PRELOAD": "libm.so.6"},
    **{"PYTHONSTARTUP": "/nowhere", "PYTHONMALLOC": "debug", "PYTHONHASHSEED": "1", "PYTHONDEVMODE": "1"},
    **{"CUDA_LAUNCH_BLOCKING": "1", "TORCH_LOGS": "all"},
}
KEPT = {"PYTHONPATH": "/nowhere", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
DESIGN = """
title: Faulty
question: What happens when a workload misbehaves?
time_limit_s: 10
tables: [runs]
figures: {nothing: Nothing.}
arms:
  good: {what: work}
  patch: {what: patch}
  orphan: {what: orphan}
  die: {what: die}
  hang: {what: hang}
  refuse: {what: refuse}
  diverge: {what: diverge}
  on_gpu: {what: gpu}
  numpy: {what: numpy}
  second_window: {what: second_window}
  end_and_exit: {what: end_and_exit}
  leave_thread: {what: leave_thread}
  one_thread: {what: one_thread}
  fewer_threads: {what: busy_threads}
  pause_one: {what: pause}
  pause_two: {what: pause}
  pause_and_fail: {what: pause_and_fail}
scales:
  smoke: {blocks: 1, idle_s: 0.2, arms: all}
  quick: {blocks: 1, idle_s: 0.2, arms: [die, refuse]}
  standard: {blocks: 3, idle_s: 0.2, arms: [good]}
"""
PARAMETERS = """
from joules.models import Closed

class Parameters(Closed):
    what: str
"""


def add_experiment(repository):
    folder = repository.path / "experiments" / "faulty"
    folder.mkdir()
    for name, text in {
        "__init__.py": "",
        "workload.py": WORKLOAD,
        "parameters.py": PARAMETERS,
        "design.yaml": DESIGN,
    }.items():
        (folder / name).write_text(textwrap.dedent(text))
    return repository


def entries(repository):
    path = repository.path / "results/local/runs/faulty/block-0.jsonl"
    bodies = [json.loads(line) for line in path.read_text().splitlines()]
    for body in bodies:
        body.pop("sha256")
    idles = [Idle.model_validate(body) for body in bodies if body["kind"] == "idle"]
    runs = {body["arm"]: Run.model_validate(body) for body in bodies if body["kind"] == "run"}
    return idles, runs


@pytest.fixture(scope="module")
def measured(copy_repository):
    repository = add_experiment(copy_repository())
    # Many machines count no instructions; the kernel's clock of a task takes their way into the record.
    repository.edit(
        "joules/instrument/host/instructions.py", "[Event(_HARDWARE, _COUNT_INSTRUCTIONS)]", "[Event(1, 1)]"
    )
    plain = repository.environment
    repository.environment = plain | HOSTILE | KEPT
    done = repository.joules("measure", "faulty", "--option", "scale=smoke")
    repository.environment = plain
    assert done.returncode == 0, done.stdout
    return repository, done.stdout


def test_every_run_leaves_a_record(measured):
    idles, runs = entries(measured[0])
    assert {idle.position for idle in idles} == {"before", "after"}
    assert {arm: run.failure for arm, run in runs.items() if not run.failure and arm != "leave_thread"} == {
        "good": None,
        "patch": None,
        "orphan": None,
        "one_thread": None,
        "fewer_threads": None,
        "pause_one": None,
        "pause_two": None,
    }
    assert "killed by SIGKILL" in runs["die"].failure
    assert "time limit of 10 s" in runs["hang"].failure
    assert "not healthy" in runs["refuse"].failure
    assert "diverged" in runs["diverge"].failure
    assert "the second turn failed" in runs["pause_and_fail"].failure


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        ("numpy", "result 'loss' is not JSON (Object of type float32 is not JSON serializable)"),
        ("second_window", "mark 'start' came while the run was in its window"),
        ("end_and_exit", "the child ended without reporting its results"),
    ],
)
def test_what_a_workload_should_not_send_fails_its_run_alone(measured, arm, sentence):
    assert sentence in entries(measured[0])[1][arm].failure


def test_work_after_the_window_is_recorded(measured):
    run = entries(measured[0])[1]["leave_thread"]
    assert run.after.cpu_s > run.after.evaluation_cpu_s


def test_a_run_that_only_evaluates_after_its_window_is_not_flagged(measured):
    run = entries(measured[0])[1]["good"]
    assert 0.0 <= run.after.cpu_s < AFTER_WINDOW_CPU_S
    assert not any(flag.startswith("after-window") for flag in run.flags)


def test_a_child_has_nothing_of_the_users_environment_that_changes_a_run(measured):
    run = entries(measured[0])[1]["good"]
    found = run.metrics["environment"]
    assert run.environment.items() <= found.items()
    assert KEPT.items() <= found.items()
    assert not (HOSTILE.keys() - run.environment.keys()) & found.keys()
    assert run.metrics["threads"] == run.threads == usable_cores()


def test_what_of_the_users_environment_stays_is_flagged(measured):
    flags = entries(measured[0])[1]["good"].flags
    assert {"environment: PYTHONPATH is set", "environment: Python runs with -X dev"} <= set(flags)


def test_threads_that_work_are_compared_with_those_asked_for(measured):
    runs = entries(measured[0])[1]
    at_work = {arm: runs[arm].threads_at_work for arm in ("good", "one_thread", "fewer_threads")}
    assert at_work == {"good": usable_cores(), "one_thread": 1, "fewer_threads": 1}
    flagged = {arm: [flag for flag in run.flags if flag.startswith("threads")] for arm, run in runs.items()}
    assert flagged["good"] == flagged["one_thread"] == []
    assert flagged["fewer_threads"] == ["threads: 1 worked, 2 were requested"]


def test_a_run_on_a_gpu_that_nothing_meters_is_refused(measured):
    run = entries(measured[0])[1]["on_gpu"]
    if run.machine.gpus:
        pytest.skip("the GPU of this machine is metered")
    assert "a GPU whose energy cannot be read" in run.failure


def test_the_window_is_that_of_the_marks(measured):
    run = entries(measured[0])[1]["good"]
    assert 1.0 <= run.metrics["worked_s"] <= run.duration_s <= run.spent.duration_s
    assert run.total.energy_j > 0
    assert (run.metrics["answer"], run.metrics["seed"]) == (42, run.seed)
    first, second = run.phases
    assert (first.name, second.name) == ("first", "second")
    assert first.energy_j + second.energy_j == pytest.approx(run.total.energy_j, rel=0.05)
    energies = [step.energy_j for step in run.steps]
    assert len(energies) == 5
    assert energies == sorted(energies)


def job_processor_j(run):
    """Attributed energy of the processor, which does not depend on other programs."""
    return next(r.energy_j for r in run.readings if (r.scope, r.domain) == ("job", "cpu"))


def test_a_workload_cannot_change_its_own_reading(measured):
    """The meter is in another process: replacing it in the child has no effect on the reading."""
    runs = entries(measured[0])[1]
    power_w = {arm: job_processor_j(runs[arm]) / runs[arm].duration_s for arm in ("good", "patch")}
    assert power_w["patch"] == pytest.approx(power_w["good"], rel=0.02)
    kinds = {arm: [(r.source, r.provenance) for r in runs[arm].readings] for arm in ("good", "patch")}
    assert kinds["patch"] == kinds["good"]


def test_orphans_are_charged_to_their_run_and_ended(measured):
    assert entries(measured[0])[1]["orphan"].contention.job_cpu_s > 0.1
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "os.fork() and os._exit(0)" not in listed


def test_what_the_kernel_counts_is_that_of_the_job(measured):
    run = entries(measured[0])[1]["orphan"]
    if run.contention.job_instructions is None:
        pytest.skip("the kernel counts nothing for this user")
    assert run.contention.job_instructions * 1e-9 == pytest.approx(run.contention.job_cpu_s, rel=0.2)


def test_a_run_that_pauses_is_the_sum_of_its_parts(measured):
    run = entries(measured[0])[1]["pause_one"]
    assert len(run.parts) == 3
    assert run.duration_s == pytest.approx(sum(part.duration_s for part in run.parts))
    assert run.total.energy_j == pytest.approx(sum(part.energy_j for part in run.parts))
    assert run.spent.energy_j > run.total.energy_j
    # Steps are in seconds of open window, without the pauses.
    assert [step.time_s for step in run.steps] == sorted(step.time_s for step in run.steps)
    # Three turns of 0.3 s end in a step each.
    assert 0.9 <= run.steps[-1].time_s <= run.duration_s
    assert run.steps[-1].energy_j <= run.total.energy_j


def test_a_run_that_pauses_is_stopped_while_others_work(measured):
    runs = entries(measured[0])[1]
    for arm in ("pause_one", "pause_two"):
        assert runs[arm].parts[1].start_s > runs[arm].parts[0].duration_s
        # Its thread that spins would use a second a second.
        assert runs[arm].metrics["cpu_while_paused_s"] < 0.5 * runs[arm].metrics["paused_s"]


def test_paused_runs_are_finished_where_memory_is_short(copy_repository):
    repository = add_experiment(copy_repository())
    repository.edit("experiments/faulty/design.yaml", "arms: all", "arms: [pause_one, pause_two]")
    turns = repository.joules("measure", "faulty", "--option", "scale=smoke").stdout
    repository.edit("joules/bench/scheduler.py", "_LEAST_FREE_MEMORY = 0.2", "_LEAST_FREE_MEMORY = 2.0")
    repository.edit("experiments/faulty/workload.py", "time.sleep(0.3)", "time.sleep(0.2)")
    one_by_one = repository.joules("measure", "faulty", "--option", "scale=smoke").stdout
    assert "turn 2, paused runs: 2" in turns
    assert "turn 2, paused runs: 2" not in one_by_one
    assert one_by_one.count("turn 2, paused runs: 1") == 2


def processes_in(folder):
    processes = []
    for process in psutil.process_iter(["cwd"]):
        if process.info["cwd"] == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
            processes.append(process)
    return processes


def test_paused_children_end_with_a_killed_bench(copy_repository):
    repository = add_experiment(copy_repository())
    repository.edit("experiments/faulty/design.yaml", "arms: all", "arms: [pause_one, pause_two]")
    bench = repository.start("-m", "joules", "measure", "faulty", "--option", "scale=smoke")
    for line in bench.stdout:
        if "turn 2" in line:
            break
    assert any(process.status() == psutil.STATUS_STOPPED for process in processes_in(repository.path))
    bench.kill()
    bench.wait()
    deadline_s = time.monotonic() + 30
    while processes_in(repository.path) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert processes_in(repository.path) == []


def test_failed_runs_alone_are_measured_again(measured):
    repository, _ = measured
    runs = entries(repository)[1]
    failed = sum(run.failure is not None for run in runs.values())
    again = repository.joules("measure", "faulty", "--option", "scale=smoke")
    assert f"{failed} runs to measure, {len(runs) - failed} already recorded" in again.stdout


def test_a_run_that_was_not_read_is_measured_again(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "describe", lambda: records.MACHINE)
    campaign = Campaign("local", tmp_path)
    block = Block("flops_vs_energy", 0, Config(experiments=["flops_vs_energy"], first_seed=0), campaign)
    journal = Journal(campaign.journal_file("flops_vs_energy", 0))
    for entry in (records.run("read"), records.unread(records.run("not_read"))):
        journal.append(entry)
    prints = {"read": "f", "not_read": "f"}
    assert set(select_runs(journal.records, block, prints)) == {"read"}
    assert set(select_runs(journal.records, block, prints, has_result=False)) == {"read", "not_read"}


def test_a_block_keeps_only_runs_with_its_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "describe", lambda: records.MACHINE)
    campaign = Campaign("local", tmp_path)
    blocks = [
        Block("flops_vs_energy", 2, Config(experiments=["flops_vs_energy"], first_seed=first), campaign)
        for first in (0, 1000)
    ]
    assert [block.seed for block in blocks] == [2, 1002]
    orders = [shuffle_items(block.experiment, block.seed, range(20)) for block in blocks]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    journal = Journal(campaign.journal_file("flops_vs_energy", 2))
    journal.append(records.run("one", block=2, seed=2))
    found = [set(select_runs(journal.records, block, {"one": "f"})) for block in blocks]
    assert found == [{"one"}, set()]


def test_what_is_evaluated_after_the_window_is_charged_to_no_run(monkeypatch, tmp_path):
    """The child closes the window before it evaluates, however long both take."""
    told = []

    workload = SimpleNamespace(
        build=lambda *_: "prepared",
        run=lambda *_: told.append("run") or {},
        evaluate=lambda *_: told.append("evaluate") or {"score": 1.0},
    )
    connection = SimpleNamespace(
        send_bytes=lambda mark: told.append(parse_mark(mark).name), recv=lambda: "go", close=lambda: None
    )
    monkeypatch.setattr(importlib, "import_module", lambda _: workload)
    for prepares in ("_end_with_bench", "_redirect_output"):
        monkeypatch.setattr(child, prepares, lambda *_: None)
    child.work(connection, "any", {}, 0, tmp_path / "log", "workload", Session)
    assert told == [
        *("devices", "ready", "start", "run", "end", "threads", "evaluate", "evaluated", "metrics")
    ]


def test_a_workload_is_given_the_seed_that_its_record_names(measured):
    repository, _ = measured
    done = repository.joules(
        "measure", "faulty", "--block", "2", "--option", "scale=standard", "--option", "first_seed=1000"
    )
    assert done.returncode == 0, done.stdout
    lines = (repository.path / "results/local/runs/faulty/block-2.jsonl").read_text().splitlines()
    (run,) = [entry for entry in map(json.loads, lines) if entry["kind"] == "run"]
    assert run["metrics"]["seed"] == run["seed"] == 1002


def test_a_block_without_a_good_run_is_an_error(measured):
    repository, _ = measured
    done = repository.joules("measure", "faulty", "--option", "scale=quick")
    assert done.returncode == 2
    assert "error: no run of faulty block 0 has a result" in done.stdout


def test_a_wrong_parameter_is_refused_before_anything_is_measured(measured):
    repository, _ = measured
    repository.edit("experiments/faulty/design.yaml", "good: {what: work}", "good: {waht: work}")
    done = repository.joules("measure", "faulty", "--option", "scale=smoke")
    repository.edit("experiments/faulty/design.yaml", "good: {waht: work}", "good: {what: work}")
    assert done.returncode == 2
    assert "arm good" in done.stdout
    assert "did you mean 'what'" in done.stdout
    assert "runs to measure" not in done.stdout


def test_a_block_that_does_not_exist_is_refused(measured):
    done = measured[0].joules("measure", "faulty", "--block", "7", "--option", "scale=smoke")
    assert done.returncode == 2
    assert "invalid block 7" in done.stdout


def test_a_second_measurement_waits_for_the_first(measured):
    repository, _ = measured
    with machine_lock("a test", print):
        waiting = repository.start("-m", "joules", "measure", "faulty", "--option", "scale=smoke")
        assert "in use by a test" in waiting.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        waiting.kill()
        waiting.wait()
    assert lock_path().exists()
