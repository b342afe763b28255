"""Which test and which interval each family of statistics has, as the paper's appendix lists them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from joules.means import can_reject, is_counted

_TESTS = {
    ("paired_t", "ratio"): "paired t on logarithms",
    ("paired_t", "difference"): "paired t on differences",
    ("skewed_t", "ratio"): "larger p of t and Hall's t on logarithms",
    ("sign_flip", "ratio"): "exact sign flip on logarithms",
    ("sign_flip", "difference"): "exact sign flip on differences",
    ("sign", "ratio"): "exact sign test of the median",
}
_INTERVALS = {
    "r_squared": "Fisher's",
    "skewed_t": "Student's or Hall's, the wider",
    "sign": "inverted sign test",
}


def display(statistics: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """A row a family that was tested, from the `statistics` table of each experiment: what was compared, how,
    in how many rows corrected together, and with what interval."""
    rows = []
    for experiment, table in statistics.items():
        tested = table.dropna(subset=["p"])
        for family, group in tested.groupby("family", sort=False):
            first = group.iloc[0]
            rows.append(
                {
                    "experiment": experiment.replace("_", " "),
                    "family": str(family).replace("_", " "),
                    "of": str(first["metric"]).replace("_", " "),
                    "test": _test(first),
                    "tests": str(len(group)),
                    "n": _span(group["n"]),
                    "interval": _interval(first),
                    "correction": "Holm" if group["p_holm"].notna().any() else "none",
                }
            )
    return {"families": pd.DataFrame(rows or [{"experiment": "nothing was tested"}])}


def _test(row: pd.Series) -> str:
    if row["test"] == "r_squared":
        return "Fisher's transformation of Pearson's r"
    words = _TESTS.get((row["test"], row["contrast"]), str(row["test"]).replace("_", " "))
    if row["test"] == "sign_flip" and not is_counted(int(row["n"])):
        return f"{words.removeprefix('exact ')}, sums taken to be normal"
    return words


def _interval(row: pd.Series) -> str:
    if row["test"] in _INTERVALS:
        return _INTERVALS[row["test"]]
    if row["test"] == "sign_flip":
        return "inverted sign flip" if can_reject(int(row["n"])) else "none"
    return "Student's"


def _span(counts: pd.Series) -> str:
    least, most = int(counts.min()), int(counts.max())
    return str(least) if least == most else f"{least} to {most}"
