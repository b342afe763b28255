"""Opens and closes windows and measures them, in the same way for `Meter`, `joules meter` and the bench.

`open_segment` and `close_segment` open and close a window: once, or several times if the work pauses.
`measure` turns the segments into readings by domain, their attributed share and a total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from joules.instrument import METER_VERSION
from joules.instrument.attribution import job_readings
from joules.instrument.estimates import estimate_energies, predict_energy
from joules.instrument.flags import flags_of
from joules.instrument.host.contention import Snapshot, over, snapshot
from joules.instrument.host.gpus import GpuUse, combined_use, job_shares
from joules.instrument.host.machine import describe
from joules.instrument.host.node import boot_id, host_name
from joules.instrument.host.processes import DESCENDANTS, Job
from joules.instrument.measurement import Measurement
from joules.instrument.reading import summed
from joules.instrument.reading_arrays import one_window
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source, device_use


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


def measure(
    sampler: Sampler,
    segments: Sequence[Segment],
    idle_power_w: Mapping[str, float],
    floor_power_w: float,
    name: str = "window",
) -> Measurement:
    """Measures the energy of a window.

    Args:
        sampler: Samples of all sources; they must reach beyond the end of the window (`Sampler.flush`).
        segments: Segments of the window.
        idle_power_w: Power of the idle machine by domain, in watts; energy above it is attributed.
        floor_power_w: Minimum power of the whole machine, in watts.
        name: Name of the window.

    Raises:
        ValueError: If there is no segment.
    """
    durations_s = [part.duration_s for part in segments]
    duration_s = sum(durations_s)
    use = over([(part.opened, part.closed) for part in segments])
    gpu_use = combined_use([part.gpu_use for part in segments], durations_s)
    readings = summed([sampler.readings(part.start_s, part.end_s) for part in segments])
    invisible = {gpu.domain for gpu in gpu_use if not gpu.is_visible}
    job = job_readings(readings, idle_power_w, duration_s, use.job_share, job_shares(gpu_use), invisible)
    kept = [*(reading for reading in readings if reading.scope == "machine"), *job]
    window = one_window(readings, duration_s, floor_power_w, describe(), use)
    faults = sorted({fault for part in segments for fault in sampler.faults(part.start_s, part.end_s)})
    return Measurement(
        name=name,
        host=host_name(),
        boot_id=boot_id(),
        began_at=_utc(segments[0].opened.wall_s),
        ended_at=_utc(segments[-1].closed.wall_s),
        meter_version=METER_VERSION,
        duration_s=duration_s,
        readings=kept,
        idle_power_w=dict(idle_power_w),
        total=window.total(0),
        contention=use,
        gpu_use=gpu_use,
        faults=faults,
        flags=flags_of(kept, use, gpu_use, duration_s, faults, sampler.notices()),
        models=estimate_energies(window),
        prediction=predict_energy(window),
    )


def _utc(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="microseconds")
