"""Decides which run works when: order of arms, turns of paused runs, waiting for a quiet machine."""

from __future__ import annotations

import datetime
import functools
import os
import random
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from joules.bench.accounting import concat_power, make_window_fields, sum_energy_j, sum_spent
from joules.bench.environment import (
    child_environment,
    find_interference,
    package_versions,
    start_fork_server,
)
from joules.bench.flags import find_flags
from joules.bench.journal import Journal
from joules.bench.progress import Progress
from joules.bench.record import Idle, Run, Sentinel, Spent
from joules.bench.sentinel import time_sentinel_s
from joules.bench.worker import END_TIMEOUT_S, Worker
from joules.instrument import METER_VERSION
from joules.instrument.host import machine
from joules.instrument.host.contention import Contention, between, snapshot, watch_descendants
from joules.instrument.host.limits import free_memory_share, usable_cores
from joules.instrument.host.processes import Job, children, end_child
from joules.instrument.reading import floor_power_w, primary
from joules.instrument.reading_arrays import one_window
from joules.instrument.sampler import Sampler
from joules.instrument.segments import close_segment, observe, open_segment
from joules.instrument.source import Source, free_device_share
from joules.study.campaign import Campaign
from joules.study.config import Config
from joules.study.design import Design, Scalar
from joules.study.seeds import settle_first_seed

# Time to wait for other programs before measuring anyway, with a flag.
_QUIET_WAIT_S = 20.0
_QUIET_CORES = 0.1
# Paused children keep their memory. If a smaller share is free, they finish before another run is started.
_LEAST_FREE_MEMORY = 0.2

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Block:
    """One block to measure: all arms of an experiment once, in random order.

    Args:
        experiment: Name of the experiment.
        index: Number of the block, from 0.
        config: Options of the campaign.
        campaign: The campaign.
    """

    experiment: str
    index: int
    config: Config
    campaign: Campaign

    @functools.cached_property
    def seed(self) -> int:
        """Seed of the block: of its runs and of the order of its arms."""
        return settle_first_seed(self.campaign, self.config) + self.index


@dataclass(frozen=True)
class Arm:
    """An arm to measure. `position` is its place in the random order of the whole block."""

    name: str
    parameters: dict[str, Scalar]
    fingerprint: str
    position: int


@dataclass(eq=False)
class ActiveRun:
    """A run that has started. Samples from `begun_s` on (monotonic clock, seconds) are kept for it."""

    arm: Arm
    measured_at: str
    begun_s: float
    worker: Worker
    spent: list[Spent] = field(default_factory=list)


def shuffle_items(experiment: str, block_seed: int, items: Iterable[_Item], turn: int = 1) -> list[_Item]:
    """Shuffles arms or runs for one turn of a block; the order is the same on every machine."""
    seed = f"{experiment}/{block_seed}" if turn == 1 else f"{experiment}/{block_seed}/{turn}"
    ordered = list(items)
    random.Random(seed).shuffle(ordered)
    return ordered


class Scheduler:
    """One session: the runs of one block that one process measures.

    Args:
        block: The block.
        design: Design of its experiment.
        job: Processes that runs are charged for.
        sampler: Reads the sources.
        sources: Sources of energy.
        journal: Gets the records.
        progress: Reports to the user.
    """

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
        self._interference = find_interference()
        self._context = start_fork_server(block.experiment, self._threads)
        self._helpers = set(children(os.getpid()))
        self._paused: list[ActiveRun] = []
        self._idle_power_w: dict[str, float] = {}
        self._idle_use: Contention | None = None
        self._quiet_sentinel_s = time_sentinel_s()
        self._sampler.sample()
        self._accounted_s = self._sampler.now()

    def run_all(self, arms: Iterable[Arm]) -> None:
        """Measures arms in the given order, between two measurements of the idle machine."""
        self._measure_idle("before")
        self._progress.begin()
        try:
            for arm in arms:
                if self._paused and self._is_memory_short():
                    self._finish_paused()
                # With paused runs, most of each window is still to come.
                if not self._paused:
                    self._wait_for_quiet()
                self._run_turn(self._start(arm))
            self._finish_paused()
        finally:
            for left in self._paused:
                left.worker.kill()
        self._measure_idle("after")

    def _is_memory_short(self) -> bool:
        return min(free_memory_share(), free_device_share(self._sources)) < _LEAST_FREE_MEMORY

    def _finish_paused(self) -> None:
        """Gives paused runs turns, each turn in another random order, until all have ended."""
        turn = 1
        while self._paused:
            turn += 1
            self._progress.announce_turn(turn, len(self._paused))
            for run in shuffle_items(self._block.experiment, self._block.seed, self._paused, turn):
                self._paused.remove(run)
                self._run_turn(run)

    def _measure_idle(self, position: str) -> None:
        # Let the bench's own work end, so that it is not measured as idle power.
        time.sleep(0.2)
        opening = open_segment(self._sampler, job=self._job)
        time.sleep(self._design.at(self._block.config.scale).idle_s)
        segment = close_segment(self._sampler, self._sources, opening, job=self._job)
        spent = self._account_spent()
        readings = self._sampler.readings(segment.start_s, segment.end_s)
        self._idle_power_w = {
            reading.domain: (reading.energy_j or 0.0) / segment.duration_s for reading in primary(readings)
        }
        self._idle_use = between(segment.opened, segment.closed)
        self._journal.append(
            Idle(
                meter_version=METER_VERSION,
                experiment=self._block.experiment,
                block=self._block.index,
                session=self._session,
                position="before" if position == "before" else "after",
                measured_at=_utc_now(),
                machine=machine.describe(),
                node=machine.node_name(),
                duration_s=segment.duration_s,
                contention=self._idle_use,
                spent=spent,
                readings=readings,
            )
        )

    def _wait_for_quiet(self) -> None:
        with self._progress.waiting():
            self._until_quiet()

    def _until_quiet(self) -> None:
        deadline_s = time.monotonic() + _QUIET_WAIT_S
        is_announced = False
        while time.monotonic() < deadline_s:
            before = snapshot(self._job)
            time.sleep(0.3)
            use = between(before, snapshot(self._job))
            if use.foreign_cores < _QUIET_CORES:
                return
            if not is_announced:
                self._progress.say(
                    f"other programs use {use.foreign_words}: "
                    f"waiting up to {_QUIET_WAIT_S:.0f} s for a quiet machine"
                )
                is_announced = True

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

    def _run_turn(self, run: ActiveRun) -> None:
        """Lets a run work until it pauses or ends; writes its record when it has ended."""
        self._sampler.discard_before(min([run.begun_s, *(other.begun_s for other in self._paused)]))
        if run.worker.run_turn():
            run.spent.append(self._account_spent())
            self._paused.append(run)
            window = run.worker.window
            so_far_j = sum_energy_j(window.segments_s, self._machine_energy_j)
            self._progress.note_pause(run.arm.name, window.progress, so_far_j)
            return
        self._kill_leftovers()
        record = self._make_record(run)
        self._journal.append(record)
        self._progress.report(record)

    def _make_record(self, run: ActiveRun) -> Run:
        window = run.worker.window
        after_s = time_sentinel_s()
        before_s = run.worker.sentinel_s or self._quiet_sentinel_s
        self._quiet_sentinel_s = min(self._quiet_sentinel_s, before_s, after_s)
        run.spent.append(self._account_spent())
        measurement = None
        power = []
        if window.is_closed:
            measurement = observe(
                self._sampler, window.segments, self._idle_power_w, self._floor_power_w, run.arm.name
            ).measure()
            if self._design.record_power:
                courses = [self._sampler.power(start_s, end_s) for start_s, end_s in window.segments_s]
                power = concat_power(window, courses)
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
            node=machine.node_name(),
            versions=package_versions(),
            threads=self._threads,
            threads_at_work=(window.threads and window.threads.at_work) or None,
            environment=child_environment(self._threads),
            failure=window.failure,
            sentinel=Sentinel(before_s=before_s, after_s=after_s),
            after=run.worker.after,
            floor_power_w=self._floor_power_w,
            spent=sum_spent(run.spent),
            peak_memory_bytes=peak if isinstance(peak, int) else None,
            metrics=window.metrics,
            **make_window_fields(window, measurement, self._machine_energy_j, power),
        )
        faults = {
            fault for start_s, end_s in window.segments_s for fault in self._sampler.faults(start_s, end_s)
        }
        flags = find_flags(
            record,
            self._quiet_sentinel_s,
            sorted(faults),
            self._sampler.notices(),
            self._interference,
            window.threads,
            self._idle_use,
        )
        return record.model_copy(update={"flags": flags})

    def _account_spent(self) -> Spent:
        """Time and energy since the last call. Takes samples beyond the end of every window so far."""
        self._sampler.flush()
        from_s, to_s = self._accounted_s, self._sampler.last_sample_s
        self._accounted_s = to_s
        return Spent(duration_s=to_s - from_s, energy_j=self._machine_energy_j(from_s, to_s))

    def _machine_energy_j(self, from_s: float, to_s: float) -> float | None:
        if to_s <= from_s:
            return 0.0
        whole = one_window(self._sampler.readings(from_s, to_s), to_s - from_s, self._floor_power_w).total(0)
        return whole.energy_j if whole else None

    def _kill_leftovers(self) -> None:
        """Kills processes that children have left behind: they would disturb the next run."""
        for leftover in set(children(os.getpid())) - self._helpers:
            end_child(leftover, END_TIMEOUT_S)


def _utc_now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
