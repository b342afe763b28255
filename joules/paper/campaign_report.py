"""What the paper prints about the campaign itself."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from joules.analysis import campaign_tables
from joules.instrument import carbon
from joules.paper.values import Value
from joules.study.config import Config


def values(tables: Mapping[str, pd.DataFrame], campaign: str, config: Config) -> list[Value]:
    """The numbers and words the paper prints about the campaign."""
    machine, energy = tables["machine"].iloc[0], tables["energy"]
    instruments = tables["instruments"]
    details = "; ".join(
        f"{campaign_tables.DOMAINS.get(row.domain, row.domain.upper())}: {row.detail}"
        for row in instruments.itertuples()
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
        Value("campaign.how", campaign_tables.words(instruments), "instruments.csv provenance"),
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
