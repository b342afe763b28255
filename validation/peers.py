"""Compares other meters with this one: start, and error on a simulated GPU whose power is known.

    python -m validation.peers [ROUNDS] [SECONDS]

Installs the meters of `envs/peers.lock` into an environment for this run. Each meters SECONDS of rest on the
laboratory's GPU of 250 W, whose driver it loads as a real one. Then each round times, in random order,
a program that opens and closes a window of each meter. What is not tried is printed with the reason.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from validation.arguments import parse_numbers
from validation.environments import make_environment
from validation.laboratory.curve import constant
from validation.laboratory.nvidia import NvidiaGpu, compile_driver, write_scenario
from validation.start import ROOT, time_in_pairs
from validation.summary import median_interval

POWER_W = 250.0
# How each opens and closes a window, and the joules that it reads of GPUs. `SECONDS` is replaced.
PROGRAMS = {
    "joules": """
from joules import Meter
with Meter() as meter, meter.window() as window:
    work()
read = [each.energy_j for name, each in window.measurement.domains.items() if name.startswith("gpu")]
""",
    "codecarbon": """
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(
    country_iso_code="USA", measure_power_secs=1, save_to_file=False, log_level="critical",
    allow_multiple_runs=True,
)
tracker.start()
work()
tracker.stop()
read = [tracker.final_emissions_data.gpu_energy * 3.6e6]
""",
    "zeus": """
from zeus.monitor import ZeusMonitor
monitor = ZeusMonitor()
monitor.begin_window("peers", sync_execution=False)
work()
read = list(monitor.end_window("peers", sync_execution=False).gpu_energy.values())
""",
    "carbontracker": """
import tempfile
from carbontracker import parser
from carbontracker.tracker import CarbonTracker
folder = tempfile.mkdtemp()
tracker = CarbonTracker(epochs=1, update_interval=1, log_dir=folder, verbose=0, components="gpu")
tracker.epoch_start()
work()
tracker.epoch_end()
tracker.stop()
logs = parser.parse_all_logs(log_dir=folder)
read = [logs[0]["actual"]["energy (kWh)"] * 3.6e6]
""",
}
NOT_TRIED = {"perun": "it meters a script and writes its result to files"}
_FRAME = """
import time
began = ended = 0.0
def work():
    global began, ended
    began = time.monotonic()
    time.sleep(SECONDS)
    ended = time.monotonic()
{}
print("\\nRESULT", sum(read), ended - began)
"""


def command_of(python: Path, name: str, seconds: float) -> list[str]:
    """The command that meters so many seconds of rest by a meter."""
    return [str(python), "-c", _FRAME.format(PROGRAMS[name]).replace("SECONDS", repr(seconds))]


def read_gpu(python: Path, name: str, seconds: float, folder: Path) -> str:
    """The error of a meter on the simulated GPU, in words."""
    now_s = time.monotonic()
    write_scenario(
        folder / "driver.txt",
        [NvidiaGpu(constant(POWER_W))],
        start_s=now_s,
        epoch_s=time.time() - now_s,
        until_s=seconds + 120.0,
    )
    simulated = {"LD_LIBRARY_PATH": str(folder), "LABORATORY_DRIVER": str(folder / "driver.txt")}
    done = subprocess.run(
        command_of(python, name, seconds),
        cwd=folder,
        env=os.environ | simulated,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    results = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not results:
        return f"fails ({(done.stderr.strip().splitlines() or ['no message'])[-1]})"
    read_j, lasted_s = map(float, results[0])
    if not read_j:
        return "finds no GPU"
    true_j = POWER_W * lasted_s
    return f"{read_j:.0f} J for {true_j:.0f} J ({100 * (read_j / true_j - 1):+.1f} %)"


def main(rounds: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        python = make_environment(
            folder / "peers", "--require-hashes", "-r", str(ROOT / "envs" / "peers.lock")
        )
        (site,) = (folder / "peers" / "lib").glob("python*/site-packages")
        shutil.copytree(ROOT / "joules", site / "joules")
        subprocess.run([str(python), "-m", "compileall", "-q", str(site / "joules")], check=True)
        versions = {
            each.name.lower(): each.version for each in importlib.metadata.distributions(path=[str(site)])
        }
        driver = compile_driver(folder / "driver")
        starting, found = {}, {}
        for name in PROGRAMS:
            found[name] = read_gpu(python, name, seconds, driver)
            done = subprocess.run(
                command_of(python, name, 0.0), cwd=scratch, capture_output=True, check=False
            )
            if done.returncode == 0:
                starting[name] = command_of(python, name, 0.0)
        taken_s = time_in_pairs(starting, rounds, scratch)
    print(f"{rounds} rounds, load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name, gpu in found.items():
        start = "does not start without a GPU"
        if name in taken_s:
            ratio, low, high = median_interval(taken_s[name] / taken_s["joules"])
            start = f"{np.median(taken_s[name]):.2f} s, {ratio:.2f} [{low:.2f}, {high:.2f}] times joules"
        print(f"{name} {versions.get(name, 'of this clone')}: start: {start}; GPU of {POWER_W:g} W: {gpu}")
    for name, reason in NOT_TRIED.items():
        print(f"{name} {versions[name]}: not tried: {reason}")


if __name__ == "__main__":
    given = parse_numbers(__doc__, rounds=10, seconds=5.0)
    main(given.rounds, given.seconds)
