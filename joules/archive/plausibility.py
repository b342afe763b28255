"""Whether records can be what this version measures on a machine."""

from __future__ import annotations

import datetime
import functools
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from joules.archive.contribution import Bundle, Redaction
from joules.bench.record import Idle, Record, Run
from joules.bench.scheduler import shuffle_items
from joules.errors import UserError
from joules.instrument import METER_VERSION
from joules.instrument.host.machine import Machine
from joules.instrument.reading import primary
from joules.power.metered import read_servers
from joules.study.design import Scale, load_design
from joules.study.fingerprint import run_fingerprint

# Watts that no machine exceeds: a margin over the server with the most watts a thread at full load, as much a
# GiB of memory as no module draws, and a GPU's largest limits today.
_SERVER_MARGIN = 2.0
_MEMORY_W_GIB = 1.0
_GPU_W = 2000.0
# A board, fans and disks of a machine with few threads.
_SMALL_W = 100.0
# Idle machines that draw more than runs by this factor; runs of an arm that differ by that one.
_IDLE_MARGIN = 1.1
_MOST_SPREAD = 20.0
_ROUNDING = 1e-6
_CLOCK_ERROR = datetime.timedelta(days=1)


def check_records(bundle: Bundle, records: Mapping[str, Sequence[Record]], now: datetime.datetime) -> None:
    """Checks that records can be what this version measures on a machine.

    Args:
        bundle: What is stated of them.
        records: Records by the name of their file.
        now: The time of the check.

    Raises:
        UserError: At the first that cannot; the message names it.
    """
    every = [record for of_file in records.values() for record in of_file]
    for fault in itertools.chain(
        _private(records),
        _other_setting(bundle, every),
        _other_code(bundle, records),
        _other_order(records),
        _impossible_times(every, now),
        _impossible_energy(every),
        _unlike_repeats(every),
    ):
        raise UserError(f"refused: {fault}")


def _private(records: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    redaction = Redaction()
    for name, of_file in records.items():
        if any(redaction.clean(record) != record for record in of_file):
            yield f"{name} holds private names or paths: make the bundle with 'joules contribute'"


def _other_setting(bundle: Bundle, every: Iterable[Record]) -> Iterator[str]:
    for record in every:
        if record.meter_version != METER_VERSION:
            version = record.meter_version
            yield f"{_words(record)} was read by meter version {version}, this is {METER_VERSION}"
        if record.machine.words != bundle.machine:
            yield f"{_words(record)} was measured on a {record.machine.words}, not on the {bundle.machine}"
        if isinstance(record, Run) and record.scale != bundle.scale:
            yield f"{_words(record)} has scale {record.scale}, not {bundle.scale}"


def _other_code(bundle: Bundle, records: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    """Blocks that lack arms or have others than the design, and runs of other code."""
    blocks = defaultdict(set)
    for name, of_file in records.items():
        experiment, runs = name.partition("/")[0], [each for each in of_file if isinstance(each, Run)]
        arms = load_design(experiment).runs(bundle.scale)
        if sorted(run.arm for run in runs) != sorted(arms):
            yield f"{name} does not hold each arm of {experiment} at scale {bundle.scale} once"
        for record in of_file:
            if f"{record.experiment}/block-{record.block}.jsonl" != name:
                yield f"{name} holds a record of {record.experiment} block {record.block}"
            blocks[experiment].add(record.block)
        for run in runs:
            if run.parameters != arms[run.arm]:
                yield f"{_words(run)} has other parameters than its design"
            if run.fingerprint != _fingerprint(experiment, run.arm, bundle.scale):
                yield (
                    f"{_words(run)} was measured by other code than this: check out the version that "
                    f"measured it (the bundle is of {bundle.version}), or measure again"
                )
    for experiment, present in blocks.items():
        missing = set(range(load_design(experiment).at(bundle.scale).blocks)) - present
        if missing:
            yield f"{experiment} lacks block {min(missing)}: measure the whole experiment"


@functools.cache
def _fingerprint(experiment: str, arm: str, scale: Scale) -> str:
    return run_fingerprint(experiment, arm, load_design(experiment).runs(scale)[arm])


def _other_order(records: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    """Runs whose seed or place in their block is not the one that follows from the campaign's first seed."""
    first_seed = None
    for name, of_file in records.items():
        runs = [record for record in of_file if isinstance(record, Run)]
        for run in runs:
            first_seed = run.seed - run.block if first_seed is None else first_seed
            if run.seed - run.block != first_seed:
                yield f"{_words(run)} has seed {run.seed}, not {first_seed + run.block}"
        experiment = name.partition("/")[0]
        order = shuffle_items(experiment, runs[0].seed, load_design(experiment).runs(runs[0].scale))
        for run in runs:
            if run.position != order.index(run.arm):
                yield (
                    f"{_words(run)} has position {run.position}, the seed of its block gives it "
                    f"{order.index(run.arm)}"
                )


def _impossible_times(every: Iterable[Record], now: datetime.datetime) -> Iterator[str]:
    sessions = defaultdict(list)
    seen: dict[float, Record] = {}
    for record in every:
        try:
            at = datetime.datetime.fromisoformat(record.measured_at)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None or at > now + _CLOCK_ERROR:
            yield f"{_words(record)} was measured at {record.measured_at}, which is not a time in the past"
            return
        sessions[record.session].append((at, record))
        took_s = record.duration_s
        if took_s is None:
            continue
        if not 0 < took_s <= record.spent.duration_s * (1 + _ROUNDING):
            yield f"{_words(record)} has a window of {took_s:g} s within {record.spent.duration_s:g} s"
        # Clocks resolve nanoseconds: two equal durations are one reading, copied.
        if took_s in seen:
            yield f"{_words(record)} took as long as {_words(seen[took_s])} to the last digit"
        seen[took_s] = record
    for of_session in sessions.values():
        runs = sorted(((at, each) for at, each in of_session if isinstance(each, Run)), key=_position)
        for (at, one), (later, other) in itertools.pairwise(runs):
            if later < at and one.block == other.block:
                yield f"{_words(other)} was measured before {_words(one)}, which came first in its block"


def _position(timed: tuple[datetime.datetime, Run]) -> int:
    return timed[1].position


def _impossible_energy(every: Sequence[Record]) -> Iterator[str]:
    idle_w: list[float] = []
    busy_w: list[float] = []
    for record in every:
        for reading in record.readings:
            if reading.energy_j is not None and not 0 <= reading.energy_j < math.inf:
                yield f"{_words(record)} has {reading.energy_j} J of {reading.domain}"
        took_s = record.duration_s
        energy_j = _energy_j(record)
        if took_s is None or energy_j is None:
            continue
        power_w, most_w = energy_j / took_s, most_power_w(record.machine)
        if power_w > most_w:
            yield (
                f"{_words(record)} has {power_w:.0f} W, more than the {most_w:.0f} W that a "
                f"{record.machine.words} can draw"
            )
        if isinstance(record, Run) and record.parts:
            parts_j = sum(part.energy_j or 0.0 for part in record.parts)
            if not math.isclose(parts_j, energy_j, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
                yield f"{_words(record)} has {energy_j:g} J, its parts have {parts_j:g} J"
        (idle_w if isinstance(record, Idle) else busy_w).append(power_w)
    if idle_w and busy_w and np.median(idle_w) > np.median(busy_w) * _IDLE_MARGIN:
        yield f"the idle machine draws {np.median(idle_w):.3g} W, its runs {np.median(busy_w):.3g} W"


def _energy_j(record: Record) -> float | None:
    if isinstance(record, Run):
        return record.total.energy_j if record.total else None
    parts = [reading.energy_j for reading in primary(record.readings)]
    return None if None in parts else sum(part for part in parts if part is not None)


def most_power_w(machine: Machine) -> float:
    """Watts that no machine with these parts exceeds: those of the metered server with the most a thread.

    Args:
        machine: Its parts.
    """
    servers = read_servers()
    thread_w = float((servers.power_w[:, -1] / servers.threads).max())
    return (
        _SERVER_MARGIN * (thread_w * machine.logical_cores + _SMALL_W)
        + _MEMORY_W_GIB * machine.memory_gib
        + _GPU_W * len(machine.gpus)
    )


def _unlike_repeats(every: Iterable[Record]) -> Iterator[str]:
    """Runs of one arm that differ by more than chance and load explain."""
    of_arm: dict[str, Run] = {}
    for run in every:
        if not isinstance(run, Run) or not run.has_result or not run.duration_s:
            continue
        first = of_arm.setdefault(run.fingerprint, run)
        ratio = run.duration_s / (first.duration_s or math.nan)
        if not 1 / _MOST_SPREAD <= ratio <= _MOST_SPREAD:
            yield f"{_words(run)} took {ratio:.3g} times as long as {_words(first)}"


def _words(record: Record) -> str:
    """Which record, for people."""
    what = record.arm if isinstance(record, Run) else f"the idle machine {record.position}"
    return f"{what} of {record.experiment} block {record.block}"
