"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.language_models import exam
from experiments.language_models.published_entries import count_compared, count_same, pair_entries
from experiments.language_models.reaching import LEVELS, RATIO
from joules.analysis.statistics import geometric_mean
from joules.paper.printing import (
    banded,
    banded_cell,
    lay_out,
    name,
    number,
    significant,
    spaced,
    whole,
)
from joules.paper.rows import declared, derive, pick
from joules.paper.values import Value, statistic_values
from joules.study.design import load_design

_KEY = "language_models"
_CRITERIA = {
    "exam_energy": "energy",
    "exam_time": "time",
    "exam_bits": "bits a character, validation",
    "exam_accuracy": "accuracy, test",
    "exam": "least benefit",
}


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the paper prints about this experiment."""
    runs, board, statistics, published = (
        pick(tables, name) for name in ("runs", "board", "statistics", "published")
    )
    good = runs.where("failure.isna()", "energy_j.notna()")
    out = board.where("disqualified_blocks > 0")
    margin = statistics.where(statistic=exam.MARGIN)
    scale = runs.frame["scale"].iloc[0]
    rules = load_design(_KEY).at(scale).analysis
    return [
        Value(f"{_KEY}.blocks", board.max("blocks")),
        Value(f"{_KEY}.entries", board.count()),
        Value(f"{_KEY}.disqualified", out.count()),
        *(
            Value(
                f"{_KEY}.disqualified.{reason}",
                out.where(f"disqualified.str.contains({reason!r})").names("arm"),
            )
            for reason in ("accuracy", "time")
        ),
        Value(f"{_KEY}.front", board.where(on_front=True).names("arm")),
        Value(f"{_KEY}.gate", derive(declared, _KEY, scale, "gate_accuracy"), 2),
        Value(f"{_KEY}.constant", board.max("constant_accuracy"), 2),
        Value(f"{_KEY}.cap", derive(declared, _KEY, scale, "cap_s"), 2, r"\second"),
        *(
            Value(f"{_KEY}.level.{end}", derive(declared, _KEY, scale, f"{end}_level"), 2)
            for end in ("least", "most")
        ),
        *(
            Value(
                f"{_KEY}.ratio.{place}",
                statistics.where(statistic=f"{RATIO}.{rules[end]:g}").cell("estimate"),
                3,
                on_demand=True,
            )
            for place, end in (("first", "least_level"), ("last", "most_level"))
        ),
        Value(f"{_KEY}.corpus", derive(name_corpus, good)),
        Value(f"{_KEY}.symbols", good.max("training_symbols")),
        Value(f"{_KEY}.alphabet", good.max("alphabet")),
        Value(f"{_KEY}.exam", derive(exam.verdict, statistics)),
        Value(f"{_KEY}.exam.closest", margin.cell("note")),
        Value(f"{_KEY}.published.rows", published.count()),
        Value(f"{_KEY}.published.compared", derive(count_compared, board)),
        Value(f"{_KEY}.published.same", derive(count_same, board)),
        *(
            Value(
                f"{_KEY}.published.told_apart.{noise}",
                published.where(f"told_apart_{noise} == True").count(),
                on_demand=True,
            )
            for noise in ("median", "largest")
        ),
        *statistic_values(_KEY, tables),
    ]


def name_corpus(runs: pd.DataFrame) -> str:
    """Name the text that all runs were trained on."""
    if runs["text"].isna().all():
        return "plays by Shakespeare"
    return "a text of its reader's own" + (", by its bytes" if (runs["symbol"] == "byte").any() else "")


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed tables: the board, the cheapest way to each accuracy, the exam and the published board."""
    statistics = tables["statistics"]
    return {
        "language_board": lay_out(
            tables["board"].sort_values(["rank", "energy_per_training_j"], na_position="last"),
            {
                "entry": name("arm"),
                "place": whole("rank"),
                "first in %": whole("first_share", 100),
                "accuracy": number("validation_accuracy"),
                "bits": number("validation_bits"),
                "test": number("test_accuracy"),
                "MB": number("model_bytes", 1e-6, 2),
                "s": number("time_per_training_s"),
                "processor s": number("cpu_per_training_s"),
                "J": banded("energy_per_training_j"),
                "disqualified by": lambda row: "" if pd.isna(row["disqualified"]) else row["disqualified"],
            },
        ),
        "language_reached": _reached(tables["reached"]),
        "language_exam": lay_out(
            statistics.set_index("family", drop=False).loc[list(_CRITERIA)],
            {
                "criterion": lambda row: _CRITERIA[row["family"]],
                "candidate over base": number("estimate"),
                "from": number("ci_low"),
                "to": number("ci_high"),
            },
        ),
        "language_published": lay_out(
            tables["published"],
            {
                "entry": name("entry"),
                "J": number("total_j"),
                "accuracy": number("accuracy"),
                "next over this": number("next_over_this"),
                "told apart": lambda row: {True: "yes", False: "no"}.get(row["told_apart_largest"], ""),
            },
        ),
        "language_entries": lay_out(
            pair_entries(tables["board"]),
            {
                "published entry": name("published"),
                "place there": lambda row: _place(row, "there"),
                "accuracy there": number("accuracy_there"),
                "entry here": lambda row: "--" if pd.isna(row["arm"]) else spaced(row["arm"]),
                "place here": lambda row: _place(row, "here"),
                "accuracy here": number("accuracy_here"),
                "what differs here": lambda row: {False: row["difference"]}.get(row["is_same"], ""),
            },
        ),
    }


def _place(row: Mapping[str, Any], board: str) -> str:
    """The place of an entry on a board, or the verdict on an entry without a place."""
    place = row[f"place_{board}"]
    return str(row[f"verdict_{board}"]) if pd.isna(place) else f"{place:.0f}"


def _reached(reached: pd.DataFrame) -> pd.DataFrame:
    """One row per level: the cheapest entry of each kind and its energy."""
    rows = []
    # Every second level is printed; the figure shows all.
    for level in LEVELS[::2]:
        cells = {"accuracy": significant(level, 2)}
        for kind in ("tables", "network", "both"):
            arms = reached[(reached["level"] == level) & (reached["kind"] == kind)].groupby("arm", sort=False)
            energies = [column for column in reached if column.startswith("energy_j")]
            means = {
                arm: {one: geometric_mean(runs[one].to_list())[0] for one in energies} for arm, runs in arms
            }
            best = min(means, key=lambda arm: means[arm]["energy_j"], default=None)
            cells[kind] = "--" if best is None else spaced(best)
            cells[f"{kind} J"] = "--" if best is None else banded_cell(means[best], "energy_j")
        rows.append(cells)
    return pd.DataFrame(rows)
