"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.grokking import frontier, predictor
from experiments.grokking.outcomes import published
from experiments.grokking.stopping import SAFETY
from joules.analysis import records
from joules.paper.values import Value, band_of, banded_cell, cell, known, significant, statistic_values


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    runs, arms, fleet_ = tables["runs"], tables["arms"], tables["fleet"]
    fixed = records.select_measured(runs[runs["rule"] == "fixed"])
    never = arms[arms["grokked"] == 0]
    expected = fixed[~fixed["arm"].isin(never["arm"])]
    million = fleet_.iloc[-1]
    hardest = tables["statistics"].set_index("statistic")["group"].get("waste.hardest")
    return [
        Value("grokking.runs", len(fixed), "runs.csv rows on the fixed schedule"),
        Value("grokking.grokked", int(fixed["grok_step"].notna().sum()), "runs.csv grok_step, present"),
        Value("grokking.expected", len(expected), "runs.csv rows of arms that grokked in any block"),
        Value("grokking.never", ", ".join(never["arm"]) or "none", "arms.csv grokked of zero"),
        Value("grokking.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        Value("grokking.modulus", int(fixed["modulus"].mode().iloc[0]), "runs.csv modulus, commonest"),
        Value("grokking.steps", int(fixed["steps"].mode().iloc[0]), "runs.csv steps, commonest"),
        Value("grokking.steps.most", int(fixed["steps"].max()), "runs.csv steps, largest"),
        *known(
            *(
                Value(
                    f"grokking.schedule.{row.what}",
                    frontier.length_for(tables["schedules"], row.percent / 100),
                    f"schedules.csv, length at which waste is {row.percent:g} %",
                    2,
                    on_demand=True,
                )
                for row in published().itertuples()
            )
        ),
        *known(
            *(
                Value(
                    f"grokking.waste_at.{row['schedule']:.0f}",
                    100 * row["waste"],
                    f"schedules.csv {row['schedule']:.0f} waste",
                    2,
                    r"\percent",
                    on_demand=True,
                )
                for row in tables["schedules"].to_dict("records")
            )
        ),
        Value("grokking.window", predictor.WINDOW_STEPS, "experiments/grokking/predictor.py"),
        Value("grokking.safety", SAFETY, "experiments/grokking/stopping.py", 2),
        Value(
            "grokking.hardest", str(hardest) if pd.notna(hardest) else "none", "statistics.csv waste.hardest"
        ),
        Value(
            "grokking.waste_s",
            (fixed["waste"] * fixed["duration_s"]).dropna().sum() / max(int(fixed["waste"].notna().sum()), 1),
            "runs.csv waste x duration_s, mean over those that grokked (0 where none did)",
            2,
            r"\second",
        ),
        *(
            Value(
                key, million[column], f"fleet.csv {column}, last row", 2, unit, band=band_of(million, column)
            )
            for key, column, unit in (
                ("grokking.waste_wh", "waste_per_run_wh", r"\watt\hour"),
                ("grokking.million.kwh", "energy_kwh", r"\kWh"),
                ("grokking.million.kg", "emissions_kg", r"\kg"),
                ("grokking.million.usd", "price_usd", ""),
                ("grokking.million.days", "household_days", ""),
            )
        ),
        *_published_values(),
        *statistic_values("grokking", tables["statistics"]),
    ]


def _published_values() -> list[Value]:
    return [
        Value(f"grokking.published.{row.what}", row.percent, f"powerdown.csv {row.what}", 2, r"\percent")
        for row in published().itertuples()
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Arms, rules and fleet as the paper prints them."""
    arms = [
        {
            "arm": row["arm"].replace("_", " "),
            "MFLOPs/step": cell(row["flops_per_step"] * 1e-6),
            "ms/step": cell(row["time_per_step_s"] * 1e3),
            "processor ms/step": cell(row["cpu_per_step_s"] * 1e3),
            "mJ/step": banded_cell(row, "energy_per_step_j", 1e3),
            "grokked": f"{row['grokked']} of {row['blocks']}",
            "memorised at": _count(row["memorised_step"]),
            "grokked at": _count(row["grok_step"]),
            "waste in %": cell(100 * row["waste"]),
        }
        for row in tables["arms"].to_dict("records")
    ]
    means = tables["statistics"].set_index("statistic")["estimate"]
    names = list(dict.fromkeys(tables["rules"]["rule"]))
    rules = [
        {
            "rule": name,
            "energy saved in %": significant(100 * means[f"rule_saved.{name}"], 3),
            "accuracy": significant(means[f"rule_accuracy.{name}"], 3),
            "points lost": significant(means[f"rule_lost_points.{name}"], 2),
            "stopped too early in %": significant(100 * means[f"rule_too_early.{name}"], 2),
        }
        for name in names
    ]
    fleet_rows = [
        {
            "runs a year": f"{row['runs_per_year']:.0f}",
            "kWh": banded_cell(row, "energy_kwh", digits=2),
            "kg CO2e": banded_cell(row, "emissions_kg", digits=2),
            "USD": banded_cell(row, "price_usd", digits=2),
            "household days": banded_cell(row, "household_days", digits=2),
        }
        for row in tables["fleet"].to_dict("records")
    ]
    return {
        "grokking_arms": pd.DataFrame(arms),
        "grokking_fleet": pd.DataFrame(fleet_rows),
        "grokking_rules": pd.DataFrame(rules) if rules else pd.DataFrame({"rule": ["none"]}),
    }


def _count(step: float) -> str:
    return f"{step:.0f}" if np.isfinite(step) else "--"
