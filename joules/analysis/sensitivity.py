"""Whether results rest on runs that carry a flag: every statistic again without them.

Flagged runs are part of every result. Beside each estimate stands what the others alone give.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from joules.analysis.records import Records

_AGAIN = ["n", "estimate", "ci_low", "ci_high"]
COLUMNS = [f"unflagged_{name}" for name in _AGAIN]
# What names a run.
_KEYS = ["experiment", "arm", "block"]


def beside(
    statistics: pd.DataFrame,
    runs: pd.DataFrame,
    entries: Records,
    statistics_of: Callable[[Records], pd.DataFrame],
) -> pd.DataFrame:
    """`statistics` with the columns `COLUMNS`: the same without the runs that `runs` has flags of.

    `statistics_of` gives the statistics of fewer entries. NaN where those left do not tell.
    """
    # Records of others that a question uses are no results of its own.
    own = runs["experiment"].unique()
    flagged = runs.loc[runs["flags"] != "", _KEYS]
    if flagged.empty:
        again = statistics
    else:
        left = _without(entries, flagged)
        of_runs = left.cells.runs
        tells = pd.isna(of_runs["failure"]) & ~np.isnan(left.energies.energy_j)
        is_own = np.isin(of_runs["experiment"], own)
        again = statistics_of(left) if (tells & is_own).any() else statistics.iloc[:0]
    renamed = again[["statistic", *_AGAIN]].rename(columns=dict(zip(_AGAIN, COLUMNS, strict=True)))
    return statistics.merge(renamed, on="statistic", how="left", validate="one_to_one")


def _without(entries: Records, flagged: pd.DataFrame) -> Records:
    of_runs = pd.MultiIndex.from_arrays([entries.cells.runs[key] for key in _KEYS])
    rests = len(entries) - len(of_runs)
    return entries.some(~of_runs.isin(pd.MultiIndex.from_frame(flagged)), np.full(rests, fill_value=True))
