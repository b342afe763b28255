"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.grokking import frontier, outcomes, replay, step_model, stopping
from joules.paper.printing import banded, lay_out, name, number, whole
from joules.paper.quantities import constant
from joules.paper.rows import derive, pick
from joules.paper.values import Value, cell_values, statistic_values

_SPENT = {
    "waste_wh": ("waste_per_run_wh", r"\watt\hour"),
    "million.kwh": ("energy_kwh", r"\kWh"),
    "million.kg": ("emissions_kg", r"\kg"),
    "million.usd": ("price_usd", ""),
    "million.days": ("household_days", ""),
}


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the paper prints about this experiment."""
    arms, schedules = pick(tables, "arms"), pick(tables, "schedules")
    fixed = pick(tables, "runs").where("failure.isna()", "energy_j.notna()", rule="fixed")
    fleet = pick(tables, "fleet").largest("runs_per_year")
    return [
        Value("grokking.runs", fixed.count()),
        Value("grokking.grokked", fixed.where("grok_step.notna()").count()),
        Value("grokking.expected", derive(count_expected, fixed, arms)),
        Value("grokking.never", arms.where(grokked=0).names("arm")),
        Value("grokking.blocks", arms.max("blocks")),
        Value("grokking.modulus", fixed.mode("modulus")),
        Value("grokking.steps", fixed.mode("steps")),
        Value("grokking.steps.most", fixed.max("steps")),
        Value("grokking.window", constant(step_model, "WINDOW_STEPS")),
        Value("grokking.safety", constant(stopping, "SAFETY"), 2),
        Value("grokking.hardest", derive(name_hardest, pick(tables, "statistics"))),
        Value("grokking.rival", derive(name_rival, pick(tables, "statistics")), on_demand=True),
        Value(
            "grokking.rival.saved",
            derive(share_of_rival, pick(tables, "frontier"), pick(tables, "statistics")),
            2,
            on_demand=True,
        ),
        Value("grokking.waste_s", derive(mean_wasted_s, fixed), 2, r"\second"),
        *(Value(f"grokking.{key}", fleet.cell(column), 2, unit) for key, (column, unit) in _SPENT.items()),
        *(
            Value(f"grokking.published.{what}", derive(published_percent, what), 2, r"\percent")
            for what in outcomes.published()["what"]
        ),
        *(
            Value(
                f"grokking.schedule.{what}",
                derive(length_for_published, schedules, what),
                2,
                on_demand=True,
            )
            for what in outcomes.published()["what"]
        ),
        *cell_values("grokking.waste_at", schedules, ["schedule"], {"": "waste"}, 2, r"\percent", 100),
        *statistic_values("grokking", tables),
    ]


def count_expected(fixed: pd.DataFrame, arms: pd.DataFrame) -> int:
    """Number of runs of `fixed` whose arm grokked in some block."""
    return int((~fixed["arm"].isin(arms.loc[arms["grokked"] == 0, "arm"])).sum())


def name_hardest(statistics: pd.DataFrame) -> str:
    """The task with the largest waste; 'none' without one."""
    hardest = statistics.set_index("statistic")["group"].get("waste.hardest")
    return str(hardest) if pd.notna(hardest) else "none"


def name_rival(statistics: pd.DataFrame) -> str:
    """The safe rule that saves most but the plateau, with its window; 'none' if nothing was replayed."""
    rule, _, setting = _rival(statistics).partition(" of ")
    return f"{replay.WORDS[rule]} over {setting} steps" if setting else rule


def share_of_rival(frontier: pd.DataFrame, statistics: pd.DataFrame) -> float:
    """Share of energy that this rule saves; 0 for no rule."""
    rule, _, setting = _rival(statistics).partition(" of ")
    chosen = frontier[(frontier["rule"] == rule) & (frontier["setting"] == float(setting or "nan"))]
    return float(chosen["saved"].iloc[0]) if len(chosen) else 0.0


def _rival(statistics: pd.DataFrame) -> str:
    base = statistics.set_index("statistic")["base"].get("frontier.plateau_over_every_safe_rule")
    return str(base) if pd.notna(base) else "none"


def mean_wasted_s(fixed: pd.DataFrame) -> float:
    """Mean time after grokking of the runs that grokked, in seconds (waste x duration); 0 without any."""
    wasted_s = (fixed["waste"] * fixed["duration_s"]).dropna()
    return float(wasted_s.sum() / max(len(wasted_s), 1))


def published_percent(what: str) -> float:
    """A published share of energy after generalisation, in per cent."""
    percents: dict[str, float] = outcomes.published().set_index("what")["percent"].to_dict()
    return percents[what]


def length_for_published(schedules: pd.DataFrame, what: str) -> float:
    """Length of schedule, in steps, at which the waste equals the published one."""
    return frontier.length_for(schedules, published_percent(what) / 100)


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed tables: arms, rules and fleet."""
    means = tables["statistics"].set_index("statistic")["estimate"]
    rules = pd.DataFrame(
        [
            {
                "rule": replay.WORDS.get(rule, rule),
                **{
                    outcome: means[f"rule_{outcome}.{rule}"]
                    for outcome in ("saved", "accuracy", "lost_points", "too_early")
                },
            }
            for rule in tables["rules"]["rule"].unique()
        ]
    )
    return {
        "grokking_arms": lay_out(
            tables["arms"],
            {
                "arm": name("arm"),
                "MFLOPs/step": number("flops_per_step", 1e-6),
                "ms/step": number("time_per_step_s", 1e3),
                "processor ms/step": number("cpu_per_step_s", 1e3),
                "mJ/step": banded("energy_per_step_j", 1e3),
                "grokked": "{grokked} of {blocks}",
                "memorised at": whole("memorised_step"),
                "grokked at": whole("grok_step"),
                "waste in %": number("waste", 100),
            },
        ),
        "grokking_fleet": lay_out(
            tables["fleet"],
            {
                "runs a year": whole("runs_per_year"),
                "kWh": banded("energy_kwh", digits=2),
                "kg CO2e": banded("emissions_kg", digits=2),
                "USD": banded("price_usd", digits=2),
                "household days": banded("household_days", digits=2),
            },
        ),
        "grokking_rules": lay_out(
            rules,
            {
                "rule": "{rule}",
                "energy saved in %": number("saved", 100),
                "accuracy": number("accuracy"),
                "points lost": number("lost_points", digits=2),
                "stopped too early in %": number("too_early", 100, 2),
            },
            empty="none",
        ),
    }
