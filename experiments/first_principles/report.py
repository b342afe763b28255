"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.first_principles.figures import WORDS
from experiments.first_principles.tables import BEST, NETWORKS
from joules.paper.printing import Cell, banded, cell, lay_out, name, number, quotient
from joules.paper.rows import pick
from joules.paper.values import Value, cell_values, statistic_values

_KEY = "first_principles"
_FACTORS = {"error": "error_factor", "worst": "worst_factor", "bias": "bias_factor"}
_MIX = ("coal", "gas", "oil", "nuclear", "hydro", "wind", "solar")


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the paper prints about this experiment."""
    limits, anchors, law, grids, predictors = (
        pick(tables, name) for name in ("limits", "anchors", "scaling_law", "grids", "predictors")
    )
    networks = pick(tables, "rooflines").where("factor.isna()", question=NETWORKS)
    # The third approach fits a function of the loss, the others fit the minima of training runs.
    approaches = {"counted": law.where("approach != 3"), "of_loss": law.where(approach=3)}
    threads = {"one": limits.where(threads=1), "all": limits.largest("threads")}
    intensity = "intensity_g_per_kwh"
    counts = {
        "models": networks,
        "anchors": anchors,
        "anchors.predictions": anchors.where(kind="prediction"),
        "anchors.identities": anchors.where(kind="identity"),
        "anchors.fits": anchors.where(kind="fit"),
        "anchors.fitted_agree": anchors.where(fitted_verdict="agrees"),
        "anchors.unfitted": anchors.where("unfitted_verdict != 'none'"),
        "anchors.unfitted_agree": anchors.where(unfitted_verdict="agrees"),
        "anchors.unsourced": anchors.where(is_primary=False),
        "law.rows": law,
    }
    return [
        Value(f"{_KEY}.blocks", limits.max("blocks")),
        Value(f"{_KEY}.cores", limits.max("threads")),
        Value(f"{_KEY}.anchors.package", anchors.cell("package")),
        Value(f"{_KEY}.grids.spread", grids.max(intensity) / grids.min(intensity), 2),
        *(Value(f"{_KEY}.{key}", rows.count()) for key, rows in counts.items()),
        *(
            Value(f"{_KEY}.law.{end}.{key}", ratio, 3)
            for key, rows in approaches.items()
            for end, ratio in (("least", rows.min("ratio")), ("most", rows.max("ratio")))
        ),
        Value(f"{_KEY}.launch", 1e6 * limits.min("launch_s"), 2, r"\micro\second"),
        *(
            Value(f"{_KEY}.{limit}.{key}", rows.max(column) / 1e9, 3)
            for key, rows in threads.items()
            for limit, column in (("peak", "peak_flops_per_s"), ("bandwidth", "moved_bytes_per_s"))
        ),
        *cell_values(_KEY, predictors, ["outcome", "predictor"], _FACTORS, 3),
        *statistic_values(_KEY, tables),
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed tables: anchors, rooflines, predictors, processors, trainings and grids."""
    columns: dict[str, dict[str, str | Cell]] = {
        "anchors": {
            "anchor": lambda row: row["words"] if row["unit"] == "1" else f"{row['words']}, {row['unit']}",
            "kind": "{kind}",
            "published": _range("published"),
            "stated by script": _range("claimed"),
            "fitted": lambda row: f"{cell(row['fitted'])} {row['fitted_verdict']}",
            "without a fit": _unfitted,
            "error factor": number("unfitted_error_factor"),
        },
        "scaling_law": {
            "approach": "{approach}",
            "operations": number("flops"),
            "parameters": number("parameters"),
            "tokens a parameter": number("tokens_per_parameter"),
            "predicted parameters": number("predicted_parameters"),
            "ratio": number("ratio"),
        },
        "rooflines": {
            "arm": name("arm"),
            "cores": "{threads}",
            "measured ms": number("time_per_pass_s", 1e3),
            "operations": quotient("flops_s", "time_per_pass_s"),
            "whole network": quotient("whole_s", "time_per_pass_s"),
            "with launches": quotient("whole_launches_s", "time_per_pass_s"),
            "by operator": quotient("per_operator_s", "time_per_pass_s"),
            "by operator, with launches": quotient(f"{BEST}_s", "time_per_pass_s"),
            "energy in mJ": banded("energy_per_pass_j", 1e3),
            "energy, by operator, with launches": quotient(f"{BEST}_j", "energy_per_pass_j"),
        },
        "predictors": {
            "predictor": lambda row: WORDS[row["predictor"]],
            "of": "{outcome}",
            "fitted to other families": lambda row: "yes" if row["fitted"] else "no",
            "error factor": number("error_factor"),
            "largest": number("worst_factor"),
            "predicted over observed": number("bias_factor"),
        },
        "processors": {
            "processor": "{processor}",
            "precision": "{precision}",
            "GFLOPS": number("peak_flops_per_s", 1e-9),
            "W": banded("power_w"),
            "GFLOPS/W": banded("peak_flops_per_j", 1e-9),
            "power": "{provenance}",
            # Names of this machine's arms are too long for a cell.
            "source": lambda row: (
                row["source"].split(" ")[0] if row["provenance"] != "published" else row["source"]
            ),
        },
        "trainings": {
            "training": "{training}",
            "petaFLOPS-days": number("training_petaflops_days"),
            "least kWh": number("least_kwh"),
            "most kWh": number("most_kwh"),
            "kg on the lowest grid": number("best_region_kg"),
            "on the average": number("mean_kg"),
            "on the highest": number("worst_region_kg"),
        },
        "grids": {
            "region": "{name}",
            "g/kWh": number("intensity_g_per_kwh"),
            **{f"{source} in %": number(f"{source}_percent", digits=2) for source in _MIX},
        },
    }
    printed = {
        "anchors_published": "anchors",
        "law_published": "scaling_law",
        "rooflines": "rooflines",
        "predictors": "predictors",
        "processors": "processors",
        "trainings_published": "trainings",
        "grids_published": "grids",
    }
    empty = {"rooflines": "none was measured", "predictors": "none could be compared"}
    return {
        f"{_KEY}_{key}": lay_out(tables[table], columns[table], empty.get(table, ""))
        for key, table in printed.items()
    }


def _unfitted(row: Mapping[str, Any]) -> str:
    if row["unfitted_verdict"] == "none":
        return "none"
    return f"{_range('unfitted')(row)} {row['unfitted_verdict']}"


def _range(column: str) -> Cell:
    def printed(row: Mapping[str, Any]) -> str:
        low, high = row[f"{column}_low"], row[f"{column}_high"]
        return cell(low) if low == high or cell(low) == "--" else f"{cell(low)} to {cell(high)}"

    return printed
