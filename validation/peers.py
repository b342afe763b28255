"""Compares this meter with others: overhead, start, readings of simulated hardware, and features.

    python -m validation.peers [ROUNDS] [SECONDS]

Installs the meters of `envs/peers.lock` into an environment for this run. On machines of the laboratory,
whose power is known, all meter a window of at least SECONDS at the same time. Then each round times, for each
meter in random order, the same work with and without the meter; half as many rounds time a program with an
empty window. `validation/meters` has the programs, the machines, and where each feature was seen.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import joules
from joules.means import MeanSample
from validation.arguments import parse_numbers
from validation.environments import make_environment
from validation.meters import programs
from validation.meters.features import check_features
from validation.meters.hardware import MACHINES, Hardware, Machine, compile_laboratory
from validation.start import ROOT, time_in_pairs
from validation.summary import median_interval

# Steps of the work whose time is compared: a second or two.
UNITS = 10_000_000
# Lines that tell of this machine's load, of what was found, or where in the code something failed.
_NOT_OF_THE_MACHINE = re.compile(
    r"foreign-cpu|short-window|CarbonTracker: The following components|Traceback|\s*(File|\^)|\s*$"
)
# After which a meter that does not answer has failed.
_PATIENCE_S = 120.0
_PROGRAM = Path(programs.__file__)


class Served:
    """A meter that answers orders in a process of its own; see `validation/meters/programs.py`."""

    def __init__(self, python: Path, meter: str, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir()
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [str(python), str(_PROGRAM), meter, "serve", str(UNITS)],
            cwd=folder,
            # A meter of joules that others run on this machine is not its concern.
            env={**os.environ, **environment, "TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def ask(self, order: str) -> None:
        assert self._process.stdin is not None
        print(order, file=self._process.stdin, flush=True)

    def answer(self) -> Any:
        assert self._process.stdout is not None
        patience = threading.Timer(_PATIENCE_S, self.kill)
        patience.start()
        line = self._process.stdout.readline()
        patience.cancel()
        return json.loads(line) if line else {"fails": "ends without an answer"}

    def open_window(self, environment: Mapping[str, str]) -> Path:
        """Orders a window; returns the file of what the meter prints."""
        self._count += 1
        output = self._folder / f"{self._count}.txt"
        self.ask(f"read {output} {json.dumps(dict(environment))}")
        return output

    def kill(self) -> None:
        """Ends it and all processes that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        self._process.communicate()


@contextmanager
def serve_all(python: Path, folder: Path, environment: Mapping[str, str]) -> Iterator[dict[str, Served]]:
    with ExitStack() as stack:
        environment = {**environment, **Machine(MACHINES[0], folder / "machine").environment}
        served = {name: Served(python, name, folder / name, environment) for name in programs.METERS}
        for each in served.values():
            stack.callback(each.close)
        yield served


def read_machine(
    hardware: Hardware, served: Mapping[str, Served], seconds: float, root: Path
) -> dict[str, tuple[Any, list[str]]]:
    """Result of each meter on a machine, and the lines that it prints."""
    machine = Machine(hardware, root)
    outputs = {name: each.open_window(machine.environment) for name, each in served.items()}
    began = {name: each.answer() for name, each in served.items()}
    time.sleep(seconds / 2)
    machine.cause_event()
    time.sleep(seconds / 2)
    for output in outputs.values():
        Path(f"{output}.stop").touch()
    results = {}
    for name, output in outputs.items():
        result = served[name].answer() if began[name] == "began" else began[name]
        results[name] = (result, output.read_text(encoding="utf-8", errors="replace").splitlines())
    return results


def say_reading(hardware: Hardware, result: Any) -> str:
    """What a meter reads of the part that is compared, in words."""
    if "fails" in result:
        return f"fails ({result['fails']})"
    read_j, lasted_s = result["energy_j"][hardware.part], result["lasted_s"]
    if not read_j:
        return "no energy"
    true_j, of_what = hardware.power_w * lasted_s, ""
    if hardware.visible_w and abs(read_j - hardware.visible_w * lasted_s) < abs(read_j - true_j):
        true_j, of_what = hardware.visible_w * lasted_s, " of the visible"
    return f"{read_j:,.0f} J for {true_j:,.0f} J{of_what} ({100 * (read_j / true_j - 1):+.1f} %)"


def new_lines(lines: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Lines about the machine that differ from the usual ones in more than numbers."""
    known = {re.sub(r"[\d.]+", "#", line) for line in usual}
    return [
        textwrap.shorten(re.sub(r"\x1b\[[\d;]*m|^\S*/site-packages/", "", line), 180)
        for line in lines
        if re.sub(r"[\d.]+", "#", line) not in known and not _NOT_OF_THE_MACHINE.match(line)
    ]


def compare_readings(
    python: Path, folder: Path, environment: Mapping[str, str], seconds: float
) -> tuple[dict[str, dict[str, str]], dict[str, list[float]]]:
    """What each meter reads of each machine, and what it says there but not on the first one, in words; and
    the processor time that it takes meanwhile, in per cent of a processor."""
    usual: dict[str, list[str]] = {}
    rows: dict[str, dict[str, str]] = {}
    taken: dict[str, list[float]] = {name: [] for name in programs.METERS}
    with serve_all(python, folder, environment) as served:
        for place, hardware in enumerate(MACHINES):
            results = read_machine(hardware, served, seconds, folder / f"machine-{place}")
            rows[hardware.name] = {}
            for name, (result, lines) in results.items():
                said = [] if "fails" in result else new_lines(lines, usual.setdefault(name, lines))
                rows[hardware.name][name] = "; ".join((say_reading(hardware, result), *said[:1]))
                if "fails" not in result:
                    taken[name].append(100 * result["cpu_s"] / result["lasted_s"])
            print(f"machine {place + 1} of {len(MACHINES)}", file=sys.stderr)
    return rows, taken


def compare_work(
    python: Path, folder: Path, environment: Mapping[str, str], rounds: int
) -> dict[str, NDArray[np.float64]]:
    """Ratios of tracked to untracked work for each meter, (2, rounds): wall seconds of the work inside the
    meter, and processor seconds of work and meter."""
    taken: dict[str, list[list[float]]] = {name: [] for name in programs.METERS}
    with serve_all(python, folder, environment) as served:
        for index in range(rounds + 1):
            for name in random.sample(list(served), len(served)):
                pair = {}
                for order in random.sample(("tracked", "untracked"), 2):
                    served[name].ask(order)
                    pair[order] = np.array(served[name].answer())
                taken[name].append(pair["tracked"] / pair["untracked"])
            print(f"round {index} of {rounds}", file=sys.stderr)
    # The first round fills caches.
    return {name: np.array(each[1:]).T for name, each in taken.items()}


def install(folder: Path) -> tuple[Path, Path]:
    """Installs all meters; returns the interpreter, and the folder of their packages."""
    python = make_environment(folder, "--require-hashes", "-r", str(ROOT / "envs" / "peers.lock"))
    (site,) = (folder / "lib").glob("python*/site-packages")
    shutil.copytree(ROOT / "joules", site / "joules")
    subprocess.run([str(python), "-m", "compileall", "-q", str(site / "joules")], check=True)
    return python, site


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table as Markdown."""
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |")
    print(flush=True)


def say_ratios(ratios: NDArray[np.float64]) -> str:
    """Median of ratios and its interval, in words."""
    middle, low, high = median_interval(ratios)
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def say_mean(values: list[float]) -> str:
    """Mean of values and its interval, in words."""
    sample = MeanSample.from_values(values)
    low, high = sample.interval()
    return f"{sample.estimate:.2f} [{low:.2f}, {high:.2f}]"


def main(rounds: int, seconds: float) -> None:
    meters = list(programs.METERS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        python, site = install(folder / "peers")
        packages = importlib.metadata.distributions(path=[str(site)])
        versions = {"joules": joules.__version__, **{each.name.lower(): each.version for each in packages}}
        environment = compile_laboratory(folder / "laboratory")
        environment["PATH"] = f"{folder / 'laboratory'}:{os.environ['PATH']}"
        print(
            f"{datetime.date.today()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}: "
            + ", ".join(f"{name} {versions[name]}" for name in meters),
            end="\n\n",
        )
        print_table(["feature", *meters], check_features(site, meters))
        readings, taken = compare_readings(python, folder / "readings", environment, seconds)
        for hardware in MACHINES:
            truth = f"{hardware.name}: {hardware.part} of {hardware.power_w:g} W"
            print_table([truth, "reads; says"], readings[hardware.name].items())
        ratios = compare_work(python, folder / "work", environment, rounds)
        machine = Machine(MACHINES[0], folder / "machine")
        starting = {name: [str(python), str(_PROGRAM), name, "once"] for name in meters}
        taken_s = time_in_pairs(starting, (rounds + 1) // 2, scratch, {**environment, **machine.environment})
    print_table(
        [
            "meter",
            "% of a processor while it meters",
            "time of the work inside, ratio to without",
            "processor time of work and meter, ratio to without",
            "time of a program with an empty window, ratio to joules",
        ],
        (
            [
                name,
                say_mean(taken[name]),
                *map(say_ratios, ratios[name]),
                say_ratios(taken_s[name] / taken_s["joules"]),
            ]
            for name in meters
        ),
    )


if __name__ == "__main__":
    given = parse_numbers(__doc__, rounds=6, seconds=5.0)
    main(given.rounds, given.seconds)
