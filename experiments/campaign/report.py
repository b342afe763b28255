"""Values and tables that the paper prints about the campaign as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from joules.analysis.instruments import domain_name, is_modelled, provenance_words
from joules.instrument import carbon
from joules.means import CONFIDENCE
from joules.paper import replication as replication_table
from joules.paper.evidence import print_evidence, print_verdicts
from joules.paper.printing import Cell, lay_out, number, spaced
from joules.paper.rows import Rows, derive, pick
from joules.paper.values import Value
from joules.power.calibration import SHOWN_LOADS
from joules.power.intervals import UNITS_LEFT_OUT
from joules.power.models import DEFAULT_MODEL
from joules.power.servers import LOADS
from joules.power.trials import LATER

# Columns of energy.csv whose sums are printed: key, factor to the printed unit, unit.
_SUMS = {
    "energy_kwh": ("energy", 1, r"\kWh"),
    "emissions_g": ("emissions", 1, r"\gram"),
    "price_usd": ("price", 1, ""),
    "social_cost_usd": ("social", 1, ""),
    "social_cost_low_usd": ("social.low", 1, ""),
    "social_cost_high_usd": ("social.high", 1, ""),
    "boiled_litres": ("boiled", 1, ""),
    "household_h": ("household", 60, r"\minute"),
}
_COUNTS = ("runs", "failed", "unread", "flagged")
_OF_MACHINE = {
    "scale": "scale",
    "machine": "words",
    "system": "system",
    "threads": "threads",
    "torch": "version_torch",
    "meter": "meter_version",
}
# Loads whose errors are values.
_STATES = {"idle": 0.0, "half": 0.5, "full": 1.0}
EVIDENCE = {
    "generation": "generation, threads",
    "tdp": "any server, TDP",
    "threads": "any server, threads",
    "machines": "any machine, threads",
}


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values (numbers and words) that the paper prints about the campaign."""
    machine, energy, instruments = (pick(tables, name) for name in ("machine", "energy", "instruments"))
    return [
        *(Value(f"campaign.{key}", machine.cell(column)) for key, column in _OF_MACHINE.items()),
        Value("campaign.date", derive(date, machine)),
        Value("campaign.first_seed", machine.cell("first_seed"), on_demand=True),
        Value("campaign.generation", machine.cell("generation"), on_demand=True),
        Value(
            "campaign.generation_basis",
            machine.where("generation_basis != 'recorded'").cell("generation_basis"),
            on_demand=True,
        ),
        Value("campaign.how", derive(provenance_words, instruments)),
        Value("campaign.instruments", derive(list_instruments, instruments)),
        *(Value(f"campaign.{column}", energy.sum(column)) for column in _COUNTS),
        Value("campaign.power", energy.sum("windows_j") / energy.sum("windows_s"), 3, r"\watt"),
        Value("campaign.hours", energy.sum("spent_s") / 3600, 2, r"\hour"),
        *(
            Value(f"campaign.{key}", factor * energy.sum(column), 2, unit)
            for column, (key, factor, unit) in _SUMS.items()
        ),
        Value("campaign.pue", energy.cell("pue"), 3),
        Value("campaign.grid", derive(name_grid, energy)),
        Value("campaign.grid.source", derive(cite_grid, energy)),
        Value("campaign.intensity", energy.cell("intensity_g_per_kwh"), 3, r"\gram\per\kWh"),
        *_replication(pick(tables, "replication")),
        *(_unread(energy) if energy.frame["unread_s"].any() else []),
        *(_power(tables) if is_modelled(tables["instruments"]) else []),
    ]


def date(machine: pd.DataFrame) -> str:
    """The day on which the campaign was last measured."""
    return str(machine["last_measured_at"].iloc[0])[:10]


def list_instruments(instruments: pd.DataFrame) -> str:
    """Each part of the machine and how its energy was read."""
    return "; ".join(f"{domain_name(row.domain)}: {row.detail}" for row in instruments.itertuples())


def name_grid(energy: pd.DataFrame) -> str:
    """The name of the region whose electricity is used."""
    return carbon.grid(energy["region"].iloc[0]).name


def cite_grid(energy: pd.DataFrame) -> str:
    """The source of the region's carbon intensity."""
    return carbon.grid(energy["region"].iloc[0]).source


def say_modelled(instruments: pd.DataFrame) -> str:
    """Yes or no: is the energy of any part of the machine modelled?"""
    return "yes" if is_modelled(instruments) else "no"


def _replication(replication: Rows) -> list[Value]:
    """How many claims were asked on how many machines, and of which the machines differ."""
    over = replication.where(level=replication_table.MACHINES)
    differing = over.where(f"p_equal <= {1 - CONFIDENCE:.2g}")
    return [
        Value("replication.claims", over.count()),
        Value("replication.machines", replication.where(level=replication_table.MACHINE).nunique("machine")),
        Value("replication.differ", differing.names("claim")),
        Value("replication.differ.count", differing.count()),
        Value("replication.differ.corrected", over.where(f"p_equal_holm <= {1 - CONFIDENCE:.2g}").count()),
    ]


def _unread(energy: Rows) -> list[Value]:
    """Values about unread energy, which makes the total a lower bound; empty if all was read."""
    return [Value("campaign.unread.hours", energy.sum("unread_s") / 3600, 2, r"\hour")]


def _power(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The error of the default model at the wall, its intervals' coverage, and its prediction here."""
    watts, calibration = pick(tables, "watts"), pick(tables, "calibration")
    covering = watts.where("gap.isna()")
    curve = calibration.where(power_model=DEFAULT_MODEL)
    known = curve.where(evidence="generation", left_out="processor")
    trials = {name: curve.where(evidence=name, left_out=unit) for name, unit in UNITS_LEFT_OUT.items()}
    later = curve.where(left_out=LATER)
    systems = pick(tables, "processor_only")
    here = {
        f"power.here.{state}{end}": watts.where(power_model=model).cell(f"{state}_w")
        for end, model in (("", DEFAULT_MODEL), (".low", "load_curve_low"), (".high", "load_curve_high"))
        for state in ("rest", "all_cores")
    }
    ratios = {
        **{
            f"power.factor.{name}.{state}": trial.where(load=load).cell("factor")
            for name, trial in trials.items()
            for state, load in _STATES.items()
        },
        **{
            f"power.coverage.{name}.{end}": value
            for name, trial in (trials | {"later": later}).items()
            for end, value in (("least", trial.min("coverage")), ("most", trial.max("coverage")))
        },
        **{f"power.width.{name}": trial.where(load=1.0).cell("width") for name, trial in trials.items()},
        "power.learning.least": systems.min("least_w / predicted_w"),
        "power.learning.most": systems.max("most_w / predicted_w"),
    }
    return [
        Value("banded", derive(say_modelled, pick(tables, "instruments")), on_demand=True),
        Value("power.models", covering.count(), on_demand=True),
        Value("power.missing", watts.where("gap.notna()").count(), on_demand=True),
        Value("power.servers", known.where(load=1.0).cell("servers"), on_demand=True),
        Value("power.processors", pick(tables, "wall").nunique("processor"), on_demand=True),
        Value("power.generations", pick(tables, "wall").nunique("generation"), on_demand=True),
        *(Value(key, power_w, 3, r"\watt", on_demand=True) for key, power_w in here.items()),
        *(Value(key, ratio, 3, on_demand=True) for key, ratio in ratios.items()),
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables as the paper prints them: evidence and verdicts on claims, runs by kind of flag and experiment,
    errors of power models at the wall, and the power models here."""
    experiments = list(tables["energy"]["experiment"])
    flags = tables["flags"].pivot(index="flag", columns="experiment", values="runs")
    flags = flags.reindex(columns=experiments).fillna(0).astype(int).astype(str)
    return {
        "evidence": print_evidence(tables["evidence"]),
        "replication": replication_table.print_replication(tables["replication"]),
        "verdicts": print_verdicts(tables["evidence"]),
        "flags": flags.rename(columns=spaced).reset_index(),
        **print_calibration(tables["calibration"], tables["processor_only"]),
        "watts": lay_out(
            tables["watts"],
            {
                "model": "{words}",
                "idle in W": number("rest_w"),
                "one core in W": number("one_core_w"),
                "all cores in W": number("all_cores_w"),
                "error factor": number("counter_factor"),
                "source": lambda row: row["source"] if pd.isna(row["gap"]) else f"not covered: {row['gap']}",
            },
        ),
    }


def print_calibration(calibration: pd.DataFrame, processor_only: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The errors at the wall as the paper and the documentation print them: those of the default model by
    what was left out, those of all models on servers whose processor was left out, and MLPerf's systems."""
    is_curve = calibration["power_model"] == DEFAULT_MODEL
    is_strict = (calibration["left_out"] == "processor") & (
        calibration["evidence"].fillna("generation") == "generation"
    )
    return {
        "calibration": lay_out(
            _widen(calibration[is_curve]),
            {
                "predicted by": lambda row: EVIDENCE[row["evidence"]],
                "left out": "{left_out}",
                "servers": "{servers}",
                **_at_loads("factor", "factor at"),
                "coverage": _span("coverage"),
                "upper over lower end": _span("width"),
            },
        ),
        "calibration_models": lay_out(
            _widen(calibration[is_strict]),
            {
                "model": "{words}",
                **_at_loads("factor", "factor at"),
                **_at_loads("bias", "bias at"),
                "takes part at": _loads_taken,
            },
        ),
        "processor_only": lay_out(
            processor_only,
            {
                "processor": "{processor}",
                "network": "{network}",
                "runs": "{runs}",
                "wall in W": number("median_w"),
                "least": number("least_w"),
                "most": number("most_w"),
                "predicted in W": number("predicted_w"),
                "low": number("low_w"),
                "high": number("high_w"),
                "predicted by": lambda row: EVIDENCE[row["evidence"]],
            },
        ),
    }


def _widen(calibration: pd.DataFrame) -> pd.DataFrame:
    """One row a power model and unit left out, with a column for every load."""
    keys = ["power_model", "words", "evidence", "left_out", "servers"]
    columns = ["factor", "bias", "coverage", "width", "takes_part"]
    rows = []
    for cells, of_trial in calibration.groupby(keys, sort=False, dropna=False):
        by_load = of_trial.set_index("load")
        rows.append(
            dict(zip(keys, cells, strict=True))
            | {f"{name}_{load:.0%}": by_load.loc[load, name] for name in columns for load in by_load.index}
        )
    return pd.DataFrame(rows)


def _at_loads(column: str, head: str) -> dict[str, Cell]:
    # A head breaks at a space, not between a number and its unit.
    return {
        f"{head} {100 * load:.0f}\N{NO-BREAK SPACE}%": _ratio(f"{column}_{load:.0%}") for load in SHOWN_LOADS
    }


def _ratio(column: str) -> Cell:
    """Prints a ratio with two decimals, a dash where it is infinite."""
    return lambda row: f"{row[column]:.2f}" if math.isfinite(row[column]) else "--"


def _span(column: str) -> Cell:
    """Prints the least and the largest number over loads."""

    def print_span(row: Mapping[str, Any]) -> str:
        numbers = [row[f"{column}_{load:.0%}"] for load in LOADS]
        if pd.isna(numbers[0]):
            return "--"
        low, high = f"{min(numbers):.2f}", f"{max(numbers):.2f}"
        return low if low == high else f"{low} to {high}"

    return print_span


def _loads_taken(row: Mapping[str, Any]) -> str:
    """The loads at which a model takes part in verdicts, neighbours as a range."""
    spans: list[list[float]] = []
    for before, load in zip((None, *LOADS), LOADS, strict=False):
        if row[f"takes_part_{load:.0%}"]:
            if before is None or not row[f"takes_part_{before:.0%}"]:
                spans.append([load])
            spans[-1].append(load)
    words = [
        f"{100 * span[0]:.0f}" + (f" to {100 * span[-1]:.0f}" if span[-1] > span[0] else "") for span in spans
    ]
    return f"{', '.join(words)} %" if words else "no load"
