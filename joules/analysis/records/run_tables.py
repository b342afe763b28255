"""Runs of records as a tidy table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from joules.analysis.records.collection import Records
from joules.bench.record import Idle, Run
from joules.instrument.source import PREFERENCE
from joules.study.design import Design

# Tables by name.
TableSet = dict[str, pd.DataFrame]


def runs_table(
    entries: Sequence[Run | Idle], parameters: Sequence[str] = (), metrics: Sequence[str] = ()
) -> pd.DataFrame:
    """`runs_table` with the named parameters and metrics of each run as columns; None where absent."""
    records = Records.from_sequence(entries)
    cells, energies, idle = records.cells, records.energies, records.idle
    duration_s = cells.runs["duration_s"].astype(np.float64)
    of_energy = {
        "energy_j": energies.energy_j,
        "energy_uncertainty_j": energies.uncertainty_j,
        "energy_net_j": energies.energy_j - idle.power_w * duration_s,
        "energy_net_uncertainty_j": energies.uncertainty_j + idle.spread_w / 2 * duration_s,
        "energy_attributed_j": energies.attributed_j,
        "provenance": energies.provenance,
        **{f"energy_{domain}_j": energies.domain_j[domain] for domain in sorted(energies.domain_j)},
        "idle_power_w": idle.power_w,
    }
    flags = np.array(["; ".join(each) for each in idle.flags], dtype=object)[idle.flags_of_run]

    def of_run(*names: str) -> dict[str, pd.Series]:
        return {name: cells.column("runs", name) for name in names}

    return pd.DataFrame(
        {
            **of_run("experiment", "arm"),
            **{name: cells.column("parameters", name) for name in parameters},
            **of_run("block", "position", "scale", "duration_s"),
            **{name: column[cells.order] for name, column in of_energy.items()},
            **of_run("cpu_s", "instructions", "foreign_cores", "peak_memory_bytes", "failure"),
            "flags": flags[cells.order],
            **of_run("fingerprint", "measured_at"),
            **{name: cells.column("metrics", name) for name in metrics},
        },
        # Tables of the same records share what no model of power touches; Pandas copies what is changed.
        copy=False,
    )


def select_measured(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of runs that worked to their end and whose energy was read."""
    is_result = runs["failure"].isna() & runs["energy_j"].notna()
    return runs.copy(deep=False) if is_result.all() else runs[is_result]


def sort_by_arm(table: pd.DataFrame, design: Design) -> pd.DataFrame:
    """A table with a row an arm in the order of the design, not of the first block's random one."""
    if table.empty:
        return table
    places = {arm: place for place, arm in enumerate(design.arms)}
    return table.sort_values("arm", key=lambda arms: arms.map(places), kind="stable", ignore_index=True)


def weakest_provenance(runs: pd.DataFrame) -> str:
    """The weakest provenance among runs with a result: what a caption must say."""
    kinds = select_measured(runs)["provenance"].unique()
    return max(kinds, key=[*PREFERENCE].index) if len(kinds) else "missing"
