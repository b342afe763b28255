"""What a campaign says of itself: its machine, its instruments and its own energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.analysis.records import flags_of
from experiments.analysis.values import Value
from experiments.bench.record import Idle, Run
from experiments.config import Config
from experiments.energy import carbon
from experiments.energy.machine import Machine
from experiments.energy.reading import primary
from experiments.errors import UserError

Entries = Sequence[Run | Idle]

# The word for a number of each provenance, as a caption and the abstract print it.
WORDS = {
    "counter": "measured by hardware counters",
    "sampled": "measured by sampled power",
    "modelled": "modelled, not measured",
    "missing": "missing",
}
_DOMAINS = {"cpu": "processor", "dram": "memory"}


def tabulate(records: Mapping[str, Entries], config: Config) -> dict[str, pd.DataFrame]:
    """`machine` (one row), `instruments` (one row a domain), `energy` (one row an experiment), `flags` (one
    row an experiment and kind of flag).

    Raises UserError where the records come from more than one machine.
    """
    entries = [entry for found in records.values() for entry in found]
    machines = {entry.machine.id: entry.machine for entry in entries}
    if len(machines) > 1:
        raise UserError(
            "the records of this campaign come from several machines "
            f"({', '.join(machine.words for machine in machines.values())}): one campaign is one machine"
        )
    return {
        "machine": pd.DataFrame([_machine_row(next(iter(machines.values())), entries)]),
        "instruments": _instruments(entries),
        "energy": pd.DataFrame([_energy_row(name, found, config) for name, found in records.items()]),
        "flags": pd.DataFrame(
            [row for name, found in records.items() for row in _flag_rows(name, found)],
            columns=["experiment", "flag", "runs", "example"],
        ),
    }


def _machine_row(machine: Machine, entries: Entries) -> dict[str, object]:
    runs = [entry for entry in entries if isinstance(entry, Run)]
    return {
        "machine": machine.id,
        "words": machine.words,
        "processor": machine.processor,
        "logical_cores": machine.logical_cores,
        "memory_gib": machine.memory_gib,
        "virtual": machine.virtual,
        "gpus": "; ".join(gpu.name for gpu in machine.gpus),
        "driver": "; ".join(sorted({gpu.driver for gpu in machine.gpus})),
        "system": machine.system,
        "python": machine.python,
        "scale": ", ".join(sorted({run.scale for run in runs})),
        "meter_version": entries[0].meter_version,
        "threads": max(run.threads for run in runs),
        "first_measured_at": min(entry.measured_at for entry in entries),
        "last_measured_at": max(entry.measured_at for entry in entries),
        **{f"version_{name}": version for name, version in sorted(runs[0].versions.items())},
    }


def _instruments(entries: Entries) -> pd.DataFrame:
    rows = {
        (reading.domain, reading.provenance, reading.source, reading.detail): None
        for entry in entries
        for reading in primary(entry.readings)
    }
    columns = ["domain", "provenance", "source", "detail"]
    return pd.DataFrame(sorted(rows), columns=columns)


def _energy_row(experiment: str, entries: Entries, config: Config) -> dict[str, object]:
    runs = [entry for entry in entries if isinstance(entry, Run)]
    spent_j = sum(entry.spent.energy_j or 0.0 for entry in entries)
    grid = carbon.grid(config.region)
    impact = carbon.impact(spent_j, grid, config.pue, config.price_usd_per_kwh)
    low_usd, median_usd, high_usd = impact.social_cost_usd
    return {
        "experiment": experiment,
        "runs": len(runs),
        "failed": sum(run.failure is not None for run in runs),
        "unread": sum(run.failure is None and not run.has_result for run in runs),
        "flagged": sum(bool(flags_of(run, entries)) for run in runs),
        "windows_j": sum(run.total.energy_j for run in runs if run.total),
        "spent_j": spent_j,
        "spent_s": sum(entry.spent.duration_s for entry in entries),
        "unread_s": sum(entry.spent.duration_s for entry in entries if entry.spent.energy_j is None),
        "pue": config.pue,
        "region": grid.region,
        "intensity_g_per_kwh": grid.intensity_g_per_kwh,
        "grid_sha256": impact.grid_sha256,
        "energy_kwh": impact.energy_kwh,
        "emissions_g": impact.emissions_g,
        "price_usd": impact.price_usd,
        "social_cost_low_usd": low_usd,
        "social_cost_usd": median_usd,
        "social_cost_high_usd": high_usd,
        "boiled_litres": impact.boiled_litres,
        "household_h": impact.household_h,
    }


def _flag_rows(experiment: str, entries: Entries) -> list[dict[str, object]]:
    evidence: dict[str, list[str]] = {}
    for run in (entry for entry in entries if isinstance(entry, Run)):
        for kind, found in {flag.partition(": ")[0]: flag for flag in flags_of(run, entries)}.items():
            evidence.setdefault(kind, []).append(f"{run.arm} block {run.block}, {found.partition(': ')[2]}")
    return [
        {"experiment": experiment, "flag": kind, "runs": len(found), "example": found[0]}
        for kind, found in sorted(evidence.items())
    ]


def words(instruments: pd.DataFrame) -> str:
    """How the energy was read, as a clause."""
    kinds = set(instruments["provenance"])
    if len(kinds) == 1:
        return WORDS[kinds.pop()]
    parts = [
        f"{_DOMAINS.get(row.domain, row.domain.upper())} {WORDS[row.provenance]}"
        for row in instruments.itertuples()
    ]
    return ", ".join(parts)


def values(tables: Mapping[str, pd.DataFrame], campaign: str, config: Config) -> list[Value]:
    """The numbers and words the paper prints about the campaign."""
    machine, energy = tables["machine"].iloc[0], tables["energy"]
    instruments = tables["instruments"]
    details = "; ".join(
        f"{_DOMAINS.get(row.domain, row.domain.upper())}: {row.detail}" for row in instruments.itertuples()
    )
    grid = carbon.grid(config.region)
    return [
        Value("campaign.name", campaign, "results folder"),
        Value("campaign.scale", machine["scale"], "machine.csv scale"),
        Value("campaign.machine", machine["words"], "machine.csv words"),
        Value("campaign.system", machine["system"], "machine.csv system"),
        Value("campaign.threads", int(machine["threads"]), "machine.csv threads"),
        Value("campaign.date", machine["last_measured_at"][:10], "machine.csv last_measured_at"),
        Value("campaign.torch", machine["version_torch"], "machine.csv version_torch"),
        Value("campaign.meter", int(machine["meter_version"]), "machine.csv meter_version"),
        Value("campaign.how", words(instruments), "instruments.csv provenance"),
        Value("campaign.instruments", details, "instruments.csv detail"),
        Value("campaign.runs", int(energy["runs"].sum()), "energy.csv runs, sum"),
        Value("campaign.failed", int(energy["failed"].sum()), "energy.csv failed, sum"),
        Value("campaign.unread", int(energy["unread"].sum()), "energy.csv unread, sum"),
        Value("campaign.flagged", int(energy["flagged"].sum()), "energy.csv flagged, sum"),
        Value("campaign.hours", energy["spent_s"].sum() / 3600, "energy.csv spent_s, sum", 2, r"\hour"),
        *_unread_hours(energy),
        _summed(energy, "campaign.energy", "energy_kwh", r"\kWh"),
        _summed(energy, "campaign.emissions", "emissions_g", r"\gram"),
        _summed(energy, "campaign.price", "price_usd"),
        _summed(energy, "campaign.social", "social_cost_usd"),
        _summed(energy, "campaign.social.low", "social_cost_low_usd"),
        _summed(energy, "campaign.social.high", "social_cost_high_usd"),
        _summed(energy, "campaign.boiled", "boiled_litres"),
        Value(
            "campaign.household",
            60 * energy["household_h"].sum(),
            "energy.csv household_h, sum",
            2,
            r"\minute",
        ),
        Value("campaign.pue", config.pue, "configuration pue", 3),
        Value("campaign.grid", grid.name, f"configuration region {grid.region}"),
        Value("campaign.grid.source", grid.source, f"packaged data, SHA-256 {grid.sha256}"),
        Value("campaign.intensity", grid.intensity_g_per_kwh, grid.source, 3, r"\gram\per\kWh"),
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Runs by kind of flag and experiment as the paper prints them."""
    flags, experiments = tables["flags"], list(tables["energy"]["experiment"])
    counts = flags.pivot(index="flag", columns="experiment", values="runs").reindex(columns=experiments)
    printed = counts.fillna(0).astype(int).astype(str).reset_index()
    printed.columns = ["flag", *(name.replace("_", " ") for name in experiments)]
    return {"flags": printed}


def _unread_hours(energy: pd.DataFrame) -> list[Value]:
    """Only where there are any: the energy that a campaign states is then short of what it used."""
    hours = energy["unread_s"].sum() / 3600
    if not hours:
        return []
    return [Value("campaign.unread.hours", hours, "energy.csv unread_s, sum", 2, r"\hour")]


def _summed(energy: pd.DataFrame, key: str, column: str, unit: str = "") -> Value:
    return Value(key, float(energy[column].sum()), f"energy.csv {column}, sum", 2, unit)
