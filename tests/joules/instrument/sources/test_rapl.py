"""RAPL on files that show a known course of power: right within its uncertainty, or missing and flagged."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from joules.instrument.source import SourceError
from joules.instrument.sources import rapl
from tests.fake_host import FakeHost, ramp_j

START_S, END_S = 1.0, 6.0


@pytest.fixture
def fake(tmp_path):
    return FakeHost(tmp_path)


def two_packages(fake):
    for number, start_j in enumerate((20.0, 4000.0)):
        fake.zone(
            f"intel-rapl:{number}", f"package-{number}", lambda t, s=start_j: s + ramp_j(t), limit_w=300
        )
        fake.zone(f"intel-rapl:{number}:0", "core", lambda t: ramp_j(t, 0.6))
        fake.zone(f"intel-rapl:{number}:1", "uncore", lambda t: ramp_j(t, 0.1))
        fake.zone(f"intel-rapl:{number}:2", "dram", lambda t, s=start_j: s + ramp_j(t, 0.2))
    fake.zone("intel-rapl:2", "psys", lambda t: ramp_j(t, 3.0))


def one_package(fake, energy_j=ramp_j, **more):
    fake.zone("intel-rapl:0", "package-0", energy_j, **{"limit_w": 300, **more})


def mirrored(fake):
    for die in range(8):
        fake.zone(f"intel-rapl:{die}", f"package-0-die-{die}", lambda t: 500.0 + ramp_j(t), limit_w=300)


def differing_dies(fake):
    for die in range(2):
        fake.zone(
            f"intel-rapl:{die}", f"package-0-die-{die}", lambda t, d=die: 700.0 * d + ramp_j(t), limit_w=300
        )


def dies_that_part(fake):
    """Equal when they are opened, apart from 3 s on."""
    fake.zone("intel-rapl:0", "package-0-die-0", ramp_j, limit_w=300)
    fake.zone("intel-rapl:1", "package-0-die-1", lambda t: ramp_j(t) + max(t - 3, 0) * 80, limit_w=300)


def one_of_two_stands_still(fake):
    one_package(fake)
    fake.zone("intel-rapl:1", "package-1", lambda _: 12345.0, limit_w=300)


def memory_not_readable(fake):
    one_package(fake)
    fake.zone("intel-rapl:0:0", "dram", lambda _: "")


def without_range(fake):
    """A register of 32 bits in units of 2**-14 J that wraps at 3 s."""
    range_j = 2.0**18
    start_j = range_j - ramp_j(3.0)
    one_package(fake, lambda t: (start_j + ramp_j(t)) % range_j, range_uj=None)


@dataclass(frozen=True)
class Situation:
    """What the files show, joules of the domain in truth between 1 and 6 s, and what must come out of it."""

    build: object
    true_j: float
    provenance: str = "counter"
    domain: str = "cpu"
    flag: str = ""
    notice: str = ""


WHOLE_J = ramp_j(END_S) - ramp_j(START_S)
SITUATIONS = {
    "one package": Situation(one_package, WHOLE_J),
    "two packages with core, uncore and psys": Situation(two_packages, 2 * WHOLE_J),
    "memory of two packages": Situation(two_packages, 0.4 * WHOLE_J, domain="dram"),
    "eight dies mirror one package": Situation(mirrored, WHOLE_J, notice="mirrors package-0-die-0"),
    "dies that differ": Situation(differing_dies, 2 * WHOLE_J),
    "dies equal at first": Situation(dies_that_part, 2 * WHOLE_J, "modelled", flag="no longer mirrors"),
    "stands still": Situation(
        lambda f: one_package(f, lambda _: 99.0), WHOLE_J, "modelled", flag="stands still"
    ),
    "one of two stands still": Situation(one_of_two_stands_still, 2 * WHOLE_J, "modelled", flag="package-1"),
    "stands still from 3 s on": Situation(
        lambda f: one_package(f, lambda t: ramp_j(min(t, 3.0))), WHOLE_J, "modelled", flag="stands still"
    ),
    "stands still from 3 to 4 s": Situation(
        lambda f: one_package(f, lambda t: ramp_j(t if t < 3 else max(t - 1, 3))),
        WHOLE_J,
        "modelled",
        flag="stood still",
    ),
    "jumps by 50 kJ": Situation(
        lambda f: one_package(f, lambda t: ramp_j(t) + (50_000 if t > 3 else 0)),
        WHOLE_J,
        "modelled",
        flag="more than the 600 W",
    ),
    "jumps without a stated limit": Situation(
        lambda f: one_package(f, lambda t: ramp_j(t) + (50_000 if t > 3 else 0), limit_w=None),
        WHOLE_J,
        "modelled",
        flag="more than the 2000 W",
    ),
    "jump after the window": Situation(
        lambda f: one_package(f, lambda t: ramp_j(t) + (50_000 if t > 6.3 else 0)), WHOLE_J
    ),
    "set back": Situation(
        lambda f: one_package(f, lambda t: ramp_j(t) if t < 3 else ramp_j(t) - ramp_j(3)),
        WHOLE_J,
        "modelled",
        flag="set back",
    ),
    "wraps in the window": Situation(
        lambda f: one_package(f, lambda t: 262_143.0 - 350.0 + ramp_j(t), range_uj=262_143_000_000), WHOLE_J
    ),
    "wraps every .65 s": Situation(lambda f: one_package(f, range_uj=75_000_000), WHOLE_J),
    "gone for a second": Situation(
        lambda f: one_package(f, lambda t: "" if 3 <= t < 4 else ramp_j(t)), WHOLE_J, flag="could not be read"
    ),
    "gone for longer than a wrap": Situation(
        lambda f: one_package(f, lambda t: "" if 3 <= t < 4 else ramp_j(t), range_uj=300_000_000),
        WHOLE_J,
        "modelled",
        flag="may have wrapped unseen",
    ),
    "gone for good": Situation(
        lambda f: one_package(f, lambda t: None if t >= 3 else ramp_j(t)),
        WHOLE_J,
        "modelled",
        flag="could not be read",
    ),
    "memory not readable": Situation(
        memory_not_readable, WHOLE_J, notice="NOT READ by RAPL, so the memory is modelled"
    ),
    "psys alone": Situation(lambda f: f.zone("intel-rapl:0", "psys", ramp_j), WHOLE_J, domain="machine"),
    "mmio alone": Situation(lambda f: f.zone("intel-rapl-mmio:0", "package-0", ramp_j), WHOLE_J),
    "tpmi alone": Situation(lambda f: f.zone("intel-rapl-tpmi:0", "package-0", ramp_j), WHOLE_J),
    "range not stated": Situation(without_range, WHOLE_J, notice="register of 32 bits is assumed"),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_is_read_is_right_or_flagged(fake, name):
    situation = SITUATIONS[name]
    situation.build(fake)
    # Sources are opened at the origin of the courses of power, but for the time that opening takes.
    (source,) = rapl.open_sources(fake.host)
    fake.now_s = 0.0
    read = fake.measure([source], START_S, END_S)
    best = read.best(situation.domain)
    assert best.provenance == situation.provenance
    if situation.provenance == "counter":
        assert best.energy_j == pytest.approx(situation.true_j, abs=2 * best.random_j + 1e-3)
        assert best.calibration_j == pytest.approx(
            best.energy_j * rapl.CALIBRATIONS[situation.domain].share, rel=1e-6
        )
    if situation.flag:
        assert any(situation.flag in flag for flag in read.flags), read.flags
    else:
        assert [flag for flag in read.flags if not flag.startswith("short-window")] == []
    if situation.notice:
        assert any(situation.notice in str(notice) for notice in source.notices())


def test_the_whole_machine_is_the_total_and_no_part_is_added(fake):
    fake.zone("intel-rapl:0", "psys", ramp_j)
    read = fake.measure(rapl.open_sources(fake.host))
    assert read.total.provenance == "counter"
    assert read.total.energy_j == pytest.approx(read.of("machine", "rapl").energy_j)
    assert read.of("cpu", "model").energy_j > 0


def as_a_user(monkeypatch, refuses):
    read_text = Path.read_text

    def read(path, *arguments, **more):
        if refuses(path):
            raise PermissionError(13, "Permission denied")
        return read_text(path, *arguments, **more)

    monkeypatch.setattr(Path, "read_text", read)


def pmu(fake, vendor="GenuineIntel", processors="0,8", packages=None):
    root = "sys/bus/event_source/devices/power"
    scale = 2.3283064365386962890625e-10
    fake.write(f"{root}/type", 32)
    fake.write(f"{root}/cpumask", processors)
    fake.write("proc/cpuinfo", f"processor\t: 0\nvendor_id\t: {vendor}\n")
    for number, (event, share) in {
        2: ("energy-pkg", 1.0),
        3: ("energy-ram", 0.2),
        5: ("energy-psys", 3.0),
    }.items():
        fake.write(f"{root}/events/{event}", f"event=0x{number:02x}")
        fake.write(f"{root}/events/{event}.scale", repr(scale))
        fake.write(f"{root}/events/{event}.unit", "Joules")
        for cpu, package in (packages or {0: 0, 8: 1}).items():
            fake.write(f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", package)
            fake.events[32, number, cpu] = lambda t, s=share: int(ramp_j(t, s) / scale)


def test_the_performance_monitor_gives_the_same_joules_without_root(fake, monkeypatch):
    two_packages(fake)
    pmu(fake)
    (by_powercap,) = rapl.open_sources(fake.host)
    as_a_user(monkeypatch, lambda path: path.name == "energy_uj")
    (by_monitor,) = rapl.open_sources(fake.host)
    assert {channel.source for channel in by_monitor.channels} == {"rapl-perf"}
    monkeypatch.undo()
    read = fake.measure([by_powercap, by_monitor])
    for domain in ("cpu", "dram"):
        whole = read.of(domain, "rapl").energy_j
        assert read.of(domain, "rapl-perf").energy_j == pytest.approx(whole, rel=1e-5)


def test_the_monitor_counts_a_package_of_amd_once(fake):
    pmu(fake, vendor="AuthenticAMD", processors="0-1,8", packages={0: 0, 1: 0, 8: 1})
    (source,) = rapl.open_sources(fake.host)
    fake.now_s = 0.0
    read = fake.measure([source], START_S, END_S)
    assert read.best("cpu").energy_j == pytest.approx(2 * WHOLE_J, rel=1e-3)


def test_who_may_read_neither_is_told_both_ways(fake, monkeypatch):
    one_package(fake)
    pmu(fake)
    fake.events.clear()
    as_a_user(monkeypatch, lambda path: path.name == "energy_uj")
    with pytest.raises(SourceError, match=r"sudo chmod.*sudo sysctl kernel.perf_event_paranoid=0"):
        rapl.open_sources(fake.host)


def hidden(fake):
    powercap = fake.root / "sys/class/powercap"
    powercap.mkdir(parents=True)
    for name in ("intel-rapl", "intel-rapl:0"):
        (powercap / name).symlink_to(f"../../devices/virtual/powercap/intel-rapl/{name}")


def test_a_container_that_hides_the_counters_is_named_with_what_to_mount(fake):
    hidden(fake)
    with pytest.raises(SourceError, match=r"container hides.*-v /sys/devices/virtual/powercap:.*powercap:ro"):
        rapl.open_sources(fake.host)
    fake.write("host/powercap/intel-rapl/intel-rapl:0/name", "package-0")
    fake.write("host/powercap/intel-rapl/intel-rapl:0/energy_uj", lambda t: int(ramp_j(t) * 1e6))
    fake.write("host/powercap/intel-rapl/intel-rapl:0/max_energy_range_uj", 262_143_328_850)
    (source,) = rapl.open_sources(fake.host)
    assert fake.measure([source]).best("cpu").provenance == "counter"


def test_no_rapl_is_said(fake):
    with pytest.raises(SourceError, match=r"no RAPL zone .*usual in a virtual machine"):
        rapl.open_sources(fake.host)


def test_the_advice_for_want_of_permission_helps(fake, monkeypatch):
    """The folder holds links, as that of the kernel does, which chmod follows only where they are named."""
    fake.zone("intel-rapl:0", "package-0", ramp_j, of="../../devices/intel-rapl/")
    zone = fake.root / "sys/class/powercap/../../devices/intel-rapl/intel-rapl:0"
    (zone / "energy_uj").chmod(0o400)
    powercap = fake.root / "sys/class/powercap"
    powercap.mkdir(parents=True, exist_ok=True)
    for folder in (zone.parent, zone):
        (powercap / folder.name).symlink_to(folder.resolve())
    as_a_user(monkeypatch, lambda path: path.exists() and not path.stat().st_mode & 0o004)
    with pytest.raises(SourceError, match="sudo chmod") as refused:
        rapl.open_sources(fake.host)
    advice = re.search("'sudo (chmod[^']*)'", str(refused.value))[1]
    subprocess.run(advice, shell=True, check=True)
    (source,) = rapl.open_sources(fake.host)
    assert {channel.domain for channel in source.channels} == {"cpu"}
