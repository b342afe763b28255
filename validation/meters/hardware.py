"""Machines of the laboratory that any meter can read: powercap zones and a driver of NVIDIA GPUs."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from validation.laboratory.curve import constant
from validation.laboratory.nvidia import NvidiaGpu, compile_driver, write_scenario

_PRELOAD = Path(__file__).parents[1] / "laboratory" / "preload.c"
_ZONES = "sys/devices/virtual/powercap/intel-rapl"
# How long a machine runs at most.
_UNTIL_S = 300.0


@dataclass(frozen=True)
class Zone:
    """A zone of powercap at constant power, whose counter wraps at `range_j`."""

    folder: str
    name: str
    power_w: float
    base_j: float = 5_000.0
    range_j: float = 262_143.0

    def count_from(self, since_s: float, energy_j: float, power_w: float) -> str:
        """Content of its counter's file, which `preload.c` reads, of the same length for all arguments."""
        return (
            f"laboratory-counter {power_w:10.3f} {since_s:20.6f} "
            f"{round(energy_j * 1e6):20d} {round(self.range_j * 1e6):20d}\n"
        )


@dataclass(frozen=True)
class Hardware:
    """A machine at constant power.

    `part` is the one whose energy is compared, `power_w` its true power, `visible_w` that of the GPUs that
    the environment shows. `event` happens within the window: the counters of the zones are reset or stop,
    or the last GPU is lost.
    """

    name: str
    part: Literal["cpu", "gpu"]
    power_w: float
    zones: Sequence[Zone]
    gpus: Sequence[NvidiaGpu]
    event: Literal["", "reset", "stop", "lose a GPU"] = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    visible_w: float | None = None


_PACKAGE = Zone("intel-rapl:0", "package-0", 60.0)
_GPU = NvidiaGpu(constant(250.0))
_OTHER_GPU = dataclasses.replace(_GPU, uuid="GPU-00000000-0000-0000-0000-000000000001")
_EIGHT = [
    NvidiaGpu(constant(60.0 + 10.0 * place), uuid=f"GPU-{place:08d}-1111-2222-3333-444444444444")
    for place in range(8)
]
_TWO_PACKAGES = [
    _PACKAGE,
    Zone("intel-rapl:0/intel-rapl:0:0", "core", 40.0),
    Zone("intel-rapl:0/intel-rapl:0:1", "uncore", 5.0),
    Zone("intel-rapl:1", "package-1", 90.0, base_j=71_000.0),
    Zone("intel-rapl:1/intel-rapl:1:0", "core", 70.0),
    Zone("intel-rapl:2", "psys", 250.0),
]
MACHINES = (
    Hardware("one package", "cpu", 60.0, [_PACKAGE], [_GPU]),
    Hardware("one GPU", "gpu", 250.0, [_PACKAGE], [_GPU]),
    Hardware("two packages, their cores, psys", "cpu", 150.0, _TWO_PACKAGES, [_GPU]),
    Hardware(
        "four dies that show one counter",
        "cpu",
        60.0,
        [Zone(f"intel-rapl:{die}", f"package-0-die-{die}", 60.0) for die in range(4)],
        [_GPU],
    ),
    Hardware(
        "counter wraps every 5 s",
        "cpu",
        60.0,
        [dataclasses.replace(_PACKAGE, base_j=0.0, range_j=300.0)],
        [_GPU],
    ),
    Hardware("counter is reset", "cpu", 60.0, [_PACKAGE], [_GPU], "reset"),
    Hardware("counter stops", "cpu", 60.0, [_PACKAGE], [_GPU], "stop"),
    Hardware(
        "GPU counter never moves", "gpu", 250.0, [_PACKAGE], [dataclasses.replace(_GPU, frozen_from_s=0.0)]
    ),
    Hardware("one of two GPUs is lost", "gpu", 500.0, [_PACKAGE], [_GPU, _OTHER_GPU], "lose a GPU"),
    Hardware(
        "eight GPUs, two of them visible",
        "gpu",
        760.0,
        [_PACKAGE],
        _EIGHT,
        environment={"CUDA_VISIBLE_DEVICES": "2,5"},
        visible_w=190.0,
    ),
)


def compile_laboratory(folder: Path) -> dict[str, str]:
    """Compiles the driver and what shows powercap, and writes an `nvidia-smi`, which some meters look for.

    Returns:
        Variables by which a program finds them, but for PATH.
    """
    compile_driver(folder)
    library = folder / "powercap.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_PRELOAD), "-ldl"], check=True)
    command = folder / "nvidia-smi"
    command.write_text("#!/bin/sh\n", encoding="utf-8")
    command.chmod(0o755)
    return {"LD_LIBRARY_PATH": str(folder), "LD_PRELOAD": str(library)}


class Machine:
    """Hardware that runs in real time.

    Args:
        hardware: What it is.
        root: Folder of its files, which is made.

    Attributes:
        environment: Variables by which the compiled laboratory finds it.
    """

    def __init__(self, hardware: Hardware, root: Path) -> None:
        self._hardware, self._root, self._began_s = hardware, root, time.monotonic()
        self.environment = {
            "LABORATORY_ROOT": str(root),
            "LABORATORY_DRIVER": str(root / "driver.txt"),
            "LABORATORY_LOST": str(root / "lost"),
            **hardware.environment,
        }
        listed = root / "sys" / "class" / "powercap"
        listed.mkdir(parents=True)
        for zone in hardware.zones:
            folder = root / _ZONES / zone.folder
            folder.mkdir(parents=True)
            (folder / "name").write_text(f"{zone.name}\n", encoding="utf-8")
            (folder / "max_energy_range_uj").write_text(f"{round(zone.range_j * 1e6)}\n", encoding="utf-8")
            (folder / "energy_uj").write_text(
                zone.count_from(self._began_s, zone.base_j, zone.power_w), encoding="utf-8"
            )
            # The kernel lists all zones in one folder.
            (listed / folder.name).symlink_to(folder)
        (listed / "intel-rapl").symlink_to(root / _ZONES)
        (root / _ZONES / "subsystem").symlink_to(listed)
        epoch_s = time.time() - self._began_s
        write_scenario(
            root / "driver.txt", hardware.gpus, start_s=self._began_s, epoch_s=epoch_s, until_s=_UNTIL_S
        )

    def cause_event(self) -> None:
        """Causes the event of this machine now."""
        now_s, event = time.monotonic(), self._hardware.event
        if event == "lose a GPU":
            (self._root / "lost").touch()
        if event not in ("reset", "stop"):
            return
        for zone in self._hardware.zones:
            counted_j = zone.base_j + zone.power_w * (now_s - self._began_s)
            energy_j, power_w = (0.0, zone.power_w) if event == "reset" else (counted_j, 0.0)
            # In place: a meter may keep the file open.
            with (self._root / _ZONES / zone.folder / "energy_uj").open("r+", encoding="utf-8") as opened:
                opened.write(zone.count_from(now_s, energy_j, power_w))
