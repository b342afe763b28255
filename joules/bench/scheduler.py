"""Which run works when: the order of arms, turns of runs that rest, and waiting for a quiet machine."""

from __future__ import annotations

import contextlib
import datetime
import random
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import psutil

from joules.bench.accounting import joined_power, summed_j, total_spent, window_fields
from joules.bench.environment import child_environment, fork_server, package_versions
from joules.bench.flags import flags_of
from joules.bench.journal import Journal
from joules.bench.progress import Progress
from joules.bench.record import Idle, Run, Sentinel, Spent
from joules.bench.sentinel import sentinel_s
from joules.bench.worker import NOTHING_MORE_S, Worker
from joules.instrument import METER_VERSION
from joules.instrument.host import machine
from joules.instrument.host.contention import between, snapshot, watch_descendants
from joules.instrument.host.limits import free_memory_share, usable_cores
from joules.instrument.host.processes import Job
from joules.instrument.measurement import close_stretch, measure, open_stretch
from joules.instrument.reading import floor_power_w, primary, total
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source, free_device_share
from joules.study.campaign import Campaign
from joules.study.config import Config
from joules.study.design import Design, Scalar

# How long to wait for foreign work to end before measuring anyway, flagged.
_QUIET_WAIT_S = 20.0
_QUIET_CORES = 0.1
# Resting children keep their memory. With less than this share free they work until they have ended before
# another is started.
_LEAST_FREE_MEMORY = 0.2

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Block:
    """What to measure: all arms of an experiment once, in random order."""

    experiment: str
    index: int
    config: Config
    campaign: Campaign

    @property
    def seed(self) -> int:
        """Seed of all that is random in the block, the order of its arms included."""
        return self.config.first_seed + self.index


@dataclass(frozen=True)
class Arm:
    """A run to be measured. `position` is its place in the random order of the whole block."""

    name: str
    parameters: dict[str, Scalar]
    fingerprint: str
    position: int


@dataclass(eq=False)
class ActiveRun:
    """A run that has begun. `begun_s` is the instant (monotonic clock) from which samples are kept."""

    arm: Arm
    measured_at: str
    begun_s: float
    worker: Worker
    spent: list[Spent] = field(default_factory=list)


def in_random_order(block: Block, items: Iterable[_Item], turn: int = 1) -> list[_Item]:
    """Arms or runs in the random order of a turn of this block, the same on every machine."""
    seed = f"{block.experiment}/{block.seed}" if turn == 1 else f"{block.experiment}/{block.seed}/{turn}"
    ordered = list(items)
    random.Random(seed).shuffle(ordered)
    return ordered


class Scheduler:
    """One session: the runs that one invocation measures in one block."""

    def __init__(
        self,
        block: Block,
        design: Design,
        job: Job,
        sampler: Sampler,
        sources: list[Source],
        journal: Journal,
        progress: Progress,
    ) -> None:
        self._block = block
        self._design = design
        self._job = job
        self._sampler = sampler
        self._sources = sources
        self._journal = journal
        self._progress = progress
        self._session = uuid.uuid4().hex[:12]
        self._threads = usable_cores()
        domains = [channel.domain for channel in sampler.channels]
        self._floor_power_w = floor_power_w(domains, block.config.floor_power_w)
        watch_descendants()
        self._context = fork_server(block.experiment, self._threads)
        self._helpers = set(psutil.Process().children())
        self._resting: list[ActiveRun] = []
        self._idle_power_w: dict[str, float] = {}
        self._quiet_sentinel_s = sentinel_s()
        self._sampler.sample()
        self._accounted_s = self._sampler.now()

    def run_all(self, arms: Iterable[Arm]) -> None:
        """Measures `arms`, in their order, between two readings of the machine at rest."""
        self._idle("before")
        self._progress.begin()
        try:
            for arm in arms:
                if self._resting and self._room_is_short():
                    self._finish()
                # Where runs take turns, most of each window comes later.
                if not self._resting:
                    self._wait_for_quiet()
                self._turn(self._start(arm))
            self._finish()
        finally:
            for left in self._resting:
                left.worker.kill()
        self._idle("after")

    def _room_is_short(self) -> bool:
        return min(free_memory_share(), free_device_share(self._sources)) < _LEAST_FREE_MEMORY

    def _finish(self) -> None:
        """Gives resting runs turns, each time in another random order, until all have ended."""
        turn = 1
        while self._resting:
            turn += 1
            self._progress.turn(turn, len(self._resting))
            for run in in_random_order(self._block, self._resting, turn):
                self._resting.remove(run)
                self._turn(run)

    def _idle(self, position: str) -> None:
        # The bench's own bookkeeping must not be read as idle power.
        time.sleep(0.2)
        opening = open_stretch(self._sampler, job=self._job)
        time.sleep(self._design.at(self._block.config.scale).idle_s)
        stretch = close_stretch(self._sampler, self._sources, opening, job=self._job)
        spent = self._spent()
        readings = self._sampler.readings(stretch.start_s, stretch.end_s)
        self._idle_power_w = {
            reading.domain: (reading.energy_j or 0.0) / stretch.duration_s for reading in primary(readings)
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
                duration_s=stretch.duration_s,
                contention=between(stretch.opened, stretch.closed),
                spent=spent,
                readings=readings,
            )
        )

    def _wait_for_quiet(self) -> None:
        with self._progress.waiting():
            self._until_quiet()

    def _until_quiet(self) -> None:
        deadline_s = time.monotonic() + _QUIET_WAIT_S
        told = False
        while time.monotonic() < deadline_s:
            before = snapshot(self._job)
            time.sleep(0.3)
            use = between(before, snapshot(self._job))
            if use.foreign_cores < _QUIET_CORES:
                return
            if not told:
                self._progress.say(
                    f"other programs use {use.foreign_words}: waiting up to {_QUIET_WAIT_S:.0f} s "
                    "for a quiet machine"
                )
                told = True

    def _start(self, arm: Arm) -> ActiveRun:
        worker = Worker(
            self._context,
            self._job,
            self._sampler,
            self._sources,
            self._block.experiment,
            arm.parameters,
            self._block.seed,
            self._block.campaign.log_file(self._block.experiment, self._block.index, arm.name),
            self._design.time_limit_s,
        )
        return ActiveRun(arm, _utc_now(), self._accounted_s, worker)

    def _turn(self, run: ActiveRun) -> None:
        """Lets a run work until it rests or has ended, and records it in the latter case."""
        self._sampler.discard_before(min([run.begun_s, *(other.begun_s for other in self._resting)]))
        if run.worker.turn():
            run.spent.append(self._spent())
            self._resting.append(run)
            window = run.worker.window
            so_far_j = summed_j(window.stretches_s, self._whole_j)
            self._progress.rests(run.arm.name, window.progress, so_far_j)
            return
        self._kill_leftovers()
        record = self._record(run)
        self._journal.append(record)
        self._progress.done(record)

    def _record(self, run: ActiveRun) -> Run:
        window = run.worker.window
        after_s = sentinel_s()
        before_s = run.worker.sentinel_s or self._quiet_sentinel_s
        self._quiet_sentinel_s = min(self._quiet_sentinel_s, before_s, after_s)
        run.spent.append(self._spent())
        measurement = None
        power = []
        if window.closed:
            measurement = measure(
                self._sampler, window.stretches, self._idle_power_w, self._floor_power_w, run.arm.name
            )
            if self._design.record_power:
                courses = [self._sampler.power(start_s, end_s) for start_s, end_s in window.stretches_s]
                power = joined_power(window, courses)
        peak = window.metrics.pop("peak_memory_bytes", None)
        record = Run(
            meter_version=METER_VERSION,
            fingerprint=run.arm.fingerprint,
            experiment=self._block.experiment,
            arm=run.arm.name,
            block=self._block.index,
            position=run.arm.position,
            seed=self._block.seed,
            scale=self._block.config.scale,
            parameters=run.arm.parameters,
            session=self._session,
            measured_at=run.measured_at,
            machine=machine.describe(),
            versions=package_versions(),
            threads=self._threads,
            environment=child_environment(self._threads),
            failure=window.failure,
            sentinel=Sentinel(before_s=before_s, after_s=after_s),
            floor_power_w=self._floor_power_w,
            spent=total_spent(run.spent),
            peak_memory_bytes=peak,
            metrics=window.metrics,
            **window_fields(window, measurement, self._whole_j, power),
        )
        faults = {
            fault for start_s, end_s in window.stretches_s for fault in self._sampler.faults(start_s, end_s)
        }
        return record.model_copy(update={"flags": flags_of(record, self._quiet_sentinel_s, sorted(faults))})

    def _spent(self) -> Spent:
        """Energy since the last call. Leaves samples behind that bracket every window before it."""
        self._sampler.flush()
        from_s, to_s = self._accounted_s, self._sampler.last_sample_s
        self._accounted_s = to_s
        return Spent(duration_s=to_s - from_s, energy_j=self._whole_j(from_s, to_s))

    def _whole_j(self, from_s: float, to_s: float) -> float | None:
        if to_s <= from_s:
            return 0.0
        whole = total(self._sampler.readings(from_s, to_s), to_s - from_s, self._floor_power_w)
        return whole.energy_j if whole else None

    def _kill_leftovers(self) -> None:
        """Ends processes that children started and left behind: they would disturb the next run."""
        for leftover in set(psutil.Process().children()) - self._helpers:
            with contextlib.suppress(psutil.NoSuchProcess):
                leftover.kill()
                leftover.wait(NOTHING_MORE_S)


def _utc_now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
