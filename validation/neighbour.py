"""Compares the energy of the same work alone and next to another busy process.

    python -m validation.neighbour [ROUNDS]

The work is a fixed amount on one core, so that on two cores or more the neighbour does not slow it down.
Prints the median ratio (with neighbour / alone) of the processor energy of the whole machine and of the
energy attributed to the work, with bootstrap intervals.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

import numpy as np

from joules.instrument import carbon
from joules.instrument.command import MeteredCommand, meter_command
from joules.instrument.reading import primary
from validation.arguments import parse_numbers
from validation.summary import median_interval

WORK = [sys.executable, "-c", "sum(i * i for i in range(30_000_000))"]
# Started by a shell that ends at once, before the meter adopts orphans: not a descendant of this process.
NEIGHBOUR = f"setsid {shlex.quote(sys.executable)} -c 'while True: pass' >/dev/null 2>&1 & echo $!"


def measure_work() -> MeteredCommand:
    """Runs the work once and measures it."""
    return meter_command(WORK, carbon.grid(carbon.WORLD))


def energies(metered: MeteredCommand) -> tuple[float, float]:
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
            alone = energies(measure_work())
            os.kill(neighbour, signal.SIGCONT)
            disturbed = energies(measure_work())
            os.kill(neighbour, signal.SIGSTOP)
            ratios.append([disturbed[0] / alone[0], disturbed[1] / alone[1]])
            print(f"round {index + 1}/{rounds}", file=sys.stderr, end="\r")
    finally:
        os.kill(neighbour, signal.SIGKILL)
    for name, values in zip(("whole machine", "attributed"), np.array(ratios).T, strict=True):
        median, low, high = median_interval(values)
        print(f"{name:14} with neighbour / alone: {median:.3f} [{low:.3f}, {high:.3f}] over {rounds} rounds")


if __name__ == "__main__":
    main(parse_numbers(__doc__, rounds=10).rounds)
