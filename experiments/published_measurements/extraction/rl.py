"""Energy by RAPL and nvidia-smi, and score, along trainings of the RL Energy Leaderboard.

A training left two logs: scores at 20 evaluations on a clock of the training, and power about every ten
seconds. The archives of power logs are not
numbered by seed. A log belongs to the training whose description of the experiment (`info.pkl`) is the same,
byte for byte.

The two clocks need not agree. Where the power log is longer than the training's clock, evaluations took place
outside that clock; where it is shorter, the log is not that of the whole training.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.published_measurements.extraction.git import Clone
from experiments.published_measurements.extraction.rows import LeftOut

COLUMNS = (
    "game",
    "algorithm",
    "seed",
    "frames",
    "mean_return",
    "clock_s",
    "clock_cpu_dram_j",
    "clock_gpu_j",
    "stretched_cpu_dram_j",
    "stretched_gpu_j",
    "clock_end_s",
    "log_s",
    "log_cpu_dram_j",
    "log_gpu_j",
    "power_samples",
    "path",
)
_SCORES = re.compile(
    r"data/(?:cule_results/(?P<game>\w+?)_seed_(?P<seed>\d+)_logs_(?P<algorithm>\w+)_cule"
    r"|stable_baselines_results/seed_(?P<sb_seed>\d+)_(?P<sb_algorithm>\w+?)_(?P<sb_game>\w+?)NoFrameSkip-v4_\w+/\S+)"
    r"/eval_test\.csv"
)
_LOG = re.compile(r"docs/\S+/data/\d+\.zip")
_NAMES = {"ppo2": "ppo"}

Floats = NDArray[np.float64]


class PowerLog(NamedTuple):
    """Cumulated energy of a power log: seconds since its first line, and joules until then."""

    path: str
    at_s: Floats
    cpu_dram_j: Floats
    gpu_j: Floats


def extract(clone: Clone) -> Iterator[dict[str, Any] | LeftOut]:
    """A row an evaluation of every training, in order of game, algorithm, seed and frames, and what is left
    out.

    Rows have `COLUMNS`: energy in J, times in s. `clock_*` are energies until the training's clock shows the
    time of the evaluation, both logs taken to begin together; `stretched_*` until the same share of the power
    log, as if all that is outside the clock were spread evenly over the training. `log_*` are those of the
    whole log.
    """
    paths = [blob.path for blob in clone.files()]
    logs = {}
    for path in filter(_LOG.fullmatch, paths):
        description, log = _read_log(path, clone.read_bytes(path) or b"")
        logs[description] = log
    found = [(_training(match), match[0]) for match in map(_SCORES.fullmatch, paths) if match]
    for (game, algorithm, seed), path in sorted(found):
        described = clone.read_bytes(path.replace("/eval_test.csv", "/impacttracker/info.pkl"))
        own = logs.get(hashlib.sha256(described or b"").hexdigest())
        if own is None:
            yield LeftOut(path, "no power log describes this training")
            continue
        named = {"game": game, "algorithm": algorithm, "seed": seed}
        yield from (named | row for row in _rows(clone.read(path) or "", own))


def _training(match: re.Match[str]) -> tuple[str, str, int]:
    game, algorithm = match["game"] or match["sb_game"], match["algorithm"] or match["sb_algorithm"]
    return game, _NAMES.get(algorithm, algorithm), int(match["seed"] or match["sb_seed"])


def _read_log(path: str, content: bytes) -> tuple[str, PowerLog]:
    """(hash of its description, the log) of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        described = hashlib.sha256(archive.read("info.pkl")).hexdigest()
        lines = [json.loads(line) for line in archive.read("data.json").splitlines() if line.strip()]
    at_s = np.array([line["timestamp"] for line in lines]) - lines[0]["timestamp"]
    # A line holds the mean power since the one before.
    lasted_s = np.diff(at_s, prepend=0.0)
    cpu_w, gpu_w = (
        np.array([line[name] for line in lines])
        for name in ("rapl_power_draw_absolute", "nvidia_draw_absolute")
    )
    return described, PowerLog(path, at_s, np.cumsum(cpu_w * lasted_s), np.cumsum(gpu_w * lasted_s))


def _rows(scores: str, log: PowerLog) -> Iterator[dict[str, Any]]:
    # The first line of scores holds options of the training.
    table = list(csv.DictReader(io.StringIO(scores[scores.index("frames,") :])))
    clock_end_s, log_s = float(table[-1]["total_time"]), float(log.at_s[-1])
    for row in table:
        clock_s = float(row["total_time"])
        energies = {
            f"{reading}_{part}_j": float(np.interp(at_s, log.at_s, joules))
            for reading, at_s in (("clock", clock_s), ("stretched", clock_s * log_s / clock_end_s))
            for part, joules in (("cpu_dram", log.cpu_dram_j), ("gpu", log.gpu_j))
        }
        yield {
            "frames": int(row["frames"]),
            "mean_return": float(row["rmean"]),
            "clock_s": clock_s,
            **energies,
            "clock_end_s": clock_end_s,
            "log_s": log_s,
            "log_cpu_dram_j": float(log.cpu_dram_j[-1]),
            "log_gpu_j": float(log.gpu_j[-1]),
            "power_samples": len(log.at_s),
            "path": log.path,
        }
