"""Time that the meter takes to start, compared with Python importing the meter's dependencies.

    python -m validation.start [ROUNDS]

Installs the package as `pip install .` does, into an environment for this run. Each round times
`joules meter --idle 0 -- true`, the imports of the five direct dependencies, `import joules` and nothing, in
random order. Prints medians, and median ratios with bootstrap intervals.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from validation.arguments import parse_numbers
from validation.environments import make_environment
from validation.summary import median_interval

ROOT = Path(__file__).parents[1]
DEPENDENCIES = "import numpy, psutil, pydantic, pynvml, yaml"


def time_in_pairs(
    commands: dict[str, list[str]], rounds: int, folder: str, environment: Mapping[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Wall seconds of each command in every round, after one round that is not kept.

    `environment` are variables that are added to those of this process.
    """
    variables = {**os.environ, **(environment or {})}
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name in random.sample(list(commands), len(commands)):
            began_s = time.perf_counter()
            subprocess.run(commands[name], cwd=folder, env=variables, capture_output=True, check=True)
            taken[name].append(time.perf_counter() - began_s)
    return {name: np.array(each[1:]) for name, each in taken.items()}


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Building leaves files beside the sources.
        sources = Path(folder, "sources")
        shutil.copytree(ROOT / "joules", sources / "joules")
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / file, sources)
        python = make_environment(Path(folder, "light"), str(sources))
        meter = [str(python.with_name("joules")), "meter", "--idle", "0", "--", "true"]
        commands = {
            "joules meter --idle 0 -- true": meter,
            DEPENDENCIES: [str(python), "-c", DEPENDENCIES],
            "import joules": [str(python), "-c", "import joules"],
            "pass": [str(python), "-c", "pass"],
        }
        taken_s = time_in_pairs(commands, rounds, folder)
    for name, each_s in taken_s.items():
        print(f"{1000 * np.median(each_s):7.0f} ms  {name}")
    names = list(commands)
    for name, base in ((names[0], names[1]), (names[2], names[3])):
        ratio, low, high = median_interval(taken_s[name] / taken_s[base])
        print(f"{name}: {ratio:.2f} [{low:.2f}, {high:.2f}] times '{base}', {rounds} rounds")


if __name__ == "__main__":
    main(parse_numbers(__doc__, rounds=20).rounds)
