"""What the paper prints about the campaign itself."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from joules.analysis import campaign_tables
from joules.instrument import carbon
from joules.paper.values import Value, band_of, cell
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
        *_generation(machine),
        Value("campaign.first_seed", int(machine["first_seed"]), "machine.csv first_seed", on_demand=True),
        Value("campaign.date", machine["last_measured_at"][:10], "machine.csv last_measured_at"),
        Value("campaign.torch", machine["version_torch"], "machine.csv version_torch"),
        Value("campaign.meter", int(machine["meter_version"]), "machine.csv meter_version"),
        Value("campaign.how", campaign_tables.words(instruments), "instruments.csv provenance"),
        Value("campaign.instruments", details, "instruments.csv detail"),
        Value("campaign.runs", int(energy["runs"].sum()), "energy.csv runs, sum"),
        Value("campaign.failed", int(energy["failed"].sum()), "energy.csv failed, sum"),
        Value("campaign.unread", int(energy["unread"].sum()), "energy.csv unread, sum"),
        Value("campaign.flagged", int(energy["flagged"].sum()), "energy.csv flagged, sum"),
        *_power(tables),
        _mean_power(energy),
        Value("campaign.hours", energy["spent_s"].sum() / 3600, "energy.csv spent_s, sum", 2, r"\hour"),
        *_unread_hours(energy),
        _summed(energy, "campaign.energy", "energy_kwh", r"\kWh"),
        _summed(energy, "campaign.emissions", "emissions_g", r"\gram"),
        _summed(energy, "campaign.price", "price_usd"),
        _summed(energy, "campaign.social", "social_cost_usd"),
        _summed(energy, "campaign.social.low", "social_cost_low_usd"),
        _summed(energy, "campaign.social.high", "social_cost_high_usd"),
        _summed(energy, "campaign.boiled", "boiled_litres"),
        _summed(energy, "campaign.household", "household_h", r"\minute", 60),
        Value("campaign.pue", config.pue, "configuration pue", 3),
        Value("campaign.grid", grid.name, f"configuration region {grid.region}"),
        Value("campaign.grid.source", grid.source, f"packaged data, SHA-256 {grid.sha256}"),
        Value("campaign.intensity", grid.intensity_g_per_kwh, grid.source, 3, r"\gram\per\kWh"),
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Runs by kind of flag and experiment, and the models of power, as the paper prints them."""
    flags, experiments = tables["flags"], list(tables["energy"]["experiment"])
    counts = flags.pivot(index="flag", columns="experiment", values="runs").reindex(columns=experiments)
    printed = counts.fillna(0).astype(int).astype(str).reset_index()
    printed.columns = ["flag", *(name.replace("_", " ") for name in experiments)]
    return {"flags": printed, "watts": _watts_table(tables["watts"])}


def _unread_hours(energy: pd.DataFrame) -> list[Value]:
    """Only where there are any: the energy that a campaign states is then short of what it used."""
    hours = energy["unread_s"].sum() / 3600
    if not hours:
        return []
    return [Value("campaign.unread.hours", hours, "energy.csv unread_s, sum", 2, r"\hour")]


def _summed(energy: pd.DataFrame, key: str, column: str, unit: str = "", scale: float = 1.0) -> Value:
    totals = energy.sum(numeric_only=True)
    return Value(
        key,
        scale * float(totals[column]),
        f"energy.csv {column}, sum",
        2,
        unit,
        band=band_of(totals, column, scale),
    )


def _generation(machine: pd.Series) -> list[Value]:
    """What the processor is, and why that is believed where it was not recorded."""
    cells = {"generation": machine["generation"], "generation_basis": machine["generation_basis"]}
    stated = pd.notna(cells["generation_basis"]) and cells["generation_basis"] != "recorded"
    return [
        Value(f"campaign.{name}", str(cell), f"machine.csv {name}", on_demand=True)
        for name, cell in cells.items()
        if pd.notna(cell) and (name == "generation" or stated)
    ]


def _mean_power(energy: pd.DataFrame) -> Value:
    """Energy of the windows of all runs over their time."""
    totals = energy.sum(numeric_only=True)
    per_s = 1 / totals["windows_s"] if totals["windows_s"] else 0.0
    return Value(
        "campaign.power",
        per_s * float(totals["windows_j"]),
        "energy.csv windows_j / windows_s, sums",
        3,
        r"\watt",
        band=band_of(totals, "windows_j", per_s),
    )


def _power(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Watts of the machine by model; nothing where nothing is modelled."""
    watts = tables["watts"]
    covering = watts[watts["gap"].isna()]
    if not campaign_tables.is_modelled(tables["instruments"]):
        return []
    cells: dict[str, tuple[float | int | str, str, int | None, str]] = {
        "banded": ("yes", "instruments.csv provenance, any modelled", None, ""),
        "power.models": (len(covering), "watts.csv rows without a gap", None, ""),
        "power.missing": (len(watts) - len(covering), "watts.csv rows with a gap", None, ""),
        **{
            f"power.{state}.{end}": (
                float(getattr(covering[f"{state}_w"], method)()),
                f"watts.csv {state}_w, {words}",
                2,
                r"\watt",
            )
            for state in ("rest", "one_core", "all_cores")
            for end, method, words in (("least", "min", "least"), ("most", "max", "largest"))
            if len(covering)
        },
    }
    return [
        Value(key, raw, source, digits, unit, on_demand=True)
        for key, (raw, source, digits, unit) in cells.items()
    ]


def _watts_table(watts: pd.DataFrame) -> pd.DataFrame:
    """Every model as the paper prints it: its watts or the reason why there are none, and its error where a
    counter reads what it models."""
    return pd.DataFrame(
        {
            "model": watts["words"],
            "at rest in W": [cell(number, 3) for number in watts["rest_w"]],
            "one core in W": [cell(number, 3) for number in watts["one_core_w"]],
            "all cores in W": [cell(number, 3) for number in watts["all_cores_w"]],
            "off by a factor of": [cell(number, 3) for number in watts["counter_factor"]],
            "source": [
                row.source if pd.isna(row.gap) else f"not covered: {row.gap}" for row in watts.itertuples()
            ],
        }
    )
