"""Energy counters of processors and their memory: powercap and the kernel's performance monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from joules.instrument.sources import rapl
from validation.laboratory.curve import Curve, constant, square, steps, total
from validation.laboratory.machine import KnownModel, Machine
from validation.laboratory.situation import Reported, Situation, energies_j
from validation.laboratory.tree import Files, monitor, zone

_POWERCAP = "sys/class/powercap"
_START_S, _END_S = 2.0, 8.0
_PACKAGE_W = square(40.0, 120.0, 0.7, 20.0)
_MEMORY_W = constant(16.0)
_MODELLED_MEMORY_W = constant(9.0)
_LIMIT_W = 150.0


def _measured(machine: Machine, truth: Mapping[str, Curve], *files: Files) -> Reported:
    """Measure the counters that RAPL finds in these files, next to models of the processor and its memory."""
    for each in files:
        machine.add_files(each)
    sources = [*rapl.open_sources(machine.host), KnownModel(machine.clock, {"cpu": 70.0, "dram": 9.0})]
    measured = machine.measure(sources, _START_S, _END_S)
    parts = {} if "machine" in truth else {"dram": _MODELLED_MEMORY_W}
    return Reported(measured, energies_j(parts | dict(truth), _START_S, _END_S))


def _package(
    curve: Curve = _PACKAGE_W, folder: str = "intel-rapl:0", name: str = "package-0", **more: Any
) -> Files:
    return zone(f"{_POWERCAP}/{folder}", name, curve, **{"limit_w": _LIMIT_W, **more})


def _shown(shown: Callable[[float], float | None], **more: Any) -> Callable[[Machine], Reported]:
    """One package whose counter shows the energy of another instant."""
    return lambda machine: _measured(machine, {"cpu": _PACKAGE_W}, _package(shown=shown, **more))


def two_packages_with_all_zones(machine: Machine) -> Reported:
    def files() -> Iterator[Files]:
        for package in (0, 1):
            folder = f"{_POWERCAP}/intel-rapl:{package}"
            yield zone(folder, f"package-{package}", constant(90.0 + package))
            yield zone(f"{folder}:0", "core", constant(60.0))
            yield zone(f"{folder}:1", "uncore", constant(5.0))
            yield zone(f"{folder}:2", "dram", constant(8.0))
        yield zone(f"{_POWERCAP}/intel-rapl:2", "psys", constant(250.0))

    return _measured(machine, {"cpu": constant(181.0), "dram": _MEMORY_W}, *files())


def _dies(*curves: Curve, apart_j: float = 0.0) -> Callable[[Machine], Reported]:
    """Dies of one package whose counters start `apart_j` apart; equal curves are the same counter."""
    real = list(curves) if apart_j else list(dict.fromkeys(curves))

    def run(machine: Machine) -> Reported:
        files = [
            _package(
                curve,
                f"intel-rapl:{die}",
                f"package-0-die-{die}",
                offset_uj=5_000_000 + round(die * apart_j * 1e6),
            )
            for die, curve in enumerate(curves)
        ]
        return _measured(machine, {"cpu": total(real)}, *files)

    return run


def one_of_two_stands_still(machine: Machine) -> Reported:
    still = _package(folder="intel-rapl:1", name="package-1", shown=lambda _: 1.0)
    return _measured(machine, {"cpu": total([_PACKAGE_W, _PACKAGE_W])}, _package(), still)


def memory_not_readable(machine: Machine) -> Reported:
    memory = zone(f"{_POWERCAP}/intel-rapl:0:0", "dram", _MODELLED_MEMORY_W)
    torn = {**memory, f"{_POWERCAP}/intel-rapl:0:0/energy_uj": ""}
    return _measured(machine, {"cpu": _PACKAGE_W}, _package(), torn)


def _alone(folder: str, name: str, domain: str) -> Callable[[Machine], Reported]:
    def run(machine: Machine) -> Reported:
        return _measured(machine, {domain: _PACKAGE_W}, _package(folder=folder, name=name))

    return run


def range_not_stated(machine: Machine) -> Reported:
    """A register of 32 bits in units of 2**-14 J that wraps in the window."""
    range_uj = 2**18 * 1_000_000
    offset_uj = range_uj - round(float(_PACKAGE_W.counted_j(4.0)) * 1e6)
    files = {
        **_package(range_uj=range_uj, offset_uj=offset_uj),
        f"{_POWERCAP}/intel-rapl:0/max_energy_range_uj": "",
    }
    return _measured(machine, {"cpu": _PACKAGE_W}, files)


def masked_and_mounted(machine: Machine) -> Reported:
    folder = "host/powercap/intel-rapl/intel-rapl:0"
    return _measured(machine, {"cpu": _PACKAGE_W}, zone(folder, "package-0", _PACKAGE_W, limit_w=_LIMIT_W))


def performance_monitor(machine: Machine) -> Reported:
    """Reading by a user without permission to read powercap."""
    machine.add_files(monitor({0: 0, 8: 1}))
    machine.counters = {
        (32, number, cpu): curve for number, curve in ((2, _PACKAGE_W), (3, constant(8.0))) for cpu in (0, 8)
    }
    return _measured(machine, {"cpu": total([_PACKAGE_W, _PACKAGE_W]), "dram": _MEMORY_W})


def performance_monitor_of_amd(machine: Machine) -> Reported:
    """Two dies of one package show the counter of the package."""
    machine.add_files(monitor({0: 0, 1: 0}, vendor="AuthenticAMD"))
    machine.counters = {(32, 2, cpu): _PACKAGE_W for cpu in (0, 1)}
    return _measured(machine, {"cpu": _PACKAGE_W})


_row = partial(Situation, driver="none")
_RISING_W = steps((0.0, 100.0), (4.0, 140.0))
# Instants of the situations, in seconds of the laboratory: the window is open from 2 to 8.
SITUATIONS: tuple[Situation, ...] = (
    _row("one package", "square wave 40/120 W", _shown(lambda t: t), "within"),
    _row(
        "two packages with all zones",
        "package, core, uncore and dram twice, psys",
        two_packages_with_all_zones,
        "within",
    ),
    _row("mirrored dies", "8 dies show one counter", _dies(*[_PACKAGE_W] * 8), "within"),
    _row(
        "dies that differ",
        "2 dies with a counter each",
        _dies(_PACKAGE_W, _RISING_W, apart_j=700.0),
        "within",
    ),
    _row(
        "dies equal at first",
        "2 dies with a counter each, equal until 4 s",
        _dies(constant(100.0), _RISING_W),
        "flagged, off",
        "no longer mirrors",
    ),
    _row("stands still", "the counter never moves", _shown(lambda _: 1.0), "flagged", "stands still"),
    _row("one of two stands still", "package-1 never moves", one_of_two_stands_still, "flagged", "package-1"),
    _row("stops", "the counter moves until 5 s", _shown(lambda t: min(t, 5.0)), "flagged", "stands still"),
    _row(
        "stops for a second",
        "no move from 4 to 5 s, then on from there",
        _shown(lambda t: t if t < 4 else max(t - 1, 4.0)),
        "flagged",
        "stood still",
    ),
    _row(
        "jump",
        "40 kJ ahead at 5 s",
        _shown(lambda t: t if t < 5 else t + 500),
        "flagged",
        "more than the 300 W",
    ),
    _row(
        "jump, no limit stated",
        "40 kJ ahead at 5 s",
        _shown(lambda t: t if t < 5 else t + 500, limit_w=None),
        "flagged",
        "more than the 2000 W",
    ),
    _row("reset", "begins anew at 5 s", _shown(lambda t: t if t < 5 else t - 5), "flagged", "was reset"),
    _row(
        "wrap",
        "at 262 kJ, in the window",
        _shown(lambda t: t, offset_uj=262_143_328_850 - 400_000_000),
        "within",
    ),
    _row("wraps every .65 s", "at 52 J", _shown(lambda t: t, range_uj=52_000_000), "within"),
    _row(
        "gone for a second",
        "no file from 4 to 5 s",
        _shown(lambda t: None if 4 <= t < 5 else t),
        "flagged",
        "could not be read",
    ),
    _row(
        "gone longer than a wrap",
        "no file from 4 to 5 s, wraps at 200 J",
        _shown(lambda t: None if 4 <= t < 5 else t, range_uj=200_000_000),
        "flagged",
        "may have wrapped unseen",
    ),
    _row(
        "gone for good",
        "no file from 5 s on",
        _shown(lambda t: None if t >= 5 else t),
        "flagged",
        "not be read",
    ),
    _row("memory not readable", "dram zone without a value", memory_not_readable, "within"),
    _row("psys alone", "no package zone", _alone("intel-rapl:0", "psys", "machine"), "within"),
    _row("mmio alone", "no other driver", _alone("intel-rapl-mmio:0", "package-0", "cpu"), "within"),
    _row("tpmi alone", "no other driver", _alone("intel-rapl-tpmi:0", "package-0", "cpu"), "within"),
    _row("range not stated", "wraps at 262 kJ in the window", range_not_stated, "within"),
    _row("masked by a container", "mounted at /host/powercap", masked_and_mounted, "within"),
    _row("performance monitor", "2 packages, no powercap", performance_monitor, "within"),
    _row("performance monitor of AMD", "2 dies show one counter", performance_monitor_of_amd, "within"),
)
