"""Power of a machine by every power model, the error against counters, and the claims under each model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from joules.analysis.records import Records
from joules.analysis.sensitivity import MODEL_TABLE_COLUMNS
from joules.power.calibration import SHOWN_LOADS
from joules.power.intervals import machine_learning_systems
from joules.power.metered import Servers
from joules.power.models import POWER_MODELS, PowerModel, power_w
from joules.power.servers import LOADS
from joules.power.trials import Trial
from joules.power.use import DOMAINS, NotCovered, Use
from joules.study.campaign import POWER_MODELS as TABLE
from joules.study.claims import load_claims

# Loads at which `watts` has a model's error at the wall; `calibration` has all of them.
_WALL_LOADS = {"idle": 0.0, "half": 0.5, "full": 1.0}
_WALL = [
    "wall_servers",
    *(f"wall_{cell}_{name}" for name in _WALL_LOADS for cell in ("factor", "bias", "coverage")),
]
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
    *_WALL,
]


def watts(every: Iterable[Records], calibrated: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the power of this machine under every power model, and the error of each model.

    Args:
        every: Records of each experiment of the campaign.
        calibrated: The table `calibration`.

    Returns:
        One row per power model: power in watts at idle, with one core and with all cores busy, or the reason
            (`gap`) why the model does not cover the machine. `counter_ratio` is the geometric mean over runs
            of modelled energy divided by counted energy; `counter_factor` is the median error factor of a
            run. `wall_factor_...` and `wall_bias_...` (medians) are the same errors for servers with a wall
            meter, whose processor the model did not know; `wall_coverage_...` is the share of those servers
            in the model's 90 % interval. Rows are sorted by `counter_factor`; models that no counter could
            check come last.
    """
    every = list(every)
    uses = [group.use for records in every for group in records.groups if group.use is not None]
    rows = [
        {"power_model": name, "words": model.words, "source": model.source}
        | _states(model, uses)
        | _against_counter(model, every)
        | _against_wall(name, calibrated)
        for name, model in POWER_MODELS.items()
    ]
    table = pd.DataFrame(rows, columns=_WATTS)
    return table.sort_values("counter_factor", kind="stable", ignore_index=True)


def _states(model: PowerModel, uses: Sequence[Use]) -> dict[str, object]:
    if not uses:
        return {"gap": "no window was watched to its end"}
    first = uses[0]
    states = {"rest_w": 0.0, "one_core_w": 1.0, "all_cores_w": float(first.threads)}
    try:
        return {
            state: float(sum(model.power_w(dataclasses.replace(first, busy_cores=busy)).values()))
            for state, busy in states.items()
        }
    except NotCovered as gap:
        return {"gap": str(gap)}


def _against_counter(model: PowerModel, every: Sequence[Records]) -> dict[str, object]:
    logs, gaps = [np.empty(0)], set()
    for records in every:
        for group in records.groups:
            counted = [
                kind for kind in group.primary if kind.domain in DOMAINS and kind.provenance == "counter"
            ]
            if group.kind == "idle" or not counted or group.use is None:
                continue
            try:
                watts_ = power_w(model, group.use, frozenset(kind.domain for kind in counted))
            except NotCovered as gap:
                gaps.add(str(gap))
                continue
            counted_j = group.energy_j[:, [kind.place for kind in counted]]
            model_j = sum(watts_.values()) * group.duration_s
            worked = pd.isna(records.cells.runs["failure"][group.rows]) & ~np.isnan(group.total_j)
            kept = worked & (counted_j > 0).all(axis=1) & (model_j > 0)
            logs.append(np.log(model_j[kept] / counted_j[kept].sum(axis=1)))
    of_runs = np.concatenate(logs)
    if not len(of_runs):
        return {"counted_runs": 0, "counter_gap": "; ".join(sorted(gaps)) or None}
    return {
        "counted_runs": len(of_runs),
        "counter_ratio": float(np.exp(np.mean(of_runs))),
        "counter_factor": float(np.exp(np.median(np.abs(of_runs)))),
    }


def _against_wall(model: str, calibrated: pd.DataFrame) -> dict[str, object]:
    rows = calibrated[
        (calibrated["power_model"] == model)
        & (calibrated["left_out"] == "processor")
        & (calibrated["evidence"].fillna("generation") == "generation")
    ].set_index("load")
    if rows.empty:
        return {}
    errors = {
        f"wall_{cell}_{name}": float(rows.loc[load, cell])
        for name, load in _WALL_LOADS.items()
        for cell in ("factor", "bias", "coverage")
    }
    return {"wall_servers": int(rows["servers"].iloc[0]), **errors}


def calibration(trials: Sequence[Trial]) -> pd.DataFrame:
    """Tabulate the errors of every power model at the wall.

    Args:
        trials: Power models tried on servers that were left out.

    Returns:
        One row per power model, evidence, unit that was left out of the prediction, and load.
    """
    parts = [
        pd.DataFrame(
            {
                "power_model": trial.power_model,
                "words": POWER_MODELS[trial.power_model].words,
                "evidence": trial.evidence,
                "left_out": trial.left_out,
                "load": LOADS,
                "servers": len(trial.errors.places),
                "factor": trial.errors.factor,
                "bias": trial.errors.ratio(0.5),
                "ratio_p05": trial.errors.ratio(0.05),
                "ratio_p95": trial.errors.ratio(0.95),
                "takes_part": trial.takes_part,
                "coverage": trial.coverage,
                "width": trial.width,
            }
        )
        for trial in trials
    ]
    return pd.concat(parts, ignore_index=True)


def wall(servers: Servers, trials: Sequence[Trial]) -> pd.DataFrame:
    """Tabulate wall-metered servers beside their predictions.

    Args:
        servers: Wall-metered servers.
        trials: Power models tried on them.

    Returns:
        One row per server and load: power at the wall, and the power that the default model predicts from
            servers with other processors, with its 90 % interval. Servers whose generation has too few other
            processors are left out.
    """
    trial = next(each for each in trials if (each.evidence, each.left_out) == ("generation", "processor"))
    known, logs = servers.choose(trial.errors.places), trial.errors.logs
    low, high = trial.interval or (logs, logs)
    shown = [LOADS.index(load) for load in SHOWN_LOADS]
    predicted_w = known.power_w / np.exp(logs)
    return pd.DataFrame(
        {
            "server": np.repeat(trial.errors.places, len(shown)),
            "vendor": np.repeat(known.vendor, len(shown)),
            "processor": np.repeat(known.processor, len(shown)),
            "generation": np.repeat(known.generation, len(shown)),
            "year": np.repeat(known.year, len(shown)),
            "load": np.tile(SHOWN_LOADS, len(known.year)),
            "wall_w": known.power_w[:, shown].ravel(),
            "predicted_w": predicted_w[:, shown].ravel(),
            "low_w": (predicted_w * np.exp(low))[:, shown].ravel(),
            "high_w": (predicted_w * np.exp(high))[:, shown].ravel(),
        }
    )


def processor_only() -> pd.DataFrame:
    """Tabulate MLPerf's processor-only systems beside the power that the default model predicts at full load.

    Returns:
        One row per processor and network.
    """
    return pd.DataFrame([dataclasses.asdict(each) for each in machine_learning_systems()])


def headlines(tables: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """Tabulate the statistic that decides each claim, under every power model.

    Args:
        tables: Tables of each experiment by name. An experiment without `power_models` has no row.

    Returns:
        One row per claim and power model.
    """
    parts = [pd.DataFrame(columns=["experiment", "claim", *MODEL_TABLE_COLUMNS, "contrast", "unit", "base"])]
    for experiment, of_experiment in tables.items():
        if TABLE not in of_experiment:
            continue
        table = of_experiment[TABLE]
        facts = of_experiment["statistics"].set_index("statistic")[["contrast", "unit", "base"]]
        for name, claim in load_claims(experiment).items():
            rows = table[table["statistic"] == claim.statistic].join(facts, on="statistic")
            parts.append(rows.assign(experiment=experiment, claim=name))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
