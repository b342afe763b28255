"""Sources against fake hardware, and CodeCarbon's model against itself."""

import logging
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from codecarbon.core.cpu import TDP
from codecarbon.external.hardware import CPU, MODE_CPU_LOAD
from codecarbon.external.ram import RAM
from codecarbon.input import DataSource

from joules.instrument.host import contention, processes
from joules.instrument.host.contention import between, snapshot
from joules.instrument.host.limits import usable_cores
from joules.instrument.sources.codecarbon_model import (
    CodeCarbonModel,
    processor_tdp,
    tdp_table,
)
from joules.power.memory import codecarbon_memory_w


def test_the_codecarbon_model_stays_within_its_range():
    source = CodeCarbonModel()
    time.sleep(0.05)
    powers = {channel.domain: (channel, power_w) for channel, power_w in source.read().items()}
    assert set(powers) == {"cpu", "dram"}
    for channel, power_w in powers.values():
        low_w, high_w = channel.range_w
        assert low_w - 1e-9 <= power_w <= high_w + 1e-9
        assert channel.provenance == "modelled"


@pytest.mark.parametrize(
    ("model", "origin"),
    [
        ("AMD EPYC 4124P", "exact"),
        ("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz", "fuzzy"),
        ("Nobody's processor 3000", "per thread"),
    ],
)
def test_the_origin_of_the_tdp_is_told(model, origin):
    assert processor_tdp(model).origin == origin


def test_our_rules_are_codecarbons():
    """Every rule gives the result of CodeCarbon's code: memory by size, load model, TDP by name."""
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    memory = RAM()
    for size_gib in (1, 2, 4, 7.5, 8, 16, 24, 33, 64, 100, 129, 256, 384, 511.5, 1024, 4096):
        for memory.is_arm_cpu, kind in ((False, "x86"), (True, "arm")):
            expected_w = memory._calculate_ram_power(size_gib)
            assert codecarbon_memory_w(size_gib, kind) == pytest.approx(expected_w)
    ours, theirs = CodeCarbonModel(), CPU("", MODE_CPU_LOAD, "a processor", CodeCarbonModel().tdp.power_w)
    for load in (0.0, 0.25, 1.0):
        theirs._cpu_load_meter.percent = lambda load=load: 100 * load
        assert ours.processor_w(load) == pytest.approx(theirs._get_power_from_cpu_load().W)
    table, finder = DataSource().get_cpu_power_data(), TDP.__new__(TDP)
    names = list(table["Name"].sample(40, random_state=1))
    names += [f"Intel(R) {name} CPU @ 2.20GHz" for name in names[:20]]
    names += [f"AMD {name} 8-Core Processor" for name in names[:20]] + [
        "AMD EPYC",
        "AMD EPYC 7B13",
        "Neoverse-N1",
    ]
    for name in names:
        entry = finder._get_matching_cpu(name, table)
        found = processor_tdp(name)
        if entry is None:
            assert found.origin == "per thread", name
        else:
            assert found.power_w == finder._get_cpu_constant_power(entry, table), name


def test_without_codecarbons_table_the_guess_is_named(monkeypatch):
    tdp_table.cache_clear()
    processor_tdp.cache_clear()
    monkeypatch.setattr("joules.instrument.codecarbon_data.PACKAGE", "no_such_package")
    source = CodeCarbonModel()
    tdp_table.cache_clear()
    processor_tdp.cache_clear()
    assert source.tdp.origin == "per thread"
    assert "its table are not installed" in str(source.notices()[0])


def test_cpu_time_of_children_is_told_from_that_of_others():
    before = snapshot()
    subprocess.run([sys.executable, "-c", "sum(i * i for i in range(3_000_000))"], check=True)
    use = between(before, snapshot())
    assert use.job_cpu_s > 0.05
    others_s = use.busy_cores * use.duration_s - use.job_cpu_s
    assert use.foreign_cores * use.duration_s <= max(others_s, 0.0) + 1e-9


def test_what_neither_the_job_nor_the_meter_used_is_foreign():
    before = snapshot()
    used = {"monotonic_s": 2.0, "busy_s": 3.0, "job_cpu_s": 2.0, "own_cpu_s": 0.5}
    after = replace(before, **{clock: getattr(before, clock) + s for clock, s in used.items()})
    use = between(before, after)
    assert use.busy_cores == pytest.approx(1.5)
    assert use.foreign_cores == pytest.approx(0.25)


def test_the_program_that_disturbs_is_named():
    """Process 1 used half a core, an ended process a whole core, another one almost nothing."""
    before = replace(snapshot(), others_cpu_s={1: 5.0, 2: 7.0})
    used = {"monotonic_s": 2.0, "busy_s": 3.0}
    after = replace(before, **{clock: getattr(before, clock) + s for clock, s in used.items()})
    after = replace(after, others_cpu_s={1: 6.0, 2: 7.001, 2**22 + 1: 2.0})
    use = between(before, after)
    name = Path("/proc/1/comm").read_text().strip()
    assert use.foreign_programs == pytest.approx({name: 0.5})
    assert use.foreign_words == f"1.50 cores ({name} 0.50)"


def test_processes_are_looked_for_before_any_clock_is_read(monkeypatch):
    """In the opposite order the window would miss the work of a child while the parent reads /proc."""
    child = subprocess.Popen(["sleep", "60"])
    calls = []

    def noted(kind, function):
        return lambda *args: calls.append(kind) or function(*args)

    for kind, name in (("look", "descendants"), ("look", "_reaped_s"), ("clock", "cpu_clock_s")):
        monkeypatch.setattr(processes, name, noted(kind, getattr(processes, name)))
    monkeypatch.setattr(contention, "cpu_clock_s", noted("clock", contention.cpu_clock_s))
    monkeypatch.setattr("psutil.pids", noted("look", psutil.pids))
    monkeypatch.setattr("psutil.cpu_times", noted("clock", psutil.cpu_times))
    try:
        before = snapshot()
    finally:
        child.kill()
        child.wait()
    assert calls == sorted(calls, reverse=True)
    assert {"look", "clock"} == set(calls)
    assert child.pid not in before.others_cpu_s
    assert os.getppid() in before.others_cpu_s


def test_processors_that_a_batch_system_keeps_back_are_not_used():
    granted = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(granted)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, granted)
    assert usable_cores() == len(granted)
