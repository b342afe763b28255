"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from joules.analysis import records
from joules.analysis.drawing.description import (
    OF_ARM,
    Axis,
    Figure,
    Layer,
    Panel,
    Tables,
    compare_runs,
    describe_provenance,
    draw_bands,
    name_model,
    to_words,
    with_costs,
)
from joules.analysis.drawing.palette import BLUE, INK, Look, assign_looks

_ENERGY = (
    "energy_per_inference_j",
    "ci_low_j",
    "ci_high_j",
    "energy_per_inference_j_band_low",
    "energy_per_inference_j_band_high",
)
# Least number of architectures to which a line is fitted.
_FITTED = 3


def flops_scatter(tables: Tables) -> Figure:
    """Time and energy per inference against FLOPs, on logarithmic axes, with a power law within each family.

    A power law needs three architectures. Grey lines are ranges over power models.
    """
    arms = _architectures(tables)
    how = describe_provenance(arms, "energy_per_inference_j")
    outcomes = {
        "time_per_inference_s": "time per inference in s",
        "energy_per_inference_kwh": f"energy per inference in kWh\n({how})",
    }
    panels = [
        Panel(
            [*draw_bands(arms, outcome, x="flops"), *_families(arms, outcome)],
            Axis("FLOPs per inference", "log"),
            Axis(words, "log"),
        )
        for outcome, words in outcomes.items()
    ]
    return Figure(panels, 3.8, _looks(tables, arms), columns=2)


def flops_predictors(tables: Tables) -> Figure:
    """R² of each count with its interval, and error factors of regressions on unseen families."""
    counts = tables["predictors"].query("group == 'all' and outcome == 'energy_per_inference_j'")
    regressions = tables["regressions"]
    counts, regressions = (rows.assign(place=np.arange(len(rows))) for rows in (counts, regressions))
    blue, tips = Look(BLUE), ("predictor", "n", "r2", "r2_low", "r2_high", "spearman")
    left = [
        Layer("rule", counts, "r2_low", "place", x2="r2_high", look=blue, size=1.2, tips=tips),
        Layer("point", counts, "r2", "place", look=blue, size=5, tips=tips),
    ]
    errors = ("regression", "n", "families", "error_factor", "worst_factor")
    right = [Layer("point", regressions, "error_factor", "place", look=blue, size=5, tips=errors)]
    r2 = Axis(f"R² with energy per inference\n({describe_provenance(tables['arms'])})", limits=(0, 1))
    factor = Axis("median factor of error on unseen families", limits=(1, None))
    panels = [
        Panel(left, r2, Axis(names=to_words(counts["predictor"]))),
        Panel(right, factor, Axis(names=to_words(regressions["regression"]))),
    ]
    return Figure(panels, 2.6, columns=2)


def flops_reference(tables: Tables) -> Figure:
    """This machine's arms and the published runs, in two panels with the same axes."""
    contents = {
        f"this machine\n({describe_provenance(tables['arms'], 'energy_per_inference_j')})": _architectures(
            tables
        ),
        "Titan V, published (sampled)": tables["reference"],
    }
    both = pd.concat([arms[["flops", "energy_per_inference_j"]] for arms in contents.values()])
    ends = [(0.7 * both[name].min(), 1.4 * both[name].max()) for name in both]
    panels = [
        Panel(
            list(_families(arms, "energy_per_inference_j")),
            Axis("FLOPs per inference", "log", limits=ends[0]),
            Axis("energy per inference in J", "log", limits=ends[1]),
            title,
        )
        for title, arms in contents.items()
    ]
    return Figure(panels, 3.4, _looks(tables, *contents.values()), columns=2)


def flops_equal(tables: Tables) -> Figure:
    """Energy per inference of architectures with equal FLOPs: blocks, mean with interval, stars."""
    statistics = tables["statistics"].query("family == 'equal_flops'")
    runs = records.select_measured(tables["runs"])
    families = runs.drop_duplicates("arm").set_index("arm")["family"]
    compared = dict.fromkeys([*statistics["base"], *statistics["group"]])
    words = {arm: name_model(arm, families[arm]) for arm in compared if arm in families}
    outcomes = {
        "energy": (
            "energy_per_inference_j",
            f"energy per inference in mJ\n({describe_provenance(runs, 'energy_per_inference_j')})",
        ),
        "time": ("time_per_inference_s", "time per inference in ms"),
    }
    made = {}
    for cost, (outcome, title) in outcomes.items():
        tested = statistics[statistics["metric"] == outcome]
        axis = Axis(title, limits=(0, None))
        panel = compare_runs(runs, "arm", outcome, words, tested, axis, factor=1e3)
        made[cost] = Figure([panel], 3.2, width=0.8)
    return with_costs(made)


def _architectures(tables: Tables) -> pd.DataFrame:
    """The arms at the scale's batch and image size."""
    return tables["arms"].query("factor.isna()")


def _looks(tables: Tables, *shown: pd.DataFrame) -> Mapping[str, Look]:
    """Looks of the families shown; a family has the same look in every figure."""
    every = assign_looks([*tables["arms"]["family"], *tables["reference"]["family"]])
    return {family: every[family] for family in every if any(family in set(arms["family"]) for arms in shown)}


def _families(arms: pd.DataFrame, outcome: str) -> Iterator[Layer]:
    """Layers of the architectures by family, with a power law if the family has enough of them."""
    ends = []
    for family, members in arms.groupby("family"):
        if len(members) >= _FITTED:
            x = np.log(members["flops"])
            slope, intercept = np.polyfit(x, np.log(members[outcome]), 1)
            at = np.array([x.min(), x.max()])
            fit = {"family": family, "flops": np.exp(at), outcome: np.exp(intercept + slope * at)}
            ends.append(pd.DataFrame(fit))
    if ends:
        yield Layer("line", pd.concat(ends), "flops", outcome, by="family", size=1, opacity=0.7)
    arms = arms.assign(words=[name_model(*row) for row in zip(arms["arm"], arms["family"], strict=True)])
    tips = (*OF_ARM, "words", "family", "flops", *_ENERGY, outcome)
    yield Layer("point", arms, "flops", outcome, by="family", tips=tips)
    yield Layer("label", arms, "flops", outcome, text="words", look=Look(INK))
