"""Entries of the published board beside the entries here that have their mechanism."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

_FOLDER = Path(__file__).parent / "reference"
BOARD, ENTRIES = _FOLDER / "published_board.csv", _FOLDER / "published_entries.csv"
QUALIFIED, NOT_MEASURED, NONE = "qualified", "not measured", "no entry"


def pair_entries(board: pd.DataFrame) -> pd.DataFrame:
    """Pair each published entry with its counterpart.

    Args:
        board: The table `board` of a campaign.

    Returns:
        One row per published entry: what differs here, and accuracy, verdict (qualified, or why it is
        disqualified) and place of both boards. Places are by energy, among the qualified entries of this
        table.
    """
    there = pd.read_csv(ENTRIES).merge(pd.read_csv(BOARD), on="entry", how="left", suffixes=("", "_board"))
    here = board.set_index("arm").reindex(there["arm"]).reset_index(drop=True)
    is_measured = here["entry"].notna()
    made = pd.DataFrame(
        {
            "published": there["entry"],
            "accuracy_there": there["accuracy"].fillna(there["accuracy_board"]),
            "verdict_there": there["disqualified"].fillna(QUALIFIED),
            "arm": there["arm"],
            "accuracy_here": here["validation_accuracy"],
            "verdict_here": here["disqualified"].fillna(QUALIFIED).where(is_measured, NOT_MEASURED),
            "difference": there["difference"],
        }
    )
    made.loc[there["arm"].isna(), "verdict_here"] = NONE
    for side, energy_j in (("there", there["total_j"]), ("here", here["energy_per_training_j"])):
        made[f"place_{side}"] = energy_j.where(made[f"verdict_{side}"] == QUALIFIED).rank()
    made["is_same"] = (made["verdict_there"] == made["verdict_here"]).where(is_measured)
    return made


def count_compared(board: pd.DataFrame) -> int:
    """Number of published entries whose counterpart was measured."""
    return int(pair_entries(board)["is_same"].count())


def count_same(board: pd.DataFrame) -> int:
    """Number of published entries on which both boards give the same verdict."""
    return int(pair_entries(board)["is_same"].eq(True).sum())
