"""`joules bench`: the energy of commands by randomised interleaved blocks, and how they compare."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from joules.errors import UserError
from joules.instrument import METER_VERSION
from joules.instrument.command import run_command
from joules.instrument.comparison import PAIRED, Ratio, paired_ratios, unpaired_ratios
from joules.instrument.host.contention import watch_descendants
from joules.instrument.host.machine import Machine, describe
from joules.instrument.host.node import boot_id, host_name
from joules.instrument.host.processes import DESCENDANTS
from joules.instrument.measurement import Measurement
from joules.instrument.meter import Meter
from joules.instrument.repeats import Precision, Repeats, repeat_in_blocks
from joules.instrument.source import Source
from joules.models import Closed, read_json, validate

# Idle is measured so often that it takes about a fifth of the time.
_WORK_PER_IDLE = 4.0
_INTERRUPTED = (128 + 2, 128 + 15)


@dataclass(frozen=True)
class Subject:
    """A command to be measured, its name, and what is run before each repeat and after the last one."""

    name: str
    command: str
    prepare: str = ""
    cleanup: str = ""


@dataclass(frozen=True)
class Plan:
    """How commands are measured. `uses_shell` runs them by `/bin/sh -c`; `budget_s` is without warm-ups."""

    precision: Precision
    idle_s: float = 0.5
    warm_ups: int = 1
    uses_shell: bool = False
    shows_output: bool = False
    allows_failure: bool = False
    without_gpu: bool = False
    seed: int = 0
    sources: Sequence[Source] | None = field(default=None, repr=False)


class Benchmark(Closed):
    """Result of `joules bench`, as it is exported.

    Attributes:
        format: Name and version of this format.
        meter_version: Version of the meter.
        machine: The machine.
        host: Name of the machine on its network.
        boot_id: The kernel's number of this start of the machine.
        began_at: Begin in UTC, ISO 8601.
        within: Aim of the precision: half of the 95 % interval of each mean, as a share of the mean.
        budget_s: Time after which no further block began, in seconds.
        seed: Seed of the random order.
        idle_power_w: Power of the idle machine around blocks in watts, in the order of measurement.
        results: Repeats of each command; ratios are to the first one.
        ratios: Ratios of energy and of time.
    """

    format: Literal["joules bench 1"] = "joules bench 1"
    meter_version: int
    machine: Machine
    host: str
    boot_id: str
    began_at: str
    within: float
    budget_s: float
    seed: int
    idle_power_w: list[float]
    results: list[Repeats]
    ratios: list[Ratio]

    @property
    def mean_idle_w(self) -> float | None:
        """Mean power of the idle machine in watts; None if it was not measured."""
        return sum(self.idle_power_w) / len(self.idle_power_w) if self.idle_power_w else None


def read_benchmark(path: Path) -> Benchmark:
    """Reads what `joules bench --export FILE.json` wrote.

    Raises:
        UserError: If it cannot be read, or is of another meter version.
    """
    remedy = "make it with 'joules bench --export FILE.json'"
    body = read_json(path, remedy, remedy, ("format", "results"))
    if body.get("meter_version") != METER_VERSION:
        raise UserError(f"{path} is of another meter version: measure it again")
    return validate(Benchmark, body, str(path))


def compare_benchmarks(old: Benchmark, new: Benchmark) -> list[Ratio]:
    """Ratios of `new` to `old` of commands with the same name, or of the only command of each.

    Raises:
        UserError: If they have no command in common.
    """
    before = {each.name: each for each in old.results}
    pairs = [(before[each.name], each) for each in new.results if each.name in before]
    if not pairs and len(old.results) == len(new.results) == 1:
        pairs = [(old.results[0], new.results[0])]
    if not pairs:
        raise UserError("no command of the same name in both results: name commands with --name")
    return [ratio for one, other in pairs for ratio in unpaired_ratios(one, other, len(pairs))]


def declare_test(subjects: Sequence[Subject]) -> str:
    """What will be tested, to be printed before anything is measured."""
    if len(subjects) == 1:
        return "Student's 95 % interval of the mean"
    count = len(subjects) - 1
    corrected = f", corrected for {count} comparisons" if count > 1 else ""
    return f"ratios to '{subjects[0].name}' by a {PAIRED}{corrected}"


def measure_benchmark(
    subjects: Sequence[Subject], plan: Plan, show: Callable[[list[Repeats], float], object]
) -> Benchmark:
    """Measures commands in randomised blocks, each once a block, with the idle machine around blocks.

    Args:
        subjects: The commands; ratios are to the first one.
        plan: How they are measured.
        show: Called before each block, with the results so far and the seconds since the first block.

    Raises:
        UserError: If a command cannot be started or fails, or no energy can be read.
    """
    watch_descendants()
    began_at, idle_power_w = datetime.now(UTC).isoformat(timespec="seconds"), []
    with Meter(
        idle_s=plan.idle_s, sources=plan.sources, job=DESCENDANTS, without_gpu=plan.without_gpu
    ) as meter:
        if plan.idle_s:
            idle_power_w.append(sum(meter.idle_power_w.values()))
        for _ in range(plan.warm_ups):
            for subject in subjects:
                _run_aside(subject.prepare)
                _run(subject, plan)
        start_s = last_idle_s = time.monotonic()

        def measure_idle() -> None:
            nonlocal last_idle_s
            with meter.window("idle") as window:
                time.sleep(plan.idle_s)
            idle_power_w.append((window.energy_j or 0.0) / window.duration_s)
            last_idle_s = time.monotonic()

        def before_block(results: list[Repeats]) -> None:
            if plan.idle_s and time.monotonic() - last_idle_s >= _WORK_PER_IDLE * plan.idle_s:
                measure_idle()
            show(results, time.monotonic() - start_s)

        def measure_once(index: int) -> Measurement:
            _run_aside(subjects[index].prepare)
            with meter.window(subjects[index].name) as window:
                _run(subjects[index], plan)
            return window.measurement

        names = [subject.name for subject in subjects]
        results = repeat_in_blocks(names, measure_once, plan.precision, plan.seed, before_block)
        if plan.idle_s:
            measure_idle()
    for subject in subjects:
        _run_aside(subject.cleanup)
    return Benchmark(
        meter_version=METER_VERSION,
        machine=describe(),
        host=host_name(),
        boot_id=boot_id(),
        began_at=began_at,
        within=plan.precision.within,
        budget_s=plan.precision.budget_s,
        seed=plan.seed,
        idle_power_w=idle_power_w,
        results=results,
        ratios=paired_ratios(results) if len(results) > 1 else [],
    )


def split_command(command: str, uses_shell: bool) -> list[str]:
    """The arguments of a command line.

    Raises:
        UserError: If a quotation mark is not closed, or it is empty.
    """
    if uses_shell:
        return ["/bin/sh", "-c", command]
    try:
        arguments = shlex.split(command)
    except ValueError as fault:
        raise UserError(f"invalid command '{command}' ({fault}): quote it for a shell") from None
    if not arguments:
        raise UserError("empty command: write each command as one argument, such as 'sort file'")
    return arguments


def _run(subject: Subject, plan: Plan) -> None:
    output = None if plan.shows_output else subprocess.DEVNULL
    exit_code, _ = run_command(split_command(subject.command, plan.uses_shell), wait=False, output=output)
    if exit_code in _INTERRUPTED:
        raise KeyboardInterrupt
    if exit_code and not plan.allows_failure:
        raise UserError(
            f"'{subject.name}' ended with status {exit_code}: see it with --show-output, or use "
            "--ignore-failure"
        )


def _run_aside(command: str) -> None:
    """Runs a command of --prepare or --cleanup by a shell; none if it is empty."""
    if command and (status := subprocess.call(["/bin/sh", "-c", command], stdout=subprocess.DEVNULL)):
        raise UserError(f"'{command}' ended with status {status}: correct it")
