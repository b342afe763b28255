"""Apple's processors, where the module `zeus_apple_silicon` is installed.

Interface: github.com/ml-energy/zeus-apple-silicon, whose metrics are millijoules since some origin, and None
where the processor has no such part.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from joules.instrument.calibration import UNSTATED
from joules.instrument.counter import Accumulator
from joules.instrument.source import Channel, Host, Source, SourceError

# No such processor draws more than this.
_MOST_POWER_W = 1000.0
_PARTS = {
    "cpu": ("cpu_total_mj",),
    "dram": ("dram_mj",),
    "gpu-apple0": ("gpu_mj", "gpu_sram_mj"),
    "neural-engine": ("ane_mj",),
}


class AppleSilicon(Source):
    """Processor, memory, GPU and neural engine of an Apple processor.

    Raises:
        SourceError: where the module is missing or finds no such processor.
    """

    period_s = 0.1

    def __init__(self, host: Host) -> None:
        self._clock = host.clock
        try:
            self._monitor: Any = importlib.import_module("zeus_apple_silicon").AppleEnergyMonitor()
        except ImportError:
            raise SourceError(
                "the module zeus_apple_silicon is not installed (on a Mac: pip install zeus-apple-silicon)"
            ) from None
        except Exception as fault:
            raise SourceError(f"no Apple processor can be read ({type(fault).__name__}: {fault})") from None
        try:
            first = self._monitor.get_cumulative_energy()
        except Exception as fault:
            raise SourceError(f"no Apple processor can be read ({type(fault).__name__}: {fault})") from None
        self._counters = {
            _channel(domain): (names, _counter(domain, known_j, host.clock()))
            for domain, names in _PARTS.items()
            if (known_j := _energy_j(first, names)) is not None
        }

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(self._counters)

    def read(self) -> Mapping[Channel, float | SourceError]:
        try:
            metrics = self._monitor.get_cumulative_energy()
        except RuntimeError as fault:
            raise SourceError(f"the processor could not be read: {fault}") from None
        now_s = self._clock()
        return {
            channel: _total_j(metrics, names, counter, now_s)
            for channel, (names, counter) in self._counters.items()
        }


def open_sources(host: Host) -> Sequence[Source]:
    """All parts of the processor as one source."""
    return (AppleSilicon(host),)


def _total_j(metrics: Any, names: Sequence[str], counter: Accumulator, now_s: float) -> float | SourceError:
    energy_j = _energy_j(metrics, names)
    if energy_j is None:
        return SourceError(f"the processor no longer reports {names[0]}")
    try:
        counter.add(energy_j, now_s)
    except SourceError as gap:
        return gap
    return counter.total_j


def _energy_j(metrics: Any, names: Sequence[str]) -> float | None:
    known = [value for name in names if (value := getattr(metrics, name, None)) is not None]
    return sum(known) * 1e-3 if known else None


def _counter(domain: str, energy_j: float, now_s: float) -> Accumulator:
    # GPU and neural engine may be off for as long as nothing uses them.
    return Accumulator(domain, _MOST_POWER_W, energy_j, now_s, still_s=math.inf)


def _channel(domain: str) -> Channel:
    return Channel(
        domain=domain,
        source="apple",
        provenance="counter",
        form="cumulative_j",
        detail=f"energy model of Apple's power manager; {UNSTATED.words}",
        resolution_j=1e-3,
        may_draw_nothing=domain not in ("cpu", "dram"),
        calibration=UNSTATED.share,
    )
