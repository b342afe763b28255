"""Builds the tables of the experiment from its records."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from joules.analysis import regression, roofline, statistics
from joules.analysis.records import Records, runs_table, select_measured, sort_by_arm, weakest_provenance
from joules.analysis.roofline.networks import operators_of_network
from joules.instrument import carbon, codecarbon_data
from joules.means import MeanSample
from joules.study.design import Design

NETWORKS, LAYERS = "flops_vs_energy", "layer_kinds"
OTHERS = (NETWORKS, LAYERS)
# Predicted outcomes, by the letter at the end of their prediction columns.
OUTCOMES = {"s": "time", "j": "energy"}
# The predictor to use if only the machine's limits were measured.
BEST = "per_operator_launches"

# Regressions on logarithms, fitted to the other families on the same machine.
_FITTED: dict[str, tuple[str, ...]] = {
    "fitted_flops": ("flops",),
    "fitted_flops_bytes_layers": ("flops", "bytes_moved", "layers"),
    "fitted_roofline": (f"{BEST}_s",),
}
# What is predicted of a pass, by outcome.
_PER_PASS = {"time": "time_per_pass_s", "energy": "energy_per_pass_j"}
PREDICTORS = (*roofline.FORMS, *_FITTED)

_REFERENCE = Path(__file__).parent / "reference"
_FLOPS_PER_PETAFLOPS_DAY = 1e15 * 86_400
# Utilisation of four trainings of large language models (PaLM, table 3), on V100 with tensor cores at rated
# power, with the PUE of Patterson et al. 2021 and of Uptime Institute 2018.
_UTILISATIONS = (0.213, 0.462)
_V100_FLOPS_PER_J = 448e9
_PUES = (1.1, 1.58)
# Countries of CodeCarbon's table: those with the most electricity, and the extremes among larger ones.
_LARGEST = 12
_LEAST_TWH = 50.0
_SOURCES = {
    "coal": "coal_TWh",
    "gas": "gas_TWh",
    "oil": "oil_TWh",
    "nuclear": "nuclear_TWh",
    "hydro": "hydroelectricity_TWh",
    "wind": "wind_TWh",
    "solar": "solar_TWh",
}
_MIX = "data/private_infra/global_energy_mix.json"


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of this experiment and of the experiments that it uses.
        design: The experiment's design.

    Returns:
        `runs` (one row per run), `limits` (one row per arm), `rooflines` (one row per network or single
        layer), `predictors` (one row per predictor and outcome), `anchors` (one row per anchor of mlsysim),
        `scaling_law` (one row per published optimal model), `processors`, `trainings` (published trainings
        with energy and carbon), `grids` (carbon intensity and sources of electricity) and `statistics`.
    """
    # Imported here because the import takes seconds, which figures and values do not need.
    from experiments.first_principles import anchors

    runs = roofline.limit_runs_table(records.drop_experiments(*OTHERS))
    limits = sort_by_arm(roofline.limits_table(runs), design)
    rooflines = _rooflines(records, limits)
    errors = unseen_errors(architectures(rooflines))
    grids = _grids()
    return {
        "runs": runs,
        "limits": limits,
        "rooflines": rooflines,
        "predictors": _predictors(errors, architectures(rooflines)),
        "anchors": anchors.table(),
        "scaling_law": anchors.scaling_law(),
        "processors": _processors(limits),
        "trainings": trainings(grids),
        "grids": grids,
        "statistics": pd.DataFrame(
            list(_statistics(errors, architectures(rooflines))), columns=statistics.COLUMNS
        ),
    }


def _rooflines(records: Records, limits: pd.DataFrame) -> pd.DataFrame:
    """One row per arm of other experiments for whose number of threads the limits were measured."""
    rows = [*_of_networks(records, limits), *_of_layers(records, limits)]
    columns = [
        "arm",
        "question",
        "family",
        "factor",
        "threads",
        "blocks",
        "operators",
        "flops",
        "bytes_moved",
        "layers",
        "limit_flops_per_s",
        "limit_bytes_per_s",
        "time_per_pass_s",
        "energy_per_pass_j",
        *(f"{form}_{letter}" for letter in OUTCOMES for form in roofline.FORMS),
        "provenance",
    ]
    return pd.DataFrame(rows, columns=columns)


def _of_networks(records: Records, limits: pd.DataFrame) -> Iterator[dict[str, object]]:
    parameters = ("family", "model", "factor", "batch_size", "image_size")
    for arm, group in _by_arm(records, NETWORKS, parameters, ("threads", "inferences", "layers")):
        first = group.iloc[0]
        known = roofline.find_limits(limits, int(first["threads"]))
        if known is None:
            continue
        batch = int(first["batch_size"])
        operators = operators_of_network(str(first["model"]), int(first["image_size"]), batch)
        yield _roofline(
            arm, group, group["inferences"] / batch, operators, known, NETWORKS, str(first["family"])
        )


def _of_layers(records: Records, limits: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Rows of single layers. Layers inside a network are part of its row."""
    metrics = ("threads", "passes", "flops", "bytes_moved", "layers")
    for arm, group in _by_arm(records, LAYERS, ("kind", "model", "factor"), metrics):
        first = group.iloc[0]
        known = roofline.find_limits(limits, int(first["threads"]))
        if known is None or pd.notna(first["model"]):
            continue
        operators = [roofline.Operator(float(first["flops"]), float(first["bytes_moved"]))]
        yield _roofline(arm, group, group["passes"], operators, known, LAYERS, str(first["kind"]))


def _by_arm(
    records: Records, question: str, parameters: Sequence[str], metrics: Sequence[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    own = records.select_experiments(question)
    if own.has_runs:
        table = select_measured(runs_table(own, parameters, metrics))
        # Keep the order of the first block, which is the same under every power model.
        yield from table.groupby("arm", sort=False)


def _roofline(
    arm: str,
    group: pd.DataFrame,
    passes: pd.Series,
    operators: Sequence[roofline.Operator],
    limits: roofline.Limits,
    question: str,
    family: str,
) -> dict[str, object]:
    first = group.iloc[0]
    return {
        "arm": arm,
        "question": question,
        "family": family,
        "factor": first["factor"],
        "threads": int(first["threads"]),
        "blocks": len(group),
        "operators": len(operators),
        "flops": sum(one.flops for one in operators),
        "bytes_moved": sum(one.bytes_moved for one in operators),
        "layers": first["layers"],
        "limit_flops_per_s": limits.flops_per_s,
        "limit_bytes_per_s": limits.bytes_per_s,
        "time_per_pass_s": statistics.geometric_mean((group["duration_s"] / passes).to_list())[0],
        "energy_per_pass_j": statistics.geometric_mean((group["energy_j"] / passes).to_list())[0],
        **roofline.prediction_cells(roofline.predict(operators, limits), limits),
        "provenance": weakest_provenance(group),
    }


def architectures(rooflines: pd.DataFrame) -> pd.DataFrame:
    """Select the networks at the settings of the scale; predictors are compared over these."""
    return rooflines[(rooflines["question"] == NETWORKS) & rooflines["factor"].isna()]


def unseen_errors(networks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Log errors of every predictor, by outcome: one row per network, one column per predictor.

    A regression predicts a network after being fitted to the other families.
    """
    errors = {}
    for letter, outcome in OUTCOMES.items():
        table = networks.reset_index(drop=True)
        fitted = (
            regression.unseen_errors(table, _FITTED, _PER_PASS[outcome]) if len(table) else pd.DataFrame()
        )
        bare = pd.DataFrame(
            {
                form: np.log(
                    table[f"{form}_{letter}"].astype(float) / table[_PER_PASS[outcome]].astype(float)
                )
                for form in roofline.FORMS
            }
        )
        errors[outcome] = pd.concat([bare, fitted.drop(columns="mean", errors="ignore")], axis=1)
    return errors


def _predictors(errors: dict[str, pd.DataFrame], networks: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "predictor": name,
            "outcome": outcome,
            "fitted": name in _FITTED,
            "n": int(table[name].notna().sum()),
            "families": networks["family"].nunique(),
            "error_factor": math.exp(table[name].abs().median()),
            "worst_factor": math.exp(table[name].abs().max()),
            "bias_factor": math.exp(table[name].mean()),
        }
        for outcome, table in errors.items()
        for name in PREDICTORS
        if name in table and len(table)
    ]
    columns = [
        "predictor",
        "outcome",
        "fitted",
        "n",
        "families",
        "error_factor",
        "worst_factor",
        "bias_factor",
    ]
    return pd.DataFrame(rows, columns=columns)


def _statistics(errors: dict[str, pd.DataFrame], networks: pd.DataFrame) -> Iterator[statistics.Row]:
    """Rows of statistics: the error factor of each predictor, and ratios of the factors of two predictors.

    These are geometric means over families. Families are resampled, because networks of one family are alike
    and share a fit.
    """
    families = networks["family"].to_numpy()
    for outcome, table in errors.items():
        if table.empty:
            continue
        by_family = table.abs().groupby(families).mean()
        for name in by_family:
            yield _over_families(
                f"{outcome}_error.{name}", by_family[name], family=f"{outcome}_error", test="none", group=name
            )
        ratios = [
            _over_families(
                f"{outcome}_errors.{group}_vs_{base}",
                by_family[group] - by_family[base],
                family=f"{outcome}_errors",
                test="skewed_t",
                group=group,
                base=base,
            )
            for group, base in ((BEST, "flops"), ("whole_launches", BEST), ("fitted_flops", BEST))
            if {group, base} <= set(by_family)
        ]
        statistics.correct(ratios)
        yield from ratios


def _over_families(statistic: str, logs: pd.Series, **cells: object) -> statistics.Row:
    sample = MeanSample.from_logs(logs, "skewed_t")
    is_tested = cells["test"] != "none" and len(logs) > 1
    return statistics.row(
        statistic=statistic,
        metric="factor of error",
        contrast="ratio",
        p=sample.p_value(1.0) if is_tested else None,
        **statistics.estimate_cells(sample),
        **cells,
    )


def _processors(limits: pd.DataFrame) -> pd.DataFrame:
    """Published processors at peak rate and rated power, and this machine on one core and on all."""
    table = pd.read_csv(_REFERENCE / "processors.csv").assign(provenance="published")
    measured = [
        {
            "processor": "this machine, one core" if threads == 1 else f"this machine, {threads} cores",
            "precision": "single",
            "peak_flops_per_s": peak["peak_flops_per_s"],
            "power_w": peak["mean_power_w"],
            "source": f"limits.csv {peak['arm']}",
            "provenance": peak["provenance"],
        }
        for threads, group in limits.dropna(subset=["peak_flops_per_s"]).groupby("threads")
        for peak in [group.loc[group["peak_flops_per_s"].idxmax()]]
    ]
    if measured:
        table = pd.concat([table, pd.DataFrame(measured)], ignore_index=True)
    return table.assign(peak_flops_per_j=table["peak_flops_per_s"] / table["power_w"])


def trainings(grids: pd.DataFrame) -> pd.DataFrame:
    """Estimate the lowest and highest energy and carbon of published trainings.

    `E = D x 8.64e19 / (u F) x PUE` with D in petaFLOPS-days, utilisation u, and F in operations per joule at
    peak. Carbon is computed from the geometric mean of both energies, for the grid with the least carbon, the
    world's mean and the grid with the most.

    Args:
        grids: Table of grids.

    Returns:
        One row per published training.
    """
    table = pd.read_csv(_REFERENCE / "trainings.csv")
    at_peak_kwh = (
        table["training_petaflops_days"]
        * _FLOPS_PER_PETAFLOPS_DAY
        / _V100_FLOPS_PER_J
        / carbon.JOULES_PER_KWH
    )
    least, most = at_peak_kwh * _PUES[0] / _UTILISATIONS[1], at_peak_kwh * _PUES[1] / _UTILISATIONS[0]
    middle = np.sqrt(least * most)
    intensities = grids["intensity_g_per_kwh"]
    world = grids.loc[grids["region"] == carbon.WORLD, "intensity_g_per_kwh"].item()
    return table.assign(
        least_kwh=least,
        most_kwh=most,
        best_region_kg=middle * intensities.min() / 1e3,
        mean_kg=middle * world / 1e3,
        worst_region_kg=middle * intensities.max() / 1e3,
        source="Brown et al. 2020, Table D.1",
    )


def _grids() -> pd.DataFrame:
    """Carbon intensity and sources of electricity of selected places.

    These are the world, the countries with the most electricity, and the larger countries with the least and
    the most carbon. Without CodeCarbon's table only the world.
    """
    packaged = codecarbon_data.read_bytes(_MIX)
    mixes = json.loads(packaged) if packaged else {}
    larger = {code: mix for code, mix in mixes.items() if mix["total_TWh"] >= _LEAST_TWH}
    by_size = sorted(larger, key=lambda code: -larger[code]["total_TWh"])[:_LARGEST]
    by_carbon = sorted(larger, key=lambda code: larger[code]["carbon_intensity"])
    chosen = sorted({*by_size, *by_carbon[:2], *by_carbon[-2:]}, key=by_carbon.index)
    rows = []
    for code in [carbon.WORLD, *chosen]:
        grid = carbon.grid(code)
        mix = mixes.get(code)
        shares = {
            f"{source}_percent": 100 * mix[column] / mix["total_TWh"] if mix else math.nan
            for source, column in _SOURCES.items()
        }
        rows.append(
            {
                "region": code,
                "name": grid.name,
                "intensity_g_per_kwh": grid.intensity_g_per_kwh,
                **shares,
                "source": grid.source,
            }
        )
    return pd.DataFrame(rows)
