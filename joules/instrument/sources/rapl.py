"""Intel and AMD package and DRAM energy counters through the kernel's powercap interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from joules.instrument.source import Channel, CounterGap, Host, Source, SourceError

# No package and none of its memory draws more than this.
_MOST_POWER_W = 2000.0


@dataclass
class _Zone:
    path: Path
    domain: str
    name: str
    range_uj: int
    last_uj: int = 0
    total_uj: int = 0


class Rapl(Source):
    """Sums the package zones into 'cpu' and the dram zones into 'dram'.

    A package zone already contains its core and uncore subzones, and 'psys' contains the package, so
    neither is added. The counters wrap at `max_energy_range_uj`: a reading lower than the last one is one
    wrap where no more was used since than a processor can, and else a counter that was set back, across
    which nothing is known. A read that fails is no reading at all.

    Raises SourceError where the kernel offers no zone or this user may not read it.
    """

    period_s = 0.1

    def __init__(self, host: Host) -> None:
        self._zones = _zones(host.sys / "class/powercap")
        if not any(zone.domain == "cpu" for zone in self._zones):
            raise SourceError("no RAPL package zone under /sys/class/powercap (usual in a virtual machine)")
        for zone in self._zones:
            zone.last_uj = _read_uj(zone.path)
        self._clock = host.clock
        self._last_s = host.clock()
        self._channels = {
            domain: Channel(
                domain=domain,
                source="rapl",
                provenance="counter",
                form="cumulative_j",
                detail="RAPL " + " + ".join(z.name for z in self._zones if z.domain == domain),
                resolution_j=1e-4,
            )
            for domain in sorted({zone.domain for zone in self._zones})
        }

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(self._channels.values())

    def read(self) -> Mapping[Channel, float]:
        # All zones are read before any is advanced, so a failure halfway leaves the sums whole.
        fresh = [_read_uj(zone.path) for zone in self._zones]
        now_s = self._clock()
        elapsed_s, self._last_s = now_s - self._last_s, now_s
        sums = dict.fromkeys(self._channels, 0.0)
        restarted = []
        for zone, value_uj in zip(self._zones, fresh, strict=True):
            step_uj = value_uj - zone.last_uj
            zone.last_uj = value_uj
            if step_uj < 0:
                step_uj += zone.range_uj
                if step_uj * 1e-6 > _MOST_POWER_W * max(elapsed_s, self.period_s):
                    restarted.append(zone.name)
                    continue
            zone.total_uj += step_uj
            sums[zone.domain] += zone.total_uj * 1e-6
        if restarted:
            raise CounterGap(
                f"the RAPL counter of {', '.join(restarted)} was set back: what was used then is not known"
            )
        return {channel: sums[domain] for domain, channel in self._channels.items()}


def open_sources(host: Host) -> Sequence[Source]:
    """All RAPL zones as one source."""
    return (Rapl(host),)


def _zones(root: Path) -> list[_Zone]:
    zones = []
    for path in sorted(root.glob("*rapl:*")):
        # The same package can appear again under the memory-mapped driver.
        if path.name.startswith("intel-rapl-mmio") or not (path / "name").exists():
            continue
        name = (path / "name").read_text(errors="replace").strip()
        domain = "cpu" if name.startswith("package") else name
        if domain in ("cpu", "dram"):
            limit = _read_range_uj(path)
            zones.append(_Zone(path, domain, f"{name} ({path.name})", limit))
    return zones


def _read_range_uj(zone: Path) -> int:
    try:
        range_uj = int((zone / "max_energy_range_uj").read_text())
    except (OSError, ValueError) as fault:
        raise SourceError(f"RAPL zone {zone.name} does not say where its counter wraps: {fault}") from None
    if range_uj <= 0:
        raise SourceError(f"RAPL zone {zone.name} says that its counter wraps at {range_uj} uJ")
    return range_uj


def _read_uj(zone: Path) -> int:
    try:
        return int((zone / "energy_uj").read_text())
    except PermissionError:
        raise SourceError(
            f"{zone / 'energy_uj'} is readable by root alone: "
            # The folder holds links, which chmod follows only where they are named.
            f"run 'sudo chmod -R a+r {zone.parent}/*' (it lasts until the next boot)"
        ) from None
    except (OSError, ValueError) as fault:
        raise SourceError(f"RAPL zone {zone.name} could not be read: {fault}") from None
