"""Power that a laptop's battery gives while it is not plugged in: that of the whole machine.

Interface: Documentation/ABI/testing/sysfs-class-power of the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from joules.instrument.calibration import UNSTATED
from joules.instrument.source import MACHINE, Channel, CounterGap, Host, Source, SourceError, read_integer


class Battery(Source):
    """All batteries that discharge, as the whole machine; nothing is known of time in which none does.

    Raises:
        SourceError: If no battery is discharging.
    """

    # Batteries come up with a new value every few seconds.
    period_s = 1.0

    def __init__(self, host: Host) -> None:
        supplies = sorted((host.sys / "class/power_supply").glob("*"))
        self._batteries = [path for path in supplies if _text(path / "type") == "Battery"]
        if not self._discharging():
            raise SourceError(
                "no battery is discharging (a battery measures the machine only if it is unplugged)"
            )
        self._clock, self._read_s = host.clock, host.clock()
        self._channel = Channel(
            domain=MACHINE,
            source="battery",
            provenance="sampled",
            form="instant_w",
            detail=f"sampled power that the battery gives; {UNSTATED.words}",
            calibration=UNSTATED.share,
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (self._channel,)

    def read(self) -> Mapping[Channel, float | SourceError]:
        batteries = self._discharging()
        if not batteries:
            raise CounterGap(
                "the machine is plugged in: its battery does not measure its energy", self._read_s
            )
        try:
            power_w = sum(map(_power_w, batteries))
        except (OSError, ValueError) as fault:
            raise CounterGap(f"the battery could not be read: {fault}", self._read_s) from None
        self._read_s = self._clock()
        return {self._channel: power_w}

    def _discharging(self) -> list[Path]:
        return [path for path in self._batteries if _text(path / "status") == "Discharging"]


def open_sources(host: Host) -> Sequence[Source]:
    """All batteries as one source."""
    return (Battery(host),)


def _power_w(battery: Path) -> float:
    if (battery / "power_now").exists():
        return abs(read_integer(battery / "power_now")) * 1e-6
    return abs(read_integer(battery / "current_now")) * read_integer(battery / "voltage_now") * 1e-12


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
