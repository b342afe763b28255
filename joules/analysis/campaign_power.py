"""What a campaign knows of its machine's power: every model, how far it can be checked, what hangs on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from joules.analysis.ensemble import UNDER, use_of
from joules.bench.record import Idle, Run
from joules.instrument.power_models import DOMAINS, POWER_MODELS, NotCovered, PowerModel, Use, power_w
from joules.instrument.reading import primary
from joules.study.claims import load_claims

Entries = Sequence[Run | Idle]

_WATTS = [
    "power_model",
    "words",
    "source",
    "gap",
    "rest_w",
    "one_core_w",
    "all_cores_w",
    "counted_runs",
    "counter_ratio",
    "counter_factor",
    "counter_gap",
]


def watts(entries: Entries) -> pd.DataFrame:
    """A row a model: its watts of this machine at rest, with one core and with all cores busy, or why it says
    nothing of it; and how far it is off where a counter reads what it models.

    `counter_ratio` is the geometric mean over runs of the model's energy over the counter's, `counter_factor`
    the median factor by which a run is off. Rows with a counter's verdict come first, the best before.
    """
    uses = [use for entry in entries if (use := use_of(entry)) is not None]
    rows = [
        {"power_model": name, "words": model.words, "source": model.source}
        | _states(model, uses)
        | _against_counter(model, entries)
        for name, model in POWER_MODELS.items()
    ]
    table = pd.DataFrame(rows, columns=_WATTS)
    return table.sort_values("counter_factor", kind="stable", ignore_index=True)


def _states(model: PowerModel, uses: Sequence[Use]) -> dict[str, object]:
    if not uses:
        return {"gap": "no window was watched to its end"}
    machine = uses[0]
    states = {"rest_w": 0, "one_core_w": 1, "all_cores_w": machine.threads}
    try:
        return {
            state: sum(model.power_w(dataclasses.replace(machine, busy_cores=busy)).values())
            for state, busy in states.items()
        }
    except NotCovered as gap:
        return {"gap": str(gap)}


def _against_counter(model: PowerModel, entries: Entries) -> dict[str, object]:
    logs, gaps = [], set()
    for run in entries:
        if not isinstance(run, Run) or not run.has_result or not run.duration_s:
            continue
        counted_j = {
            r.domain: r.energy_j
            for r in primary(run.readings)
            if r.domain in DOMAINS and r.provenance == "counter" and r.energy_j
        }
        use = use_of(run)
        if not counted_j or use is None:
            continue
        try:
            watts_ = power_w(model, use, frozenset(counted_j))
        except NotCovered as gap:
            gaps.add(str(gap))
            continue
        model_j = sum(watts_.values()) * run.duration_s
        if model_j > 0:
            logs.append(np.log(model_j / sum(counted_j.values())))
    if not logs:
        return {"counted_runs": 0, "counter_gap": "; ".join(sorted(gaps)) or None}
    return {
        "counted_runs": len(logs),
        "counter_ratio": float(np.exp(np.mean(logs))),
        "counter_factor": float(np.exp(np.median(np.abs(logs)))),
    }


def headlines(models: Mapping[str, pd.DataFrame], statistics: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row a claim and model: the statistic that decides the claim under that model. `models` (the tables
    `power_models`) and `statistics` are tables by experiment."""
    tables = [pd.DataFrame(columns=["experiment", "claim", *UNDER, "unit", "base"])]
    for experiment, table in models.items():
        facts = statistics[experiment].set_index("statistic")[["unit", "base"]]
        for name, claim in load_claims(experiment).items():
            rows = table[table["statistic"] == claim.statistic].join(facts, on="statistic")
            tables.append(rows.assign(experiment=experiment, claim=name))
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
