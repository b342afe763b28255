"""The published readings, each file checked against the hash that `sources.yaml` states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from joules.study.published import SOURCES, check_source

# Rounds of MLPerf Inference, a file each.
MLPERF = "mlperf_"


def read_sources(paths: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Files of published readings as tables, by the name of the file without its suffix.

    Raises:
        UserError: a file is missing or not what `sources.yaml` states.
    """
    found = {}
    for path in paths:
        if path.name != SOURCES:
            check_source(path)
            found[path.stem] = pd.read_csv(path)
    return found


def concat_rounds(readings: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The runs of all rounds of MLPerf Inference; `run` is the round and the folder of the run in its
    repository."""
    rounds = [table for name, table in readings.items() if name.startswith(MLPERF)]
    runs = pd.concat(rounds, ignore_index=True)
    runs.insert(0, "run", runs["version"] + "/" + runs.pop("path").str.rstrip("/"))
    return runs
