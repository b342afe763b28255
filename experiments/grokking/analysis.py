"""Tables and values of the experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.analysis import records, statistics
from experiments.analysis.values import Value, cell, significant, statistic_values
from experiments.bench.record import Idle, Run
from experiments.config import Config, Design
from experiments.energy import carbon
from experiments.grokking import predictor
from experiments.grokking.fleet import fleet
from experiments.grokking.rules import GROKKED, RULES, Evaluation, first_sustained, stop_step

_PARAMETERS = (
    "task",
    "architecture",
    "modulus",
    "train_fraction",
    "learning_rate",
    "weight_decay",
    "evaluate_every",
)
_METRICS = ("parameters", "steps", "flops_per_step", "bytes_moved_per_step")
# Understood to the full; memorised.
_ALL, _MEMORISED = 0.99, 0.99
# A predicted step is stretched by this before training stops there: the model errs to both sides.
_SAFETY = 1.5
_PUBLISHED = Path(__file__).parent / "reference" / "powerdown.csv"


def tabulate(entries: Sequence[Run | Idle], design: Design) -> dict[str, pd.DataFrame]:
    """`runs` (a row a run: steps, energies of its phases, waste), `curves` (a row an evaluation), `arms`,
    `statistics`, `predictions` (a row a run that understood after the window), `coefficients`, `rules` (a row
    a run and rule), `fleet`."""
    done = {(run.arm, run.block): run for run in entries if isinstance(run, Run) and run.has_result}
    runs = _runs(entries, done)
    good = records.with_result(runs)
    fixed = good[good["rule"] == "fixed"]
    curves = _curves(done)
    predictions = _predictions(fixed, done)
    rules = _rules(fixed, done, predictions)
    waste_j = fixed["waste_j"].dropna()
    return {
        "runs": runs,
        "curves": curves,
        "arms": records.in_order(_arms(fixed), design),
        "statistics": pd.DataFrame(
            [
                *(row for family in design.comparisons for row in statistics.compare(good, family)),
                *_wastes(fixed),
                *_live_losses(good),
                *_rule_statistics(rules),
                *_predictor_statistics(predictions, fixed),
            ],
            columns=statistics.COLUMNS,
        ),
        "predictions": predictions,
        "coefficients": _coefficients(predictions),
        "rules": rules,
        "fleet": fleet(
            float(waste_j.mean()) if len(waste_j) else 0.0,
            carbon.grid(carbon.WORLD),
            1.0,
            Config.model_fields["price_usd_per_kwh"].default,
        ),
    }


def evaluations_of(run: Run) -> list[Evaluation]:
    """The evaluations of a training, in order of step."""
    return [Evaluation(int(cells[0]), *cells[1:]) for cells in run.metrics["evaluations"]]


def energy_at(run: Run, step: float) -> float:
    """Energy since the window opened in joules at an optimiser step, linear between marks."""
    marks = [(0, 0.0), *((mark.index, mark.energy_j or 0.0) for mark in run.steps)]
    steps, energies = zip(*marks, strict=True)
    return float(np.interp(step, steps, energies))


def _runs(entries: Sequence[Run | Idle], done: Mapping[tuple[str, int], Run]) -> pd.DataFrame:
    table = records.with_metrics(entries, parameters=_PARAMETERS, metrics=_METRICS)
    table.insert(
        3,
        "rule",
        [
            next(e for e in entries if isinstance(e, Run) and e.arm == arm).parameters.get("rule", "fixed")
            for arm in table["arm"]
        ],
    )
    cells = [
        _course(done[key]) if (key := (arm, block)) in done else {}
        for arm, block in zip(table["arm"], table["block"], strict=True)
    ]
    columns = [
        "memorised_step",
        "grok_step",
        "grok99_step",
        "final_accuracy",
        "memorising_j",
        "waiting_j",
        "waste_j",
        "waste",
        "waste99",
    ]
    return table.join(pd.DataFrame(cells, index=table.index, columns=columns).astype(float))


def _course(run: Run) -> dict[str, float | None]:
    """Steps of memorising and understanding, and the energy before, between and after."""
    history = evaluations_of(run)
    memorised = next((e.step for e in history if e.train_accuracy >= _MEMORISED), None)
    grokked, fully = first_sustained(history, GROKKED), first_sustained(history, _ALL)
    whole_j = energy_at(run, history[-1].step)
    found: dict[str, float | None] = {
        "memorised_step": memorised,
        "grok_step": grokked,
        "grok99_step": fully,
        "final_accuracy": history[-1].accuracy,
    }
    if memorised is not None:
        found["memorising_j"] = energy_at(run, memorised)
    if grokked is not None:
        grokked_j = energy_at(run, grokked)
        if memorised is not None and memorised <= grokked:
            found["waiting_j"] = grokked_j - energy_at(run, memorised)
        found |= {"waste_j": whole_j - grokked_j, "waste": 1 - grokked_j / whole_j}
    if fully is not None:
        found["waste99"] = 1 - energy_at(run, fully) / whole_j
    return found


def _curves(done: Mapping[tuple[str, int], Run]) -> pd.DataFrame:
    rows = [
        {
            "arm": arm,
            "block": block,
            "step": evaluation.step,
            "energy_j": energy_at(run, evaluation.step),
            "train_loss": evaluation.train_loss,
            "train_accuracy": evaluation.train_accuracy,
            "validation_loss": evaluation.loss,
            "validation_accuracy": evaluation.accuracy,
            "gradient_norm": signal[1],
            "weight_norm": signal[2],
            "inactive": signal[3],
        }
        for (arm, block), run in sorted(done.items(), key=lambda item: (item[0][1], item[1].position))
        for evaluation, signal in zip(evaluations_of(run), run.metrics["signals"], strict=True)
    ]
    return pd.DataFrame(rows)


def _arms(fixed: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for arm, group in fixed.groupby("arm", sort=False):
        grokked = group.dropna(subset=["grok_step"])
        waste, low, high = statistics.mean_with_interval(grokked["waste"].to_numpy(dtype=np.float64))
        first = group.iloc[0]
        rows.append(
            {
                "arm": arm,
                "task": first["task"],
                "architecture": first["architecture"],
                "blocks": len(group),
                "grokked": len(grokked),
                "memorised_step": group["memorised_step"].median(),
                "grok_step": grokked["grok_step"].median(),
                "final_accuracy": group["final_accuracy"].mean(),
                "energy_j": group["energy_j"].mean(),
                "flops_per_step": first["flops_per_step"],
                "bytes_moved_per_step": first["bytes_moved_per_step"],
                "energy_per_step_j": (group["energy_j"] / group["steps"]).mean(),
                "waste": waste,
                "waste_low": low,
                "waste_high": high,
                "provenance": records.provenance_of(group),
            }
        )
    return pd.DataFrame(rows)


def _wastes(fixed: pd.DataFrame) -> list[statistics.Row]:
    """Mean waste of all trainings that understood, of each network's, of the task that takes longest; the
    interval of all is over blocks, whose runs are not independent of each other."""
    grokked = fixed.dropna(subset=["waste"])
    if grokked.empty:
        return []
    by_block = grokked.groupby("block")["waste"].mean()
    rows = [statistics.mean_row("waste.all", by_block.to_list(), "waste_mean", "waste")]
    for architecture, group in grokked.groupby("architecture", sort=False):
        means = group.groupby("block")["waste"].mean()
        rows.append(statistics.mean_row(f"waste.{architecture}", means.to_list(), "waste_mean", "waste"))
    hardest = grokked.groupby("task")["grok_step"].median().idxmax()
    means = grokked[grokked["task"] == hardest].groupby("block")["waste"].mean()
    rows.append(
        statistics.mean_row("waste.hardest", means.to_list(), "waste_mean", "waste") | {"group": hardest}
    )
    means99 = fixed.dropna(subset=["waste99"]).groupby("block")["waste99"].mean()
    if len(means99):
        rows.append(statistics.mean_row("waste99.all", means99.to_list(), "waste_mean", "waste99"))
    return rows


def _live_losses(good: pd.DataFrame) -> list[statistics.Row]:
    """Accuracy lost by trainings that a rule really stopped, against the same seed on the full schedule."""
    rows = []
    for arm in good.loc[good["rule"] != "fixed", "arm"].unique():
        base = arm.rpartition("_")[0]
        wide = good[good["arm"].isin([arm, base])].pivot(
            index="block", columns="arm", values="final_accuracy"
        )
        if {arm, base} <= set(wide.columns):
            lost = 100 * (wide[base] - wide[arm]).dropna()
            rows.append(
                statistics.mean_row(f"live_loss.{arm}", lost.to_list(), "live_loss", "accuracy", "points")
            )
    return rows


def _predictions(fixed: pd.DataFrame, done: Mapping[tuple[str, int], Run]) -> pd.DataFrame:
    """A row a training that understood after the window: its features, and the step predicted by models that
    have not seen its task (within its architecture), nor its architecture; beside the baselines."""
    rows = []
    for row in fixed.dropna(subset=["grok_step"]).to_dict("records"):
        if row["grok_step"] <= predictor.WINDOW_STEPS:
            continue
        run = done[row["arm"], row["block"]]
        found = predictor.features(
            evaluations_of(run),
            run.metrics["signals"],
            row["learning_rate"],
            row["weight_decay"],
            row["train_fraction"],
        )
        rows.append(
            {name: row[name] for name in ("arm", "block", "task", "architecture", "grok_step")} | found
        )
    columns = ["arm", "block", "task", "architecture", "grok_step", *predictor.FEATURES]
    table = pd.DataFrame(rows, columns=columns)
    made = ["unseen_task", "others_mean", "siblings_mean", "unseen_architecture"]
    table[made] = np.nan
    for _, group in table.groupby("architecture"):
        if group["task"].nunique() > 1:
            table.loc[group.index, "unseen_task"] = predictor.held_out_predictions(group, "task")
            table.loc[group.index, "others_mean"] = predictor.others_mean(group, "task")
        table.loc[group.index, "siblings_mean"] = predictor.siblings_mean(group)
    if table["architecture"].nunique() > 1:
        table["unseen_architecture"] = predictor.held_out_predictions(table, "architecture")
    return table


def _coefficients(predictions: pd.DataFrame) -> pd.DataFrame:
    columns = ["architecture", "feature", "mean", "scale", "coefficient"]
    tables = [
        predictor.coefficients(group).assign(architecture=architecture)
        for architecture, group in predictions.groupby("architecture")
        if len(group) >= 4
    ]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _predictor_statistics(predictions: pd.DataFrame, fixed: pd.DataFrame) -> list[statistics.Row]:
    rows = []
    ways = ("unseen_task", "others_mean", "siblings_mean", "unseen_architecture")
    for architecture, group in predictions.groupby("architecture"):
        for way in ways:
            known = group.dropna(subset=[way])
            if len(known) < 3:
                continue
            r2, factor = predictor.errors(known["grok_step"].to_numpy(), known[way].to_numpy())
            shared = {"family": "predictor", "test": "none", "group": architecture, "n": len(known)}
            rows += [
                statistics.row(
                    **shared, statistic=f"{way}_error.{architecture}", metric="median factor off",
                    estimate=factor, unit="ratio",
                ),
                statistics.row(
                    **shared, statistic=f"{way}_r2.{architecture}", metric="R squared of logarithms",
                    estimate=r2, unit="1",
                ),
            ]  # fmt: skip
    early = fixed["grok_step"] <= predictor.WINDOW_STEPS
    rows.append(
        statistics.row(
            statistic="understood_within_window", family="predictor", test="none", metric="runs",
            n=len(fixed), estimate=int(early.sum()), unit="runs",
        )
    )  # fmt: skip
    return rows


def _rules(
    fixed: pd.DataFrame, done: Mapping[tuple[str, int], Run], predictions: pd.DataFrame
) -> pd.DataFrame:
    """Every rule replayed on every training that understood: where it stops, the share of the schedule's
    energy it saves and the accuracy it loses, in points."""
    predicted = predictions.set_index(["arm", "block"])["unseen_task"]
    rows = []
    for row in fixed.dropna(subset=["grok_step"]).to_dict("records"):
        run = done[row["arm"], row["block"]]
        history = evaluations_of(run)
        stops: dict[str, float] = {name: stop_step(history, rule) for name, rule in RULES.items()}
        guess = predicted.get((row["arm"], row["block"]))
        if guess is not None and np.isfinite(guess):
            stops["predictor"] = _SAFETY * guess
        stops["oracle"] = row["grok_step"]
        whole_j = energy_at(run, history[-1].step)
        for rule, at in stops.items():
            stopped = next((e for e in history if e.step >= at), history[-1])
            rows.append(
                {
                    "arm": row["arm"],
                    "block": row["block"],
                    "rule": rule,
                    "stop_step": stopped.step,
                    "accuracy": stopped.accuracy,
                    "saved": 1 - energy_at(run, stopped.step) / whole_j,
                    "lost_points": 100 * (history[-1].accuracy - stopped.accuracy),
                    "too_early": stopped.step < row["grok_step"],
                }
            )
    columns = ["arm", "block", "rule", "stop_step", "accuracy", "saved", "lost_points", "too_early"]
    return pd.DataFrame(rows, columns=columns)


def _rule_statistics(rules: pd.DataFrame) -> list[statistics.Row]:
    rows = []
    for rule, group in rules.groupby("rule", sort=False):
        for column, unit in (("saved", "1"), ("lost_points", "points"), ("accuracy", "1")):
            means = group.groupby("block")[column].mean()
            rows.append(statistics.mean_row(f"rule_{column}.{rule}", means.to_list(), "rules", column, unit))
        rows.append(
            statistics.mean_row(
                f"rule_too_early.{rule}", group["too_early"].astype(float).to_list(), "rules", "share"
            )
            | {"ci_low": None, "ci_high": None}
        )
    return rows


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    runs, arms, fleet_ = tables["runs"], tables["arms"], tables["fleet"]
    fixed = records.with_result(runs[runs["rule"] == "fixed"])
    never = arms[arms["grokked"] == 0]
    expected = fixed[~fixed["arm"].isin(never["arm"])]
    million = fleet_.iloc[-1]
    hardest = tables["statistics"].set_index("statistic")["group"].get("waste.hardest")
    return [
        Value("grokking.runs", len(fixed), "runs.csv rows on the fixed schedule"),
        Value("grokking.grokked", int(fixed["grok_step"].notna().sum()), "runs.csv grok_step, present"),
        Value("grokking.expected", len(expected), "runs.csv rows of arms that understood in any block"),
        Value("grokking.never", ", ".join(never["arm"]) or "none", "arms.csv grokked of zero"),
        Value("grokking.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        Value("grokking.modulus", int(fixed["modulus"].mode().iloc[0]), "runs.csv modulus, commonest"),
        Value("grokking.steps", int(fixed["steps"].max()), "runs.csv steps, largest"),
        Value("grokking.window", predictor.WINDOW_STEPS, "experiments/grokking/predictor.py"),
        Value("grokking.safety", _SAFETY, "experiments/grokking/analysis.py", 2),
        Value(
            "grokking.hardest", str(hardest) if pd.notna(hardest) else "none", "statistics.csv waste.hardest"
        ),
        Value(
            "grokking.waste_wh", million["waste_per_run_wh"], "fleet.csv waste_per_run_wh", 2, r"\watt\hour"
        ),
        Value("grokking.million.kwh", million["energy_kwh"], "fleet.csv energy_kwh, last row", 2, r"\kWh"),
        Value("grokking.million.kg", million["emissions_kg"], "fleet.csv emissions_kg, last row", 2, r"\kg"),
        Value("grokking.million.usd", million["price_usd"], "fleet.csv price_usd, last row", 2),
        Value("grokking.million.days", million["household_days"], "fleet.csv household_days, last row", 2),
        *_published_values(),
        *statistic_values("grokking", tables["statistics"]),
    ]


def _published_values() -> list[Value]:
    return [
        Value(f"grokking.published.{row.what}", row.percent, f"{_PUBLISHED.name} {row.what}", 2, r"\percent")
        for row in pd.read_csv(_PUBLISHED).itertuples()
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Arms, rules and fleet as the paper prints them."""
    arms = [
        {
            "task": row["task"],
            "arm": row["arm"].replace("_", " "),
            "MFLOPs/step": cell(row["flops_per_step"] * 1e-6),
            "mJ/step": cell(row["energy_per_step_j"] * 1e3),
            "understood": f"{row['grokked']} of {row['blocks']}",
            "memorised at": _count(row["memorised_step"]),
            "understood at": _count(row["grok_step"]),
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
            "kWh": significant(row["energy_kwh"], 2),
            "kg CO2e": significant(row["emissions_kg"], 2),
            "USD": significant(row["price_usd"], 2),
            "household days": significant(row["household_days"], 2),
        }
        for row in tables["fleet"].to_dict("records")
    ]
    found = {"grokking_arms": pd.DataFrame(arms), "grokking_fleet": pd.DataFrame(fleet_rows)}
    return found | {"grokking_rules": pd.DataFrame(rules) if rules else pd.DataFrame({"rule": ["none"]})}


def _count(step: float) -> str:
    return f"{step:.0f}" if np.isfinite(step) else "--"
