"""Builds the tables of the experiment from its records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.estimation_methods.methods import EQUIPMENT, METHODS, REFERENCE, Known, Unavailable
from experiments.estimation_methods.operators import operators_of_work
from joules.analysis import roofline, statistics
from joules.analysis.records import IN_PLACE_OF, Records, runs_table, select_measured
from joules.bench.record import Run
from joules.instrument import carbon
from joules.instrument.reading import primary
from joules.instrument.reading_arrays import one_window
from joules.means import Floats, MeanSample, Test
from joules.power.models import POWER_MODELS
from joules.study.design import Design

# The experiment that measures the limits of the machine.
LIMITS = "first_principles"
_TEST: Test = "sign_flip"
_FACTS = ("passes", "flops", "published_flops", "peak_flops_per_s", "cpu_tdp_w", "cpu_tdp_origin")
_REGIONS = Path(__file__).parent / "reference" / "henderson_regions.csv"
_COUNTRIES = ("USA", "FRA", "DEU", "IND", "CHN")
_MODELLED = ("codecarbon-cpu", "codecarbon-ram")
# If two estimates are the same formula, the logarithms of their ratios differ only by rounding.
_SAME = 1e-6


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of this experiment and of the experiments that it uses.
        design: The experiment's design.

    Returns:
        `runs` (one row per run), `estimates` (one row per run and method), `methods` (bias, spread and
        equipment of each method, and of which other method it is a constant multiple here), `statistics`,
        `agreement` (rank correlations) and `carbon` (one row per place).
    """
    own = records.drop_experiments(LIMITS)
    limits = roofline.limits_table(roofline.limit_runs_table(records.select_experiments(LIMITS)))
    runs = runs_table(own, parameters=("work",), metrics=_FACTS)
    estimates = _estimates(own, runs, limits)
    known = estimates.dropna(subset=["ratio"])
    methods = _methods(estimates)
    return {
        "runs": runs,
        "estimates": estimates,
        "methods": methods,
        "statistics": pd.DataFrame(
            [
                *_contrasts(known, methods, design),
                *_sampling_errors(known),
            ],
            columns=statistics.COLUMNS,
        ),
        "agreement": _agreement(known, runs),
        "carbon": _carbon(runs),
    }


def known_of(
    run: Run, idle_power_w: float | None, attributed_j: float | None, roofline_pass_s: float | None = None
) -> Known:
    """Collect the inputs of estimates from the record of a run.

    Args:
        run: The record.
        idle_power_w: Power of the idle machine around the run's block, in watts.
        attributed_j: Energy attributed to the run, in joules.
        roofline_pass_s: Time of a pass predicted by the machine's roofline; None if its limits were not
            measured.
    """
    machine_j = {
        reading.domain: reading.energy_j for reading in primary(run.readings) if reading.energy_j is not None
    }
    job_memory = [r.energy_j for r in run.readings if r.scope == "job" and r.domain == "dram"]
    use = run.contention
    gpu_loads = [gpu.load for gpu in run.gpu_use if gpu.load is not None]
    tdps_w = run.metrics.get("gpu_tdps_w") or []
    return Known(
        duration_s=run.duration_s or 0.0,
        whole_j=run.total.energy_j if run.total else None,
        attributed_j=attributed_j,
        idle_power_w=idle_power_w,
        domains_j=machine_j,
        job_memory_j=job_memory[0] if job_memory else None,
        modelled_j=_codecarbon_j(run),
        power_w=whole_power(run),
        cpu_tdp_w=run.metrics.get("cpu_tdp_w"),
        gpu_tdp_w=sum(tdps_w) if tdps_w else None,
        cores=run.machine.logical_cores,
        memory_gib=run.machine.memory_gib,
        cpu_load=use.busy_cores / run.machine.logical_cores if use else None,
        job_cpu_s=use.job_cpu_s if use else None,
        gpu_load=sum(gpu_loads) / len(gpu_loads) if gpu_loads else None,
        flops=run.metrics.get("flops"),
        published_flops=run.metrics.get("published_flops"),
        peak_flops_per_s=run.metrics.get("peak_flops_per_s"),
        roofline_s=None if roofline_pass_s is None else float(run.metrics["passes"]) * roofline_pass_s,
    )


def _codecarbon_j(run: Run) -> float | None:
    """Energy of processors and memory by CodeCarbon's model, in joules.

    It is the reading if the record was read by that model; under another power model it is computed from the
    mean load. None if CodeCarbon's model did not run.
    """
    ours = [reading for reading in run.readings if reading.source in _MODELLED]
    if len(ours) < len(_MODELLED) or any(reading.energy_j is None for reading in ours):
        return None
    if not any(IN_PLACE_OF in reading.detail for reading in ours):
        return sum(reading.energy_j or 0.0 for reading in ours)
    if run.contention is None or not run.duration_s:
        return None
    window = one_window(run.readings, run.duration_s, 0.0, run.machine, run.contention)
    watts = window.change_power(POWER_MODELS["codecarbon"]).model_w.values()
    return float(np.ravel(sum(watts))[0]) * run.duration_s


def _roofline_pass_s(work: str, threads: int, limits: pd.DataFrame) -> float | None:
    """Seconds that a roofline by operator with launches predicts for one pass."""
    operators, known = operators_of_work(work), roofline.find_limits(limits, threads)
    if known is None or not operators:
        return None
    return roofline.predict(operators, known)["per_operator_launches"].time_s


def whole_power(run: Run) -> tuple[tuple[float, float], ...]:
    """Power of the whole machine as steps of (start in seconds, watts).

    If a domain has several sources, the one that reads power itself is used. Empty if a domain of the machine
    was not recorded.
    """
    steps: dict[str, list[tuple[float, float]]] = {}
    for course in sorted(run.power, key=lambda course: course.form != "instant_w"):
        steps.setdefault(course.domain, list(zip(course.from_s, course.power_w, strict=True)))
    domains = {reading.domain for reading in primary(run.readings)}
    if not steps or set(steps) != domains or not all(steps.values()):
        return ()
    instants = sorted({begin for course in steps.values() for begin, _ in course})
    return tuple((at, sum(_held(course, at) for course in steps.values())) for at in instants)


def _held(course: Sequence[tuple[float, float]], at_s: float) -> float:
    before = [watts for begin, watts in course if begin <= at_s]
    return before[-1] if before else course[0][1]


def _estimates(records: Records, runs: pd.DataFrame, limits: pd.DataFrame) -> pd.DataFrame:
    run_of = {(run.arm, run.block): run for run in records if isinstance(run, Run)}
    work_of = {key: _work(run) for key, run in run_of.items()}
    pass_s = {work: _roofline_pass_s(*work, limits) for work in set(work_of.values())}
    rows = []
    for row in select_measured(runs).to_dict("records"):
        place = row["arm"], row["block"]
        known = known_of(
            run_of[place],
            _finite(row["idle_power_w"]),
            _finite(row["energy_attributed_j"]),
            pass_s[work_of[place]],
        )
        reference = METHODS[REFERENCE].estimate(known)
        for name, method in METHODS.items():
            cells = {"arm": row["arm"], "block": row["block"], "method": name}
            try:
                estimate = method.estimate(known)
            except Unavailable as gap:
                rows.append({**cells, "energy_kwh": None, "ratio": None, "gap": str(gap)})
            else:
                rows.append({**cells, "energy_kwh": estimate, "ratio": estimate / reference, "gap": None})
    return pd.DataFrame(rows, columns=["arm", "block", "method", "energy_kwh", "ratio", "gap"])


def _work(run: Run) -> tuple[str, int]:
    return str(run.parameters.get("work")), int(run.metrics.get("threads", 0))


def _finite(cell: object) -> float | None:
    return float(cell) if isinstance(cell, int | float) and math.isfinite(cell) else None


def _methods(estimates: pd.DataFrame) -> pd.DataFrame:
    """One row per method: bias, spread, worst error factor, and the missing input if there is no estimate.

    The bias is the geometric mean of ratios over workloads, the spread the largest mean ratio of a workload
    divided by the smallest.
    """
    rows = []
    known = estimates.pivot(index=["arm", "block"], columns="method", values="energy_kwh")
    for name, method in METHODS.items():
        of_method = estimates[estimates["method"] == name]
        ratios = of_method.dropna(subset=["ratio"])
        gaps = sorted(set(of_method["gap"].dropna()))
        twin, multiple = _twin(name, known)
        row: dict[str, object] = {
            "method": name,
            "words": method.words,
            "needs": EQUIPMENT[method.needs],
            "runs": len(ratios),
            "same_as": twin,
            "multiple": multiple,
            "gap": "; ".join(gaps) or None,
        }
        positive = ratios[ratios["ratio"] > 0]
        if len(positive):
            logs = np.log(positive["ratio"])
            means = logs.groupby(positive["arm"]).mean()
            row |= {
                "bias": math.exp(means.mean()),
                "spread": math.exp(means.max() - means.min()),
                "worst_factor": math.exp(logs.abs().max()),
            }
        rows.append(row)
    columns = [
        "method",
        "words",
        "needs",
        "runs",
        "bias",
        "spread",
        "worst_factor",
        "same_as",
        "multiple",
        "gap",
    ]
    return pd.DataFrame(rows, columns=columns)


def _twin(name: str, known: pd.DataFrame) -> tuple[str | None, float | None]:
    """Find the first earlier method of which this one is a constant multiple on every run of this machine.

    Returns (method, constant), or (None, None) if there is none.
    """
    others = list(METHODS)[: list(METHODS).index(name)]
    energies = known.reindex(columns=[name, *others]).dropna(subset=[name]).to_numpy(dtype=np.float64)
    own, of_others = energies[:, :1], energies[:, 1:]
    if len(own) < 2 or not (own > 0).all() or not others:
        return None, None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = own / of_others
        is_same = np.isfinite(ratios).all(axis=0) & (np.ptp(np.log(ratios), axis=0) < _SAME)
    first = int(np.argmax(is_same))
    return (others[first], float(ratios[0, first])) if is_same[first] else (None, None)


def _contrasts(known: pd.DataFrame, methods: pd.DataFrame, design: Design) -> list[statistics.Row]:
    """Compare each method with the reference on the same runs: one family per workload, corrected by Holm.

    A method that is a constant multiple of another one is compared only once.
    """
    distinct = set(methods.loc[methods["same_as"].isna(), "method"]) - {REFERENCE}
    compared = known[known["method"].isin(distinct) & (known["ratio"] > 0)]
    ratios = {
        pair: group.to_numpy(dtype=np.float64)
        for pair, group in compared.groupby(["arm", "method"], sort=False)["ratio"]
    }
    rows: list[statistics.Row] = []
    for arm in design.arms:
        family = [_contrast(arm, name, ratios[arm, name]) for name in METHODS if (arm, name) in ratios]
        statistics.correct(family)
        rows += family
    return rows


def _contrast(arm: str, method: str, ratios: Floats) -> statistics.Row:
    logs = np.log(ratios)
    sample = MeanSample.from_logs(logs, _TEST)
    # If estimate and reference are the same formula, they differ only by rounding.
    same = bool(np.all(np.abs(logs) < 1e-9))
    spread = float(np.std(logs, ddof=1)) if len(logs) > 1 else 0.0
    return statistics.row(
        statistic=f"{arm}.{method}",
        family=arm,
        test=_TEST,
        metric="energy_kwh",
        group=method,
        base=REFERENCE,
        contrast="ratio",
        p=1.0 if same else (sample.p_value(1.0) if len(logs) > 1 else None),
        effect_size=float(logs.mean()) / spread if spread > 1e-12 else None,
        **statistics.estimate_cells(sample),
    )


def _sampling_errors(known: pd.DataFrame) -> list[statistics.Row]:
    """Mean absolute relative error of sampled power, by workload and period."""
    sampled = known[known["method"].str.startswith("sampled_")]
    return [
        statistics.mean_row(
            f"sampling_error.{arm}.{method}",
            (group["ratio"] - 1).abs(),
            "sampling_error",
            "absolute relative error",
            group=method,
            base=REFERENCE,
        )
        for (arm, method), group in sampled.groupby(["arm", "method"], sort=False)
    ]


def _agreement(known: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau-b over workloads of mean power by a method with the reference and with busy cores.

    Runs of one workload are averaged, because they are one case of an order. The number of busy cores does
    not depend on a power model. Empty if a method gives every workload the same power.
    """
    rows = [
        {
            "method": name,
            "workloads": len(table),
            "tau_reference": _tau(table["power_w"], table["reference_w"]),
            "tau_busy_cores": _tau(table["power_w"], table["busy_cores"]),
        }
        for name, table in _powers(known, runs).items()
    ]
    return pd.DataFrame(rows, columns=["method", "workloads", "tau_reference", "tau_busy_cores"])


def _powers(known: pd.DataFrame, runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """By method: power by the method and by the meter, and busy cores, of each workload, mean over blocks."""
    usable = select_measured(runs)
    duration_s = usable["duration_s"]
    of_runs = usable[["arm", "block", "duration_s"]].assign(
        reference_w=usable["energy_j"] / duration_s, busy_cores=usable["cpu_s"] / duration_s
    )
    powers = known[["arm", "block", "method", "energy_kwh"]].merge(of_runs, on=["arm", "block"], how="left")
    powers["power_w"] = powers["energy_kwh"] * carbon.JOULES_PER_KWH / powers["duration_s"]
    means = powers.groupby(["method", "arm"])[["power_w", "reference_w", "busy_cores"]].mean()
    return {name: means.xs(name) if name in means.index else means.iloc[:0] for name in METHODS}


def _tau(x: pd.Series, y: pd.Series) -> float | None:
    # Twelve digits: powers of a method that uses only time differ by rounding, which must not rank runs.
    first, second = ([float(f"{value:.12g}") for value in column] for column in (x, y))
    if any(len({value for value in values if not math.isnan(value)}) < 2 for values in (first, second)):
        return None
    from scipy import stats

    return float(stats.kendalltau(first, second).statistic)


def _carbon(runs: pd.DataFrame) -> pd.DataFrame:
    """Emissions of the energy of all runs on the grid of the world, of countries and of regions."""
    energy_kwh = runs["energy_j"].sum() / carbon.JOULES_PER_KWH
    world = carbon.grid(carbon.WORLD)
    places = [_place("world", world), *(_place("country", carbon.grid(code)) for code in _COUNTRIES)]
    places += [
        {
            "level": "region",
            "place": region,
            "intensity_g_per_kwh": intensity,
            "source": "Henderson et al. 2020",
        }
        for region, intensity in pd.read_csv(_REGIONS).itertuples(index=False)
    ]
    table = pd.DataFrame(places)
    return table.assign(
        emissions_g=energy_kwh * table["intensity_g_per_kwh"],
        ratio_to_world=table["intensity_g_per_kwh"] / world.intensity_g_per_kwh,
    )


def _place(level: str, grid: carbon.Grid) -> dict[str, object]:
    share = grid.generated_share
    return {
        "level": level,
        "place": grid.name,
        "intensity_g_per_kwh": grid.intensity_g_per_kwh,
        "source": grid.source,
        "generated_by": grid.generated_by,
        "generated_percent": None if share is None else 100 * share,
    }
