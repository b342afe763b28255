"""Sources against fake hardware, and CodeCarbon's model against itself."""

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from joules.instrument.host import contention, processes
from joules.instrument.host.contention import between, snapshot
from joules.instrument.host.limits import usable_cores
from joules.instrument.source import SourceError
from joules.instrument.sources import rapl
from joules.instrument.sources.codecarbon_model import CodeCarbonModel, processor_tdp


def zone(root, folder, name, energy_uj, limit_uj=1_000_000):
    path = root / folder
    path.mkdir(parents=True, exist_ok=True)
    (path / "name").write_text(name)
    (path / "energy_uj").write_text(str(energy_uj))
    (path / "max_energy_range_uj").write_text(str(limit_uj))


@pytest.fixture
def powercap(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", 100)
    zone(tmp_path, "intel-rapl:1", "package-1", 500)
    zone(tmp_path, "intel-rapl:0:0", "core", 0)
    zone(tmp_path, "intel-rapl:0:1", "dram", 0)
    zone(tmp_path, "intel-rapl:2", "psys", 0)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0)
    return tmp_path


def read(source):
    return {channel.domain: joules for channel, joules in source.read().items()}


def test_rapl_sums_sockets_and_counts_nothing_twice(powercap):
    source = rapl.Rapl(powercap)
    for folder in (
        "intel-rapl:0",
        "intel-rapl:1",
        "intel-rapl:0:0",
        "intel-rapl:2",
        "intel-rapl-mmio:0",
    ):
        (powercap / folder / "energy_uj").write_text("200000")
    assert read(source) == pytest.approx({"cpu": 0.3994, "dram": 0.0})


def test_a_rapl_counter_that_wraps_goes_on(powercap):
    (powercap / "intel-rapl:0" / "energy_uj").write_text("999900")
    source = rapl.Rapl(powercap)
    (powercap / "intel-rapl:0" / "energy_uj").write_text("50")
    assert read(source)["cpu"] == pytest.approx(150e-6)


def test_a_rapl_read_that_fails_is_no_wrap(powercap):
    source = rapl.Rapl(powercap)
    (powercap / "intel-rapl:1" / "energy_uj").write_text("")
    with pytest.raises(SourceError, match="could not be read"):
        source.read()
    (powercap / "intel-rapl:1" / "energy_uj").write_text("600")
    assert read(source)["cpu"] == pytest.approx(100e-6)


def test_rapl_without_permission_says_what_helps(tmp_path, monkeypatch):
    """The folder holds links, as that of the kernel does, which chmod follows only where they are named."""
    zone(tmp_path / "devices" / "intel-rapl", "intel-rapl:0", "package-0", 100)
    counter = tmp_path / "devices" / "intel-rapl" / "intel-rapl:0" / "energy_uj"
    counter.chmod(0o400)
    powercap = tmp_path / "powercap"
    powercap.mkdir()
    for name in ("intel-rapl", "intel-rapl/intel-rapl:0"):
        (powercap / Path(name).name).symlink_to(tmp_path / "devices" / name)
    read_text = Path.read_text

    def as_a_user(path, *arguments, **more):
        if not path.stat().st_mode & 0o004:
            raise PermissionError
        return read_text(path, *arguments, **more)

    monkeypatch.setattr(Path, "read_text", as_a_user)
    with pytest.raises(SourceError, match="sudo chmod") as refused:
        rapl.Rapl(powercap)
    advice = re.search("'sudo (.*)'", str(refused.value))[1]
    subprocess.run(advice, shell=True, check=True)
    assert read(rapl.Rapl(powercap)) == {"cpu": 0.0}


def test_no_rapl_is_said(tmp_path):
    with pytest.raises(SourceError, match="no RAPL package zone"):
        rapl.Rapl(tmp_path)


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
    """Process 1 used half a core, one that has ended a whole one, and another next to nothing."""
    before = replace(snapshot(), others_cpu_s={1: 5.0, 2: 7.0})
    used = {"monotonic_s": 2.0, "busy_s": 3.0}
    after = replace(before, **{clock: getattr(before, clock) + s for clock, s in used.items()})
    after = replace(after, others_cpu_s={1: 6.0, 2: 7.001, 2**22 + 1: 2.0})
    use = between(before, after)
    name = Path("/proc/1/comm").read_text().strip()
    assert use.foreign_programs == pytest.approx({name: 0.5})
    assert use.foreign_words == f"1.50 cores ({name} 0.50)"


def test_processes_are_looked_for_before_any_clock_is_read(monkeypatch):
    """The other way round a window that opens at work and closes at rest would lack what a child did while
    the parent was looking."""
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
