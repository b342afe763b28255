"""Records in the format of the bench, made without measuring."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from joules.analysis.contracts import CampaignEvidence
from joules.analysis.records import Records
from joules.bench.record import Idle, Run, Sentinel, Spent
from joules.instrument.host.contention import Contention
from joules.instrument.host.machine import Machine
from joules.instrument.reading import Reading, Total
from joules.study.config import check_config

MACHINE = Machine(
    id="test",
    processor="Test CPU",
    logical_cores=2,
    memory_gib=8,
    virtual=False,
    gpus=[],
    system="Linux",
    python="3.11",
)
QUIET = Contention(
    duration_s=2.0,
    job_cpu_s=3.9,
    busy_cores=2.0,
    foreign_cores=0.01,
    steal_cores=0.0,
    suspended_s=0.0,
    clock_step_s=0.0,
)


class FakeSession:
    """Replaces the child's session: records its steps and meters nothing."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.pauses: list[float] = []

    def pause(self, progress: float, warm_up: Callable[[], object]) -> None:
        self.pauses.append(progress)
        warm_up()

    def step(self, index: int) -> None:
        self.steps.append(index)

    @contextlib.contextmanager
    def phase(self, _name: str) -> Iterator[None]:
        yield


def reading(energy_j: float | None = 20.0, **changes: Any) -> Reading:
    """A modelled CPU reading, with changed fields."""
    fields: dict[str, Any] = {
        "domain": "cpu",
        "source": "test",
        "provenance": "modelled" if energy_j is not None else "missing",
        "energy_j": energy_j,
        "uncertainty_j": 1.0 if energy_j is not None else None,
        "samples": 3,
        "detail": "a test",
    }
    return Reading(**(fields | changes))


def run(arm: str = "one", block: int = 0, energy_j: float = 20.0, **changes: Any) -> Run:
    """A successful run of two seconds, with changed fields."""
    fields: dict[str, Any] = {
        "meter_version": 1,
        "fingerprint": "f",
        "experiment": "flops_vs_energy",
        "arm": arm,
        "block": block,
        "position": 0,
        "seed": block,
        "scale": "smoke",
        "parameters": {"family": arm.rstrip("0123456789")},
        "session": f"s{block}",
        "measured_at": "2026-01-01T00:00:00+00:00",
        "machine": MACHINE,
        "versions": {"torch": "0"},
        "threads": 2,
        "environment": {},
        "failure": None,
        "duration_s": 2.0,
        "readings": [reading(energy_j)],
        "gpu_use": [],
        "total": Total(energy_j=energy_j, uncertainty_j=1.0, provenance="modelled", floored=False),
        "floor_power_w": 0.0,
        "phases": [],
        "steps": [],
        "contention": QUIET,
        "sentinel": Sentinel(before_s=0.02, after_s=0.02),
        "spent": Spent(duration_s=4.0, energy_j=2 * energy_j),
        "peak_memory_bytes": 1000,
        "flags": [],
        "metrics": {"flops": 1e9, "inferences": 10},
    }
    return Run(**(fields | changes))


def failed(of: Run) -> Run:
    """The record of a run whose child was killed before its window closed."""
    nothing = {"duration_s": None, "total": None, "contention": None, "peak_memory_bytes": None}
    empty = {name: [] for name in ("readings", "gpu_use", "parts", "phases", "steps", "power")}
    return of.model_copy(update={**nothing, **empty, "failure": "killed", "metrics": {}})


def unread(of: Run) -> Run:
    """The record of a run in whose window an instrument was lost."""
    gone = {"energy_j": None, "uncertainty_j": None, "provenance": "missing"}
    marks = {
        name: [mark.model_copy(update={"energy_j": None}) for mark in getattr(of, name)]
        for name in ("parts", "phases", "steps")
    }
    readings = [one.model_copy(update=gone) for one in of.readings]
    return of.model_copy(update={**marks, "readings": readings, "total": None})


def idle(block: int = 0, position: str = "before", energy_j: float = 4.0) -> Idle:
    """An idle window of two seconds."""
    return Idle(
        meter_version=1,
        experiment="flops_vs_energy",
        block=block,
        session=f"s{block}",
        position=position,
        measured_at="2026-01-01T00:00:00+00:00",
        machine=MACHINE,
        duration_s=2.0,
        readings=[reading(energy_j)],
        contention=QUIET,
        spent=Spent(duration_s=2.0, energy_j=energy_j),
    )


def campaign_evidence(records: Records) -> CampaignEvidence:
    """A campaign with records of one experiment and without tables."""
    return CampaignEvidence({"flops_vs_energy": records}, {}, check_config({}))
