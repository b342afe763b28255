"""A machine of the laboratory: hardware, a clock, and a meter that runs on it in simulated time."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from joules.instrument.host.contention import Snapshot
from joules.instrument.host.processes import Job
from joules.instrument.measurement import Measurement
from joules.instrument.reading import floor_power_w, primary
from joules.instrument.sampler import Sampler
from joules.instrument.segments import Opening, Segment, observe
from joules.instrument.source import Channel, Host, Source, device_use
from validation.laboratory.clock import Clock
from validation.laboratory.curve import Curve
from validation.laboratory.nvidia import NvidiaGpu, write_scenario
from validation.laboratory.tree import Files, Tree

# Longest delay with which a sleeping thread wakes up.
_LATE_S = 0.004


class LaboratorySampler(Sampler):
    """A sampler without a thread; it reads when simulated time advances."""

    def __init__(self, sources: Sequence[Source], clock: Clock) -> None:
        super().__init__(sources, clock)
        self._set_clock = clock.set
        self._random = random.Random(0)

    def __enter__(self) -> LaboratorySampler:
        self.sample()
        return self

    def __exit__(self, *_: object) -> None:
        for source in self._sources:
            source.close()

    def advance(self, until_s: float) -> None:
        """Advance time to an instant and make all reads that are due."""
        while self.now() < until_s:
            awake_s = max(self.read_due(), self.now()) + self._random.uniform(0.0005, _LATE_S)
            self._set_clock(min(awake_s, until_s))

    def _pause(self, seconds: float) -> None:
        self.advance(self.now() + seconds)


class KnownProcessor(Source):
    """A processor with a perfect counter, for machines on which other parts are tested."""

    period_s = 0.05

    def __init__(self, clock: Callable[[], float], curve: Curve) -> None:
        self._clock, self._curve = clock, curve
        self._channel = Channel(
            "cpu", "known", "counter", "cumulative_j", "a perfect counter", resolution_j=1e-6
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (self._channel,)

    def read(self) -> Mapping[Channel, float]:
        return {self._channel: float(self._curve.counted_j(self._clock()))}


class KnownModel(Source):
    """A model with the same mean power by domain at all times."""

    period_s = 1.0

    def __init__(self, clock: Callable[[], float], power_w: Mapping[str, float]) -> None:
        self._clock = clock
        self._power_w = {
            Channel(domain, "model", "modelled", "mean_w", "a model", range_w=(0.0, 2 * watts)): watts
            for domain, watts in power_w.items()
        }

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(self._power_w)

    def read(self) -> Mapping[Channel, float]:
        return dict(self._power_w)


class KnownCounter:
    """An event of the performance monitor that counts joules in units of 2**-32."""

    def __init__(self, clock: Callable[[], float], curve: Curve) -> None:
        self._clock, self._curve, self._opened_s = clock, curve, clock()

    def read(self) -> int:
        """Counts since the event was opened."""
        return int(self._curve.energy_j(self._opened_s, self._clock()) * 2**32)

    def close(self) -> None:
        """Does nothing; the event holds no resource."""


class LaboratoryJob(Job):
    """A job whose processes and processor time are set by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.pids: set[int] = set()

    def processes(self) -> set[int]:
        return set(self.pids)

    def cpu_s(self, processes: set[int] | None = None) -> float:  # noqa: ARG002
        return 0.0


class Machine:
    """A machine without hardware; parts are added before sources are opened on it.

    The machine has `cores`, of which `busy_cores` work, `job_cores` of them for the job. `counters` are
    events of the performance monitor that may be opened, by type, number and processor.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.clock = Clock(folder / "clock")
        self.job = LaboratoryJob()
        self.cores, self.busy_cores, self.job_cores = 8, 0.0, 0.0
        self.counters: dict[tuple[int, int, int], Curve] = {}
        for name in ("sys", "proc", "dev"):
            (folder / name).mkdir()
        os.environ["LABORATORY_CLOCK"] = str(folder / "clock")
        os.environ["LABORATORY_DRIVER"] = str(folder / "driver.txt")
        self.add_gpus()

    @property
    def host(self) -> Host:
        """The host on which sources are opened."""
        return Host(
            sys=self._folder / "sys",
            proc=self._folder / "proc",
            dev=self._folder / "dev",
            mounted=self._folder / "host",
            open_counter=self._open_counter,
            job=self.job,
            clock=self.clock,
            sleep=lambda seconds: self.clock.set(self.clock() + seconds),
            unix_clock=self.clock.unix_s,
        )

    def add_gpus(self, *gpus: NvidiaGpu, init_code: int = 0, count_code: int = 0) -> None:
        """Set the NVIDIA GPUs, replacing any earlier ones."""
        write_scenario(self._folder / "driver.txt", gpus, init_code=init_code, count_code=count_code)

    def add_files(self, files: Files) -> None:
        """Add files of the kernel by path, for example 'sys/class/powercap/intel-rapl:0/name'."""
        self.clock.drive(Tree(self._folder, files).move)

    def measure(
        self,
        sources: Sequence[Source],
        start_s: float,
        end_s: float,
        idle_power_w: Mapping[str, float] | None = None,
    ) -> Measurement:
        """Measure from one instant to another with open sources, and close the sources."""
        with LaboratorySampler(sources, self.clock) as sampler:
            sampler.advance(start_s)
            sampler.discard_before(start_s)
            sampler.sample()
            opening = Opening(self.clock(), self._snapshot())
            sampler.advance(end_s)
            sampler.sample()
            gpu_use = device_use(sources, opening.clocks.wall_s)
            segment = Segment(opening.start_s, opening.clocks, self.clock(), self._snapshot(), gpu_use)
            sampler.flush()
            floor_w = floor_power_w([channel.domain for channel in sampler.channels])
            return observe(sampler, [segment], idle_power_w or {}, floor_w).measure()

    def idle_power_w(self, sources: Sequence[Source], start_s: float, end_s: float) -> dict[str, float]:
        """Mean power by domain from one instant to another, in watts."""
        measured = self.measure(sources, start_s, end_s)
        return {r.domain: (r.energy_j or 0.0) / measured.duration_s for r in primary(measured.readings)}

    def _open_counter(self, kind: int, number: int, cpu: int) -> KnownCounter:
        if (kind, number, cpu) not in self.counters:
            raise PermissionError(errno.EACCES, "Permission denied")
        return KnownCounter(self.clock, self.counters[kind, number, cpu])

    def _snapshot(self) -> Snapshot:
        now_s = self.clock()
        return Snapshot(
            monotonic_s=now_s,
            boottime_s=now_s,
            wall_s=self.clock.unix_s(),
            busy_s=self.busy_cores * now_s,
            steal_s=0.0,
            job_cpu_s=self.job_cores * now_s,
            job_instructions=None,
            own_cpu_s=(self.busy_cores - self.job_cores) * now_s,
            others_cpu_s={},
        )
