"""Compares depthwise convolutions with the 1x1 convolutions that follow them, in all shapes of a network."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from joules.analysis import statistics
from joules.analysis.inference import ExtremeSample
from joules.analysis.records import Records, runs_table, select_measured
from joules.means import MeanSample

SETTING = ["layout", "batch", "channels", "image_size", "stride"]
_COLUMNS = ["block", *SETTING, "time_ratio", "bytes_ratio"]
_ENDS = ["time_ratio", "time_ratio_low", "time_ratio_high"]


def compare_layers(records: Records) -> pd.DataFrame:
    """Ratios of a depthwise convolution to the 1x1 convolution that follows it, per operation.

    Args:
        records: Records of the runs; those without pairs of layers are left out.

    Returns:
        One row per block, shape, layout and batch: `time_ratio` and `bytes_ratio`.
    """
    metrics = ("layer_shapes", "layer_latencies_s")
    # By columns: records themselves are made again under every power model, which takes five times as long.
    runs = select_measured(runs_table(records, ("layout", "batch"), metrics)).dropna(subset=[*metrics])
    runs = runs.fillna({"layout": "contiguous", "batch": 1}).astype({"batch": int})
    rows = []
    for run in runs.itertuples():
        shapes = np.array(run.layer_shapes, dtype=np.float64)
        per_operation = np.array(run.layer_latencies_s) / shapes[:, 3]
        bytes_per_operation = shapes[:, 4] / shapes[:, 3]
        for place in range(0, len(shapes), 2):
            time_ratio, bytes_ratio = (
                each[place] / each[place + 1] for each in (per_operation, bytes_per_operation)
            )
            rows.append(
                [run.block, run.layout, run.batch, *shapes[place, :3].astype(int), time_ratio, bytes_ratio]
            )
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values([*SETTING, "block"], ignore_index=True)


def shapes_table(ratios: pd.DataFrame) -> pd.DataFrame:
    """Geometric means over blocks with their intervals: one row per shape, layout and batch."""
    rows = []
    for setting, group in ratios.groupby(SETTING, sort=False):
        ends = statistics.geometric_mean(group["time_ratio"].to_list())
        rows.append([*setting, len(group), *ends, group["bytes_ratio"].iloc[0]])
    return pd.DataFrame(rows, columns=[*SETTING, "blocks", *_ENDS, "bytes_ratio"])


def shape_statistics(ratios: pd.DataFrame) -> list[statistics.Row]:
    """The least and the largest ratio of times over all shapes, layouts and batches, and a test of traffic.

    If memory traffic explained the ratio of times, it would equal the ratio of bytes. `traffic.factor` is how
    far the two are apart, up or down, as a geometric mean over shapes: the unit is the shape, over whose
    layouts and batches the factors are averaged first.
    """
    by_setting = [group["time_ratio"] for _, group in ratios.groupby(SETTING)]
    if not by_setting or min(map(len, by_setting)) < 2:
        return []
    parts = tuple(map(MeanSample.from_ratios, by_setting))
    extremes = {
        f"shapes.{name}": ExtremeSample(parts, is_largest=name == "most") for name in ("least", "most")
    }
    apart = np.log(ratios["time_ratio"] / ratios["bytes_ratio"]).groupby([ratios[name] for name in SETTING])
    by_shape = apart.mean().abs().groupby(["channels", "image_size", "stride"]).mean()
    traffic = MeanSample.from_logs(by_shape, "skewed_t")
    times = "time per operation, depthwise over 1x1"
    return [
        *(_row(name, sample, "intersection_union", times) for name, sample in extremes.items()),
        _row("traffic.factor", traffic, "none", f"{times}, over the same of bytes"),
    ]


def _row(statistic: str, sample: MeanSample | ExtremeSample, test: str, metric: str) -> statistics.Row:
    return statistics.row(
        statistic=statistic,
        family=statistic.partition(".")[0],
        test=test,
        metric=metric,
        contrast="ratio",
        **statistics.estimate_cells(sample),
    )


def describe_setting(layout: str, batch: float) -> str:
    """Layout and batch in words."""
    return f"{layout.replace('_', ' ')}, batch {math.trunc(batch)}"
