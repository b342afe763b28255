"""The order of processes by energy, read twice: by two instruments of the same part of a machine."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.sparse_parity.agreement import RANKED, group_solved, tau_of
from joules.analysis import statistics
from joules.analysis.records import ReadingGroup, Records, select_measured
from joules.instrument.reading import primary
from joules.instrument.reading_arrays import ReadingKind
from joules.instrument.source import MACHINE
from joules.means import Floats, MeanSample

# Columns of the table of orders.
COLUMNS = [*RANKED, "instrument", "other", "processes", "order", "other_order", "tau"]
_READ = ("counter", "sampled")


def find_instruments(records: Records) -> dict[str, tuple[frozenset[str], Floats]]:
    """What each instrument of the machine reads that counts or samples energy.

    Returns:
        By the name of the source: the domains, and the energy in joules of each run in order of block and
        position; NaN where it read none.
    """
    groups = [group for group in records.groups if group.kind == "run"]
    names = dict.fromkeys(kind.source for group in groups for kind in group.layout.kinds if _is_read(kind))
    found = {}
    for name in names:
        domains = {kind.domain for group in groups for kind in _kinds(group, name)}
        energy_j = records.collect("run", functools.partial(_energy_j, source=name))
        found[name] = frozenset(domains), energy_j[records.cells.order]
    return found


def _is_read(kind: ReadingKind) -> bool:
    return kind.scope == "machine" and kind.provenance in _READ


def _kinds(group: ReadingGroup, source: str) -> list[ReadingKind]:
    """The readings of a source, none of which covers another."""
    return primary([kind for kind in group.layout.kinds if kind.source == source and _is_read(kind)])


def _energy_j(group: ReadingGroup, source: str) -> Floats | None:
    places = [kind.place for kind in _kinds(group, source)]
    return group.energy_j[:, places].sum(axis=1) if places else None


def order_processes(
    runs: pd.DataFrame, arms: pd.DataFrame, instruments: Mapping[str, tuple[frozenset[str], Floats]]
) -> pd.DataFrame:
    """The order of the processes of each problem by every two instruments that read a common part.

    Args:
        runs: a row a run, in order of block and position.
        arms: a row a process and problem.
        instruments: as `find_instruments` gives them.

    Returns:
        A row for each problem, access and pair of instruments, with `COLUMNS`.
    """
    rows = []
    for name, other in itertools.combinations(instruments, 2):
        (domains, energy_j), (other_domains, other_energy_j) = instruments[name], instruments[other]
        if not (domains & other_domains or MACHINE in domains | other_domains):
            continue
        read = runs.assign(
            first=np.log(energy_j / runs["solves"]), second=np.log(other_energy_j / runs["solves"])
        )
        means = select_measured(read).groupby("arm")[["first", "second"]].mean()
        for group in group_solved(arms[arms["arm"].isin(means.index)], least=2):
            both = group.join(means, on="arm").dropna(subset=["first", "second"])
            if len(both) < 2:
                continue
            orders = [" < ".join(both.sort_values(column)["process"]) for column in ("first", "second")]
            place = [group[column].iloc[0] for column in RANKED]
            rows.append([*place, name, other, len(both), *orders, tau_of(both, "first", "second")])
    return pd.DataFrame(rows, columns=COLUMNS)


def agreement_of_instruments(
    orders: pd.DataFrame, instruments: Mapping[str, tuple[frozenset[str], Floats]]
) -> statistics.Row:
    """Mean agreement of two instruments about the order of processes, over problems and pairs of instruments;
    the reason where there is none."""
    cells = statistics.row(
        statistic="instruments.agreement", family="instruments", test="none", metric="energy"
    )
    known = orders["tau"].dropna()
    if len(known):
        return cells | statistics.estimate_cells(MeanSample.from_values(known, "skewed_t"))
    names = ", ".join(instruments)
    reasons = {
        0: "no instrument counts or samples energy: it is modelled",
        1: f"one instrument reads energy: {names}",
    }
    return cells | {"n": 0, "note": reasons.get(len(instruments), f"no two of {names} read the same part")}
