"""Messages of RAPL when it cannot read everything; the laboratory tests its readings."""

import re
import subprocess
from pathlib import Path

import pytest

from joules.instrument.source import SourceError
from joules.instrument.sources import rapl
from validation.laboratory.curve import constant
from validation.laboratory.machine import Machine
from validation.laboratory.tree import monitor, zone

POWERCAP = "sys/class/powercap"


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


def package(machine, folder=f"{POWERCAP}/intel-rapl:0", name="package-0", **more):
    machine.add_files(zone(folder, name, constant(80.0), **more))


def refuse(monkeypatch, refuses):
    """Deny reading files, as to a user who is not root."""
    read_text = Path.read_text

    def read(path, *arguments, **more):
        if refuses(path):
            raise PermissionError(13, "Permission denied")
        return read_text(path, *arguments, **more)

    monkeypatch.setattr(Path, "read_text", read)


def said(source):
    return [str(notice) for notice in source.notices()]


def test_a_domain_that_may_not_be_read_is_named_and_the_other_is_read(machine, monkeypatch):
    package(machine)
    package(machine, f"{POWERCAP}/intel-rapl:0:0", "dram")
    refuse(monkeypatch, lambda path: path.parts[-2:] == ("intel-rapl:0:0", "energy_uj"))
    (source,) = rapl.open_sources(machine.host)
    assert [channel.domain for channel in source.channels] == ["cpu"]
    (notice,) = said(source)
    assert re.match(
        "dram: NOT READ by RAPL, so the memory is modelled: .* sudo chmod", notice.replace("'", "")
    )


def test_mirrored_zones_are_named(machine):
    for die in range(2):
        package(machine, f"{POWERCAP}/intel-rapl:{die}", f"package-0-die-{die}")
    (source,) = rapl.open_sources(machine.host)
    assert said(source) == [
        "RAPL: package-0-die-1 (intel-rapl:1) mirrors package-0-die-0 (intel-rapl:0): counted once"
    ]


def test_an_assumed_range_is_said(machine):
    package(machine)
    machine.add_files({f"{POWERCAP}/intel-rapl:0/max_energy_range_uj": "0"})
    (source,) = rapl.open_sources(machine.host)
    assert "a 32-bit register is assumed, of 32768 J or more" in said(source)[0]


def test_the_performance_monitor_gives_the_same_joules_without_root(machine, monkeypatch):
    package(machine)
    machine.add_files(monitor({0: 0}))
    machine.counters = {(32, number, 0): constant(80.0) for number in (2, 3)}
    (by_powercap,) = rapl.open_sources(machine.host)
    refuse(monkeypatch, lambda path: path.name == "energy_uj")
    (by_monitor,) = rapl.open_sources(machine.host)
    monkeypatch.undo()
    for source in (by_powercap, by_monitor):
        read = machine.measure([source], machine.clock() + 1.0, machine.clock() + 4.0)
        assert read.domains["cpu"].energy_j == pytest.approx(240.0, rel=1e-3)
    assert {channel.source for channel in by_monitor.channels} == {"rapl-perf"}


def test_who_may_read_neither_is_told_both_ways(machine, monkeypatch):
    package(machine)
    machine.add_files(monitor({0: 0}))
    refuse(monkeypatch, lambda path: path.name == "energy_uj")
    with pytest.raises(SourceError, match=r"sudo chmod.*sudo sysctl kernel.perf_event_paranoid=0"):
        rapl.open_sources(machine.host)


def test_the_advice_for_want_of_permission_helps(machine, monkeypatch):
    """The folder holds links like that of the kernel, which chmod follows only if they are named."""
    package(machine, "devices/intel-rapl/intel-rapl:0")
    folder = machine.host.sys.parent / "devices/intel-rapl"
    (folder / "intel-rapl:0/energy_uj").chmod(0o400)
    powercap = machine.host.sys / "class/powercap"
    powercap.mkdir(parents=True)
    for real in (folder, folder / "intel-rapl:0"):
        (powercap / real.name).symlink_to(real)
    refuse(monkeypatch, lambda path: path.exists() and not path.stat().st_mode & 0o004)
    with pytest.raises(SourceError, match="sudo chmod") as refused:
        rapl.open_sources(machine.host)
    advice = re.search("'sudo (chmod[^']*)'", str(refused.value))[1]
    subprocess.run(advice, shell=True, check=True)
    (source,) = rapl.open_sources(machine.host)
    assert {channel.domain for channel in source.channels} == {"cpu"}


def test_a_container_that_hides_the_counters_is_named_with_what_to_mount(machine):
    powercap = machine.host.sys / "class/powercap"
    powercap.mkdir(parents=True)
    (powercap / "intel-rapl:0").symlink_to("../../devices/virtual/powercap/intel-rapl/intel-rapl:0")
    with pytest.raises(
        SourceError, match=r"container hides.*-v /sys/devices/virtual/powercap:.*/host/powercap:ro"
    ):
        rapl.open_sources(machine.host)
    package(machine, "host/powercap/intel-rapl/intel-rapl:0")
    (source,) = rapl.open_sources(machine.host)
    assert [channel.domain for channel in source.channels] == ["cpu"]


def test_no_rapl_is_said(machine):
    with pytest.raises(SourceError, match=r"no RAPL zone .*usual in a virtual machine"):
        rapl.open_sources(machine.host)
