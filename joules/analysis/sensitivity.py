"""Whether results rest on runs that carry a flag: every statistic again without them.

Flagged runs are part of every result. Beside each estimate stands what the others alone give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from joules.bench.record import Idle, Run

_AGAIN = ["n", "estimate", "ci_low", "ci_high"]
COLUMNS = [f"unflagged_{name}" for name in _AGAIN]

Entries = Sequence[Run | Idle]


def beside(
    statistics: pd.DataFrame,
    runs: pd.DataFrame,
    entries: Entries,
    statistics_of: Callable[[Entries], pd.DataFrame],
) -> pd.DataFrame:
    """`statistics` with the columns `COLUMNS`: the same without the runs that `runs` has flags of.

    `statistics_of` gives the statistics of fewer entries. NaN where those left do not tell.
    """
    # Records of others that a question uses are no results of its own.
    own = set(runs["experiment"])
    keys = ["experiment", "arm", "block"]
    flagged = set(runs.loc[runs["flags"] != "", keys].itertuples(index=False, name=None))
    left = [
        entry
        for entry in entries
        if not (isinstance(entry, Run) and (entry.experiment, entry.arm, entry.block) in flagged)
    ]
    if not flagged:
        again = statistics
    elif any(isinstance(entry, Run) and entry.has_result and entry.experiment in own for entry in left):
        again = statistics_of(left)
    else:
        again = statistics.iloc[:0]
    renamed = again[["statistic", *_AGAIN]].rename(columns=dict(zip(_AGAIN, COLUMNS, strict=True)))
    return statistics.merge(renamed, on="statistic", how="left", validate="one_to_one")
