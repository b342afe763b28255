"""Energy counters of processor packages and their memory (RAPL), by the kernel's powercap interface.

Interface: Documentation/power/powercap/powercap.rst of the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from joules.instrument.calibration import RAPL_MEMORY, RAPL_PACKAGE, RAPL_PLATFORM, Calibration
from joules.instrument.counter import Accumulator
from joules.instrument.source import (
    MACHINE,
    Channel,
    CounterGap,
    Host,
    Notice,
    Source,
    SourceError,
    read_integer,
)
from joules.instrument.sources.power_pmu import PowerPmu

# No package with its memory draws more than this; one that states its limits is held to twice the largest.
_MOST_POWER_W = 2000.0
_MOST_PLATFORM_POWER_W = 20_000.0
_PEAK_OVER_LIMIT = 2.0
# Registers have 32 bits, in units of 2**-13 to 2**-17 J (Intel's manual, volume 3; AMD's references).
_POSSIBLE_RANGES_J = tuple(2.0 ** (32 - exponent) for exponent in (13, 14, 15, 16, 17))
# The registers are updated every millisecond; two that may be one are compared over some updates.
_COMPARISONS = 8
_COMPARE_EVERY_S = 0.004
_RESOLUTION_J = 1e-4

# Drivers that may show the same package, the first one counts.
_DRIVERS = ("intel-rapl", "intel-rapl-tpmi", "intel-rapl-mmio")
_WORDS = {"cpu": "processor", "dram": "memory", MACHINE: "machine"}
CALIBRATIONS: Mapping[str, Calibration] = {
    "cpu": RAPL_PACKAGE,
    "dram": RAPL_MEMORY,
    MACHINE: RAPL_PLATFORM,
}


@dataclass
class _Zone:
    """A zone of powercap. `mirrors` is the zone that shows the same counter."""

    path: Path
    name: str
    domain: str
    most_w: float
    ranges_j: tuple[float, ...]
    mirrors: _Zone | None = None
    counter: Accumulator | None = field(default=None, repr=False)

    @property
    def package(self) -> str:
        """Its name without the die."""
        return self.name.partition("-die-")[0]

    @property
    def words(self) -> str:
        return f"{self.name} ({self.path.name})"

    def read_j(self) -> float:
        return read_integer(self.path / "energy_uj") * 1e-6


class Rapl(Source):
    """Sums the package zones into 'cpu' and the dram zones into 'dram'.

    A package zone contains its core and uncore zones, and 'psys' contains the package, so neither is added;
    where there is no package, 'psys' is the whole machine. Zones of one package that mirror one counter (AMD,
    before Linux 6.11) are counted once. A domain of which a zone may not be read is not read at all.

    Raises:
        SourceError: where the kernel offers no zone or this user may read none.
    """

    period_s = 0.1

    def __init__(self, host: Host) -> None:
        self._clock = host.clock
        zones = _zones(host)
        self._notices = [
            Notice(
                "RAPL",
                f"{zone.words} does not state where its counter wraps: a 32-bit register is assumed, "
                f"of {min(_POSSIBLE_RANGES_J):.0f} J or more",
            )
            for zone in zones
            if zone.ranges_j is _POSSIBLE_RANGES_J
        ]
        faults: dict[str, str] = {}
        for zone in zones:
            try:
                zone.counter = _opened(zone, self._clock())
            except (OSError, ValueError) as fault:
                faults[zone.domain] = _refusal(zone, fault)
        self._zones = [zone for zone in zones if zone.domain not in faults]
        if not self._zones:
            raise SourceError(next(iter(faults.values())))
        self._notices += [
            Notice(domain, f"NOT READ by RAPL, so the {_WORDS[domain]} is modelled: {reason}")
            for domain, reason in faults.items()
        ]
        self._find_mirrors(host)
        self._channels = {
            domain: _channel(domain, [zone for zone in self._zones if zone.domain == domain])
            for domain in sorted({zone.domain for zone in self._zones})
        }

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(self._channels.values())

    def notices(self) -> Sequence[Notice]:
        """Zones that are not read, or are read with an assumption."""
        mirrored = [
            Notice("RAPL", f"{zone.words} mirrors {zone.mirrors.words}: counted once", "info")
            for zone in self._zones
            if zone.mirrors
        ]
        return [*self._notices, *mirrored]

    def read(self) -> Mapping[Channel, float | SourceError]:
        faults: dict[str, SourceError] = {}
        totals_j = dict.fromkeys(self._channels, 0.0)
        for zone in self._zones:
            try:
                totals_j[zone.domain] += self._total_j(zone)
            except SourceError as fault:
                faults[zone.domain] = fault
        return {channel: faults.get(domain, totals_j[domain]) for domain, channel in self._channels.items()}

    def _total_j(self, zone: _Zone) -> float:
        """Joules of a zone since it was opened; none of one that mirrors another."""
        counter = zone.counter
        assert counter is not None
        try:
            value_j, now_s = zone.read_j(), self._clock()
        except (OSError, ValueError) as fault:
            raise SourceError(_refusal(zone, fault)) from None
        if zone.mirrors is None:
            counter.add(value_j, now_s)
            return counter.total_j
        original = zone.mirrors.counter
        assert original is not None
        if not original.is_near(value_j, now_s):
            raise CounterGap(
                f"{zone.words} no longer mirrors {zone.mirrors.words}: the energy of the package is unknown",
                counter.read_s,
            )
        return 0.0

    def _find_mirrors(self, host: Host) -> None:
        """Marks zones of one package whose counters are the first one's, read after read."""
        firsts: dict[str, _Zone] = {}
        candidates: list[_Zone] = []
        for zone in self._zones:
            if zone.domain == "cpu" and firsts.setdefault(zone.package, zone) is not zone:
                candidates.append(zone)
        is_mirror = {zone.words: True for zone in candidates}
        for _ in range(_COMPARISONS if candidates else 0):
            host.sleep(_COMPARE_EVERY_S)
            for zone in candidates:
                first = firsts[zone.package]
                assert first.counter is not None
                first.counter.add(first.read_j(), self._clock())
                is_mirror[zone.words] &= first.counter.is_near(zone.read_j(), self._clock())
        for zone in candidates:
            zone.mirrors = firsts[zone.package] if is_mirror[zone.words] else None


def open_sources(host: Host) -> Sequence[Source]:
    """RAPL by powercap; by the performance monitor where that reads more without root."""
    try:
        rapl = Rapl(host)
    except SourceError as reason:
        try:
            return (PowerPmu(host),)
        except SourceError as other:
            raise SourceError(f"{reason}; {other}") from None
    return (rapl,)


def _channel(domain: str, zones: Sequence[_Zone]) -> Channel:
    calibration = CALIBRATIONS[domain]
    names = " + ".join(zone.words for zone in zones if zone.mirrors is None)
    return Channel(
        domain=domain,
        source="rapl",
        provenance="counter",
        form="cumulative_j",
        detail=f"RAPL {names}; {calibration.words}",
        resolution_j=_RESOLUTION_J,
        calibration=calibration.share,
    )


def _opened(zone: _Zone, now_s: float) -> Accumulator:
    return Accumulator(f"RAPL {zone.words}", zone.most_w, zone.read_j(), now_s, zone.ranges_j)


def _zones(host: Host) -> list[_Zone]:
    """The zones to be read. Raises SourceError where there is none."""
    powercap = host.sys / "class/powercap"
    places = (*host.mounted.glob("powercap/**/*rapl*:*"), *powercap.glob("*rapl*:*"))
    found = {path.name: path for path in places if (path / "name").exists()}
    for driver in _DRIVERS:
        zones = [zone for name, path in sorted(found.items()) for zone in _of_driver(driver, name, path)]
        if any(zone.domain == "cpu" for zone in zones):
            return [zone for zone in zones if zone.domain != MACHINE]
    for driver in _DRIVERS:
        zones = [zone for name, path in sorted(found.items()) for zone in _of_driver(driver, name, path)]
        if platforms := [zone for zone in zones if zone.domain == MACHINE]:
            return platforms[:1]
    if any(path.is_symlink() and not path.exists() for path in powercap.glob("*rapl*:*")):
        raise SourceError(
            "this container hides the RAPL counters: start it with "
            f"'-v /sys/devices/virtual/powercap:{host.mounted}/powercap:ro'"
        )
    raise SourceError(f"no RAPL zone under {powercap} (usual in a virtual machine)")


def _of_driver(driver: str, folder: str, path: Path) -> Iterator[_Zone]:
    if not re.fullmatch(rf"{driver}(:\d+)+", folder):
        return
    name = (path / "name").read_text(errors="replace").strip()
    domain = {"package": "cpu", "dram": "dram", "psys": MACHINE}.get(name.partition("-")[0])
    if domain is not None:
        yield _Zone(path, name, domain, _most_power_w(path, domain), _ranges_j(path))


def _most_power_w(path: Path, domain: str) -> float:
    """What a zone can draw at most, by its power limits where it states them."""
    bound_w = _MOST_PLATFORM_POWER_W if domain == MACHINE else _MOST_POWER_W
    limits_w = [
        limit_uw * 1e-6
        for file in (*path.glob("constraint_*_power_limit_uw"), *path.glob("constraint_*_max_power_uw"))
        if (limit_uw := _integer(file))
    ]
    return min(_PEAK_OVER_LIMIT * max(limits_w), bound_w) if limits_w else bound_w


def _ranges_j(path: Path) -> tuple[float, ...]:
    range_uj = _integer(path / "max_energy_range_uj")
    return (range_uj * 1e-6,) if range_uj and range_uj > 0 else _POSSIBLE_RANGES_J


def _integer(file: Path) -> int | None:
    try:
        return read_integer(file)
    except (OSError, ValueError):
        return None


def _refusal(zone: _Zone, fault: Exception) -> str:
    if isinstance(fault, PermissionError):
        return (
            f"{zone.path / 'energy_uj'} is readable by root alone: "
            # The folder holds links, which chmod follows only where they are named.
            f"run 'sudo chmod -R a+r {zone.path.parent}/*' (it lasts until the next boot)"
        )
    reason = fault.strerror if isinstance(fault, OSError) else "it holds no number"
    return f"RAPL zone {zone.path.name} could not be read: {reason}"
