"""Opens and closes windows and measures them, in the same way for `Meter`, `joules meter` and the bench.

`open_segment` and `close_segment` open and close a window: once, or several times if the work pauses.
`observe` takes the segments' readings from the sampler. The measurement of an observation holds them by
domain, their attributed share and a total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from joules.instrument import METER_VERSION
from joules.instrument.attribution import job_readings
from joules.instrument.estimates import estimate_energies, predict_energy
from joules.instrument.flags import flags_of
from joules.instrument.host.contention import Contention, Snapshot, over, snapshot
from joules.instrument.host.gpus import GpuUse, combined_use, job_shares
from joules.instrument.host.machine import describe
from joules.instrument.host.node import boot_id, host_name
from joules.instrument.host.processes import DESCENDANTS, Job
from joules.instrument.measurement import Measurement
from joules.instrument.reading import Reading, summed
from joules.instrument.reading_arrays import one_window
from joules.instrument.sampler import Sampler
from joules.instrument.source import Notice, Source, device_use


@dataclass(frozen=True)
class Opening:
    """Start of a segment (monotonic clock, seconds), and the processor clocks at that instant."""

    start_s: float
    clocks: Snapshot


@dataclass(frozen=True)
class Segment:
    """An uninterrupted piece of a window. Times are instants of the monotonic clock, in seconds."""

    start_s: float
    opened: Snapshot
    end_s: float
    closed: Snapshot
    gpu_use: list[GpuUse]

    @property
    def duration_s(self) -> float:
        """Length of the segment in seconds."""
        return self.end_s - self.start_s


def open_segment(sampler: Sampler, at_s: float | None = None, job: Job = DESCENDANTS) -> Opening:
    """Starts a segment now, or at an instant that has just passed (monotonic clock, seconds)."""
    sampler.sample()
    clocks = snapshot(job)
    return Opening(sampler.now() if at_s is None else at_s, clocks)


def close_segment(
    sampler: Sampler,
    sources: Sequence[Source],
    opening: Opening,
    at_s: float | None = None,
    job: Job = DESCENDANTS,
) -> Segment:
    """Ends a segment now, or at an instant that has just passed (monotonic clock, seconds)."""
    end_s = sampler.now() if at_s is None else at_s
    sampler.sample()
    gpu_use = device_use(sources, opening.clocks.wall_s)
    return Segment(opening.start_s, opening.clocks, end_s, snapshot(job), gpu_use)


@dataclass(frozen=True)
class Observation:
    """Everything that was read in a window.

    `readings` are a list for each segment. `idle_power_w` is the power of the idle machine by domain, and
    `floor_power_w` the minimum power of the whole machine, in watts. `idle_use` is the use of the processors
    while idle power was measured.
    """

    name: str
    segments: Sequence[Segment]
    readings: Sequence[list[Reading]]
    idle_power_w: Mapping[str, float]
    floor_power_w: float
    faults: list[str]
    notices: list[Notice]
    idle_use: Contention | None

    def measure(self) -> Measurement:
        """The energy of the window. This takes longer than to observe it: all power models are applied.

        Raises:
            ValueError: If there is no segment.
        """
        durations_s = [part.duration_s for part in self.segments]
        duration_s = sum(durations_s)
        use = over([(part.opened, part.closed) for part in self.segments])
        gpu_use = combined_use([part.gpu_use for part in self.segments], durations_s)
        readings = summed(self.readings)
        invisible = {gpu.domain for gpu in gpu_use if not gpu.is_visible}
        shares = job_shares(gpu_use)
        job = job_readings(readings, self.idle_power_w, duration_s, use.job_share, shares, invisible)
        kept = [*(reading for reading in readings if reading.scope == "machine"), *job]
        window = one_window(readings, duration_s, self.floor_power_w, describe(), use)
        return Measurement(
            name=self.name,
            host=host_name(),
            boot_id=boot_id(),
            began_at=_utc(self.segments[0].opened.wall_s),
            ended_at=_utc(self.segments[-1].closed.wall_s),
            meter_version=METER_VERSION,
            duration_s=duration_s,
            readings=kept,
            idle_power_w=dict(self.idle_power_w),
            total=window.total(0),
            contention=use,
            gpu_use=gpu_use,
            faults=self.faults,
            flags=flags_of(kept, use, gpu_use, duration_s, self.faults, self.notices, self.idle_use),
            models=estimate_energies(window),
            prediction=predict_energy(window),
        )


def observe(
    sampler: Sampler,
    segments: Sequence[Segment],
    idle_power_w: Mapping[str, float],
    floor_power_w: float,
    name: str = "window",
    idle_use: Contention | None = None,
) -> Observation:
    """Takes what was read in a window from the sampler.

    Args:
        sampler: Samples of all sources; they must reach beyond the end of the window (`Sampler.flush`).
        segments: Segments of the window.
        idle_power_w: Power of the idle machine by domain, in watts; energy above it is attributed.
        floor_power_w: Minimum power of the whole machine, in watts.
        name: Name of the window.
        idle_use: Use of the processors while idle power was measured.
    """
    faults = {fault for part in segments for fault in sampler.faults(part.start_s, part.end_s)}
    readings = [sampler.readings(part.start_s, part.end_s) for part in segments]
    notices = sampler.notices()
    return Observation(
        name, segments, readings, dict(idle_power_w), floor_power_w, sorted(faults), notices, idle_use
    )


def _utc(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="microseconds")
