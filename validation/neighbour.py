"""The same work alone and beside a busy foreign process.

    python -m validation.neighbour [ROUNDS]

The work is a fixed amount on one core, so that on two cores or more the neighbour does not slow it down.
Prints the median ratio (beside / alone) of the whole machine's processor energy and of what is attributed
to the work, with bootstrap intervals.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np

from joules.instrument import carbon
from joules.instrument.command import Metered, meter_command
from joules.instrument.reading import primary
from joules.instrument.sources import discover
from validation.summary import median_interval

WORK = [sys.executable, "-c", "sum(i * i for i in range(30_000_000))"]
# Started through a shell that ends at once, before the meter adopts orphans: no descendant of ours.
NEIGHBOUR = f"setsid {sys.executable} -c 'while True: pass' >/dev/null 2>&1 & echo $!"


def measured() -> Metered:
    sources, _ = discover()
    return meter_command(WORK, sources, 0.0, 0.0, carbon.grid(carbon.WORLD), 1.0, 0.0)


def energies(metered: Metered) -> tuple[float, float]:
    """(whole-machine processor energy, processor energy attributed to the work), joules."""
    whole = next(reading for reading in primary(metered.readings) if reading.domain == "cpu")
    job = next(r for r in metered.readings if r.scope == "job" and r.domain == "cpu")
    assert whole.energy_j is not None
    assert job.energy_j is not None
    return whole.energy_j, job.energy_j


def main(rounds: int) -> None:
    started = subprocess.run(NEIGHBOUR, shell=True, capture_output=True, text=True, check=True)
    neighbour = int(started.stdout)
    os.kill(neighbour, signal.SIGSTOP)
    ratios = []
    try:
        for index in range(rounds):
            alone = energies(measured())
            os.kill(neighbour, signal.SIGCONT)
            beside = energies(measured())
            os.kill(neighbour, signal.SIGSTOP)
            ratios.append([beside[0] / alone[0], beside[1] / alone[1]])
            print(f"round {index + 1}/{rounds}", file=sys.stderr, end="\r")
    finally:
        os.kill(neighbour, signal.SIGKILL)
    for name, values in zip(("whole machine", "attributed"), np.array(ratios).T, strict=True):
        median, low, high = median_interval(values)
        print(f"{name:14} beside / alone: {median:.3f} [{low:.3f}, {high:.3f}] over {rounds} rounds")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
