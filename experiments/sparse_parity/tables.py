"""Builds the tables of the experiment from its records."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from experiments.sparse_parity.agreement import agreement, compare_agreement, group_by_memory, group_solved
from experiments.sparse_parity.instruments import agreement_of_instruments, find_instruments, order_processes
from experiments.sparse_parity.parameters import ACCESS, EXAMPLES
from joules.analysis import statistics
from joules.analysis.inference import ExtremeSample
from joules.analysis.records import Records, runs_table, select_measured, sort_by_arm, weakest_provenance
from joules.means import MeanSample
from joules.study.design import Design, load_design

# Metrics that need a trace, then metrics with a meter; all are proxies for energy.
TRACED = (
    "operations",
    "bytes_moved",
    "launches",
    "average_reuse_distance",
    "data_movement_distance",
    "byte_movement_distance",
    "live_byte_movement_distance",
    "array_movement_distance",
    "peak_bytes",
)
METERED = ("time_per_solve_s", "cpu_per_solve_s")
ENERGY = "energy_per_solve_j"
PROXIES = (*TRACED, *METERED)
METRICS = (*PROXIES, ENERGY)
# Names of metrics in figures and tables.
WORDS = {
    "operations": "operations",
    "bytes_moved": "bytes moved",
    "launches": "launches",
    "average_reuse_distance": "reuse distance",
    "data_movement_distance": "movement distance",
    "byte_movement_distance": "ByteDMD",
    "live_byte_movement_distance": "live ByteDMD",
    "array_movement_distance": "array distance",
    "peak_bytes": "peak memory",
    "time_per_solve_s": "time",
    "cpu_per_solve_s": "processor time",
    ENERGY: "energy",
}
# The experiment whose runs are one more problem, and the name of that problem.
BOARD, BOARD_PROBLEM = "language_models", "language models"
# Least share of right answers of a process that solves a problem.
SOLVED = 0.95
# Least share of the array work of a solve that its trace has to record. Records of before this share was
# recorded miss random numbers and labels.
COMPLETE = 0.95
INCOMPLETE = "these records count only a part of the work: measure it again"
_PARAMETERS = ("process", "bits", "k", "noise")
_COUNTS = ("solves", "right", "wrong", "traced_right", "traced_share", "core_cache_bytes")
_PER_SOLVE = {ENERGY: "energy_j", "time_per_solve_s": "duration_s", "cpu_per_solve_s": "cpu_s"}


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of this experiment and of the language models.
        design: The experiment's design.

    Returns:
        `runs` (one row per run), `arms` (one row per process and problem), `agreement` (one row per pair of
        metrics and kind of memory), `regret` (one row per problem, access and metric), `proxies` (one row per
        proxy), `orders` (one row per problem, access and pair of instruments) and `statistics`.
    """
    own = records.drop_experiments(BOARD)
    runs = runs_table(own, _PARAMETERS, (*_COUNTS, *TRACED))
    runs["noise"] = runs["noise"].fillna(0.0)
    runs.insert(2, "problem", [problem_of(run) for run in runs.to_dict("records")])
    runs.insert(3, "access", runs["process"].map(ACCESS))
    # A count of a part of the work is no number of a metric.
    runs = runs.astype(dict.fromkeys((*TRACED, "traced_share", "core_cache_bytes"), float))
    runs[[*TRACED]] = runs[[*TRACED]].where(runs["traced_share"] >= COMPLETE)
    for name, whole in _PER_SOLVE.items():
        runs[name] = runs[whole] / runs["solves"]
    solved, board = select_measured(runs), _board(records.select_experiments(BOARD))
    arms = pd.concat([sort_by_arm(_arms(solved), design), _arms(board)], ignore_index=True)
    good = pd.concat([solved, board], ignore_index=True)
    problems = group_by_memory(arms)
    regret, proxies = _regret(good, arms), _proxies(arms)
    instruments = find_instruments(own)
    orders = order_processes(runs, arms, instruments)
    missing = "" if (solved["traced_share"] >= COMPLETE).all() else INCOMPLETE
    rows = [
        *_statistics(regret, proxies, missing),
        compare_agreement(problems["all"], "data_movement_distance", "operations", missing),
        agreement_of_instruments(orders, instruments),
    ]
    return {
        "runs": runs,
        "arms": arms,
        "agreement": pd.concat(
            [agreement(groups, METRICS).assign(memory=name) for name, groups in problems.items()],
            ignore_index=True,
        ),
        "regret": regret.drop(columns="sample"),
        "proxies": proxies,
        "orders": orders,
        "statistics": pd.DataFrame(rows, columns=statistics.COLUMNS),
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
        access=EXAMPLES,
        process=runs["arm"],
        solves=runs["trainings"],
        right=runs["trainings"].where(accurate, 0),
        **dict.fromkeys((*TRACED, "traced_share", "core_cache_bytes", "bits", "k", "noise"), math.nan),
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
                **{name: group[name].iloc[0] for name in ("problem", "access", *_PARAMETERS)},
                "blocks": len(group),
                "solves": int(group["solves"].sum()),
                "right_share": share,
                "solved": bool(share >= SOLVED),
                "traced_share": group["traced_share"].min(skipna=False),
                "core_cache_bytes": group["core_cache_bytes"].max(),
                **{name: group[name].median(skipna=False) for name in TRACED},
                **{name: statistics.geometric_mean(group[name].to_list())[0] for name in METERED},
                ENERGY: energy_j,
                "ci_low_j": low_j,
                "ci_high_j": high_j,
                "provenance": weakest_provenance(group),
            }
        )
    return pd.DataFrame(rows)


def _regret(runs: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Cost of choosing by a metric among processes with the same access to a problem.

    This is the energy of the process that the metric ranks first divided by the energy of the cheapest
    process, paired by the blocks that have both.
    """
    rows = []
    for group in group_solved(arms, least=2):
        wide = runs.pivot(index="block", columns="arm", values=ENERGY)
        cheapest = group.loc[group[ENERGY].idxmin()]
        for metric in (name for name in METRICS if group[name].notna().all()):
            winner = group.loc[group[metric].idxmin()]
            sample = MeanSample.from_ratios((wide[winner["arm"]] / wide[cheapest["arm"]]).dropna())
            low, high = sample.interval()
            rows.append(
                {
                    "problem": winner["problem"],
                    "access": winner["access"],
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
        "access",
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
    """Share of the variance of log energy that each proxy explains in processes left out of the fit, of those
    that learn from examples."""
    groups = group_solved(arms[arms["access"] == EXAMPLES]) if len(arms) else []
    solved = pd.concat(groups) if groups else pd.DataFrame(columns=[*METRICS, "process"])
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


def _statistics(regret: pd.DataFrame, proxies: pd.DataFrame, missing: str) -> list[statistics.Row]:
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
            contrast="ratio",
        )
        if of_metric.empty:
            reason = missing if metric in TRACED else ""
            rows.append(cells | {"n": 0, "note": reason or "no problem with two processes in two blocks"})
            continue
        worst = of_metric.loc[of_metric["regret"].idxmax()]
        rows.append(
            cells
            | statistics.estimate_cells(ExtremeSample(tuple(of_metric["sample"]), is_largest=True))
            | {"note": f"worst of {len(of_metric)}: {worst['problem']}, {worst['access']}"}
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
        )
        for row in proxies.dropna(subset=["r2"]).to_dict("records")
    ]
    return rows
