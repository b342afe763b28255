"""The exam: a recipe must use less energy than nanoGPT's and must not be worse in any other criterion.

The criteria are less energy, no more time, no more bits per character on the validation text, and no lower
accuracy on the test text, each paired by block. A criterion is met if its whole interval is on the right side
of equality. All criteria must be met, so none needs a correction (intersection-union test, Berger 1982).
"""

from __future__ import annotations

import pandas as pd

from joules.analysis.inference import ExtremeSample
from joules.analysis.statistics import Row, estimate_cells, row

CANDIDATE, BASE = "modern_muon", "nanogpt"
# Families of the design, and whether less is better.
CRITERIA = {"exam_energy": True, "exam_time": True, "exam_bits": True, "exam_accuracy": False}
MARGIN = "exam.margin"


def margin(statistics: pd.DataFrame) -> Row:
    """Find the criterion that is closest to failing.

    Args:
        statistics: Statistics with the rows of the families in `CRITERIA`.

    Returns:
        Its benefit as a ratio; the exam is passed if the whole interval is above one.
    """
    cells = row(
        statistic=MARGIN,
        family="exam",
        test="intersection_union",
        metric="least benefit",
        group=CANDIDATE,
        base=BASE,
        contrast="ratio",
    )
    by_family = statistics.set_index("family")
    if not set(CRITERIA) <= set(by_family.index):
        return cells | {"n": 0, "note": "not measured in two common blocks"}
    rows = by_family.loc[list(CRITERIA)]
    if rows["estimate"].isna().any():
        return cells | {"n": int(rows["n"].min()), "note": "not measured in two common blocks"}
    samples = {family: rows.loc[family, "sample"] for family in CRITERIA}
    benefits = {family: one.inverted() if CRITERIA[family] else one for family, one in samples.items()}
    closest = min(benefits, key=lambda family: benefits[family].estimate)
    return (
        cells
        | estimate_cells(ExtremeSample(tuple(benefits.values()), is_largest=False))
        | {"note": f"closest to failing: {closest.removeprefix('exam_')}"}
    )


def verdict(statistics: pd.DataFrame) -> str:
    """Verdict of the exam.

    Returns:
        'passed' if the whole interval of the margin is above one under every power model, else 'failed'; 'not
        taken' if the recipes were not measured in the same blocks.
    """
    margins = statistics[statistics["statistic"] == MARGIN]
    if margins.empty or pd.isna(margins["ci_low"].iloc[0]):
        return "not taken"
    lows = margins[["ci_low", *({"band_ci_low"} & set(margins))]].iloc[0].dropna()
    return "passed" if (lows > 1).all() else "failed"
