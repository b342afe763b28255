"""Values and tables that the paper prints about the campaign as a whole."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from joules.analysis.instruments import domain_name, is_modelled, provenance_words
from joules.instrument import carbon
from joules.paper.evidence import print_evidence
from joules.paper.printing import lay_out, number, spaced
from joules.paper.rows import Rows, derive, pick
from joules.paper.values import Value

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


def _unread(energy: Rows) -> list[Value]:
    """Values about unread energy, which makes the total a lower bound; empty if all was read."""
    return [Value("campaign.unread.hours", energy.sum("unread_s") / 3600, 2, r"\hour")]


def _power(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The range of the machine's power over all power models."""
    watts = pick(tables, "watts")
    covering = watts.where("gap.isna()")
    ranges = {
        f"power.{state}.{end}": power_w
        for state in ("rest", "one_core", "all_cores")
        for end, power_w in (("least", covering.min(f"{state}_w")), ("most", covering.max(f"{state}_w")))
    }
    return [
        Value("banded", derive(say_modelled, pick(tables, "instruments")), on_demand=True),
        Value("power.models", covering.count(), on_demand=True),
        Value("power.missing", watts.where("gap.notna()").count(), on_demand=True),
        *(Value(key, power_w, 2, r"\watt", on_demand=True) for key, power_w in ranges.items()),
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Evidence on claims, runs by kind of flag, and the power models, as the paper prints them."""
    experiments = list(tables["energy"]["experiment"])
    flags = tables["flags"].pivot(index="flag", columns="experiment", values="runs")
    flags = flags.reindex(columns=experiments).fillna(0).astype(int).astype(str)
    return {
        "evidence": print_evidence(tables["evidence"]),
        "flags": flags.rename(columns=spaced).reset_index(),
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
