"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.published_measurements.estimates import METHOD_WORDS
from experiments.published_measurements.inference import SHORT_NAMES
from experiments.published_measurements.learning import name_algorithm
from experiments.published_measurements.tables import whole_trainings
from joules.paper.printing import lay_out, number, whole
from joules.paper.rows import derive, pick
from joules.paper.values import Value, statistic_values


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers of the section; every statistic is available as `published.<statistic>`."""
    runs, systems = pick(tables, "runs"), pick(tables, "systems")
    determinations = pick(tables, "determinations").where(networks="all", predictor="operations")
    mobile = pick(tables, "determinations").where(networks="MobileNets", predictor="operations")
    scenarios, spreads = pick(tables, "scenario_ratios"), pick(tables, "power_spreads")
    changes = pick(tables, "order_changes")
    return [
        Value("published.runs", runs.count()),
        Value("published.systems", systems.count()),
        Value("published.pairs", determinations.count()),
        Value("published.r2.least", determinations.min("r2"), 2),
        Value("published.r2.most", determinations.max("r2"), 2),
        Value("published.mobile.least", mobile.min("r2"), 2),
        Value("published.mobile.most", mobile.max("r2"), 2),
        Value("published.power.least", spreads.min("power_ratio"), 3),
        Value("published.power.most", spreads.max("power_ratio"), 3),
        Value("published.int8.pairs", pick(tables, "precision_ratios").count()),
        Value("published.equal.pairs", pick(tables, "equal_operations").count()),
        Value("published.scenarios", scenarios.count()),
        Value("published.scenarios.more", scenarios.where("ratio > 1").count()),
        Value("published.trainings", derive(count_whole, pick(tables, "stopping"))),
        Value("published.seeds.least", pick(tables, "scores").min("seeds")),
        Value("published.seeds.most", pick(tables, "scores").max("seeds")),
        Value("published.left_out", pick(tables, "left_out").count()),
        Value("published.leaders.breakout", changes.where(game="Breakout").nunique("leader")),
        Value("published.leaders.pong", changes.where(game="Pong").nunique("leader")),
        Value("published.orders", changes.where(alignment="clock").count()),
        *statistic_values("published", tables),
    ]


def count_whole(trainings: pd.DataFrame) -> int:
    """The number of trainings from their first epoch that learned something."""
    return len(whole_trainings(trainings))


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """R squared by system, estimates by method and the order of algorithms as the paper prints them."""
    determinations = tables["determinations"]
    chosen = determinations[determinations["predictor"].isin(["operations", "time"])]
    wide = chosen[chosen["networks"] == "all"].pivot(index=["system", "precision"], columns="predictor")
    flat = wide.set_axis(
        [f"{predictor}_{column}" for column, predictor in wide.columns], axis=1
    ).reset_index()
    estimates = tables["statistics"].query("family == 'estimates'")
    return {
        "determinations_published": lay_out(
            flat,
            {
                "system": lambda row: SHORT_NAMES[row["system"]],
                "precision": "{precision}",
                "n": whole("operations_n"),
                "operations": number("operations_r2", digits=3),
                "low": number("operations_r2_low", digits=2),
                "high": number("operations_r2_high", digits=3),
                "least without a family": number("operations_without_family_low", digits=2),
                "time": number("time_r2", digits=3),
                "low ": number("time_r2_low", digits=2),
                "high ": number("time_r2_high", digits=3),
            },
        ),
        "estimates_published": lay_out(
            estimates.assign(load=estimates["statistic"].str.rpartition(".")[2]),
            {
                "estimate": lambda row: METHOD_WORDS[row["group"]],
                "load": "{load}",
                "systems": whole("n"),
                "over meter": number("estimate"),
                "low": number("ci_low"),
                "high": number("ci_high"),
                "corrected p": number("p_holm", digits=2),
            },
        ),
        "orders_published": lay_out(
            tables["order_changes"],
            {
                "game": "{game}",
                "alignment": "{alignment}",
                "from budget": number("from_j", 1e-3),
                "to budget": number("to_j", 1e-3),
                "order": lambda row: " > ".join(map(name_algorithm, row["order"].split(" > "))),
                "leader apart": number("apart_share", digits=2),
            },
        ),
    }
