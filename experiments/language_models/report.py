"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.language_models import exam
from experiments.language_models.tables import LEVELS
from joules.analysis import records
from joules.analysis.statistics import mean_ci
from joules.paper.values import Value, banded_cell, cell, significant, statistic_values
from joules.study.design import load_design

_KEY = "language_models"


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    runs, board, statistics = tables["runs"], tables["board"], tables["statistics"]
    rules = load_design(_KEY).at(runs["scale"].iloc[0]).analysis
    good = records.select_measured(runs)
    out = board[board["disqualified_blocks"] > 0]
    front = board[board["on_front"].astype(bool)]
    margin = statistics.set_index("statistic").loc[exam.MARGIN]
    published = tables["published"]
    return [
        Value(f"{_KEY}.blocks", int(board["blocks"].max()), "board.csv blocks, largest"),
        Value(f"{_KEY}.entries", len(board), "board.csv rows"),
        Value(f"{_KEY}.disqualified", len(out), "board.csv rows with disqualified_blocks above zero"),
        *(
            Value(
                f"{_KEY}.disqualified.{reason}",
                _names(out.loc[out["disqualified"].str.contains(reason), "arm"]),
                f"board.csv disqualified, {reason}",
            )
            for reason in ("accuracy", "time")
        ),
        Value(f"{_KEY}.front", _names(front["arm"]), "board.csv on_front"),
        Value(f"{_KEY}.gate", rules["gate_accuracy"], "design.yaml gate_accuracy", 2),
        Value(f"{_KEY}.cap", rules["cap_s"], "design.yaml cap_s", 2, r"\second"),
        Value(
            f"{_KEY}.corpus",
            "plays by Shakespeare" if good["text"].isna().all() else "a text of its reader's own",
            "runs.csv text",
        ),
        Value(f"{_KEY}.symbols", int(good["training_symbols"].max()), "runs.csv training_symbols, largest"),
        Value(f"{_KEY}.alphabet", int(good["alphabet"].max()), "runs.csv alphabet"),
        Value(f"{_KEY}.exam", exam.verdict(statistics), f"statistics.csv {exam.MARGIN}"),
        Value(f"{_KEY}.exam.closest", str(margin["note"]), f"statistics.csv {exam.MARGIN} note"),
        Value(f"{_KEY}.published.rows", len(published), "published_board.csv rows"),
        *(
            Value(
                f"{_KEY}.published.told_apart.{name}",
                int(published[f"told_apart_{name}"].eq(True).sum()),
                f"published.csv told_apart_{name}",
                on_demand=True,
            )
            for name in ("median", "largest")
        ),
        *statistic_values(_KEY, statistics),
    ]


def _names(arms: pd.Series) -> str:
    return ", ".join(name.replace("_", " ") for name in arms) or "none"


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The board, what it takes to reach each accuracy, the exam and the other board as the paper prints
    them."""
    board = tables["board"].sort_values(["rank", "energy_per_training_j"], na_position="last")
    printed = [
        {
            "entry": row["arm"].replace("_", " "),
            "place": _whole(row["rank"]),
            "first in %": _share(row["first_share"]),
            "accuracy": cell(row["validation_accuracy"]),
            "bits": cell(row["validation_bits"]),
            "test": cell(row["test_accuracy"]),
            "MB": cell(row["model_bytes"] / 1e6, 2),
            "s": cell(row["time_per_training_s"]),
            "processor s": cell(row["cpu_per_training_s"]),
            "J": banded_cell(row, "energy_per_training_j"),
            "disqualified by": row["disqualified"] if isinstance(row["disqualified"], str) else "",
        }
        for row in board.to_dict("records")
    ]
    return {
        "language_board": pd.DataFrame(printed),
        "language_reached": _reached(tables["reached"]),
        "language_exam": _exam(tables["statistics"]),
        "language_published": _published(tables["published"]),
    }


def _reached(reached: pd.DataFrame) -> pd.DataFrame:
    """A row a level: the cheapest of each kind and its energy."""
    rows = []
    for level in LEVELS:
        cells = {"accuracy": significant(level, 2)}
        at = reached[reached["level"] == level]
        for kind in ("tables", "network", "both"):
            of_kind = at[at["kind"] == kind]
            means = of_kind.groupby("arm", sort=False)["energy_j"].apply(
                lambda each: mean_ci(each.to_list())[0]
            )
            if means.empty:
                cells |= {kind: "--", f"{kind} J": "--"}
                continue
            rows_of = of_kind[of_kind["arm"] == means.idxmin()]
            mean = {
                name: mean_ci(rows_of[name].to_list())[0] for name in rows_of if name.startswith("energy_j")
            }
            cells |= {kind: str(means.idxmin()).replace("_", " "), f"{kind} J": banded_cell(mean, "energy_j")}
        rows.append(cells)
    return pd.DataFrame(rows)


def _exam(statistics: pd.DataFrame) -> pd.DataFrame:
    by_family = statistics.set_index("family")
    words = {
        "exam_energy": "energy",
        "exam_time": "time",
        "exam_bits": "bits a character, validation",
        "exam_accuracy": "accuracy, test",
        "exam": "least benefit",
    }
    rows = []
    for family, criterion in words.items():
        row = by_family.loc[family]
        rows.append(
            {
                "criterion": criterion,
                "candidate over base": cell(row["estimate"]) if pd.notna(row["estimate"]) else "--",
                "from": cell(row["ci_low"]) if pd.notna(row["ci_low"]) else "--",
                "to": cell(row["ci_high"]) if pd.notna(row["ci_high"]) else "--",
            }
        )
    return pd.DataFrame(rows)


def _published(published: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "entry": published["entry"].str.replace("_", " "),
            "J": [significant(energy_j, 3) for energy_j in published["total_j"]],
            "accuracy": [significant(accuracy, 3) for accuracy in published["accuracy"]],
            "next over this": [cell(ratio) for ratio in published["next_over_this"]],
            "told apart": [
                "" if pd.isna(told) else ("yes" if told else "no") for told in published["told_apart_largest"]
            ],
        }
    )


def _whole(number: float) -> str:
    return "--" if pd.isna(number) else f"{number:.0f}"


def _share(number: float) -> str:
    return "--" if pd.isna(number) else f"{100 * number:.0f}"
