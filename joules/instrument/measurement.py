"""Turns a window into a measurement, in the same way for `Meter`, `joules meter` and the bench.

`open_segment` and `close_segment` open and close a window: once, or several times if the work pauses.
`measure` turns the segments into readings by domain, their attributed share and a total.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joules.instrument import METER_VERSION
from joules.instrument.attribution import job_readings
from joules.instrument.estimates import Estimate, Prediction, estimate_energies, predict_energy
from joules.instrument.flags import flags_of
from joules.instrument.host.contention import Contention, Snapshot, over, snapshot
from joules.instrument.host.gpus import GpuUse, combined_use, job_shares
from joules.instrument.host.machine import describe
from joules.instrument.host.processes import DESCENDANTS, Job
from joules.instrument.reading import Reading, RecordedProvenance, Total, primary, summed
from joules.instrument.reading_arrays import one_window
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source, device_use
from joules.models import Closed


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


class Measurement(Closed):
    """Energy of a window, with everything that was measured in it.

    Attributes:
        name: Name of the window.
        meter_version: Version of the meter (`joules.METER_VERSION`).
        duration_s: Length of the window in seconds.
        readings: Readings of the whole machine (scope 'machine'), one per source and domain, and the energy
            attributed to the job (scope 'job'), one per domain.
        idle_power_w: Power of the idle machine by domain, in watts; empty if it was not measured.
        total: Energy of the whole machine; None if the energy of a domain was not read.
        contention: CPU use of the job and of other processes.
        gpu_use: Use of each GPU.
        faults: Messages of reads that failed.
        flags: Quality flags, each as `keyword: evidence`.
        models: Energy of the whole machine under each power model; empty if nothing is modelled.
        prediction: 90 % prediction interval of modelled energy by wall-metered servers; None if the energy
            does not rest on them.
    """

    name: str
    meter_version: int
    duration_s: float
    readings: list[Reading]
    idle_power_w: dict[str, float]
    total: Total | None
    contention: Contention
    gpu_use: list[GpuUse]
    faults: list[str]
    flags: list[str]
    models: list[Estimate]
    prediction: Prediction | None

    @property
    def energy_j(self) -> float | None:
        """Energy of the whole machine in joules; None if the energy of a domain was not read."""
        return self.total.energy_j if self.total else None

    @property
    def uncertainty_j(self) -> float | None:
        """Standard uncertainty of `energy_j` in joules."""
        return self.total.uncertainty_j if self.total else None

    @property
    def interval_j(self) -> tuple[float, float] | None:
        """The 90 % prediction interval of modelled energy; where it is modelled in part alone, its range over
        the power models that wall meters do not refute at its load. None where nothing is modelled.
        `energy_j` lies within."""
        if self.prediction is not None:
            return self.prediction.low_j, self.prediction.high_j
        energies_j = [each.energy_j for each in self.models if each.takes_part and each.energy_j is not None]
        if not energies_j or self.energy_j is None:
            return None
        return min(*energies_j, self.energy_j), max(*energies_j, self.energy_j)

    @property
    def doubt(self) -> str:
        """The uncertainty of `energy_j` and its basis, in words."""
        if self.total is None:
            return "a domain could not be read"
        if self.prediction is not None:
            low_j, high_j = significant(self.prediction.low_j), significant(self.prediction.high_j)
            basis = f"modelled from {self.prediction.basis}"
            return f"{low_j} to {high_j} J, 90 % of unmetered servers; {basis}"
        if self.interval_j is not None:
            low, high = (significant(end) for end in self.interval_j)
            return f"{low} to {high} J over power models; {self.total.provenance}"
        return f"± {self.total.uncertainty_j:.2g} J; {self.total.provenance}"

    @property
    def provenance(self) -> RecordedProvenance:
        """How the weakest part of `energy_j` was read, 'counter', 'sampled', 'modelled' or 'missing'."""
        return self.total.provenance if self.total else "missing"

    @property
    def domains(self) -> dict[str, Reading]:
        """Best reading of the whole machine by domain ('cpu', 'dram', 'gpu0', ...)."""
        return {reading.domain: reading for reading in primary(self.readings)}

    @property
    def attributed_domains(self) -> dict[str, Reading]:
        """Energy attributed to the job, by domain."""
        return {reading.domain: reading for reading in self.readings if reading.scope == "job"}

    @property
    def energy_attributed_j(self) -> float | None:
        """Energy attributed to the job in joules, which the machine would have used for it alone; None if the
        energy of a domain was not read."""
        energy_j = float(one_window(self.readings, self.duration_s).attributed_j[0])
        return None if math.isnan(energy_j) else energy_j

    @property
    def cpu_s(self) -> float:
        """Processor time of the job in seconds."""
        return self.contention.job_cpu_s

    def __str__(self) -> str:
        if self.total is None:
            energy = "energy missing"
        else:
            energy = f"{significant(self.total.energy_j)} J ({self.doubt})"
        attributed_j = self.energy_attributed_j
        parts = [
            energy,
            *([f"{attributed_j:.2f} J attributed to this process"] if attributed_j is not None else []),
            f"{self.duration_s:.3f} s",
            f"{self.cpu_s:.3f} s of processor time",
        ]
        flags = f" [{', '.join(flag.partition(':')[0] for flag in self.flags)}]" if self.flags else ""
        return f"{self.name}: {', '.join(parts)}{flags}"


def significant(energy_j: float) -> str:
    """Joules to three digits, as far as a modelled energy is known at all."""
    return (
        f"{energy_j:,.{max(0, 2 - math.floor(math.log10(energy_j)))}f}" if energy_j > 0 else f"{energy_j:g}"
    )


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
