"""The one recipe by which a window becomes a measurement.

Everything that meters goes through here: the public `Meter`, the command `joules meter` and the bench. A
window is opened and closed by `open_segment` and `close_segment`, once or, where the work rests in between,
several times; `measure` turns its segments into readings by domain, the job's share of them and a total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joules.instrument import METER_VERSION
from joules.instrument.attribution import job_readings
from joules.instrument.estimates import Estimate, estimate_energies
from joules.instrument.flags import flags_of
from joules.instrument.host.contention import Contention, Snapshot, over, snapshot
from joules.instrument.host.gpus import GpuUse, combined_use, job_shares
from joules.instrument.host.machine import describe
from joules.instrument.host.processes import DESCENDANTS, Job
from joules.instrument.reading import Reading, RecordedProvenance, Total, attributed_j, primary, summed, total
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source, device_use
from joules.models import Closed


@dataclass(frozen=True)
class Opening:
    """The instant (monotonic clock, in seconds) at which a segment begins, and the machine's clocks then."""

    start_s: float
    clocks: Snapshot


@dataclass(frozen=True)
class Segment:
    """Part of a window in which it was open. Times are instants of the monotonic clock, in seconds."""

    start_s: float
    opened: Snapshot
    end_s: float
    closed: Snapshot
    gpu_use: list[GpuUse]

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


class Measurement(Closed):
    """The energy of a window and what is known beside it.

    `readings` hold one of each source of the whole machine and the job's share of each domain (scope 'job');
    `total` is the whole machine's and null where a domain could not be read; `flags` are words with their
    evidence for what speaks against the measurement, and are empty where nothing does; `faults` are the reads
    that failed. `idle_power_w` is the machine's power at rest by domain, empty where no rest was measured.
    `models` is the whole machine's energy under every model of power, empty where nothing is modelled.
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

    @property
    def energy_j(self) -> float | None:
        """Whole-machine energy in joules; None where a domain could not be read."""
        return self.total.energy_j if self.total else None

    @property
    def uncertainty_j(self) -> float | None:
        """Standard uncertainty of `energy_j`."""
        return self.total.uncertainty_j if self.total else None

    @property
    def band_j(self) -> tuple[float, float] | None:
        """The least and the largest energy of the whole machine under all models of power that cover it; None
        where nothing is modelled."""
        energies_j = [each.energy_j for each in self.models if each.energy_j is not None]
        return (min(energies_j), max(energies_j)) if energies_j else None

    @property
    def provenance(self) -> RecordedProvenance:
        """How `energy_j` came about, by its weakest part: 'counter', 'sampled', 'modelled' or 'missing'."""
        return self.total.provenance if self.total else "missing"

    @property
    def domains(self) -> dict[str, Reading]:
        """The whole machine's best reading of each domain ('cpu', 'dram', 'gpu0', ...)."""
        return {reading.domain: reading for reading in primary(self.readings)}

    @property
    def attributed_domains(self) -> dict[str, Reading]:
        """The job's share of each domain."""
        return {reading.domain: reading for reading in self.readings if reading.scope == "job"}

    @property
    def energy_attributed_j(self) -> float | None:
        """What the machine would have used for the job alone, in joules; None where a domain was not read."""
        return attributed_j(self.readings)

    @property
    def cpu_s(self) -> float:
        """Processor seconds of the job."""
        return self.contention.job_cpu_s

    def __str__(self) -> str:
        if self.total is None:
            energy = "energy missing"
        else:
            doubt = f"± {self.total.uncertainty_j:.2g} J"
            if self.band_j is not None:
                doubt = "({:.2f} to {:.2f} J over models of power)".format(*self.band_j)
            energy = f"{self.total.energy_j:.2f} J {doubt} ({self.total.provenance})"
        own = self.energy_attributed_j
        parts = [
            energy,
            *([f"{own:.2f} J of it the job's"] if own is not None else []),
            f"{self.duration_s:.3f} s",
            f"{self.cpu_s:.3f} s of processor time",
        ]
        doubts = f" [{', '.join(flag.partition(':')[0] for flag in self.flags)}]" if self.flags else ""
        return f"{self.name}: {', '.join(parts)}{doubts}"


def open_segment(sampler: Sampler, at_s: float | None = None, job: Job = DESCENDANTS) -> Opening:
    """Begins a segment now, or at an instant that has just passed."""
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
    """Ends a segment now, or at an instant that has just passed."""
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
    """The energy over all `segments` of one window.

    `idle_power_w` is the machine's power at rest by domain, which counted energy is divided above;
    `floor_power_w` the least power of the whole machine. Samples must reach beyond the last end
    (`Sampler.flush`). Raises ValueError where there is no segment.
    """
    durations_s = [part.duration_s for part in segments]
    duration_s = sum(durations_s)
    use = over([(part.opened, part.closed) for part in segments])
    gpu_use = combined_use([part.gpu_use for part in segments], durations_s)
    readings = summed([sampler.readings(part.start_s, part.end_s) for part in segments])
    job = job_readings(readings, idle_power_w, duration_s, use.job_share, job_shares(gpu_use))
    kept = [*(reading for reading in readings if reading.scope == "machine"), *job]
    faults = sorted({fault for part in segments for fault in sampler.faults(part.start_s, part.end_s)})
    return Measurement(
        name=name,
        meter_version=METER_VERSION,
        duration_s=duration_s,
        readings=kept,
        idle_power_w=dict(idle_power_w),
        total=total(readings, duration_s, floor_power_w),
        contention=use,
        gpu_use=gpu_use,
        faults=faults,
        flags=flags_of(kept, use, gpu_use, duration_s, faults),
        models=estimate_energies(readings, use, describe(), duration_s, floor_power_w),
    )
