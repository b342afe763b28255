"""The same counters as RAPL by the kernel's performance monitor 'power', for users who may not read powercap.

Interface: perf_event_open(2) and arch/x86/events/rapl.c of the kernel, which extends the counters to 64 bits.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from joules.instrument.calibration import RAPL_MEMORY, RAPL_PACKAGE, RAPL_PLATFORM
from joules.instrument.counter import Accumulator
from joules.instrument.source import MACHINE, Channel, Host, OpenCounter, Source, SourceError

# No package with its memory draws more than this.
_MOST_POWER_W = 2000.0
_EVENTS = {"cpu": "energy-pkg", "dram": "energy-ram", MACHINE: "energy-psys"}
_CALIBRATIONS = {"cpu": RAPL_PACKAGE, "dram": RAPL_MEMORY, MACHINE: RAPL_PLATFORM}
# The counters are updated every millisecond.
_WAIT_S = 0.01
# The package counter of these vendors is one for all dies, which older kernels show once a die.
_ONE_COUNTER_A_PACKAGE = ("AuthenticAMD", "HygonGenuine")


@dataclass
class _Event:
    file: OpenCounter
    joules_a_count: float
    counter: Accumulator


class PowerPmu(Source):
    """Package, memory and, where there is no package, platform energy, each summed over the packages.

    Raises:
        SourceError: where the kernel has no such monitor or this user may not use it.
    """

    period_s = 0.1

    def __init__(self, host: Host) -> None:
        self._clock = host.clock
        self._files = contextlib.ExitStack()
        self._events: dict[Channel, list[_Event]] = {}
        root = host.sys / "bus/event_source/devices/power"
        if not (root / "type").exists():
            raise SourceError("the kernel has no performance monitor of power either")
        try:
            kind, processors = int((root / "type").read_text()), _processors(host, root)
            for domain, event in _EVENTS.items():
                if (root / "events" / event).exists() and not (domain == MACHINE and self._events):
                    self._open(host, root, kind, domain, processors)
        except PermissionError:
            self.close()
            raise SourceError(
                "or, to read the same counters without root, run 'sudo sysctl kernel.perf_event_paranoid=0'"
            ) from None
        except (OSError, ValueError) as fault:
            self.close()
            raise SourceError(f"the performance monitor of power cannot be used ({fault})") from None
        if not self._events:
            raise SourceError("the performance monitor of power has no package")
        host.sleep(_WAIT_S)
        # Virtual machines show counters that never change.
        self._events = {
            channel: events
            for channel, events in self._events.items()
            if all(event.file.read() * event.joules_a_count != event.counter.value_j for event in events)
        }
        if not self._events:
            self.close()
            raise SourceError("the energy counters of the performance monitor do not change")

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(self._events)

    def read(self) -> Mapping[Channel, float | SourceError]:
        return {channel: _total_j(events, self._clock()) for channel, events in self._events.items()}

    def close(self) -> None:
        self._files.close()

    def _open(self, host: Host, root: Path, kind: int, domain: str, processors: Sequence[int]) -> None:
        name, calibration = _EVENTS[domain], _CALIBRATIONS[domain]
        number = int((root / "events" / name).read_text().strip().removeprefix("event="), 0)
        scale = float((root / "events" / f"{name}.scale").read_text())
        unit = (root / "events" / f"{name}.unit").read_text().strip()
        if unit != "Joules":
            raise ValueError(f"{name} counts {unit}")
        channel = Channel(
            domain=domain,
            source="rapl-perf",
            provenance="counter",
            form="cumulative_j",
            detail=f"RAPL {name} by the performance monitor; {calibration.words}",
            resolution_j=1e-4,
            calibration=calibration.share,
        )
        opened = self._events[channel] = []
        for processor in processors[:1] if domain == MACHINE else processors:
            file = host.open_counter(kind, number, processor)
            self._files.callback(file.close)
            words = f"RAPL {name} on processor {processor}"
            counter = Accumulator(words, _MOST_POWER_W, file.read() * scale, self._clock())
            opened.append(_Event(file, scale, counter))


def _total_j(events: Sequence[_Event], now_s: float) -> float | SourceError:
    fault: SourceError | None = None
    for event in events:
        try:
            event.counter.add(event.file.read() * event.joules_a_count, now_s)
        except SourceError as gap:
            fault = gap
        except OSError as refused:
            fault = SourceError(f"{event.counter.name} could not be read: {refused}")
    return fault or sum(event.counter.total_j for event in events)


def _processors(host: Host, root: Path) -> list[int]:
    """One processor for each counter."""
    named: list[int] = []
    for part in (root / "cpumask").read_text().strip().split(","):
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)
    try:
        vendors = re.findall(r"^vendor_id\s*:\s*(\S+)", (host.proc / "cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        vendors = []
    if not set(vendors[:1]) & set(_ONE_COUNTER_A_PACKAGE):
        return named
    topology = "devices/system/cpu/cpu{}/topology/physical_package_id"
    packages = {int((host.sys / topology.format(cpu)).read_text()): cpu for cpu in reversed(named)}
    return sorted(packages.values())
