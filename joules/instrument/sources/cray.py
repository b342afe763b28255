"""Energy counters of HPE Cray nodes, which their management controller keeps and every user may read.

Interface: /sys/cray/pm_counters of HPE Cray EX ("User access to compute node power data"). A file holds a
number, its unit and the time of the measurement. The node includes processors, memory and accelerators.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from joules.instrument.calibration import UNSTATED
from joules.instrument.counter import Accumulator
from joules.instrument.source import MACHINE, Channel, Host, Source, SourceError

# No node draws more than this.
_MOST_POWER_W = 20_000.0
# The controller measures ten times a second.
_UPDATE_S, _STILL_S = 0.1, 1.5
_DOMAINS = {"energy": MACHINE, "cpu_energy": "cpu", "memory_energy": "dram"}


class PmCounters(Source):
    """Counters of the node as the whole machine, and of its processors, memory and accelerators.

    Raises:
        SourceError: If there are no such counters.
    """

    period_s = 0.1

    def __init__(self, host: Host) -> None:
        folder = host.sys / "cray/pm_counters"
        self._clock = host.clock
        names = {path.name: path for path in sorted(folder.glob("*energy"))}
        domains = _DOMAINS | {
            name: f"accel{found[1]}" for name in names if (found := re.fullmatch(r"accel(\d+)_energy", name))
        }
        try:
            self._counters = {
                _channel(domain, name): (names[name], _counter(names[name], domain, host.clock()))
                for name, domain in domains.items()
                if name in names
            }
        except (OSError, ValueError) as fault:
            raise SourceError(f"the counters under {folder} cannot be read: {fault}") from None
        if not self._counters:
            raise SourceError(f"no counters under {folder} (only nodes of HPE Cray have them)")

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(self._counters)

    def read(self) -> Mapping[Channel, float | SourceError]:
        return {channel: self._total_j(*counted) for channel, counted in self._counters.items()}

    def _total_j(self, path: Path, counter: Accumulator) -> float | SourceError:
        try:
            counter.add(_energy_j(path), self._clock())
        except SourceError as gap:
            return gap
        except (OSError, ValueError) as fault:
            return SourceError(f"{path.name} of the node could not be read: {fault}")
        return counter.total_j


def open_sources(host: Host) -> Sequence[Source]:
    """All counters of the node as one source."""
    return (PmCounters(host),)


def _channel(domain: str, name: str) -> Channel:
    return Channel(
        domain=domain,
        source="cray",
        provenance="counter",
        form="cumulative_j",
        detail=f"{name} of the node's controller; {UNSTATED.words}",
        resolution_j=1.0,
        calibration=UNSTATED.share,
    )


def _counter(path: Path, domain: str, now_s: float) -> Accumulator:
    return Accumulator(
        f"{domain} (pm_counters)",
        _MOST_POWER_W,
        _energy_j(path),
        now_s,
        still_s=_STILL_S,
        update_s=2 * _UPDATE_S,
    )


def _energy_j(path: Path) -> float:
    number, unit, *_ = path.read_text().split()
    if unit != "J":
        raise ValueError(f"{path.name} is in {unit}")
    return float(number)
