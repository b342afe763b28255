"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.layer_kinds.shapes import describe_setting
from experiments.layer_kinds.tables import KINDS
from joules.analysis import records
from joules.analysis.drawing.description import (
    Axis,
    Figure,
    Layer,
    Panel,
    Tables,
    compare_runs,
    describe_provenance,
)
from joules.analysis.drawing.palette import BLUE, GREY, VERMILION, Look, assign_looks

_SHARES = {"operations": Look(GREY), "energy": Look(VERMILION), "time": Look(BLUE)}


def layers_equal(tables: Tables) -> Figure:
    """Time and energy per GFLOP of single layers: blocks, geometric mean with interval, stars.

    Grey lines are ranges over power models.
    """
    runs, arms, tested = tables["runs"], tables["arms"], tables["statistics"]
    alone = records.select_measured(runs[runs["model"].isna() & runs["factor"].isna()])
    words = {kind: KINDS[kind].replace(" ", "\n") for kind in KINDS if kind in set(alone["kind"])}
    means = arms[arms["model"].isna() & arms["factor"].isna()]
    # All these layers have the same number of operations.
    per_gflop = 1e12 / means["flops"].iloc[0] if len(means) else np.nan
    how = describe_provenance(means, "energy_per_pass_j")
    contents = [
        ("time_per_pass_s", "equal_flops_layers_time", "time per GFLOP in ms"),
        ("energy_per_pass_j", "equal_flops_layers", f"energy per GFLOP in mJ\n({how})"),
    ]
    panels = [
        compare_runs(
            alone,
            "kind",
            column,
            words,
            tested[tested["family"] == family],
            Axis(title, "log"),
            factor=per_gflop,
            arms=means,
        )
        for column, family, title in contents
    ]
    return Figure(panels, 3.4, columns=2)


def layers_shapes(tables: Tables) -> Figure:
    """Ratio of times against ratio of bytes, per operation; traffic explains points on the diagonal."""
    shapes = tables["shapes"]
    if shapes.empty:
        return Figure((), note="not measured in this campaign")
    settings = [describe_setting(*row) for row in shapes[["layout", "batch"]].itertuples(index=False)]
    shapes = shapes.assign(setting=settings)
    ratios = shapes[["time_ratio", "bytes_ratio"]]
    diagonal = pd.DataFrame({"at": [0.8 * ratios.min(axis=None), 1.25 * ratios.max(axis=None)]})
    ends = ("time_ratio_low", "time_ratio_high")
    tips = ("channels", "image_size", "stride", "setting", "blocks", *ratios, *ends)
    layers = [
        Layer("line", diagonal, "at", "at", size=0.8, look=Look(dash="dotted")),
        Layer("rule", shapes, "bytes_ratio", ends[0], y2=ends[1], by="setting", size=0.8),
        Layer("point", shapes, "bytes_ratio", "time_ratio", by="setting", size=4, tips=tips),
    ]
    x = Axis("bytes moved per operation, depthwise over 1x1", "log")
    y = Axis("time per operation, depthwise over 1x1", "log")
    return Figure([Panel(layers, x, y)], 3.6, assign_looks(shapes["setting"]), width=0.7)


def layers_mobilenet(tables: Tables) -> Figure:
    """Shares by kind of layer in two panels: this campaign, and published."""
    shares = tables["shares"]
    how = describe_provenance(tables["arms"])
    titles = {
        "this campaign": f"MobileNet V2, inference, this campaign\n(energy {how})",
        "published": "MobileNet, training on Caffe\n(published)",
    }
    ids = ["model", "origin", "kind"]
    columns = {"flops_percent": "operations", "energy_percent": "energy", "time_percent": "time"}
    bars = (
        shares.rename(columns=columns)
        .melt(ids, list(columns.values()), "of", "percent")
        .dropna(subset=["percent"])
    )
    highest = 1.05 * bars["percent"].max() if len(bars) else 100
    panels = []
    for origin, title in titles.items():
        rows = bars[bars["origin"] == origin]
        present = [name for name in columns.values() if name in set(rows["of"])]
        width = 0.8 / max(len(present), 1)
        left = rows["kind"].map(list(KINDS).index) - 0.4 + width * rows["of"].map(present.index)
        rows = rows.assign(left=left.astype(float), right=left.astype(float) + width, nothing=0.0)
        bar = Layer(
            "rect",
            rows,
            "left",
            "nothing",
            "right",
            "percent",
            by="of",
            tips=("model", "kind", "of", "percent"),
        )
        names = [words.replace(" ", "\n") for words in KINDS.values()]
        panels.append(Panel([bar], Axis(names=names), Axis("share in %", limits=(0, highest)), title))
    return Figure(panels, 3.2, _SHARES, columns=2)
