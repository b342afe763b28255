"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from joules.paper.values import Value, band_of, banded_cell, cell, known, significant, statistic_values
from joules.study.claims import load_claims

# How the paper names a regression.
_WORDS = {
    "flops": "operations alone",
    "parameters": "parameters alone",
    "activations": "activations alone",
    "bytes": "bytes moved alone",
    "flops_bytes_layers": "operations, bytes moved and layers together",
}


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment; what was not measured has no value."""
    runs = tables["runs"]
    arms = tables["arms"].query("factor.isna()")
    least = arms.loc[arms["energy_per_inference_j"].idxmin()]
    most = arms.loc[arms["energy_per_inference_j"].idxmax()]
    per_flop = arms["energy_per_inference_j"] / arms["flops"]
    per_flop_s = arms["time_per_inference_s"] / arms["flops"]
    energy = "arms.csv energy_per_inference_j"
    return [
        Value("flops.models", len(arms), "arms.csv, rows"),
        Value("flops.families", arms["family"].nunique(), "arms.csv family, distinct"),
        Value("flops.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        Value("flops.window", runs["duration_s"].min(), "runs.csv duration_s, least", 2, r"\second"),
        Value("flops.threads", int(arms["threads"].max()), "arms.csv threads of the architectures, largest"),
        Value("flops.turns", int(runs["turns"].max()), "runs.csv turns, largest"),
        *known(
            Value("flops.cv", arms["cv_percent"].median(), "arms.csv cv_percent, median", 2, r"\percent"),
            Value(
                "flops.cv.error",
                arms["error_cv_percent"].median(),
                "arms.csv error_cv_percent, median",
                2,
                r"\percent",
            ),
        ),
        Value("flops.least.model", least["arm"], f"{energy}, least"),
        *_cost("flops.least", least, "least"),
        Value("flops.most.model", most["arm"], f"{energy}, largest"),
        *_cost("flops.most", most, "largest"),
        Value(
            "flops.spread",
            per_flop.max() / per_flop.min(),
            f"{energy} / flops, largest over least",
            2,
        ),
        Value(
            "flops.published.r2",
            load_claims("flops_vs_energy")["flops_do_not_predict_energy"].published or 0.0,
            "claims.yaml flops_do_not_predict_energy published",
            2,
        ),
        *_time_is_energy(arms, tables["statistics"]),
        Value(
            "flops.spread.time",
            per_flop_s.max() / per_flop_s.min(),
            "arms.csv time_per_inference_s / flops, largest over least",
            2,
        ),
        Value(
            "flops.denormals",
            100 * runs["denormal_share"].max(),
            "runs.csv denormal_share, largest",
            2,
            r"\percent",
        ),
        Value(
            "flops.std.least",
            runs["activation_std_min"].min(),
            "runs.csv activation_std_min, least",
            2,
        ),
        Value(
            "flops.std.most",
            runs["activation_std_max"].max(),
            "runs.csv activation_std_max, largest",
            2,
        ),
        *statistic_values("flops", tables["statistics"]),
        *_predictor_values(tables),
    ]


def _time_is_energy(arms: pd.DataFrame, statistics: pd.DataFrame) -> list[Value]:
    """Power at which inferences ran, and how much of the variance of energy their time explains: with more
    digits than other shares, since it may be all but one."""
    power_w = arms["energy_per_inference_j"] / arms["time_per_inference_s"]
    share = statistics.set_index("statistic")["estimate"].get("time_energy_r2.all", float("nan"))
    source = "arms.csv energy_per_inference_j / time_per_inference_s"
    return known(
        Value("flops.power.least", float(power_w.min()), f"{source}, least", 4, r"\watt"),
        Value("flops.power.most", float(power_w.max()), f"{source}, largest", 4, r"\watt"),
        Value(
            "flops.time_is_energy",
            float(share),
            "statistics.csv time_energy_r2.all estimate",
            5,
            on_demand=True,
        ),
    )


def _cost(key: str, arm: pd.Series, which: str) -> list[Value]:
    """Time, processor time and energy of an inference of one architecture."""
    return [
        *(
            Value(
                f"{key}.{name}",
                1e3 * arm[f"{name}_per_inference_s"],
                f"arms.csv {arm['arm']} {name}_per_inference_s",
                3,
                r"\milli\second",
            )
            for name in ("time", "cpu")
        ),
        Value(
            f"{key}.energy",
            arm["energy_per_inference_j"],
            f"arms.csv energy_per_inference_j, {which}",
            3,
            r"\joule",
            band=band_of(arm, "energy_per_inference_j"),
        ),
    ]


def _predictor_values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Which predictor a practitioner should use, and what the published runs say of operations."""
    exported = known(
        *(
            Value(
                f"flops.predictor.{row['predictor']}.{column}",
                row[column],
                f"predictors.csv {row['predictor']} with energy over all, {column}",
                2,
                on_demand=True,
            )
            for row in tables["predictors"].to_dict("records")
            if row["group"] == "all" and row["outcome"] == "energy_per_inference_j"
            for column in ("r2", "r2_low", "r2_high", "spearman")
        )
    )
    regressions = tables["regressions"].set_index("regression")
    if regressions.empty:
        return exported
    best = regressions["error_factor"].idxmin()
    exported.append(Value("flops.regression.best", _WORDS[best], "regressions.csv, least error_factor"))
    exported.append(
        Value(
            "flops.regression.best.factor",
            regressions["error_factor"].min(),
            "regressions.csv error_factor, least",
            3,
        )
    )
    return exported + [
        Value(
            f"flops.regression.{name}.factor",
            row["error_factor"],
            f"regressions.csv {name} error_factor",
            3,
            on_demand=True,
        )
        for name, row in regressions.iterrows()
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of architectures and of settings as the paper prints them."""
    arms = tables["arms"].query("factor.isna()")
    printed = {
        "model": arms["arm"],
        "family": arms["family"],
        "GFLOPs": [significant(flops / 1e9, 3) for flops in arms["flops"]],
        "million parameters": [significant(count / 1e6, 3) for count in arms["parameters"]],
        "FLOPs/byte": [significant(intensity, 2) for intensity in arms["intensity_flops_per_byte"]],
        "ms": [significant(1e3 * seconds, 3) for seconds in arms["time_per_inference_s"]],
        "processor ms": [significant(1e3 * seconds, 3) for seconds in arms["cpu_per_inference_s"]],
        "mJ": [banded_cell(row, "energy_per_inference_j", 1e3) for row in arms.to_dict("records")],
        "CV in %": [cell(percent, 2) for percent in arms["cv_percent"]],
        "error": [cell(percent, 2) for percent in arms["error_cv_percent"]],
    }
    return {"flops_models": pd.DataFrame(printed), "flops_factors": _factor_table(tables)}


def _factor_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Ratios per image of the arms that vary a setting, to the same network at the scale's settings."""
    arms = tables["arms"].set_index("arm")
    rows = [
        {
            "model": arms.loc[row.group, "model"],
            "batch": str(int(arms.loc[row.group, "batch_size"])),
            "pixels": str(int(arms.loc[row.group, "image_size"])),
            "threads": str(int(arms.loc[row.group, "threads"])),
            "operations, ratio": significant(arms.loc[row.group, "flops"] / arms.loc[row.base, "flops"], 3),
            "time, ratio": cell(
                arms.loc[row.group, "time_per_inference_s"] / arms.loc[row.base, "time_per_inference_s"]
            ),
            "energy, ratio": cell(row.estimate),
            "low": cell(row.ci_low),
            "high": cell(row.ci_high),
            "least model": cell(row.band_low),
            "largest model": cell(row.band_high),
        }
        for row in tables["statistics"].query("family == 'factors'").itertuples()
    ]
    return pd.DataFrame(rows)
