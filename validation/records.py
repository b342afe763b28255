"""Time and memory of each step of the paper, for growing numbers of records.

    python -m validation.records [RUNS ...]

Makes campaigns with more and more runs of one experiment, from the records of a released campaign and in a
copy of the repository, and runs every step on each. Prints elapsed time, processor time and peak memory of
each step, child processes included, and the ratio of its processor time to that of the previous campaign.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from joules.bench.journal import read_records
from joules.bench.record import Run, format_record
from joules.instrument.attribution import sum_memory_bytes
from joules.instrument.host.processes import descendants
from joules.study.campaign import Campaign

_ROOT = Path(__file__).resolve().parent.parent
_SOURCE = Campaign("epyc-2core-standard-2026-11-26b", _ROOT)
_EXPERIMENT = "layer_kinds"
# Measures nothing; every campaign has it.
_OF_OTHERS = "published_measurements"
_COPIED = ("experiments", "joules", "paper", "workflow", "Snakefile", "pyproject.toml", "CITATION.cff")
# Time between two reads of memory, as a multiple of the time of a read, which grows with memory.
_PAUSE = 20
_LEAST_PAUSE_S = 0.05
_STEPS = {
    "tables": ("tabulate", _EXPERIMENT),
    "tables of others": ("tabulate", _OF_OTHERS),
    "tables of campaign": ("tabulate", "campaign"),
    "figures": ("draw", _EXPERIMENT),
    "figures of others": ("draw", _OF_OTHERS),
    "figures of campaign": ("draw", "campaign"),
    "verdicts": ("evaluate",),
    "values": ("export",),
    "paper": ("typeset",),
    "manifest": ("manifest",),
    "verification": ("trace", "--verify"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    options = parser.parse_args()
    before: dict[str, float] = {}
    smaller = 0
    for runs in sorted(options.runs):
        with tempfile.TemporaryDirectory(prefix="joules-records-") as folder:
            campaign = _make_campaign(Path(folder), runs)
            size_mb = sum(path.stat().st_size for path in campaign.runs.rglob("*.jsonl")) / 1e6
            times_more = f", {runs / smaller:.3g} times as many" if smaller else ""
            print(f"{runs} runs in {size_mb:.0f} MB of records{times_more}", flush=True)
            taken: dict[str, float] = {}
            for words, step in _STEPS.items():
                elapsed_s, taken[words], peak_gb = _run(campaign, step)
                ratio = f"  {taken[words] / before[words]:6.1f} times" if before else ""
                spent = f"{elapsed_s:8.1f} s {taken[words]:8.1f} s of processors"
                print(f"  {words:20} {spent}  {peak_gb:5.2f} GB{ratio}", flush=True)
            before, smaller = taken, runs


def _make_campaign(folder: Path, runs: int) -> Campaign:
    """Makes a campaign with a number of runs, from the blocks of a released one."""
    for name in _COPIED:
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("build", "__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    campaign = Campaign("many", folder)
    blocks = [read_records(path) for path in sorted((_SOURCE.runs / _EXPERIMENT).glob("block-*.jsonl"))]
    number = made = 0
    while made < runs:
        path = campaign.block_file(_EXPERIMENT, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            for record in blocks[number % len(blocks)]:
                changes = {"block": number, "session": f"{number}-{record.session}"}
                file.write(format_record(record.model_copy(update=changes)))
                made += isinstance(record, Run)
        number += 1
    return campaign


def _run(campaign: Campaign, step: tuple[str, ...]) -> tuple[float, float, float]:
    """(seconds elapsed, seconds of processor time, peak memory in GB) of one command on the campaign."""
    command = [
        sys.executable,
        "-m",
        "joules",
        *step,
        "--campaign",
        campaign.name,
        "--root",
        str(campaign.root),
    ]
    begun_s, spent_s = time.perf_counter(), _processor_s()
    process = subprocess.Popen(command, cwd=campaign.root, stdout=subprocess.DEVNULL)
    peak_bytes = 0.0
    while process.poll() is None:
        looked_s = time.perf_counter()
        peak_bytes = max(
            peak_bytes, sum_memory_bytes([process.pid, *descendants(process.pid)], shared_with_paused=False)
        )
        time.sleep(max(_PAUSE * (time.perf_counter() - looked_s), _LEAST_PAUSE_S))
    duration_s = time.perf_counter() - begun_s
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return duration_s, _processor_s() - spent_s, peak_bytes / 1e9


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
