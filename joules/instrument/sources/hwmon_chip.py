"""Files of a chip under /sys/class/hwmon, and sensors made of them."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from joules.instrument.calibration import Calibration
from joules.instrument.source import MACHINE, Channel, read_integer

# No card, socket or machine draws more than this.
MOST_CARD_W = 2000.0
_MOST_MACHINE_W = 20_000.0
# Loads kept between two windows: 20 minutes at one a second.
_LOADS_KEPT = 1200


@dataclass(frozen=True)
class Sensor:
    """One channel and how its value is read: joules so far, or watts. OSError and ValueError are faults."""

    channel: Channel
    read: Callable[[], float]


@dataclass(frozen=True)
class Chip:
    """A folder of hwmon."""

    folder: Path
    name: str

    def text(self, file: str) -> str:
        """What a file holds, in the folder or in that of its device; empty where there is none."""
        for place in (self.folder, self.folder / "device"):
            try:
                return (place / file).read_text(errors="replace").strip()
            except OSError:
                continue
        return ""

    def has(self, file: str) -> Path | None:
        """The path of a file, in the folder or in that of its device."""
        return next((p for p in (self.folder / file, self.folder / "device" / file) if p.exists()), None)

    def labels(self, pattern: str) -> dict[str, Path]:
        """Files that match a pattern such as 'energy*_input', by their label."""
        files = sorted(self.folder.glob(pattern), key=lambda path: int(re.search(r"\d+", path.name)[0]))  # type: ignore[index]
        return {self.text(f"{path.name.partition('_')[0]}_label") or path.name: path for path in files}

    @property
    def address(self) -> str:
        """That of its device on the PCI bus."""
        found = re.search(r"PCI_SLOT_NAME=(\S+)", self.text("device/uevent"))
        return found[1] if found else self.folder.name


@dataclass
class Loads:
    """When a GPU was looked at (Unix clock, seconds) and how busy it was then, 0 to 1."""

    file: Path
    seen: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_LOADS_KEPT))

    def look(self) -> None:
        now_s = time.time()
        if self.seen and now_s - self.seen[-1][0] < 1.0:
            return
        try:
            self.seen.append((now_s, read_integer(self.file) / 100))
        except (OSError, ValueError):
            return

    def mean(self, since_s: float) -> float | None:
        loads = [load for at_s, load in tuple(self.seen) if at_s >= since_s]
        return sum(loads) / len(loads) if loads else None


def power_sensor(
    chip: Chip,
    domain: str,
    paths: Sequence[Path],
    words: str,
    calibration: Calibration,
    covers: frozenset[str] = frozenset(),
    averaged_s: float = 0.0,
) -> Sensor:
    """A sensor of the sum of files in microwatts. A device that is switched off is not woken for a read."""
    most_w = _MOST_MACHINE_W if domain == MACHINE else MOST_CARD_W

    def read_w() -> float:
        if chip.text("device/power/runtime_status") == "suspended":
            return 0.0
        watts = sum(map(read_micro, paths))
        if not 0 <= watts <= most_w:
            raise ValueError(f"it says {watts:.4g} W")
        return watts

    channel = sampled_channel(
        domain, f"hwmon-{chip.name}", f"{words} by {chip.name}", calibration, covers, averaged_s
    )
    return Sensor(channel, read_w)


def sampled_channel(
    domain: str,
    source: str,
    words: str,
    calibration: Calibration,
    covers: frozenset[str] = frozenset(),
    averaged_s: float = 0.0,
) -> Channel:
    mean = f", a mean over {averaged_s:g} s" if averaged_s else ""
    return Channel(
        domain=domain,
        source=source,
        provenance="sampled",
        form="instant_w",
        detail=f"sampled {words}{mean}; {calibration.words}",
        covers=covers,
        calibration=calibration.share,
        averaged_s=averaged_s,
    )


def read_micro(file: Path) -> float:
    return read_integer(file) * 1e-6


def read_milli(file: Path) -> float:
    return read_integer(file) * 1e-3
