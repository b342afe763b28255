"""Other meters and this one behind one interface, run by the interpreter of their environment.

    python programs.py METER once
    python programs.py METER serve UNITS

The first meters an empty window. The second answers each line of its input, in JSON:

- `read FILE ENVIRONMENT` opens a window in a forked process, whose output goes to FILE, answers `"began"`,
  closes the window when `FILE.stop` exists, and answers with its seconds, its joules and the processor
  seconds of the meter in it, or with what failed.
- `tracked` and `untracked` answer with the wall seconds of UNITS of work, and the processor seconds of the
  work and the meter around it, in this process and its ended children.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Work = Callable[[], None]
PARTS = ("cpu", "gpu")
_J_PER_KWH = 3.6e6


def joules(work: Work) -> dict[str, float | None]:
    from joules import Meter

    with Meter() as meter, meter.window() as window:
        work()
    measured = window.measurement
    # Without a counter the energy of a part is modelled; the missing parts have a reason.
    read = {name: each for name, each in measured.domains.items() if each.provenance != "modelled"}
    print(*measured.flags, *(each.detail for each in read.values() if each.energy_j is None), sep="\n")
    return {part: _sum(r.energy_j for name, r in read.items() if name.startswith(part)) for part in PARTS}


def codecarbon(work: Work) -> dict[str, float | None]:
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="USA",
        measure_power_secs=1,
        save_to_file=False,
        log_level="warning",
        allow_multiple_runs=True,
    )
    tracker.start()
    work()
    tracker.stop()
    read = tracker.final_emissions_data
    return {"cpu": read.cpu_energy * _J_PER_KWH, "gpu": read.gpu_energy * _J_PER_KWH}


def zeus(work: Work) -> dict[str, float | None]:
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor()
    monitor.begin_window("work", sync_execution=False)
    work()
    read = monitor.end_window("work", sync_execution=False)
    return {"cpu": _sum((read.cpu_energy or {}).values()), "gpu": _sum(read.gpu_energy.values())}


def perun(work: Work) -> dict[str, float | None]:
    package: Any = importlib.import_module("perun")
    found = {}

    def run() -> None:
        package.register_callback(lambda node: found.update(node.metrics))
        work()

    package.perun(data_out=tempfile.mkdtemp())(run)()
    read = {metric.value: float(each.value) for metric, each in found.items()}
    return {part: read.get(f"{part}_energy") for part in PARTS}


def carbontracker(work: Work) -> dict[str, float | None]:
    from carbontracker import parser
    from carbontracker.tracker import CarbonTracker

    folder = tempfile.mkdtemp()
    tracker = CarbonTracker(epochs=1, update_interval=1, log_dir=folder)
    tracker.epoch_start()
    work()
    tracker.epoch_end()
    tracker.stop()
    (log,) = parser.parse_all_logs(folder)
    read = {part: each["avg_energy_usages (J)"] for part, each in log["components"].items()}
    parts = {part: float(read[part].sum()) if read.get(part) is not None else None for part in PARTS}
    return {**parts, "printed": log["actual"]["energy (kWh)"] * _J_PER_KWH}


METERS = {each.__name__: each for each in (joules, codecarbon, zeus, perun, carbontracker)}
# What a program imports of each.
MODULES = {
    "joules": "joules",
    "codecarbon": "codecarbon",
    "zeus": "zeus.monitor",
    "perun": "perun",
    "carbontracker": "carbontracker.tracker",
}


def _sum(energies_j: Iterable[float | None]) -> float | None:
    """Sum of energies; None without any, or if one is missing."""
    known = list(energies_j)
    return None if not known or None in known else sum(filter(None, known))


def read_window(meter: str, output: Path, environment: dict[str, str], say: Callable[[object], None]) -> None:
    """Meters a window that ends when `output` with `.stop` added exists, and says the result."""
    os.environ.update(environment)
    with output.open("w", encoding="utf-8") as opened:
        os.dup2(opened.fileno(), 1)
        os.dup2(opened.fileno(), 2)
    lasted_s = cpu_s = 0.0

    def work() -> None:
        nonlocal lasted_s, cpu_s
        say("began")
        began_s, began_cpu_s = time.monotonic(), session_cpu_s()
        while not Path(f"{output}.stop").exists():
            time.sleep(0.2)
        lasted_s, cpu_s = time.monotonic() - began_s, session_cpu_s() - began_cpu_s

    try:
        energy_j = METERS[meter](work)
        if not lasted_s:
            raise RuntimeError("the work did not end")
    except BaseException as fault:
        traceback.print_exc()
        say({"fails": f"{type(fault).__name__}: {fault}"})
    else:
        say({"lasted_s": lasted_s, "cpu_s": cpu_s, "energy_j": energy_j})


def session_cpu_s() -> float:
    """Processor seconds so far of all processes of this session that are running."""
    ticks = 0
    for process in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        # Processes end meanwhile.
        with contextlib.suppress(OSError):
            fields = Path("/proc", process, "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[3]) == os.getsid(0):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def do_work(units: int) -> float:
    """Seconds of some integer arithmetic."""
    began_s = time.perf_counter()
    value = 1
    for _ in range(units):
        value = value * 48_271 % 2_147_483_647
    return time.perf_counter() - began_s


def serve(meter: str, units: int) -> None:
    # Meters print to the standard output.
    answers = os.dup(1)
    os.dup2(2, 1)
    importlib.import_module(MODULES[meter])

    def say(answer: object) -> None:
        os.write(answers, f"{json.dumps(answer)}\n".encode())

    took_s: list[float] = []
    for line in sys.stdin:
        order, *rest = line.split(maxsplit=2)
        if order == "read":
            if os.fork() == 0:
                read_window(meter, Path(rest[0]), json.loads(rest[1]), say)
                return
        else:
            began_s = sum(os.times()[:4])
            around = METERS[meter] if order == "tracked" else lambda work: work()
            around(lambda: took_s.append(do_work(units)))
            say([took_s[-1], sum(os.times()[:4]) - began_s])


if __name__ == "__main__":
    _, name, what, *number = sys.argv
    if what == "once":
        METERS[name](lambda: None)
    else:
        serve(name, int(number[0]))
