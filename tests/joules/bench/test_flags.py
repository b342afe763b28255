"""Quality flags: every disturbance of a run is flagged."""

import pytest

from joules.bench.flags import find_flags
from joules.bench.record import AfterWindow, Sentinel
from joules.bench.window import Threads
from joules.instrument.flags import SHORT_WINDOW_S
from joules.instrument.sources.nvml import GpuUse
from joules.study.design import load_design
from tests import experiments_with_runs
from tests.records import QUIET, reading, run


def gpu(**changes):
    fields = {"domain": "gpu0", "job_share": 1.0, "foreign_processes": [], "throttling": []}
    return GpuUse(**(fields | changes))


def test_a_quiet_run_has_no_flag():
    assert find_flags(run(), 0.02, []) == []


@pytest.mark.parametrize(("provenance", "is_flagged"), [("counter", True), ("modelled", False)])
def test_idle_power_with_the_work_of_others_is_flagged_where_energy_above_it_is_divided(
    provenance, is_flagged
):
    changed = run(readings=[reading(100.0, provenance=provenance)])
    use = QUIET.model_copy(update={"foreign_cores": 0.8, "foreign_programs": {"neighbour": 0.8}})
    flags = find_flags(changed, 0.02, [], idle_use=use)
    assert [flag.split(":")[0] for flag in flags] == ["shared-idle"] * is_flagged
    assert find_flags(changed, 0.02, [], idle_use=QUIET) == []


@pytest.mark.parametrize(("granted", "flags"), [("", []), ("64", []), ("24", ["shared-node"])])
def test_a_part_of_a_node_is_flagged(monkeypatch, granted, flags):
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", granted)
    found = find_flags(run(), 0.02, [])
    assert [flag.split(":")[0] for flag in found] == flags
    assert all("Slurm granted 24 of 64 logical processors" in flag for flag in found)


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"sentinel": Sentinel(before_s=0.02, after_s=0.05)}, "sentinel-drift"),
        ({"contention": QUIET.model_copy(update={"foreign_cores": 0.8})}, "foreign-cpu"),
        ({"contention": QUIET.model_copy(update={"steal_cores": 0.2})}, "cpu-steal"),
        ({"contention": QUIET.model_copy(update={"suspended_s": 30.0})}, "suspended"),
        ({"contention": QUIET.model_copy(update={"clock_step_s": -5.0})}, "clock-step"),
        ({"duration_s": 0.5}, "short-window"),
        ({"after": AfterWindow(cpu_s=1.5, evaluation_cpu_s=1.0)}, "after-window"),
        ({"failure": "the child was killed by SIGKILL"}, "failed"),
        ({"readings": [reading(None, domain="gpu0")]}, "missing-reading"),
        (
            {"readings": [reading(100.0, provenance="counter", uncertainty_j=3.0)]},
            "short-window",
        ),
        ({"gpu_use": [gpu(foreign_processes=[7])]}, "foreign-gpu"),
        ({"gpu_use": [gpu(throttling=["power brake"])]}, "throttled"),
        (
            {
                "readings": [
                    reading(100.0, domain="gpu0", provenance="counter"),
                    reading(103.0, domain="gpu0", provenance="sampled"),
                ]
            },
            "counter-integral",
        ),
        (
            {
                "readings": [
                    reading(80.0, domain="machine", provenance="sampled"),
                    reading(100.0, provenance="counter"),
                ]
            },
            "machine-below-parts",
        ),
    ],
)
def test_whatever_speaks_against_a_run_is_flagged(changes, flag):
    flags = find_flags(run(**changes), 0.02, [])
    assert [raised.split(":")[0] for raised in flags] == [flag]


def test_a_read_that_failed_is_flagged():
    assert find_flags(run(), 0.02, ["NVML lost gpu0"]) == ["read-failed: NVML lost gpu0"]


@pytest.mark.parametrize(
    ("threads", "flags"),
    [
        (Threads(2, 2, 2), []),
        (Threads(2, 1, 1), []),
        (Threads(2, 2, 0), []),
        (Threads(1, 1, 1), ["threads: PyTorch started with 1 of 2 threads"]),
        (Threads(2, 2, 1), ["threads: 1 worked, 2 were requested"]),
    ],
)
def test_threads_other_than_those_asked_for_are_flagged(threads, flags):
    assert find_flags(run(), 0.02, [], threads=threads) == flags


def test_an_environment_that_changes_a_run_is_flagged():
    assert find_flags(run(), 0.02, [], interference=["PYTHONPATH is set"]) == [
        "environment: PYTHONPATH is set"
    ]


def test_an_evaluation_after_the_window_is_not_flagged():
    assert find_flags(run(after=AfterWindow(cpu_s=9.1, evaluation_cpu_s=9.0)), 0.02, []) == []


@pytest.mark.parametrize("experiment", experiments_with_runs())
def test_no_design_asks_for_windows_that_are_flagged_as_short(experiment):
    design = load_design(experiment)
    windows_s = {
        (scale, arm): parameters.get("window_s", SHORT_WINDOW_S)
        for scale in design.scales
        if scale != "smoke"
        for arm, parameters in design.runs(scale).items()
    }
    assert {place: window_s for place, window_s in windows_s.items() if window_s < SHORT_WINDOW_S} == {}
