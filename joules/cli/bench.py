"""Commands that repeat, compare and add measurements: `bench`, `compare`, `sum`. They work in any folder."""

from __future__ import annotations

import argparse
import itertools
import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from joules.cli.command import Command, Options
from joules.cli.meter import check_writable, number_from
from joules.cli.process import block_signals
from joules.errors import UserError

if TYPE_CHECKING:
    from joules.instrument.benchmark import Subject
    from joules.instrument.comparison import Ratio

_CONDITION_MET = 1
_SECONDS = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}


def _duration(text: str) -> float:
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(s|min|h|)", text)
    if not found or not float(found[1]):
        raise argparse.ArgumentTypeError(f"invalid duration '{text}': use for example 90s, 5min or 1h")
    return float(found[1]) * _SECONDS[found[2]]


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"invalid share '{text}': use for example 2% or 0.02")
    return share


def _declare_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("commands", nargs="+", metavar="CMD", help="a command, quoted as one argument")
    parser.add_argument(
        "--within",
        type=_share,
        default=0.02,
        metavar="SHARE",
        help="stop at this half-width of the intervals of mean energy and mean time (default: 0.02)",
    )
    parser.add_argument(
        "--budget",
        type=_duration,
        default=300.0,
        metavar="TIME",
        help="begin no block after this time, for example 90s or 5min (default: 5min)",
    )
    parser.add_argument(
        "--idle",
        type=number_from(0.0),
        default=0.5,
        metavar="SECONDS",
        help="length of each measurement of the idle machine around blocks, in seconds (default: 0.5)",
    )
    parser.add_argument(
        "--warmup",
        type=int,
        default=1,
        metavar="N",
        help="repeats before the first that is measured (default: 1)",
    )
    parser.add_argument(
        "--name", action="append", default=[], help="name of a command; once for each command"
    )
    parser.add_argument("--prepare", metavar="CMD", help="run before each repeat by a shell, not measured")
    parser.add_argument("--cleanup", metavar="CMD", help="run after the last repeat by a shell, not measured")
    parser.add_argument("--shell", action="store_true", help="run the commands by /bin/sh")
    parser.add_argument(
        "--parameter-list",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUES"),
        help="repeat for each of these values, separated by commas, in place of {NAME}; may be repeated",
    )
    parser.add_argument("--show-output", action="store_true", help="show what the commands print")
    parser.add_argument("--ignore-failure", action="store_true", help="go on if a command fails")
    parser.add_argument("--without-gpu", action="store_true", help="do not read GPUs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random order (default: 0)")
    parser.add_argument(
        "--export",
        action="append",
        default=[],
        metavar="FILE",
        help="also write the result; the name ends in .json, .csv or .md; may be repeated",
    )
    _declare_condition(parser)


def _declare_condition(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fail-if",
        metavar="CONDITION",
        help="exit with status 1 if the whole interval of a ratio meets it: 'ratio > 1.05' (energy), "
        "'time_ratio > 1.05'",
    )


def _bench(options: Options) -> int:
    with block_signals():
        from joules.instrument.benchmark import Plan, declare_test, measure_benchmark, split_command
        from joules.instrument.benchmark_report import check_format, describe_progress, render, report
        from joules.instrument.comparison import Condition
        from joules.instrument.repeats import Precision, Repeats

    condition = Condition.parse(options.fail_if) if options.fail_if else None
    paths = [check_format(Path(file)) for file in options.export]
    subjects = list(_subjects(options))
    for subject in subjects:
        split_command(subject.command, options.shell)
    if condition and len(subjects) == 1:
        raise UserError("--fail-if needs two commands: use 'joules compare' for results of different times")
    for path in paths:
        check_writable(path)
    print(f"Declared before measuring: {declare_test(subjects)}\n", flush=True)

    def show(results: list[Repeats], elapsed_s: float) -> None:
        if sys.stderr.isatty():
            progress = describe_progress(results, options.within, elapsed_s, options.budget)
            print(f"\r\x1b[K{progress}", end="", file=sys.stderr, flush=True)

    plan = Plan(
        precision=Precision(options.within, options.budget),
        idle_s=options.idle,
        warm_ups=options.warmup,
        uses_shell=options.shell,
        shows_output=options.show_output,
        allows_failure=options.ignore_failure,
        without_gpu=options.without_gpu,
        seed=options.seed,
    )
    try:
        benchmark = measure_benchmark(subjects, plan, show)
    finally:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    for path in paths:
        path.write_text(render(benchmark, path), encoding="utf-8")
    print(report(benchmark), end="")
    return _judge(options, benchmark.ratios)


def _subjects(options: Options) -> Iterator[Subject]:
    from joules.instrument.benchmark import Subject

    if options.name and len(options.name) != len(options.commands):
        raise UserError(
            f"{len(options.name)} names for {len(options.commands)} commands: use --name once for each"
        )
    lists = [[(name, value) for value in values.split(",")] for name, values in options.parameter_list]
    names = set()
    given = zip(options.name or options.commands, options.commands, strict=True)
    for (label, command), values in itertools.product(given, itertools.product(*lists)):
        texts = (label, command, options.prepare or "", options.cleanup or "")
        name, filled, prepare, cleanup = (_fill(text, values) for text in texts)
        if options.name and name == label and lists:
            name = " ".join([label, *(f"{key}={value}" for key, value in values)])
        if name in names:
            raise UserError(f"two commands are named '{name}': give each its own --name")
        names.add(name)
        yield Subject(name, filled, prepare, cleanup)


def _fill(text: str, values: Sequence[tuple[str, str]]) -> str:
    for name, value in values:
        text = text.replace(f"{{{name}}}", value)
    return text


def _judge(options: Options, ratios: list[Ratio]) -> int:
    """Prints whether `--fail-if` is met, and returns the exit status."""
    from joules.instrument.comparison import Condition

    if not options.fail_if:
        return 0
    is_met, sentences = Condition.parse(options.fail_if).judge(ratios)
    print("\n".join(sentences))
    return _CONDITION_MET if is_met else 0


def _declare_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD.json", help="what 'joules bench --export' wrote before")
    parser.add_argument("new", metavar="NEW.json", help="the same after a change")
    _declare_condition(parser)


def _compare(options: Options) -> int:
    from joules.instrument.benchmark import compare_benchmarks, read_benchmark
    from joules.instrument.comparison import UNPAIRED, Condition

    if options.fail_if:
        Condition.parse(options.fail_if)
    old, new = read_benchmark(Path(options.old)), read_benchmark(Path(options.new))
    if old.machine.id != new.machine.id:
        print(f"warning: other machine: {old.machine.words}, then {new.machine.words}", file=sys.stderr)
    ratios = compare_benchmarks(old, new)
    print(f"{options.new} compared with {options.old}, by {UNPAIRED}")
    for ratio in ratios:
        print(f"  {ratio.name}: {ratio}")
    return _judge(options, ratios)


def _declare_sum(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file of 'joules meter --json'")


def _sum(options: Options) -> None:
    from joules.instrument.addition import add_measurements, read_measurement

    for line in add_measurements({file: read_measurement(Path(file)) for file in options.files}):
        print(line)


COMMANDS = {
    "bench": Command(
        "repeat commands until their energy is known, and compare them",
        _bench,
        _declare_bench,
        needs_repository=False,
    ),
    "compare": Command(
        "compare two results of 'joules bench'", _compare, _declare_compare, needs_repository=False
    ),
    "sum": Command(
        "add the energy of several nodes, and count no machine twice",
        _sum,
        _declare_sum,
        needs_repository=False,
    ),
}
