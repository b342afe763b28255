"""The exam: a recipe against nanoGPT's own, which it has to beat on energy and may not fall behind in
anything else.

It passes where the interval of every criterion lies on the right side of equality, in every block's own pair:
less energy, no more time, no more bits a character on the validation text, no lower accuracy on the test
text. All have to hold, so that none of them needs a correction (an intersection-union test, Berger 1982).
"""

from __future__ import annotations

import pandas as pd

from joules.analysis.statistics import Row, row

CANDIDATE, BASE = "modern_muon", "nanogpt"
# Families of the design by whether less is better.
CRITERIA = {"exam_energy": True, "exam_time": True, "exam_bits": True, "exam_accuracy": False}
MARGIN = "exam.margin"


def margin(statistics: pd.DataFrame) -> Row:
    """The benefit of the criterion that comes closest to failing, as a ratio: above one by its whole interval
    where the exam is passed. `statistics` holds the rows of the families in `CRITERIA`."""
    cells = row(
        statistic=MARGIN,
        family="exam",
        test="intersection_union",
        metric="least benefit",
        group=CANDIDATE,
        base=BASE,
        unit="ratio",
    )
    by_family = statistics.set_index("family")
    if not set(CRITERIA) <= set(by_family.index):
        return cells | {"n": 0, "note": "not measured in two common blocks"}
    rows = by_family.loc[list(CRITERIA)]
    if rows["estimate"].isna().any():
        return cells | {"n": int(rows["n"].min()), "note": "not measured in two common blocks"}
    benefits = [_benefit(rows.loc[family], less) for family, less in CRITERIA.items()]
    closest = min(range(len(benefits)), key=lambda place: benefits[place][0])
    return cells | {
        "n": int(rows["n"].min()),
        "estimate": benefits[closest][0],
        "ci_low": min(low for _, low, _ in benefits),
        "ci_high": min(high for *_, high in benefits),
        "note": f"closest to failing: {list(CRITERIA)[closest].removeprefix('exam_')}",
    }


def verdict(statistics: pd.DataFrame) -> str:
    """'passed' where the margin's whole interval is above one under every power model, 'failed' where it
    is not, 'not taken' where the recipes were not measured side by side."""
    margins = statistics[statistics["statistic"] == MARGIN]
    if margins.empty or pd.isna(margins["ci_low"].iloc[0]):
        return "not taken"
    lows = margins[["ci_low", *({"band_ci_low"} & set(margins))]].iloc[0].dropna()
    return "passed" if (lows > 1).all() else "failed"


def _benefit(cells: pd.Series, less_is_better: bool) -> tuple[float, float, float]:
    """(estimate, low, high) as a ratio that is above one where the candidate is better."""
    # Without variation between blocks there is no interval but the estimate.
    low, high = (cells["estimate"] if pd.isna(cells[end]) else cells[end] for end in ("ci_low", "ci_high"))
    if less_is_better:
        return 1 / cells["estimate"], 1 / high, 1 / low
    return cells["estimate"], low, high
