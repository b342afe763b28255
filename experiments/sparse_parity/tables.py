"""Builds the tables of the experiment from its records."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.analysis import statistics
from joules.analysis.inference import ExtremeSample
from joules.analysis.records import Records, runs_table, select_measured, sort_by_arm, weakest_provenance
from joules.means import Floats, MeanSample
from joules.study.design import Design, load_design

# Metrics without a meter, then metrics with one; the others are proxies for the last.
TRACED = (
    "operations",
    "bytes_moved",
    "launches",
    "average_reuse_distance_bytes",
    "data_movement_distance",
    "peak_bytes",
)
METERED = ("time_per_solve_s", "cpu_per_solve_s")
ENERGY = "energy_per_solve_j"
PROXIES = (*TRACED, *METERED)
# Names of metrics in figures and tables.
WORDS = {
    "operations": "operations",
    "bytes_moved": "bytes moved",
    "launches": "launches",
    "average_reuse_distance_bytes": "reuse distance",
    "data_movement_distance": "movement distance",
    "peak_bytes": "peak memory",
    "time_per_solve_s": "time",
    "cpu_per_solve_s": "processor time",
    ENERGY: "energy",
}
# The experiment whose runs are one more problem, and the name of that problem.
BOARD, BOARD_PROBLEM = "language_models", "language models"
# Least share of right answers of a process that solves a problem.
SOLVED = 0.95
_PARAMETERS = ("process", "bits", "k", "noise")
_RESAMPLES = 500
_PER_SOLVE = {ENERGY: "energy_j", "time_per_solve_s": "duration_s", "cpu_per_solve_s": "cpu_s"}


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of this experiment and of the language models.
        design: The experiment's design.

    Returns:
        `runs` (one row per run), `arms` (one row per process and problem), `agreement` (one row per pair of
        metrics), `regret` (one row per problem and metric), `proxies` (one row per proxy) and `statistics`.
    """
    runs = runs_table(
        records.drop_experiments(BOARD), _PARAMETERS, ("solves", "right", "wrong", "traced_right", *TRACED)
    )
    runs["noise"] = runs["noise"].fillna(0.0)
    runs.insert(2, "problem", [problem_of(run) for run in runs.to_dict("records")])
    for name, whole in _PER_SOLVE.items():
        runs[name] = runs[whole] / runs["solves"]
    solved, board = select_measured(runs), _board(records.select_experiments(BOARD))
    arms = pd.concat([sort_by_arm(_arms(solved), design), _arms(board)], ignore_index=True)
    good = pd.concat([solved, board], ignore_index=True)
    regret = _regret(good, arms)
    proxies = _proxies(arms)
    return {
        "runs": runs,
        "arms": arms,
        "agreement": agreement(arms),
        "regret": regret.drop(columns="sample"),
        "proxies": proxies,
        "statistics": pd.DataFrame(_statistics(regret, proxies), columns=statistics.COLUMNS),
    }


def _board(records: Records) -> pd.DataFrame:
    """Runs of the language models as solves of one more, realistic problem.

    A run solves the problem if it is accurate enough for the board. Metrics that need a trace are unknown.
    """
    if not records.has_runs:
        return pd.DataFrame()
    runs = runs_table(records, ("entry",), ("trainings", "validation_accuracy"))
    gate = load_design(BOARD).at(runs["scale"].iloc[0]).analysis["gate_accuracy"]
    runs = select_measured(runs)
    accurate = runs["validation_accuracy"] >= gate
    runs = runs.assign(
        problem=BOARD_PROBLEM,
        process=runs["arm"],
        solves=runs["trainings"],
        right=runs["trainings"].where(accurate, 0),
        **dict.fromkeys((*TRACED, "bits", "k", "noise"), math.nan),
    )
    return runs.assign(**{name: runs[whole] / runs["solves"] for name, whole in _PER_SOLVE.items()})


def problem_of(run: dict[str, object]) -> str:
    """The problem of a run in words: n, k, and the share of wrong labels."""
    noisy = f", {100 * float(str(run['noise'])):g} % wrong" if run["noise"] else ""
    return f"n = {run['bits']}, k = {run['k']}{noisy}"


def _arms(runs: pd.DataFrame) -> pd.DataFrame:
    if runs.empty:
        return pd.DataFrame()
    rows = []
    for arm, group in runs.groupby("arm", sort=False):
        energy_j, low_j, high_j = statistics.geometric_mean(group[ENERGY].to_list())
        share = group["right"].sum() / group["solves"].sum()
        rows.append(
            {
                "arm": arm,
                **{name: group[name].iloc[0] for name in ("problem", *_PARAMETERS)},
                "blocks": len(group),
                "solves": int(group["solves"].sum()),
                "right_share": share,
                "solved": bool(share >= SOLVED),
                **{name: group[name].median() for name in TRACED},
                **{name: statistics.geometric_mean(group[name].to_list())[0] for name in METERED},
                ENERGY: energy_j,
                "ci_low_j": low_j,
                "ci_high_j": high_j,
                "provenance": weakest_provenance(group),
            }
        )
    return pd.DataFrame(rows)


def agreement(arms: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau of every pair of metrics over the processes that solve a problem, mean over problems.

    The interval comes from resampling processes within problems.
    """
    metrics = [*PROXIES, ENERGY]
    solved = [group[metrics].to_numpy(float) for group in _solved(arms) if len(group) >= 3]
    random = np.random.default_rng(0)
    means = np.full((len(metrics), len(metrics)), np.nan)
    lows, highs = means.copy(), means.copy()
    if solved:
        drawn = [taus(one, random.integers(len(one), size=(_RESAMPLES, len(one)))) for one in solved]
        with warnings.catch_warnings(category=RuntimeWarning, action="ignore"):
            # Tau is NaN if all drawn processes are the same or if a metric is unknown for a problem.
            means = np.nanmean([taus(one, np.arange(len(one))[None])[0] for one in solved], axis=0)
            lows, highs = np.nanquantile(np.nanmean(drawn, axis=0), [0.025, 0.975], axis=0)
    return pd.DataFrame(
        [
            [metrics[a], metrics[b], len(solved), means[a, b], lows[a, b], highs[a, b]]
            for a, b in itertools.combinations(range(len(metrics)), 2)
        ],
        columns=["metric", "other", "problems", "tau", "tau_low", "tau_high"],
    )


def taus(values: Floats, chosen: NDArray[np.int64]) -> Floats:
    """Kendall's tau-b of every pair of columns over resampled rows.

    Args:
        values: One row per process, one column per metric [n, metrics].
        chosen: Rows of each resampling [draws, m].

    Returns:
        Taus [draws, metrics, metrics]; NaN where a column is constant.
    """
    signs = np.sign(values[:, None] - values[None, :])
    drawn = signs[chosen[:, :, None], chosen[:, None, :]].reshape(len(chosen), -1, values.shape[1])
    products = np.einsum("dia,dib->dab", drawn, drawn)
    scale = np.sqrt(np.einsum("daa->da", products))
    with np.errstate(invalid="ignore"):
        return products / (scale[:, :, None] * scale[:, None, :])


def _solved(arms: pd.DataFrame) -> list[pd.DataFrame]:
    """The processes that solve each problem, in the order of the design."""
    if arms.empty:
        return []
    return [group for _, group in arms[arms["solved"]].groupby("problem", sort=False)]


def _regret(runs: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Cost of choosing by a metric, paired by the blocks that have both processes.

    This is the energy of the process that the metric ranks first divided by the energy of the cheapest
    process.
    """
    rows = []
    for group in _solved(arms):
        wide = runs.pivot(index="block", columns="arm", values=ENERGY)
        cheapest = group.loc[group[ENERGY].idxmin()]
        for metric in (name for name in (*PROXIES, ENERGY) if group[name].notna().all()):
            winner = group.loc[group[metric].idxmin()]
            sample = MeanSample.from_ratios((wide[winner["arm"]] / wide[cheapest["arm"]]).dropna())
            low, high = sample.interval()
            rows.append(
                {
                    "problem": winner["problem"],
                    "metric": metric,
                    "winner": winner["process"],
                    "cheapest": cheapest["process"],
                    "processes": len(group),
                    "n": sample.n,
                    "regret": sample.estimate,
                    "regret_low": low,
                    "regret_high": high,
                    "sample": sample,
                }
            )
    columns = [
        "problem",
        "metric",
        "winner",
        "cheapest",
        "processes",
        "n",
        "regret",
        "regret_low",
        "regret_high",
        "sample",
    ]
    return pd.DataFrame(rows, columns=columns)


def _proxies(arms: pd.DataFrame) -> pd.DataFrame:
    """Share of the variance of log energy that each proxy explains in processes left out of the fit."""
    solved = (
        pd.concat(_solved(arms)) if _solved(arms) else pd.DataFrame(columns=[*PROXIES, ENERGY, "process"])
    )
    return pd.DataFrame([{"proxy": proxy, **_explained(solved, proxy)} for proxy in PROXIES])


def _explained(arms: pd.DataFrame, proxy: str) -> dict[str, float]:
    known = arms.dropna(subset=[proxy])
    if known["process"].nunique() < 3 or known[proxy].nunique() < 3:
        return {"n": 0, "r2": math.nan, "error_factor": math.nan, "spearman": math.nan}
    from scipy import stats

    x, y = (np.log(known[name].to_numpy(dtype=np.float64)) for name in (proxy, ENERGY))
    processes = known["process"].to_numpy()
    residuals = np.empty(len(y))
    for process in np.unique(processes):
        out = processes == process
        slope, intercept = np.polyfit(x[~out], y[~out], 1)
        residuals[out] = y[out] - intercept - slope * x[out]
    return {
        "n": len(y),
        "r2": 1 - float((residuals**2).sum() / ((y - y.mean()) ** 2).sum()),
        "error_factor": math.exp(float(np.median(np.abs(residuals)))),
        "spearman": float(stats.spearmanr(x, y).statistic),
    }


def _statistics(regret: pd.DataFrame, proxies: pd.DataFrame) -> list[statistics.Row]:
    rows = []
    for metric in PROXIES:
        of_metric = regret[(regret["metric"] == metric) & (regret["n"] >= 2)]
        cells = statistics.row(
            statistic=f"regret.{metric}",
            family="regret",
            test="none",
            metric=ENERGY,
            group=f"first by {metric}",
            base="cheapest",
            unit="ratio",
        )
        if of_metric.empty:
            rows.append(cells | {"n": 0, "note": "no problem solved in two blocks"})
            continue
        worst = of_metric.loc[of_metric["regret"].idxmax()]
        rows.append(
            cells
            | statistics.estimate_cells(ExtremeSample(tuple(of_metric["sample"]), is_largest=True))
            | {"note": f"worst of {len(of_metric)} problems: {worst['problem']}"}
        )
    rows += [
        statistics.row(
            statistic=f"explained.{row['proxy']}",
            family="explained",
            test="none",
            metric=ENERGY,
            group=row["proxy"],
            n=row["n"],
            estimate=row["r2"],
            unit="1",
        )
        for row in proxies.dropna(subset=["r2"]).to_dict("records")
    ]
    return rows
