"""How far every power model is off at the wall, printed, and the generated tables of `reference/`.

python -m joules.power.calibration            prints the tables
python -m joules.power.calibration --write    makes the generated tables of `reference/` again
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np

from joules.power.intervals import calibrate, machine_learning_systems
from joules.power.metered import Floats, Servers, load_levels, read_servers
from joules.power.servers import LOADS, REFERENCE, Levels, generations, read_rows
from joules.power.trials import LATER, simulate_coverage, try_load_curve, try_models

Table = list[dict[str, str]]

# Loads that tables show; the generated ones have all.
SHOWN_LOADS = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)
_ANY = "any server"


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
    curves = {_ANY: load_levels(servers)} | {
        family: load_levels(servers.choose(servers.curve == family)) for family in np.unique(servers.curve)
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
            if trial.left_out == LATER:
                yield f"{'    chance of so many, if independent':50}{_row(trial.chance[shown])}"
            else:
                groups = f"{len(np.unique(trial.errors.groups))} groups"
                for end, simulated in zip(("5 %", "95 %"), simulate_coverage(trial.errors), strict=True):
                    label = f"    if exact, {end} of draws of {groups}"
                    yield f"{label:50}{_row(simulated[shown])}"
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
