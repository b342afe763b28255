"""`joules meter` and `joules doctor` as a user runs them, on hardware of the laboratory and in real time.

    python -m validation.laboratory.command [SITUATION]

Without a situation it lists all situations. With one it prints the output of both commands.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pynvml

from validation.laboratory.curve import constant
from validation.laboratory.nvidia import NvidiaGpu, compile_driver, write_scenario
from validation.laboratory.tree import Files, Tree, zone

_ROOT = Path(__file__).parents[2]
_MOVE_EVERY_S = 0.002
_FOREVER_S = 1e9

_GPU = NvidiaGpu(constant(250.0))
_POWERCAP = "sys/class/powercap"
_PACKAGE: Files = zone(f"{_POWERCAP}/intel-rapl:0", "package-0", constant(60.0), limit_w=150.0)


@dataclass(frozen=True)
class Hardware:
    """A machine on which commands run. Times of `gpus` count from the start of the command.

    `says` is an expected part of the output of the metered command. `power_w` is the true power by domain
    that is read, and `power_source` the source that reads it; `is_missing` means that the total is missing. A
    command of `lasts_s` seconds is long enough to show all of this.
    """

    gpus: Sequence[NvidiaGpu] = ()
    files: Files = field(default_factory=dict)
    driver: Mapping[str, Any] = field(default_factory=dict)
    before_r510: bool = False
    says: str = ""
    power_w: Mapping[str, float] = field(default_factory=dict)
    power_source: Mapping[str, str] = field(default_factory=dict)
    is_missing: bool = False
    lasts_s: float = 0.3


_READ = {"cpu": "rapl", "gpu0": "nvml-energy", "gpu1": "nvml-energy"}
_WITH_NODE: Files = {"dev/nvidia0": "", **_PACKAGE}
_LOST = pynvml.NVML_ERROR_GPU_IS_LOST
_LOST_LATER = dataclasses.replace(_GPU, outages=[(3.0, _FOREVER_S, _LOST)])
_LOST_EARLIER = dataclasses.replace(_GPU, outages=[(0.0, _FOREVER_S, _LOST)])
_SPLIT = dataclasses.replace(_GPU, curve=constant(90.0), mig=["MIG-11111111-2222-3333-4444-555555555555"])
HARDWARE: Mapping[str, Hardware] = {
    "a processor and a GPU": Hardware(
        [_GPU], _PACKAGE, power_w={"cpu": 60.0, "gpu0": 250.0}, power_source=_READ
    ),
    "a GPU lost in the window": Hardware(
        [_GPU, _LOST_LATER],
        _PACKAGE,
        says="gpu1 could not be read (NVML: GPU is lost)",
        power_w={"gpu0": 250.0},
        power_source=_READ,
        is_missing=True,
        lasts_s=4.0,
    ),
    "a GPU lost at the start": Hardware(
        [_GPU, _LOST_EARLIER],
        _PACKAGE,
        says="GPU is lost",
        power_w={"gpu0": 250.0},
        power_source=_READ,
        is_missing=True,
    ),
    "a counter that stands still": Hardware(
        [dataclasses.replace(_GPU, frozen_from_s=0.0)],
        _PACKAGE,
        says="stood still",
        power_w={"gpu0": 250.0},
        power_source={"gpu0": "nvml-power"},
    ),
    "driver and library differ": Hardware(
        files=_WITH_NODE,
        driver={"init_code": pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH},
        says="version mismatch",
        is_missing=True,
    ),
    "GPUs that cannot be counted": Hardware(
        files=_WITH_NODE, driver={"count_code": 999}, says="Unknown Error", is_missing=True
    ),
    "a driver before R510": Hardware(
        [_GPU], _PACKAGE, before_r510=True, power_w={"gpu0": 250.0}, power_source=_READ
    ),
    "one GPU of two split by MIG": Hardware(
        [_GPU, _SPLIT],
        _PACKAGE,
        says="split by MIG",
        power_w={"gpu0": 250.0, "gpu1": 90.0},
        power_source=_READ,
    ),
    "no counter at all": Hardware(),
}


def run_command(
    hardware: Hardware, arguments: Sequence[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Runs `joules` with `arguments` on simulated hardware.

    Args:
        hardware: The machine.
        arguments: Those of `joules`.
        folder: An empty folder for its files.
    """
    driver = compile_driver(folder / "driver", hardware.before_r510)
    now_s = time.monotonic()
    write_scenario(
        folder / "driver.txt",
        hardware.gpus,
        start_s=now_s,
        epoch_s=time.time() - now_s,
        until_s=60.0,
        **hardware.driver,
    )
    Tree(folder, hardware.files).move(0.0)
    name = next(name for name, each in HARDWARE.items() if each is hardware)
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(driver),
        "PYTHONPATH": str(_ROOT),
        "LABORATORY_DRIVER": str(folder / "driver.txt"),
    }
    environment.pop("LABORATORY_CLOCK", None)
    return subprocess.run(
        [sys.executable, "-m", "validation.laboratory.command", "--here", name, str(folder), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _run_here(hardware: Hardware, folder: Path, arguments: list[str]) -> int:
    from joules.cli import main
    from joules.instrument import source, sources

    tree, began_s, ended = Tree(folder, hardware.files), time.monotonic(), threading.Event()

    def drive() -> None:
        while not ended.wait(_MOVE_EVERY_S):
            tree.move(time.monotonic() - began_s)

    threading.Thread(target=drive, daemon=True).start()
    here = functools.partial(source.Host, sys=folder / "sys", dev=folder / "dev", mounted=folder / "host")
    vars(sources)["Host"] = here
    try:
        return main(arguments)
    finally:
        ended.set()


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--here"]:
        _, name, folder, *rest = arguments
        return _run_here(HARDWARE[name], Path(folder), rest)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("situation", nargs="?", choices=list(HARDWARE), metavar="SITUATION")
    chosen = parser.parse_args(arguments).situation
    if chosen is None:
        print("\n".join(HARDWARE))
        return 0
    for of_joules in (["doctor"], ["meter", "--", "sleep", "1"]):
        with tempfile.TemporaryDirectory() as folder:
            done = run_command(HARDWARE[chosen], of_joules, Path(folder) / "machine")
        print(f"$ joules {' '.join(of_joules)}\n{done.stdout}{done.stderr}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
