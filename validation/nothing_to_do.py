"""Processor time of finding that nothing has to be done, compared with Snakemake alone.

    python -m validation.nothing_to_do [ROUNDS]

In a copy of the repository, an experiment from the template gets 10 and 1,000 blocks whose files all exist.
`snakemake -n` is timed on it, and on a workflow with as many jobs and no code, in random order. Prints the
median processor time of each in seconds.
"""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from validation.arguments import parse_numbers

ROOT = Path(__file__).parent.parent
BLOCKS = (10, 1000)
_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".snakemake", ".*_cache", "__pycache__", "results", "figures", "build"
)
_BARE = """
rule all:
    input: expand("results/block-{{n}}.jsonl", n=range({blocks}))
rule measure:
    output: "results/block-{{n}}.jsonl"
    shell: "false"
"""


def main() -> None:
    rounds = parse_numbers(__doc__, rounds=5).rounds
    with tempfile.TemporaryDirectory() as folder:
        workflows = {
            (kind, blocks): Path(folder, f"{kind}-{blocks}") for kind in _MAKERS for blocks in BLOCKS
        }
        for (kind, blocks), path in workflows.items():
            _MAKERS[kind](path, blocks)
        seconds: dict[tuple[str, int], list[float]] = {key: [] for key in workflows}
        for _ in range(rounds):
            for key in random.sample(list(workflows), len(workflows)):
                seconds[key].append(_timed(workflows[key], ours=key[0] == "ours"))
    for (kind, blocks), times in seconds.items():
        print(f"{kind:8} {blocks:5} blocks  {np.median(times):.2f} s of processor time")


def _ours(path: Path, blocks: int) -> None:
    shutil.copytree(ROOT, path, ignore=_NOT_COPIED)
    _run([sys.executable, "-m", "joules", "new-experiment", "matrices"], path)
    design = path / "experiments" / "matrices" / "design.yaml"
    design.write_text(design.read_text().replace("smoke: {blocks: 2,", f"smoke: {{blocks: {blocks},"))
    _fill(path / "results" / "local" / "runs" / "matrices", blocks)


def _bare(path: Path, blocks: int) -> None:
    path.mkdir()
    (path / "Snakefile").write_text(_BARE.format(blocks=blocks))
    _fill(path / "results", blocks)


def _fill(folder: Path, blocks: int) -> None:
    folder.mkdir(parents=True)
    for block in range(blocks):
        (folder / f"block-{block}.jsonl").touch()


_MAKERS = {"ours": _ours, "bare": _bare}


def _timed(path: Path, *, ours: bool) -> float:
    """Processor time of a dry run in seconds."""
    # Only the files of blocks exist, not the files made from them.
    chosen = ["--until", "measure", "--config", "scale=smoke", "experiments=[matrices]"] if ours else []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = _run([sys.executable, "-m", "snakemake", "--cores", "1", "-n", *chosen], path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "rule measure:" not in printed, printed
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _run(command: list[str], path: Path) -> str:
    return subprocess.run(command, cwd=path, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
