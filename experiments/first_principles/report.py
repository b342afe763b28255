"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.first_principles.figures import WORDS
from experiments.first_principles.tables import BEST, architectures
from joules.paper.values import Value, banded_cell, cell, known, statistic_values

_KEY = "first_principles"
# The approach that fits a function of the loss, and not the minima of training runs.
_OF_LOSS = 3
_MIX = ("coal", "gas", "oil", "nuclear", "hydro", "wind", "solar")


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    limits, anchors, law = tables["limits"], tables["anchors"], tables["scaling_law"]
    networks = architectures(tables["rooflines"])
    grids = tables["grids"]
    return [
        Value(f"{_KEY}.blocks", int(limits["blocks"].max()), "limits.csv blocks, largest"),
        *_limits(limits),
        Value(f"{_KEY}.models", len(networks), "rooflines.csv networks without a factor"),
        *_errors(tables["predictors"]),
        Value(f"{_KEY}.anchors", len(anchors), "anchors.csv rows"),
        Value(f"{_KEY}.anchors.package", anchors["package"].iloc[0], "anchors.csv package"),
        Value(
            f"{_KEY}.anchors.predictions",
            int((anchors["kind"] == "prediction").sum()),
            "anchors.csv rows whose kind is prediction",
        ),
        Value(
            f"{_KEY}.anchors.identities",
            int((anchors["kind"] == "identity").sum()),
            "anchors.csv rows whose kind is identity",
        ),
        Value(
            f"{_KEY}.anchors.fits",
            int((anchors["kind"] == "fit").sum()),
            "anchors.csv rows whose kind is fit",
        ),
        Value(
            f"{_KEY}.anchors.fitted_agree",
            int((anchors["fitted_verdict"] == "agrees").sum()),
            "anchors.csv fitted_verdict, agrees",
        ),
        Value(
            f"{_KEY}.anchors.unfitted",
            int((anchors["unfitted_verdict"] != "none").sum()),
            "anchors.csv unfitted_verdict, not none",
        ),
        Value(
            f"{_KEY}.anchors.unfitted_agree",
            int((anchors["unfitted_verdict"] == "agrees").sum()),
            "anchors.csv unfitted_verdict, agrees",
        ),
        Value(
            f"{_KEY}.anchors.unsourced",
            int((~anchors["is_primary"].astype(bool)).sum()),
            "anchors.csv is_primary, false",
        ),
        Value(f"{_KEY}.law.rows", len(law), "scaling_law.csv rows"),
        *(
            Value(
                f"{_KEY}.law.{end}.{words}",
                getattr(rows["ratio"], name)(),
                f"scaling_law.csv ratio, {end} of {words}",
                3,
            )
            for words, rows in (
                ("counted", law[law["approach"] != _OF_LOSS]),
                ("of_loss", law[law["approach"] == _OF_LOSS]),
            )
            for end, name in (("least", "min"), ("most", "max"))
        ),
        Value(
            f"{_KEY}.grids.spread",
            grids["intensity_g_per_kwh"].max() / grids["intensity_g_per_kwh"].min(),
            "grids.csv intensity_g_per_kwh, most over least",
            2,
        ),
        *statistic_values(_KEY, tables["statistics"]),
    ]


def _limits(limits: pd.DataFrame) -> list[Value]:
    """Of one core and of all: the peak, the bandwidth, and the time of a launch."""
    one = limits[limits["threads"] == 1]
    every = limits[limits["threads"] == limits["threads"].max()]
    found = [
        Value(f"{_KEY}.cores", int(limits["threads"].max()), "limits.csv threads, largest"),
        Value(
            f"{_KEY}.launch",
            1e6 * limits["launch_s"].min(),
            "limits.csv launch_s, least",
            2,
            r"\micro\second",
        ),
    ]
    for words, group in (("one", one), ("all", every)):
        found += [
            Value(
                f"{_KEY}.peak.{words}",
                group["peak_flops_per_s"].max() / 1e9,
                "limits.csv peak_flops_per_s, largest",
                3,
            ),
            Value(
                f"{_KEY}.bandwidth.{words}",
                group["moved_bytes_per_s"].max() / 1e9,
                "limits.csv moved_bytes_per_s, largest",
                3,
            ),
        ]
    return known(*found)


def _errors(predictors: pd.DataFrame) -> list[Value]:
    """Median and worst factors of every predictor."""
    return [
        Value(
            f"{_KEY}.{row.outcome}.{row.predictor}.{name}",
            float(getattr(row, f"{name}_factor")),
            f"predictors.csv {row.predictor} {row.outcome} {name}_factor",
            3,
            on_demand=True,
        )
        for row in predictors.itertuples()
        for name in ("error", "worst", "bias")
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Anchors, rooflines, predictors, processors, trainings and grids as the paper prints them."""
    return {
        "first_principles_anchors_published": pd.DataFrame(
            [
                {
                    "anchor": f"{row['words']}{_unit(row['unit'])}",
                    "kind": row["kind"],
                    "published": _range(row["published_low"], row["published_high"]),
                    "its claim": _range(row["claimed_low"], row["claimed_high"]),
                    "fitted": f"{cell(row['fitted'])} {row['fitted_verdict']}",
                    "without a fit": _unfitted(row),
                    "off by": cell(row["unfitted_error_factor"]),
                }
                for row in tables["anchors"].to_dict("records")
            ]
        ),
        "first_principles_law_published": pd.DataFrame(
            [
                {
                    "approach": str(row["approach"]),
                    "operations": cell(row["flops"]),
                    "parameters": cell(row["parameters"]),
                    "tokens a parameter": cell(row["tokens_per_parameter"]),
                    "predicted parameters": cell(row["predicted_parameters"]),
                    "ratio": cell(row["ratio"]),
                }
                for row in tables["scaling_law"].to_dict("records")
            ]
        ),
        "first_principles_rooflines": pd.DataFrame(
            [
                {
                    "arm": row["arm"].replace("_", " "),
                    "cores": str(row["threads"]),
                    "measured ms": cell(1e3 * row["measured_s"]),
                    "operations": _over(row, "flops", "s"),
                    "whole": _over(row, "whole", "s"),
                    "with launches": _over(row, "whole_launches", "s"),
                    "by operator": _over(row, "per_operator", "s"),
                    "with launches too": _over(row, BEST, "s"),
                    "measured mJ": banded_cell(row, "measured_j", 1e3),
                    "by operator, energy": _over(row, BEST, "j"),
                }
                for row in tables["rooflines"].to_dict("records")
            ]
            or [{"arm": "none was measured"}]
        ),
        "first_principles_predictors": pd.DataFrame(
            [
                {
                    "predictor": WORDS[row["predictor"]],
                    "of": row["outcome"],
                    "fitted to other families": "yes" if row["fitted"] else "no",
                    "off by": cell(row["error_factor"]),
                    "at worst": cell(row["worst_factor"]),
                    "predicted over measured": cell(row["bias_factor"]),
                }
                for row in tables["predictors"].to_dict("records")
            ]
            or [{"predictor": "none could be compared"}]
        ),
        "first_principles_processors": pd.DataFrame(
            [
                {
                    "processor": row["processor"],
                    "precision": row["precision"],
                    "GFLOPS": cell(row["peak_flops_per_s"] / 1e9),
                    "W": banded_cell(row, "power_w"),
                    "GFLOPS/W": banded_cell(row, "peak_flops_per_j", 1e-9),
                    "power": row["provenance"],
                    # Of this machine's rows the file is enough: names of arms are long.
                    "source": row["source"].partition(" ")[0]
                    if row["provenance"] != "published"
                    else row["source"],
                }
                for row in tables["processors"].to_dict("records")
            ]
        ),
        "first_principles_trainings_published": pd.DataFrame(
            [
                {
                    "training": row["training"],
                    "petaFLOPS-days": cell(row["training_petaflops_days"]),
                    "least kWh": cell(row["least_kwh"]),
                    "most kWh": cell(row["most_kwh"]),
                    "kg on the best grid": cell(row["best_region_kg"]),
                    "on the mean": cell(row["mean_kg"]),
                    "on the worst": cell(row["worst_region_kg"]),
                }
                for row in tables["trainings"].to_dict("records")
            ]
        ),
        "first_principles_grids_published": pd.DataFrame(
            [
                {"region": row["name"], "g/kWh": cell(row["intensity_g_per_kwh"])}
                | {f"{source} in %": cell(row[f"{source}_percent"], 2) for source in _MIX}
                for row in tables["grids"].to_dict("records")
            ]
        ),
    }


def _unfitted(row: Mapping[str, Any]) -> str:
    if row["unfitted_verdict"] == "none":
        return "none"
    return f"{_range(row['unfitted_low'], row['unfitted_high'])} {row['unfitted_verdict']}"


def _unit(unit: str) -> str:
    return "" if unit == "1" else f", {unit}"


def _range(low: float, high: float) -> str:
    return cell(low) if low == high or cell(low) == "--" else f"{cell(low)} to {cell(high)}"


def _over(row: Mapping[str, float], form: str, letter: str) -> str:
    """A prediction over what was measured."""
    return cell(row[f"{form}_{letter}"] / row[f"measured_{letter}"])
