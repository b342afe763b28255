"""Runs of records as a tidy table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from joules.analysis.records.collection import Records
from joules.analysis.records.record_columns import ReadingGroup, Record
from joules.instrument.reading_arrays import Floats
from joules.instrument.source import PREFERENCE
from joules.study.design import Design

# Tables by name.
TableSet = dict[str, pd.DataFrame]


def runs_table(
    records: Records | Sequence[Record], parameters: Sequence[str] = (), metrics: Sequence[str] = ()
) -> pd.DataFrame:
    """A table with one row a run, failed ones included, in order of block and position.

    Args:
        records: the records of any number of experiments.
        parameters, metrics: names of those of the runs that become columns too; None where a run has none.

    Returns:
        Energies in joules, gross and net of the idle power around the run's session; power in watts; CPU time
        in seconds; instructions in user mode, None where the processor counts none; quality flags, separated
        by '; '.
    """
    records = Records.from_sequence(records)
    cells, energy_j, idle = records.cells, records.energy_j, records.idle
    duration_s = cells.runs["duration_s"].astype(np.float64)
    uncertainty_j = records.collect("run", lambda group: group.total_uncertainty_j)
    domains = {kind.domain for group in records.groups if group.kind == "run" for kind in group.primary}
    of_energy = {
        "energy_j": energy_j,
        "energy_uncertainty_j": uncertainty_j,
        "energy_net_j": energy_j - idle.power_w * duration_s,
        "energy_net_uncertainty_j": uncertainty_j + idle.spread_w / 2 * duration_s,
        "energy_attributed_j": records.collect("run", lambda group: group.attributed_j),
        "provenance": records.collect("run", lambda group: group.provenance, None),
        **{f"energy_{domain}_j": _domain_j(records, domain) for domain in sorted(domains)},
        "idle_power_w": idle.power_w,
    }
    flags = np.array(["; ".join(each) for each in idle.flags], dtype=object)[idle.flags_of_run]

    def own(*names: str) -> dict[str, pd.Series]:
        return {name: cells.series("runs", name) for name in names}

    return pd.DataFrame(
        {
            **own("experiment", "arm"),
            **{name: cells.series("parameters", name) for name in parameters},
            **own("block", "position", "scale", "duration_s"),
            **{name: column[cells.order] for name, column in of_energy.items()},
            **own("cpu_s", "instructions", "foreign_cores", "peak_memory_bytes", "failure"),
            "flags": flags[cells.order],
            **own("fingerprint", "measured_at"),
            **{name: cells.series("metrics", name) for name in metrics},
        },
        # Tables of the same records share what no power model changes; Pandas copies what is changed.
        copy=False,
    )


def _domain_j(records: Records, domain: str) -> Floats:
    def numbers(group: ReadingGroup) -> Floats | None:
        found = next((kind for kind in group.primary if kind.domain == domain), None)
        return None if found is None else group.energy_j[:, found.place]

    return records.collect("run", numbers)


def select_measured(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of runs that worked to their end and whose energy was read."""
    is_measured = runs["failure"].isna() & runs["energy_j"].notna()
    return runs.copy(deep=False) if is_measured.all() else runs[is_measured]


def sort_by_arm(table: pd.DataFrame, design: Design) -> pd.DataFrame:
    """A table with a row an arm in the order of the design, not of the first block's random one."""
    if table.empty:
        return table
    places = {arm: place for place, arm in enumerate(design.arms)}
    return table.sort_values("arm", key=lambda arms: arms.map(places), kind="stable", ignore_index=True)


def weakest_provenance(runs: pd.DataFrame) -> str:
    """The weakest provenance among measured runs: what a caption must say."""
    kinds = select_measured(runs)["provenance"].unique()
    return max(kinds, key=[*PREFERENCE].index) if len(kinds) else "missing"
