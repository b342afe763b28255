"""Energy counters of processors through powercap."""

from __future__ import annotations

from joules.instrument.sources.rapl import Rapl
from validation.laboratory.curve import constant, square
from validation.laboratory.machine import Machine
from validation.laboratory.situation import Reported, Situation, energies_j
from validation.laboratory.tree import zone

_POWERCAP = "sys/class/powercap"
_PACKAGE_W = square(40.0, 120.0, 0.7, 20.0)


def one_package(machine: Machine) -> Reported:
    machine.add_files(zone(f"{_POWERCAP}/intel-rapl:0", "package-0", _PACKAGE_W))
    measured = machine.measure([Rapl(machine.host)], 2.0, 8.0)
    return Reported(measured, energies_j({"cpu": _PACKAGE_W}, 2.0, 8.0))


def two_packages_with_all_zones(machine: Machine) -> Reported:
    for package in (0, 1):
        folder = f"{_POWERCAP}/intel-rapl:{package}"
        machine.add_files(zone(folder, f"package-{package}", constant(90.0 + package)))
        machine.add_files(zone(f"{folder}:0", "core", constant(60.0)))
        machine.add_files(zone(f"{folder}:1", "uncore", constant(5.0)))
        machine.add_files(zone(f"{folder}:2", "dram", constant(8.0)))
    machine.add_files(zone(f"{_POWERCAP}/intel-rapl:2", "psys", constant(250.0)))
    measured = machine.measure([Rapl(machine.host)], 2.0, 8.0)
    return Reported(measured, energies_j({"cpu": constant(181.0), "dram": constant(16.0)}, 2.0, 8.0))


SITUATIONS: tuple[Situation, ...] = (
    Situation("one package", "a package zone, square wave 40/120 W", one_package, "within"),
    Situation(
        "two packages with all zones",
        "package, core, uncore and dram twice, psys",
        two_packages_with_all_zones,
        "within",
    ),
)
