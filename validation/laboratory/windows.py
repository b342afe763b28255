"""Mean error and standard error of many short windows of a meter over one GPU, in real time.

    python -m validation.laboratory.windows [WINDOWS] [UPDATE_S]

Measures WINDOWS (30) of 1 s with a counter that is updated every UPDATE_S (0.1) seconds, at known power.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from validation.arguments import parse_numbers
from validation.laboratory.curve import constant
from validation.laboratory.nvidia import NvidiaGpu, compile_driver, write_scenario

_POWER_W = 250.0
_WINDOW_S = 1.0


def errors(windows: int, update_s: float) -> list[float]:
    """Relative error of each window, read by a `Meter` with the driver that this process has loaded."""
    from joules import Meter
    from joules.instrument.source import Host
    from joules.instrument.sources.nvml import Nvml
    from validation.laboratory.machine import KnownProcessor

    sources = [Nvml(Host()), KnownProcessor(time.monotonic, constant(20.0))]
    # Windows begin at random times between two updates.
    pauses = random.Random(0)
    found = []
    with Meter(sources=sources) as meter:
        for _ in range(windows):
            time.sleep(pauses.uniform(0.0, 2 * update_s))
            with meter.window() as window:
                time.sleep(_WINDOW_S)
            read = window.measurement.domains["gpu0"]
            found.append((read.energy_j or 0.0) / (_POWER_W * window.duration_s) - 1)
    return found


def main(windows: int, update_s: float) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = compile_driver(Path(scratch))
        gpu = NvidiaGpu(constant(_POWER_W), counter_every_s=update_s, sensor_every_s=None, average_s=None)
        now_s = time.monotonic()
        until_s = windows * (_WINDOW_S + 4 * update_s) * 2 + 30
        write_scenario(
            folder / "driver.txt", [gpu], start_s=now_s, epoch_s=time.time() - now_s, until_s=until_s
        )
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(folder),
            "LABORATORY_DRIVER": str(folder / "driver.txt"),
        }
        here = [sys.executable, "-m", "validation.laboratory.windows", "--here", str(windows), str(update_s)]
        done = subprocess.run(here, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found = np.array([float(line) for line in done.stdout.split()]) * 100
    error = float(np.std(found, ddof=1) / np.sqrt(len(found)))
    print(
        f"{windows} windows of {_WINDOW_S:g} s over a counter updated every {update_s:g} s: mean error "
        f"{np.mean(found):+.2f} % (standard error {error:.2f}), largest {np.max(np.abs(found)):.2f} %"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        print(*errors(int(sys.argv[2]), float(sys.argv[3])), sep="\n")
    else:
        given = parse_numbers(__doc__, windows=30, update_s=0.1)
        main(given.windows, given.update_s)
