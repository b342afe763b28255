"""Builds the tables of the experiment from its records."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.layer_kinds import shapes
from experiments.layer_kinds.parameters import PAIRS
from joules.analysis import statistics
from joules.analysis.records import Records, runs_table, select_measured, weakest_provenance
from joules.means import MeanSample
from joules.study.design import Design

# Names of kinds in the paper, in the order of the figures.
KINDS = {
    "conv1x1": "1x1",
    "conv3x3": "3x3",
    "depthwise3x3": "depthwise 3x3",
    "linear": "fully connected",
}
_FACTS = ("flops", "parameters", "activations", "bytes_moved", "layers", "passes", "latency_median_s")
_PUBLISHED = Path(__file__).parent / "reference" / "caffe_mobilenet_shares.csv"


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of the runs.
        design: The experiment's design.

    Returns:
        `runs` (one row per run), `arms` (one row per arm), `statistics`, `shares` (share of each kind inside
        the network, one row per network and kind, with the published shares) and `shapes` (depthwise over 1x1
        convolutions in every shape, layout and batch).
    """
    runs = _runs(records)
    good = select_measured(runs)
    inside = _shares_by_block(good[good["kind"] != PAIRS])
    ratios = shapes.compare_layers(records)
    return {
        "runs": runs,
        "arms": _arms(good),
        "statistics": pd.DataFrame(
            [
                *(row for family in design.comparisons for row in statistics.compare(good, family)),
                *_ratios_of_shares(inside),
                *shapes.shape_statistics(ratios),
            ],
            columns=statistics.COLUMNS,
        ),
        "shares": _shares(inside),
        "shapes": shapes.shapes_table(ratios),
    }


def _runs(records: Records) -> pd.DataFrame:
    table = runs_table(
        records, parameters=("kind", "model", "factor", "image_size", "layout", "batch"), metrics=_FACTS
    )
    table["time_per_pass_s"] = table["duration_s"] / table["passes"]
    table["cpu_per_pass_s"] = table["cpu_s"] / table["passes"]
    table["energy_per_pass_j"] = table["energy_j"] / table["passes"]
    return table


def _arms(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for arm, group in runs.groupby("arm", sort=False):
        mean_j, low_j, high_j = statistics.geometric_mean(group["energy_per_pass_j"].to_list())
        first = group.iloc[0]
        rows.append(
            {
                "arm": arm,
                "kind": first["kind"],
                "model": first["model"],
                "factor": first["factor"],
                "image_size": first["image_size"],
                "blocks": len(group),
                **{fact: first[fact] for fact in ("flops", "parameters", "bytes_moved", "layers")},
                "intensity_flops_per_byte": first["flops"] / first["bytes_moved"],
                "time_per_pass_s": statistics.geometric_mean(group["time_per_pass_s"].to_list())[0],
                "cpu_per_pass_s": group["cpu_per_pass_s"].median(),
                "energy_per_pass_j": mean_j,
                "ci_low_j": low_j,
                "ci_high_j": high_j,
                "energy_per_gflop_j": 1e9 * mean_j / first["flops"],
                "latency_median_s": group["latency_median_s"].median(),
                "provenance": weakest_provenance(group),
            }
        )
    return pd.DataFrame(rows)


def _shares_by_block(runs: pd.DataFrame) -> pd.DataFrame:
    """Shares of a network's operations, parameters, energy and time by block and kind.

    Blocks that lack a kind are left out. Columns are block, model, kind, flops, parameters, energy and time
    (as fractions).
    """
    columns = {
        "flops": "flops",
        "parameters": "parameters",
        "energy": "energy_per_pass_j",
        "time": "latency_median_s",
    }
    inside = runs[["block", "model", "kind", *columns.values()]].dropna(subset=["model"])
    kinds = inside.groupby("model")["kind"].transform("nunique")
    counted = inside.groupby(["model", "block"])["kind"].transform("nunique")
    whole = inside[counted == kinds]
    shares = whole[["block", "model", "kind"]].reset_index(drop=True)
    for name, column in columns.items():
        total = whole.groupby(["model", "block"])[column].transform("sum")
        shares[name] = (whole[column] / total).to_numpy()
    return shares


def _shares(shares: pd.DataFrame) -> pd.DataFrame:
    """Means over blocks in per cent, and the published shares (no energy was published)."""
    columns = ["flops", "parameters", "energy", "time"]
    means = shares.groupby(["model", "kind"], sort=False)[columns].mean() * 100
    measured = means.reset_index().rename(columns={name: f"{name}_percent" for name in columns})
    return pd.concat([measured.assign(origin="this campaign"), pd.read_csv(_PUBLISHED)], ignore_index=True)


def _ratios_of_shares(shares: pd.DataFrame) -> list[statistics.Row]:
    """Share of energy divided by share of operations: geometric mean over blocks, one row per kind."""
    rows = []
    for (model, kind), group in shares.groupby(["model", "kind"], sort=False):
        ratios = group["energy"] / group["flops"]
        rows.append(
            statistics.row(
                statistic=f"{str(model).split('_', maxsplit=1)[0]}_energy_over_flops.{kind}",
                family="shares",
                test="none",
                metric="energy share over operations share",
                group=kind,
                contrast="ratio",
                **statistics.estimate_cells(MeanSample.from_ratios(ratios)),
            )
        )
    return rows
