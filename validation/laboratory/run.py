"""Runs situations in child processes that load the simulated driver instead of a real one."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from validation.laboratory.nvidia import compile_driver
from validation.laboratory.situation import Outcome, Situation, try_situation
from validation.laboratory.situations import SITUATIONS

_ROOT = Path(__file__).parents[2]


def outcomes(situations: Sequence[Situation] = SITUATIONS) -> list[Outcome]:
    """Run situations.

    Returns:
        One outcome per situation, in order.

    Raises:
        NoCompiler: If the simulated driver cannot be compiled.
    """
    with tempfile.TemporaryDirectory() as scratch:
        rows: dict[str, Outcome] = {}
        rows |= {s.name: try_situation(s, Path(scratch) / s.name) for s in situations if s.driver == "none"}
        for driver in sorted({situation.driver for situation in situations} - {"none"}):
            folder = Path(scratch) / driver.replace(" ", "-")
            compile_driver(folder, before_r510=driver == "before R510")
            rows |= {row.name: row for row in _from_child(driver, folder)}
    return [rows[situation.name] for situation in situations]


def _from_child(driver: str, folder: Path) -> Iterable[Outcome]:
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "validation.laboratory.run", driver, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines():
        yield Outcome(**json.loads(line))


def _run_here(driver: str, folder: Path) -> None:
    for place, situation in enumerate(SITUATIONS):
        if situation.driver == driver:
            row = try_situation(situation, folder / str(place))
            print(json.dumps(dataclasses.asdict(row)), flush=True)


if __name__ == "__main__":
    _run_here(sys.argv[1], Path(sys.argv[2]))
