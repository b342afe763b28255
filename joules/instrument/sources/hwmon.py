"""Energy counters and power sensors that kernel drivers show under /sys/class/hwmon.

Interfaces: Documentation/hwmon/sysfs-interface.rst of the kernel and the pages of its drivers (amd_energy,
acpi_power_meter, ina3221, xe), Documentation/gpu/amdgpu/thermal.rst, and NVIDIA's "Grace performance tuning
guide" for the labels of Grace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from joules.instrument.calibration import BOARD_SENSOR, RAPL_PACKAGE, UNSTATED, Calibration
from joules.instrument.counter import Accumulator
from joules.instrument.host.gpus import GpuUse
from joules.instrument.source import MACHINE, Channel, CounterGap, Host, Notice, Source, SourceError
from joules.instrument.sources.hwmon_chip import (
    MOST_CARD_W,
    Chip,
    Loads,
    Sensor,
    power_sensor,
    read_micro,
    read_milli,
    sampled_channel,
)

# Drivers wake their devices for a read, so that a counter of one that is awake moves.
_STILL_S = 1.0
# Packages of processor and GPU whose driver shows a power limit as that of a card does: MI300A and Van Gogh.
_PACKAGES_WITH_LIMIT = {"1002:74a0": frozenset({"cpu", "dram"}), "1002:163f": frozenset({"cpu"})}
# Rails of NVIDIA's boards that feed all others; where there is none, the rails are fed apart and are summed.
_INPUT_RAILS = ("VDD_IN", "POM_5V_IN")


class Hwmon(Source):
    """Every sensor of energy or power that is known by the name of its chip.

    AMD's and Intel's GPUs, AMD's sockets, the power meter of ACPI (the whole machine, or the processors of
    Grace), and the rails of NVIDIA's Jetson boards.

    Raises:
        SourceError: where there is none.
    """

    period_s = 0.1

    def __init__(self, host: Host) -> None:
        self._host = host
        chips = [
            Chip(path, (path / "name").read_text(errors="replace").strip())
            for path in sorted((host.sys / "class/hwmon").glob("hwmon*"))
            if (path / "name").exists()
        ]
        self._loads: dict[str, Loads] = {}
        self._read_s: dict[Channel, float] = {}
        self._notices: list[Notice] = []
        self._sensors = [sensor for kind in self._kinds(chips) for sensor in self._answering(kind)]
        if not self._sensors:
            reasons = [str(notice) for notice in self._notices]
            raise SourceError("; ".join(reasons) or "no sensor of energy or power under /sys/class/hwmon")

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(sensor.channel for sensor in self._sensors)

    def notices(self) -> Sequence[Notice]:
        """Sensors that do not answer."""
        return self._notices

    def read(self) -> Mapping[Channel, float | SourceError]:
        for loads in self._loads.values():
            loads.look()
        return {sensor.channel: self._value(sensor) for sensor in self._sensors}

    def device_use(self, since_s: float) -> list[GpuUse]:
        return [
            GpuUse(
                domain=domain, job_share=None, load=loads.mean(since_s), foreign_processes=[], throttling=[]
            )
            for domain, loads in self._loads.items()
        ]

    def _value(self, sensor: Sensor) -> float | SourceError:
        name, last_s = sensor.channel.domain, self._read_s.get(sensor.channel)
        try:
            value = sensor.read()
        except SourceError as fault:
            return fault
        except (OSError, ValueError) as fault:
            reason = (isinstance(fault, OSError) and fault.strerror) or str(fault)
            said = f"the sensor of {name} ({sensor.channel.source}) could not be read: {reason}"
            return CounterGap(said, last_s)
        self._read_s[sensor.channel] = self._host.clock()
        return value

    def _answering(self, sensors: Iterator[Sensor]) -> list[Sensor]:
        """Those that can be read; of the others a notice says why not."""
        found: list[Sensor] = []
        try:
            for sensor in sensors:
                sensor.read()
                found.append(sensor)
        except (OSError, ValueError) as fault:
            path = getattr(fault, "filename", None) or "a sensor"
            reason = (isinstance(fault, OSError) and fault.strerror) or str(fault)
            self._notices.append(Notice("hwmon", f"NOT READ: {path}: {reason}"))
        return found

    def _kinds(self, chips: Sequence[Chip]) -> Iterator[Iterator[Sensor]]:
        by_name: dict[str, list[Chip]] = {}
        for chip in chips:
            by_name.setdefault(chip.name, []).append(chip)
        for vendor, names in (("amd", ("amdgpu",)), ("intel", ("xe", "i915"))):
            cards = sorted(
                (c for name in names for c in by_name.get(name, ())), key=lambda chip: chip.address
            )
            for number, chip in enumerate(cards):
                yield self._card(chip, f"gpu-{vendor}{number}")
        for chip in (*by_name.get("amd_energy", ()), *by_name.get("zenergy", ())):
            yield self._sockets(chip)
        yield _power_meters(by_name.get("power_meter", ()))
        yield _rails(by_name.get("ina3221", ()))

    def _card(self, chip: Chip, domain: str) -> Iterator[Sensor]:
        """A card's counter where it has one, else its sensor; the processor where the GPU is a part of it."""
        covers = _PACKAGES_WITH_LIMIT.get(_device_id(chip), frozenset())
        is_card = chip.name != "amdgpu" or bool(covers) or chip.has("power1_cap") is not None
        busy = chip.folder / "device" / "gpu_busy_percent"
        counters = chip.labels("energy*_input")
        for label in ("card", "pkg", *counters):
            if label in counters:
                yield self._counter(
                    chip, domain, [counters[label]], f"{label} energy", BOARD_SENSOR, MOST_CARD_W
                )
                return
        for file, words in (("power1_input", "power"), ("power1_average", "power, a mean by its firmware,")):
            if path := chip.has(file):
                if is_card and busy.exists():
                    self._loads[domain] = Loads(busy)
                whose = "card" if is_card else "processor with its GPU"
                yield power_sensor(
                    chip, domain if is_card else "cpu", [path], f"{words} of the {whose}", UNSTATED, covers
                )
                return

    def _sockets(self, chip: Chip) -> Iterator[Sensor]:
        """All sockets as one; what cores use is in that of their socket."""
        sockets = [
            path for label, path in chip.labels("energy*_input").items() if label.startswith("Esocket")
        ]
        if sockets:
            yield self._counter(chip, "cpu", sockets, f"{len(sockets)} socket(s)", RAPL_PACKAGE, MOST_CARD_W)

    def _counter(
        self,
        chip: Chip,
        domain: str,
        files: Sequence[Path],
        words: str,
        calibration: Calibration,
        most_w: float,
    ) -> Sensor:
        clock, name = self._host.clock, f"{domain} ({chip.name})"
        counters = [Accumulator(name, most_w, read_micro(path), clock(), still_s=_STILL_S) for path in files]

        def read_j() -> float:
            for counter, path in zip(counters, files, strict=True):
                counter.add(read_micro(path), clock())
            return sum(counter.total_j for counter in counters)

        channel = Channel(
            domain=domain,
            source=f"hwmon-{chip.name}",
            provenance="counter",
            form="cumulative_j",
            detail=f"{words} by {chip.name}; {calibration.words}",
            resolution_j=1e-4,
            calibration=calibration.share,
        )
        return Sensor(channel, read_j)


def open_sources(host: Host) -> Sequence[Source]:
    """All sensors of hwmon as one source."""
    return (Hwmon(host),)


def _power_meters(chips: Sequence[Chip]) -> Iterator[Sensor]:
    """ACPI's: the whole machine, unless they are labelled as Grace's, whose sockets are the processors."""
    labelled: dict[str, list[Path]] = {}
    slowest_s = 0.0
    for chip in chips:
        if path := chip.has("power1_average"):
            labelled.setdefault(chip.text("power1_oem_info").partition(" Power Socket")[0], []).append(path)
            slowest_s = max(slowest_s, float(chip.text("power1_average_interval") or 0) / 1000)
    covers = frozenset({"dram"})
    for label, words, includes in (
        ("Grace", "power of the Grace processor(s) with memory", covers),
        ("CPU", "power of the Grace cores", frozenset()),
    ):
        if label in labelled:
            yield power_sensor(chips[0], "cpu", labelled[label], words, UNSTATED, includes, slowest_s)
            return
    wholes = [path for label, paths in labelled.items() if label not in ("Module", "SysIO") for path in paths]
    if wholes:
        words = "power of the whole machine"
        yield power_sensor(chips[0], MACHINE, wholes, words, UNSTATED, averaged_s=slowest_s)


def _rails(chips: Sequence[Chip]) -> Iterator[Sensor]:
    """The board: the rail that feeds all others, else all rails."""
    rails: dict[str, tuple[Path, Path]] = {}
    for chip in chips:
        for label, volts in chip.labels("in[123]_input").items():
            amperes = volts.with_name(volts.name.replace("in", "curr", 1))
            if amperes.exists() and chip.text(volts.name.replace("_input", "_enable")) != "0":
                rails[label] = (volts, amperes)
    chosen = next(([rail] for rail in _INPUT_RAILS if rail in rails), sorted(rails))
    if not chosen:
        return

    def read_w() -> float:
        return sum(
            read_milli(volts) * read_milli(amperes) for volts, amperes in (rails[rail] for rail in chosen)
        )

    words = f"power of the board ({' + '.join(chosen)}) by ina3221"
    yield Sensor(sampled_channel(MACHINE, "hwmon-ina3221", words, BOARD_SENSOR), read_w)


def _device_id(chip: Chip) -> str:
    found = re.search(r"PCI_ID=(\S+)", chip.text("device/uevent"))
    return found[1].lower() if found else ""
