"""What is written down about every run, and about the idle machine around a block."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from joules.instrument.host.contention import Contention
from joules.instrument.host.gpus import GpuUse
from joules.instrument.host.machine import Machine
from joules.instrument.reading import PowerCourse, Reading, Total
from joules.models import Closed
from joules.study.design import Scalar, Scale

SCHEMA_VERSION = 1


class Part(Closed):
    """A stretch in which the window was open. `start_s` counts from the first opening, rests included."""

    start_s: float
    duration_s: float
    energy_j: float | None


class Phase(Closed):
    """A named stretch of a run. Times are seconds of open window."""

    name: str
    start_s: float
    end_s: float
    energy_j: float | None


class Step(Closed):
    """A numbered instant of a run, in seconds of open window, with the whole-machine energy since it
    opened."""

    index: int
    time_s: float
    energy_j: float | None


class Spent(Closed):
    """Whole-machine energy of a run's turns at the machine: its window and everything around it (set-up,
    warm-up, sentinels). Summed over entries it is the campaign's own."""

    duration_s: float
    energy_j: float | None


class Sentinel(Closed):
    """Seconds a fixed piece of work took just before and just after a run."""

    before_s: float
    after_s: float


class Idle(Closed):
    """The machine at rest, before or after the runs of one session of one block."""

    kind: Literal["idle"] = "idle"
    schema_version: int = SCHEMA_VERSION
    meter_version: int
    experiment: str
    block: int
    session: str
    position: Literal["before", "after"]
    measured_at: str
    machine: Machine
    duration_s: float
    readings: list[Reading]
    contention: Contention
    spent: Spent


class Run(Closed):
    """One arm in one block: one child process.

    `fingerprint` names what was measured (design entry, workload code, meter version); `session` the
    invocation that measured it, shared with its idle records. A failed run keeps its record: `failure`
    says what happened and whatever was read before it. `parts` are the stretches that the window is made
    of: one, unless the workload rested; `duration_s` and every energy are sums over them. `power` is empty
    unless the design asks for it.
    """

    kind: Literal["run"] = "run"
    schema_version: int = SCHEMA_VERSION
    meter_version: int
    fingerprint: str
    experiment: str
    arm: str
    block: int
    position: int
    seed: int
    scale: Scale
    parameters: dict[str, Scalar]
    session: str
    measured_at: str
    machine: Machine
    versions: dict[str, str]
    threads: int
    environment: dict[str, str]
    failure: str | None
    duration_s: float | None
    readings: list[Reading]
    gpu_use: list[GpuUse]
    total: Total | None
    floor_power_w: float
    parts: list[Part] = Field(default_factory=list)
    phases: list[Phase]
    steps: list[Step]
    power: list[PowerCourse] = Field(default_factory=list)
    contention: Contention | None
    sentinel: Sentinel
    spent: Spent
    peak_memory_bytes: int | None
    flags: list[str]
    metrics: dict[str, Any]

    @property
    def has_result(self) -> bool:
        """Whether it worked to its end and the energy of every domain was read."""
        return self.failure is None and self.total is not None


Entry = Annotated[Run | Idle, Field(discriminator="kind")]
_HASHED = b'"sha256": "'
_ENTRY: TypeAdapter[Run | Idle] = TypeAdapter(Entry)


class BadEntry(ValueError):
    """A line that is not an entry as it was written: torn, edited, or of another schema."""


def dump_line(entry: Run | Idle) -> str:
    """The entry as one line of JSON ending in its own SHA-256."""
    body = entry.model_dump(mode="json")
    return json.dumps({**body, "sha256": _digest(body)}, sort_keys=True) + "\n"


def parse_line(line: bytes) -> Run | Idle:
    """The entry of one line in UTF-8. Raises BadEntry where the line is torn or its hash does not fit."""
    written = _as_written(line)
    if written is not None:
        with contextlib.suppress(ValidationError):
            entry = _ENTRY.validate_json(written)
            if entry.schema_version == SCHEMA_VERSION:
                return entry
    return _parsed(line.decode(errors="replace"))


def _as_written(line: bytes) -> bytes | None:
    """The line without its hash, where the hash is that of precisely this text, as of every line that
    `dump_line` wrote; else None. Parsing it and writing it again to compare takes twice as long."""
    before, found, after = line.rpartition(_HASHED)
    stated, body = after[:64], before + after[67:]
    return body if found and hashlib.sha256(body).hexdigest().encode() == stated else None


def _parsed(line: str) -> Run | Idle:
    try:
        body = json.loads(line)
        stated = body.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise BadEntry("is not a whole record") from None
    if stated != _digest(body):
        raise BadEntry("was changed after it was written (its hash does not fit)")
    if body.get("schema_version") != SCHEMA_VERSION:
        raise BadEntry(f"has schema version {body.get('schema_version')}, this code reads {SCHEMA_VERSION}")
    try:
        return _ENTRY.validate_python(body)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadEntry(f"does not fit the schema at {where}: {first['msg']}") from None


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
