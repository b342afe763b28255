"""The parent: meters the children of one block and writes their records."""

from __future__ import annotations

import contextlib
import datetime
import importlib
import importlib.metadata
import multiprocessing
import os
import random
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from experiments.bench.flags import flags_of
from experiments.bench.journal import Journal, write_entries
from experiments.bench.lock import machine_lock
from experiments.bench.progress import Progress
from experiments.bench.record import Idle, Part, Phase, Run, Sentinel, Spent, Step
from experiments.bench.sentinel import sentinel_s
from experiments.bench.worker import NOTHING_MORE_S, Window, Worker
from experiments.config import Config, Design, Scalar, Scale, load_design
from experiments.energy import METER_VERSION, contention, limits, machine
from experiments.energy.attribution import job_readings
from experiments.energy.meter import Meter
from experiments.energy.reading import PowerCourse, primary, summed, total
from experiments.energy.source import Source
from experiments.energy.sources import discover
from experiments.energy.sources.codecarbon_model import CodeCarbonModel
from experiments.energy.sources.nvml import Nvml, combined_use, job_shares, room_on_gpus
from experiments.errors import UserError
from experiments.provenance import run_fingerprint
from experiments.schema import validate

IDLE_S = 2.0
# How long to wait for foreign work to end before measuring anyway, flagged.
_QUIET_WAIT_S = 20.0
_QUIET_CORES = 0.1
# Resting children keep their memory. With less than this share free they are brought to their ends before
# another is started.
_LEAST_FREE_MEMORY = 0.2

# How memory is handed out is the largest source of spread on a CPU. By default each forward pass returns its
# large tensors to the kernel and faults them in again (an MNASNet at batch size one: 20 ms, against 9 ms in
# a process that had happened to raise the allocator's thresholds), and which pages back a tensor is luck
# (DenseNet-121: 41 to 58 ms, against 33 to 35 ms on huge pages). Children keep what they have allocated,
# on huge pages.
_MEMORY = {
    "GLIBC_TUNABLES": ":".join(
        f"glibc.malloc.{name}={value}"
        for name, value in {"hugetlb": 1, "mmap_max": 0, "trim_threshold": 2**40, "top_pad": 2**26}.items()
    ),
    "THP_MEM_ALLOC_ENABLE": "1",
}

# On one and the same GPU PyTorch by default convolves in TF32 and multiplies matrices in single precision: an
# operation of one layer would not be that of another. NVIDIA's libraries are held to single precision.
_PRECISION = {"NVIDIA_TF32_OVERRIDE": "0"}

_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "stable-baselines3",
    "ale-py",
    "minatar",
    "codecarbon",
    "nvidia-ml-py",
)


_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Block:
    """What to measure: all arms of an experiment once, in random order."""

    experiment: str
    index: int
    config: Config
    campaign_dir: Path

    @property
    def scale(self) -> Scale:
        return self.config.scale

    @property
    def output(self) -> Path:
        return self.campaign_dir / "runs" / self.experiment / f"block-{self.index}.jsonl"

    @property
    def journal(self) -> Path:
        # One a block: blocks may be measured at the same time on several nodes of a cluster.
        return self.campaign_dir / "journal" / self.experiment / f"block-{self.index}.jsonl"

    def log(self, arm: str) -> Path:
        return self.campaign_dir / "logs" / self.experiment / f"block-{self.index}" / f"{arm}.log"


@dataclass(eq=False)
class _Begun:
    """A run that has begun. `begun_s` is the instant (monotonic clock) from which samples are kept."""

    arm: str
    parameters: dict[str, Scalar]
    fingerprint: str
    position: int
    measured_at: str
    begun_s: float
    worker: Worker
    spent: list[Spent] = field(default_factory=list)


def measure_block(block: Block, sources: list[Source] | None = None) -> Path:
    """Measures what is missing of `block` and writes its file of records; returns the file.

    Runs already in the journal with the same fingerprint, measured on this hardware and with a result,
    are kept. `sources` replaces what this machine offers (tests). Raises UserError where nothing can
    be measured, or where no run of the block has a result.
    """
    design = load_design(block.experiment)
    arms = design.runs(block.scale)
    if block.index >= design.at(block.scale).blocks:
        raise UserError(
            f"{block.experiment} has {design.at(block.scale).blocks} blocks at {block.scale}, "
            f"counted from 0: there is no block {block.index}"
        )
    check_parameters(block.experiment, arms)
    progress = Progress(block.experiment, block.index, design.at(block.scale).blocks)
    holder = f"{block.experiment} block {block.index} in {block.campaign_dir.resolve()}"
    with machine_lock(holder, progress.say):
        journal = Journal(block.journal)
        if journal.recovered:
            progress.say(journal.recovered)
        prints = {arm: run_fingerprint(block.experiment, arm, arms[arm]) for arm in arms}
        done = _done(journal, block, prints)
        missing = [arm for arm in _order(block, arms) if arm not in done]
        progress.plan(kept=len(done), missing=len(missing))
        if missing:
            found = sources or _discover(progress)
            with Meter(found) as meter:
                bench = _Bench(block, meter, found, journal, progress, design)
                bench.run_all({arm: arms[arm] for arm in missing}, list(arms), prints)
        done = _done(journal, block, prints, without_result_too=True)
        if not any(run.has_result for run in done.values()):
            first = next(iter(done.values()))
            raise UserError(
                f"no run of {block.experiment} block {block.index} has a result; {first.arm}: "
                + (first.failure or "; ".join(first.flags))
            )
        sessions = {run.session for run in done.values()}
        idles = [e for e in journal.entries if isinstance(e, Idle) and e.session in sessions]
        runs = sorted(done.values(), key=lambda run: run.measured_at)
        write_entries(block.output, [*idles, *runs])
    return block.output


def check_parameters(experiment: str, arms: Mapping[str, Mapping[str, Scalar]]) -> None:
    """Raises UserError where an arm's parameters are not what the workload takes."""
    parameters = importlib.import_module(f"experiments.{experiment}.parameters").Parameters
    for arm, values in arms.items():
        validate(parameters, values, f"experiments/{experiment}/design.yaml, arm {arm}")


def _discover(progress: Progress) -> list[Source]:
    found, _ = discover()
    for source in found:
        for channel in source.channels:
            if channel.scope == "machine":
                progress.say(f"{channel.domain} energy: {channel.provenance}, {channel.detail}")
        if isinstance(source, CodeCarbonModel) and source.warning:
            progress.say(f"WARNING: {source.warning}")
        if isinstance(source, Nvml) and source.unread:
            progress.say(f"WARNING: nothing reads {', '.join(source.unread)}: no work may run on it")
    return found


def _order(block: Block, items: Iterable[_Item], turn: int = 1) -> list[_Item]:
    """Arms or runs in the random order of a turn of this block, the same on every machine."""
    seed = f"{block.experiment}/{block.index}" if turn == 1 else f"{block.experiment}/{block.index}/{turn}"
    ordered = list(items)
    random.Random(seed).shuffle(ordered)
    return ordered


def _done(
    journal: Journal, block: Block, prints: Mapping[str, str], without_result_too: bool = False
) -> dict[str, Run]:
    """The newest usable run of each arm of the block."""
    here = machine.describe().id
    return {
        run.arm: run
        for run in journal.entries
        if isinstance(run, Run)
        and run.block == block.index
        and prints.get(run.arm) == run.fingerprint
        and run.machine.id == here
        and block.config.floor_power_w in (None, run.floor_power_w)
        and (without_result_too or run.has_result)
    }


class _Bench:
    """One session: the runs that one invocation measures in one block."""

    def __init__(
        self,
        block: Block,
        meter: Meter,
        sources: list[Source],
        journal: Journal,
        progress: Progress,
        design: Design,
    ) -> None:
        self._block = block
        self._meter = meter
        self._sources = sources
        self._idle_power_w: dict[str, float] = {}
        self._journal = journal
        self._progress = progress
        self._design = design
        self._session = uuid.uuid4().hex[:12]
        self._threads = contention.usable_cores()
        self._floor_power_w = block.config.floor_power_for(channel.domain for channel in meter.channels)
        contention.watch_descendants()
        self._context = _forkserver(block.experiment, self._threads)
        self._helpers = set(psutil.Process().children())
        self._resting: list[_Begun] = []
        self._quiet_sentinel_s = sentinel_s()
        self._meter.sample()
        self._accounted_s = self._meter.now()

    def run_all(
        self,
        missing: Mapping[str, Mapping[str, Scalar]],
        order: list[str],
        prints: Mapping[str, str],
    ) -> None:
        positions = {arm: place for place, arm in enumerate(_order(self._block, order))}
        self._idle("before")
        try:
            for arm, parameters in missing.items():
                if self._resting and self._room_is_short():
                    self._finish()
                # Where runs take turns, most of each window comes later.
                if not self._resting:
                    self._wait_for_quiet()
                self._turn(self._start(arm, parameters, prints[arm], positions[arm]))
            self._finish()
        finally:
            for left in self._resting:
                left.worker.kill()
        self._idle("after")

    def _room_is_short(self) -> bool:
        return min(limits.free_memory_share(), room_on_gpus(self._sources)) < _LEAST_FREE_MEMORY

    def _finish(self) -> None:
        """Gives resting runs turns, each time in another random order, until all have ended."""
        turn = 1
        while self._resting:
            turn += 1
            self._progress.turn(turn, len(self._resting))
            for run in _order(self._block, self._resting, turn):
                self._resting.remove(run)
                self._turn(run)

    def _idle(self, position: str) -> None:
        # The bench's own bookkeeping must not be read as idle power.
        time.sleep(0.2)
        self._meter.sample()
        opened, start_s = contention.snapshot(), self._meter.now()
        time.sleep(IDLE_S)
        end_s, closed = self._meter.now(), contention.snapshot()
        spent = self._spent()
        readings = self._meter.readings(start_s, end_s)
        self._idle_power_w = {
            reading.domain: (reading.energy_j or 0.0) / (end_s - start_s) for reading in primary(readings)
        }
        self._journal.append(
            Idle(
                meter_version=METER_VERSION,
                experiment=self._block.experiment,
                block=self._block.index,
                session=self._session,
                position="before" if position == "before" else "after",
                measured_at=_utc_now(),
                machine=machine.describe(),
                duration_s=end_s - start_s,
                contention=contention.between(opened, closed),
                spent=spent,
                readings=readings,
            )
        )

    def _wait_for_quiet(self) -> None:
        deadline_s = time.monotonic() + _QUIET_WAIT_S
        told = False
        while time.monotonic() < deadline_s:
            before = contention.snapshot()
            time.sleep(0.3)
            use = contention.between(before, contention.snapshot())
            if use.foreign_cores < _QUIET_CORES:
                return
            if not told:
                self._progress.say(
                    f"other programs use {use.foreign()}: waiting up to {_QUIET_WAIT_S:.0f} s "
                    "for a quiet machine"
                )
                told = True

    def _start(self, arm: str, parameters: Mapping[str, Scalar], fingerprint: str, position: int) -> _Begun:
        worker = Worker(
            self._context,
            self._meter,
            self._sources,
            self._block.experiment,
            dict(parameters),
            self._block.index,
            self._block.log(arm),
            self._design.time_limit_s,
        )
        return _Begun(arm, dict(parameters), fingerprint, position, _utc_now(), self._accounted_s, worker)

    def _turn(self, run: _Begun) -> None:
        """Lets a run work until it rests or has ended, and records it in the latter case."""
        self._meter.forget(min([run.begun_s, *(other.begun_s for other in self._resting)]))
        if run.worker.turn():
            run.spent.append(self._spent())
            self._resting.append(run)
            window = run.worker.window
            self._progress.rests(run.arm, window.progress, self._windows_j(window.stretches_s))
            return
        self._kill_leftovers()
        record = self._record(run)
        self._journal.append(record)
        self._progress.done(record)

    def _record(self, run: _Begun) -> Run:
        window = run.worker.window
        after_s = sentinel_s()
        before_s = run.worker.sentinel_s or self._quiet_sentinel_s
        self._quiet_sentinel_s = min(self._quiet_sentinel_s, before_s, after_s)
        run.spent.append(self._spent())
        peak = window.metrics.pop("peak_memory_bytes", None)
        record = Run(
            meter_version=METER_VERSION,
            fingerprint=run.fingerprint,
            experiment=self._block.experiment,
            arm=run.arm,
            block=self._block.index,
            position=run.position,
            seed=self._block.index,
            scale=self._block.scale,
            parameters=run.parameters,
            session=self._session,
            measured_at=run.measured_at,
            machine=machine.describe(),
            versions={name: importlib.metadata.version(name) for name in _PACKAGES},
            threads=self._threads,
            environment=child_environment(self._threads),
            failure=window.failure,
            sentinel=Sentinel(before_s=before_s, after_s=after_s),
            floor_power_w=self._floor_power_w,
            spent=_together(run.spent),
            peak_memory_bytes=peak,
            metrics=window.metrics,
            **self._energies(window),
        )
        faults = {
            fault for start_s, end_s in window.stretches_s for fault in self._meter.faults(start_s, end_s)
        }
        return record.model_copy(update={"flags": flags_of(record, self._quiet_sentinel_s, sorted(faults))})

    def _spent(self) -> Spent:
        """Energy since the last call. Leaves samples behind that bracket every window before it."""
        self._meter.settle()
        from_s, to_s = self._accounted_s, self._meter.last_sample_s
        self._accounted_s = to_s
        return Spent(duration_s=to_s - from_s, energy_j=self._whole_j(from_s, to_s))

    def _whole_j(self, from_s: float, to_s: float) -> float | None:
        if to_s <= from_s:
            return 0.0
        whole = total(self._meter.readings(from_s, to_s), to_s - from_s, self._floor_power_w)
        return whole.energy_j if whole else None

    def _windows_j(self, stretches_s: Sequence[tuple[float, float]]) -> float | None:
        """Whole-machine energy over several stretches; null where that of one is missing."""
        parts = [self._whole_j(start_s, end_s) for start_s, end_s in stretches_s]
        return None if None in parts else sum(part or 0.0 for part in parts)

    def _energies(self, window: Window) -> dict[str, Any]:
        """The fields of a run that follow from its window; empty ones where it never closed."""
        if not window.closed:
            return {
                "duration_s": None,
                "readings": [],
                "gpu_use": [],
                "total": None,
                "phases": [],
                "steps": [],
                "contention": None,
                "flags": [],
            }
        stretches = window.stretches
        opened_s, closed_s = stretches[0].start_s, stretches[-1].end_s
        durations_s = [part.end_s - part.start_s for part in stretches]
        use = contention.over([(part.opened, part.closed) for part in stretches])
        gpu_use = combined_use([part.gpus for part in stretches], durations_s)
        readings = summed([self._meter.readings(part.start_s, part.end_s) for part in stretches])
        job = job_readings(
            readings,
            self._idle_power_w,
            sum(durations_s),
            cpu_share=min(use.job_cpu_s / (use.busy_cores * use.duration_s or 1.0), 1.0),
            gpu_shares=job_shares(gpu_use),
        )
        return {
            "duration_s": sum(durations_s),
            "readings": [*(reading for reading in readings if reading.scope == "machine"), *job],
            "gpu_use": gpu_use,
            "total": total(readings, sum(durations_s), self._floor_power_w),
            "parts": [
                Part(
                    start_s=start_s - opened_s,
                    duration_s=end_s - start_s,
                    energy_j=self._whole_j(start_s, end_s),
                )
                for start_s, end_s in window.between(opened_s, closed_s)
            ],
            "phases": [
                Phase(
                    name=name,
                    start_s=window.worked_s(from_s),
                    end_s=window.worked_s(to_s),
                    energy_j=self._windows_j(window.between(from_s, to_s)),
                )
                for name, from_s, to_s in window.phases
            ],
            "steps": [
                Step(
                    index=index,
                    time_s=window.worked_s(at_s),
                    energy_j=self._windows_j(window.between(opened_s, at_s)),
                )
                for index, at_s in window.steps
            ],
            "power": self._power(window) if self._design.record_power else [],
            "contention": use,
            "flags": [],
        }

    def _power(self, window: Window) -> list[PowerCourse]:
        """The course of power over the window, its stretches put end to end."""
        courses = [self._meter.power(start_s, end_s) for start_s, end_s in window.stretches_s]
        begins_s = [window.worked_s(start_s) for start_s, _ in window.stretches_s]
        return [
            channel[0].model_copy(
                update={
                    "from_s": [
                        begin_s + at_s
                        for begin_s, course in zip(begins_s, channel, strict=True)
                        for at_s in course.from_s
                    ],
                    "power_w": [power_w for course in channel for power_w in course.power_w],
                }
            )
            for channel in zip(*courses, strict=True)
        ]

    def _kill_leftovers(self) -> None:
        """Ends processes that children started and left behind: they would disturb the next run."""
        for leftover in set(psutil.Process().children()) - self._helpers:
            with contextlib.suppress(psutil.NoSuchProcess):
                leftover.kill()
                leftover.wait(NOTHING_MORE_S)


def _together(spent: Sequence[Spent]) -> Spent:
    energies_j = [part.energy_j for part in spent]
    return Spent(
        duration_s=sum(part.duration_s for part in spent),
        energy_j=None if None in energies_j else sum(energy_j or 0.0 for energy_j in energies_j),
    )


def child_environment(threads: int) -> dict[str, str]:
    """Variables that every child works under."""
    return {"OMP_NUM_THREADS": str(threads), **_MEMORY, **_PRECISION}


def _forkserver(experiment: str, threads: int) -> Any:
    """A process context whose children start with torch and the workload's module already imported.

    Importing them takes seconds; forking from a process that has imported them and done nothing else
    takes milliseconds, and each run still has a process of its own.
    """
    os.environ |= child_environment(threads)
    context = multiprocessing.get_context("forkserver")
    workload = f"experiments.{experiment}.workload"
    context.set_forkserver_preload(["torch", "torchvision", "experiments.bench.child", workload])
    starter = context.Process(target=_nothing)
    starter.start()
    starter.join()
    return context


def _nothing() -> None:
    """Makes the fork server start, and import, before anything is measured."""


def _utc_now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
