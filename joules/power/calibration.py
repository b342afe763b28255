"""How far every power model is off at the wall, and the 90 % prediction interval of an unmetered server.

Method: each server is predicted from the others, and the logarithms of its watts over the prediction are kept
by load. What is left out with a server makes the error that of a machine that nobody metered: the servers
with the same processor where the generation is known (`generation`), its whole generation where it is not
(`tdp`, `threads`). The interval is that of a hierarchical model,

    mean +- t (s_between^2 (1 + 1/K) + s_within^2)^.5

over the K groups left out, with the 95th percentile of Student's t at K - 1 degrees of freedom. Assumption:
the groups are draws from one population of processors (or generations), to which the unmetered one belongs,
and their mean errors are about normal. The results are those that vendors publish, of servers they chose.

Machine learning is not the benchmark's Java: every upper end is widened with load by the factor by which the
processor-only systems of MLPerf with a known TDP exceed it at full load, and the lower end of a machine that
may be no server by the factor by which its boards fall below it.

    python -m joules.power.calibration            prints the tables
    python -m joules.power.calibration --write    makes the generated tables of `reference/` again
"""

from __future__ import annotations

import argparse
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joules.means import student_quantile
from joules.power import memory
from joules.power.models import DEFAULT_MODEL, POWER_MODELS, load_curve
from joules.power.servers import (
    LOADS,
    REFERENCE,
    Evidence,
    Levels,
    ServerPower,
    generations,
    read_rows,
    server_powers,
)
from joules.power.use import MEMORY, PROCESSORS, Use

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]
Table = list[dict[str, str]]

# Hyperparameters are chosen by servers until then, and coverage is shown on later ones as well.
LAST_YEAR = 2021
COVERAGE = 0.90
# Loads that tables show; the generated ones have all.
SHOWN_LOADS = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)
# A generation with fewer servers has no watts of its own.
LEAST_SERVERS = 3
_NO_FACTORS: Levels = (1.0,) * len(LOADS)
_ANY = "any server"
# What is left out with a server that nobody metered, by what its prediction rests on: its processor where the
# generation is known, else its generation.
UNITS_LEFT_OUT: Mapping[Evidence, str] = {
    "generation": "processor",
    "tdp": "generation",
    "threads": "generation",
}
LATER = f"{LAST_YEAR + 1} and later"
# The servers that stand for machines of unknown generation, by what the prediction rests on.
_OTHERS: Mapping[str, Evidence] = {
    "any server, by TDP": "tdp",
    "any server, by threads": "threads",
    "any machine, by threads": "machines",
}


@dataclass(frozen=True)
class Servers:
    """n wall-metered servers: arrays of n, and `power_w` of [n, loads]."""

    vendor: NDArray[np.str_]
    processor: NDArray[np.str_]
    generation: NDArray[np.str_]
    curve: NDArray[np.str_]
    year: NDArray[np.int64]
    threads: NDArray[np.int64]
    tdp_w: Floats
    memory_gb: Floats
    power_w: Floats

    def choose(self, chosen: Chosen | NDArray[np.intp]) -> Servers:
        """Those of the servers that are chosen."""
        return Servers(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def use(self, place: int, servers: ServerPower | None) -> Use:
        """What the models know of one server at all loads, compared with `servers`."""
        tdp_w, memory_gib = float(self.tdp_w[place]), float(self.memory_gb[place])
        threads = int(self.threads[place])
        return Use(
            busy_cores=threads * np.array(LOADS),
            threads=threads,
            memory_gib=memory_gib,
            tdp_w=tdp_w,
            memory_w=memory.codecarbon_memory_w(memory_gib, "x86"),
            rated_tdp_w=tdp_w,
            servers=servers,
        )


@dataclass(frozen=True)
class Errors:
    """Logarithms of watts over prediction [k, loads] of the k servers at `places`, and the group that was
    left out to predict each."""

    places: NDArray[np.intp]
    groups: NDArray[np.str_]
    logs: Floats

    @property
    def factor(self) -> Floats:
        """The typical factor off by load: exp of the median absolute error."""
        return np.asarray(np.exp(np.median(np.abs(self.logs), axis=0)))

    def ratio(self, quantile: float) -> Floats:
        """A quantile over servers of prediction over watts, by load."""
        return np.asarray(np.quantile(np.exp(-self.logs), quantile, axis=0))


@dataclass(frozen=True)
class Trial:
    """A power model tried on servers that were left out: its errors, and the ends of the 90 % intervals
    [k, loads] (logarithms, as the errors) where it has them. `evidence` is None of a model that does not rest
    on metered servers."""

    power_model: str
    evidence: Evidence | None
    left_out: str
    errors: Errors
    interval: tuple[Floats, Floats] | None = None

    @property
    def coverage(self) -> Floats:
        """The share of the servers that lie within their intervals, by load; NaN of a model without one."""
        if self.interval is None:
            return np.full(len(LOADS), np.nan)
        low, high = self.interval
        return np.asarray(((self.errors.logs >= low) & (self.errors.logs <= high)).mean(axis=0))

    @property
    def width(self) -> Floats:
        """The upper over the lower end of the intervals by load, median; NaN of a model without one."""
        if self.interval is None:
            return np.full(len(LOADS), np.nan)
        low, high = self.interval
        return np.asarray(np.exp(np.median(high - low, axis=0)))

    @property
    def takes_part(self) -> Chosen:
        """Whether wall meters do not refute the model, by load: 1 lies between the 5th and the 95th
        percentile of its ratio to the wall."""
        return np.asarray((self.errors.ratio(0.05) <= 1) & (self.errors.ratio(0.95) >= 1))


def read_servers() -> Servers:
    """The published results of 2017 and later."""
    rows = list(read_rows("spec_power_load_curves"))
    named = [
        next(each for each in generations() if each.names and re.fullmatch(each.names, row["processor"]))
        for row in rows
    ]
    watts = ["idle_w", *(f"load_{round(100 * load)}_w" for load in LOADS[1:])]
    return Servers(
        vendor=np.array([row["vendor"] for row in rows]),
        processor=np.array([row["processor"] for row in rows]),
        generation=np.array([each.name for each in named]),
        curve=np.array([each.curve for each in named]),
        year=np.array([int(row["year"]) for row in rows]),
        threads=np.array([int(row["threads"]) for row in rows]),
        tdp_w=np.array([float(row["chips"]) * float(row["tdp_w_per_chip"]) for row in rows]),
        memory_gb=np.array([float(row["memory_gb"]) for row in rows]),
        power_w=np.array([[float(row[name]) for name in watts] for row in rows]),
    )


def estimate_power(
    known: Servers, evidence: Evidence, generation: str, curve: str, memory_w: float = memory.SERVER_W
) -> ServerPower | None:
    """The power of a `generation` (or of any server) by `known` ones; None where they are too few.

    Watts are a unit, without those of memory beyond the median memory, at `memory_w` a GB. Every processor
    counts once: the median over processors of the median over their servers.
    """
    alike = known.choose(known.generation == generation) if evidence == "generation" else known
    if len(alike.year) < LEAST_SERVERS:
        return None
    units = alike.tdp_w if evidence == "tdp" else alike.threads
    memory_gb = float(np.median(alike.memory_gb / units))
    beyond_w = memory_w * np.maximum(alike.memory_gb - memory_gb * units, 0.0)
    ends_w = np.maximum(alike.power_w[:, [0, -1]] - beyond_w[:, None], 0.0) / units[:, None]
    of_processors = [
        np.median(ends_w[alike.processor == name], axis=0) for name in np.unique(alike.processor)
    ]
    idle_w, full_w = np.median(of_processors, axis=0)
    of_family = known.curve == curve
    return ServerPower(
        name=generation,
        evidence=evidence,
        count=len(alike.year),
        metered=len(alike.year),
        idle_w=float(idle_w),
        full_w=float(full_w),
        memory_gb=memory_gb,
        curve=_curve(known.choose(of_family) if evidence == "generation" and of_family.any() else known),
        low=_NO_FACTORS,
        high=_NO_FACTORS,
    )


def _curve(servers: Servers) -> Levels:
    idle_w, full_w = servers.power_w[:, :1], servers.power_w[:, -1:]
    return tuple(np.median((servers.power_w - idle_w) / (full_w - idle_w), axis=0).tolist())


def predict_w(servers: Servers, place: int, known: ServerPower, memory_w: float = memory.SERVER_W) -> Floats:
    """The watts of one server at all loads by what is `known` of others, with memory beyond theirs at
    `memory_w` a GB."""
    power = load_curve(servers.use(place, known))
    return np.asarray(power[PROCESSORS] + power[MEMORY] * (memory_w / memory.SERVER_W))


def leave_out(
    servers: Servers, evidence: Evidence, labels: NDArray[Any], memory_w: float = memory.SERVER_W
) -> Errors:
    """Errors of each server predicted from those with another label; without those whose generation then has
    too few."""
    places, groups, logs = [], [], []
    for label in np.unique(labels):
        known = servers.choose(labels != label)
        powers: dict[str, ServerPower | None] = {}
        for place in np.flatnonzero(labels == label).tolist():
            generation, curve = str(servers.generation[place]), str(servers.curve[place])
            if generation not in powers:
                powers[generation] = estimate_power(known, evidence, generation, curve, memory_w)
            power = powers[generation]
            if power is not None:
                places.append(place)
                groups.append(str(label))
                logs.append(np.log(servers.power_w[place] / predict_w(servers, place, power, memory_w)))
    return Errors(np.array(places), np.array(groups), np.array(logs).reshape(len(places), len(LOADS)))


def predict_interval(errors: Errors) -> tuple[Floats, Floats]:
    """The logarithms of the factors by which the prediction interval of a server of another group lies about
    its prediction, by load (see the module's method)."""
    of_groups = [errors.logs[errors.groups == group] for group in np.unique(errors.groups)]
    means = np.array([logs.mean(axis=0) for logs in of_groups])
    within = np.mean([logs.var(axis=0) for logs in of_groups], axis=0)
    groups = len(means)
    spread = np.sqrt(means.var(axis=0, ddof=1) * (1 + 1 / groups) + within)
    reach = student_quantile(groups - 1, (1 + COVERAGE) / 2) * spread
    centre = means.mean(axis=0)
    # The prediction lies within its own interval.
    return np.minimum(centre - reach, 0.0), np.maximum(centre + reach, 0.0)


def cover(servers: Servers, evidence: Evidence, labels: NDArray[Any]) -> tuple[Errors, Floats, Floats]:
    """Whether the interval made without a group covers its servers: the errors of those left out, and the
    ends of their intervals [k, loads]. Nothing of a group is in the interval that it is tried against."""
    every = leave_out(servers, evidence, labels)
    low, high = np.empty_like(every.logs), np.empty_like(every.logs)
    for group in np.unique(every.groups):
        others = labels != group
        ends = predict_interval(leave_out(servers.choose(others), evidence, labels[others]))
        low[every.groups == group], high[every.groups == group] = ends
    return every, low, high


def cover_later(servers: Servers, evidence: Evidence) -> tuple[Errors, Floats, Floats]:
    """The same of servers after LAST_YEAR by those until then."""
    early = servers.year <= LAST_YEAR
    known = servers.choose(early)
    ends = predict_interval(leave_out(known, evidence, unit_left_out(known, evidence)))
    later = leave_out(servers, evidence, np.where(early, "", "later"))
    chosen = later.groups == "later"
    logs = later.logs[chosen]
    return (
        Errors(later.places[chosen], later.groups[chosen], logs),
        np.broadcast_to(ends[0], logs.shape),
        np.broadcast_to(ends[1], logs.shape),
    )


def unit_left_out(servers: Servers, evidence: Evidence) -> NDArray[np.str_]:
    """The labels of `UNITS_LEFT_OUT`."""
    labels: NDArray[np.str_] = getattr(servers, UNITS_LEFT_OUT[evidence])
    return labels


@dataclass(frozen=True)
class ProcessorOnly:
    """Wall watts of a machine-learning system that computed by its processor alone, and its prediction at
    full load with the ends of its interval."""

    processor: str
    network: str
    runs: int
    evidence: Evidence
    least_w: float
    median_w: float
    most_w: float
    predicted_w: float
    low_w: float
    high_w: float


def read_processor_only(powers: Mapping[str, ServerPower]) -> list[ProcessorOnly]:
    """MLPerf's processor-only systems beside what `powers` predict, by TDP where it is published."""
    found = []
    for row in read_rows("mlperf_processor_only"):
        evidence: Evidence = "tdp" if row["tdp_w"] else "machines"
        power = powers[evidence]
        predicted_w = float(row["tdp_w"] or row["threads"]) * power.full_w
        found.append(
            ProcessorOnly(
                processor=row["processor"],
                network=row["network"],
                runs=int(row["runs"]),
                evidence=evidence,
                least_w=float(row["least_w"]),
                median_w=float(row["median_w"]),
                most_w=float(row["most_w"]),
                predicted_w=predicted_w,
                low_w=predicted_w * power.low[-1],
                high_w=predicted_w * power.high[-1],
            )
        )
    return found


def calibrate(servers: Servers) -> tuple[dict[str, ServerPower], dict[Evidence, tuple[Levels, Levels]]]:
    """The powers of every generation and of any other server, and the factors of their intervals widened by
    what machine learning showed."""
    ends: dict[Evidence, tuple[Floats, Floats]] = {}
    for evidence in UNITS_LEFT_OUT:
        low, high = predict_interval(leave_out(servers, evidence, unit_left_out(servers, evidence)))
        ends[evidence] = (np.exp(low), np.exp(high))
    ends["machines"] = ends["threads"]
    others: dict[str, ServerPower] = {
        evidence: replace(
            _known(estimate_power(servers, evidence, name, "")),
            low=tuple(ends[evidence][0].tolist()),
            high=tuple(ends[evidence][1].tolist()),
        )
        for name, evidence in _OTHERS.items()
    }
    systems = read_processor_only(others)
    above = max(each.most_w / each.high_w for each in systems if each.evidence == "tdp")
    below = min(each.least_w / each.low_w for each in systems if each.evidence == "machines")
    widened: dict[Evidence, tuple[Levels, Levels]] = {}
    for evidence, (low, high) in ends.items():
        lower = low * min(below, 1.0) if evidence == "machines" else low
        widened[evidence] = (
            tuple(lower.tolist()),
            tuple((high * max(above, 1.0) ** np.array(LOADS)).tolist()),
        )
    powers = {
        each.name: power
        for each in generations()
        if (power := estimate_power(servers, "generation", each.name, each.curve)) and each.vendor
    }
    return powers | {power.name: power for power in others.values()}, widened


def _known(power: ServerPower | None) -> ServerPower:
    if power is None:
        raise ValueError("too few servers to calibrate by")
    return power


def generate_tables(servers: Servers) -> dict[str, str]:
    """The content of the generated tables of `reference/`, by name."""
    powers, factors = calibrate(servers)
    families = {each.name: each.curve for each in generations()}
    published = {row["processor"]: row for row in read_rows("server_power_by_processor")}
    power_rows = [
        {
            "name": name,
            "evidence": power.evidence,
            "curve": families.get(name, _ANY),
            "count": str(power.count),
            "metered": str(power.metered),
            "idle_w": f"{power.idle_w:.4g}",
            "full_w": f"{power.full_w:.4g}",
            "memory_gb": f"{power.memory_gb:.4g}",
        }
        for name, power in powers.items()
    ] + [
        {
            "name": name,
            "evidence": "generation",
            "curve": families[name],
            "count": row["results"],
            "metered": "0",
            "idle_w": row["idle_w_per_thread"],
            "full_w": row["full_w_per_thread"],
            "memory_gb": row["memory_gb_per_thread"],
        }
        for name, row in published.items()
        if name not in powers
    ]
    curves = {_ANY: _curve(servers)} | {
        family: _curve(servers.choose(servers.curve == family)) for family in np.unique(servers.curve)
    }
    return {
        "server_power": format_csv(sorted(power_rows, key=lambda row: row["name"])),
        "load_curves": format_csv([{"curve": name} | _cells(curve) for name, curve in curves.items()]),
        "intervals": format_csv(
            [
                {"evidence": evidence, "end": end} | _cells(levels)
                for evidence, both in factors.items()
                for end, levels in zip(("low", "high"), both, strict=True)
            ]
        ),
    }


def try_load_curve(servers: Servers) -> Iterator[Trial]:
    """The default model on servers left out one by one, with all of the same processor, vendor or generation,
    and on later servers by those until LAST_YEAR; with intervals where what is left out is what they are made
    for."""
    for evidence in UNITS_LEFT_OUT:
        units: dict[str, NDArray[Any]] = {
            "server": np.arange(len(servers.year)),
            "processor": servers.processor,
            "vendor": servers.vendor,
            "generation": servers.generation,
        }
        if evidence == "generation":
            # No server's generation is known without it.
            del units["generation"]
        for unit, labels in units.items():
            if unit == UNITS_LEFT_OUT[evidence]:
                errors, low, high = cover(servers, evidence, labels)
                yield Trial(DEFAULT_MODEL, evidence, unit, errors, (low, high))
            else:
                yield Trial(DEFAULT_MODEL, evidence, unit, leave_out(servers, evidence, labels))
        errors, low, high = cover_later(servers, evidence)
        yield Trial(DEFAULT_MODEL, evidence, LATER, errors, (low, high))


def try_models(servers: Servers) -> Iterator[Trial]:
    """Every model on servers of known generation. Models by metered servers are told those with another
    processor."""
    known = leave_out(servers, "generation", servers.processor)
    uses = [servers.use(place, _without_processor(servers, place)) for place in known.places]
    for name, model in POWER_MODELS.items():
        if name in ("load_curve_low", "load_curve_high", "load_curve_full_host"):
            continue
        watts = np.array([sum(model.power_w(use).values()) * np.ones(len(LOADS)) for use in uses])
        with np.errstate(divide="ignore"):
            logs = np.log(servers.power_w[known.places] / watts)
        evidence: Evidence | None = "generation" if name in (DEFAULT_MODEL, "servers") else None
        yield Trial(name, evidence, "processor", replace(known, logs=logs))


def try_all(servers: Servers) -> list[Trial]:
    """The trials of `try_load_curve`, and those of the other models."""
    others = (trial for trial in try_models(servers) if trial.power_model != DEFAULT_MODEL)
    return [*try_load_curve(servers), *others]


def judge_models(servers: Servers) -> Table:
    """How far every model is off at the wall, by load: the typical factor, the bias (the median ratio to the
    wall), and the 5th and 95th percentile of the ratio."""
    return [
        {
            "power_model": trial.power_model,
            "load": f"{load:g}",
            "servers": str(len(trial.errors.places)),
            "factor": f"{trial.errors.factor[place]:.4g}",
            "bias": f"{trial.errors.ratio(0.5)[place]:.4g}",
            "p05": f"{trial.errors.ratio(0.05)[place]:.4g}",
            "p95": f"{trial.errors.ratio(0.95)[place]:.4g}",
        }
        for trial in try_models(servers)
        for place, load in enumerate(LOADS)
    ]


def _without_processor(servers: Servers, place: int) -> ServerPower | None:
    others = servers.choose(servers.processor != servers.processor[place])
    return estimate_power(others, "generation", str(servers.generation[place]), str(servers.curve[place]))


def takes_part(model: str, loads: Sequence[float] | Floats) -> NDArray[np.bool_]:
    """Whether a model takes part in verdicts at each of `loads` (0 to 1): where 1 lies within the 5th to 95th
    percentile of its ratio to the wall over servers, interpolated between the metered loads. The ends and the
    other convention of the default model take part where it does."""
    rows = [row for row in read_rows("model_errors") if row["power_model"] == model]
    if not rows:
        return np.ones(len(loads), dtype=bool)
    at, p05, p95 = (np.array([float(row[name]) for row in rows]) for name in ("load", "p05", "p95"))
    return np.asarray((np.interp(loads, at, p05) <= 1) & (np.interp(loads, at, p95) >= 1))


def machine_learning_systems() -> list[ProcessorOnly]:
    """MLPerf's processor-only systems beside what the calibrated powers predict."""
    return read_processor_only(
        {power.evidence: power for power in server_powers().values() if power.evidence != "generation"}
    )


def report(servers: Servers) -> Iterator[str]:
    """The tables for a terminal: errors, coverage and width, machine learning, models."""
    shown = [LOADS.index(load) for load in SHOWN_LOADS]
    loads = "".join(f"{load:>7.0%}" for load in SHOWN_LOADS)
    trials = list(try_load_curve(servers))
    yield f"{len(servers.year)} servers, {len(np.unique(servers.processor))} processors"
    yield ""
    yield f"{'typical factor off':46}{'n':>4}{loads}"
    for trial in trials:
        label = f"  {trial.evidence}, {trial.left_out} left out"
        yield f"{label:46}{len(trial.errors.places):>4}{_row(trial.errors.factor[shown])}"
    yield ""
    yield f"{'coverage of 90 % intervals, and high/low':46}{'n':>4}{loads}"
    for trial in trials:
        if trial.interval:
            label = f"  {trial.evidence}, {trial.left_out} left out"
            yield f"{label:46}{len(trial.errors.places):>4}{_row(trial.coverage[shown])}"
            yield f"{'    width':50}{_row(trial.width[shown])}"
    yield ""
    yield f"{'interval as used (machine learning included)':50}{loads}"
    for evidence, ends in calibrate(servers)[1].items():
        for end, levels in zip(("low", "high"), ends, strict=True):
            yield f"{f'  {evidence}, {end}':50}{_row(np.array(levels)[shown])}"
    yield ""
    yield "MLPerf, processor only: wall watts (least, median, most), prediction at full load and its interval"
    for each in machine_learning_systems():
        wall = f"{each.least_w:7.1f}{each.median_w:7.1f}{each.most_w:7.1f}"
        predicted = f"{each.predicted_w:6.1f} ({each.low_w:.1f} to {each.high_w:.1f}) by {each.evidence}"
        yield f"  {each.processor:20}{each.network:18}{each.runs:>4} runs {wall}   {predicted}"
    yield ""
    yield f"{'power models: typical factor off, and model over wall':50}{loads}"
    for trial in try_models(servers):
        rows = {
            "factor": trial.errors.factor,
            "median": trial.errors.ratio(0.5),
            "5 %": trial.errors.ratio(0.05),
            "95 %": trial.errors.ratio(0.95),
        }
        for label, numbers in rows.items():
            name = trial.power_model if label == "factor" else ""
            yield f"  {name:36}{label:12}{_row(numbers[shown])}"


def _row(levels: Floats) -> str:
    return "".join(f"{level:7.2f}" for level in levels)


def _cells(levels: Levels) -> dict[str, str]:
    return {f"{load:g}": f"{level:.4g}" for load, level in zip(LOADS, levels, strict=True)}


def format_csv(rows: Table) -> str:
    """Rows as CSV text with a header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="calibrate power models by wall-metered servers")
    parser.add_argument("--write", action="store_true", help="write the generated tables of reference/ again")
    options = parser.parse_args(arguments)
    servers = read_servers()
    if not options.write:
        print("\n".join(report(servers)))
        return
    for name, content in generate_tables(servers).items():
        (REFERENCE / f"{name}.csv").write_text(content, encoding="utf-8")
    (REFERENCE / "model_errors.csv").write_text(format_csv(judge_models(servers)), encoding="utf-8")


if __name__ == "__main__":
    main()
