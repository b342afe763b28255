"""Records of runs, and of the idle machine before and after them."""

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
    """A segment of the window. `start_s` counts from the first opening, pauses included."""

    start_s: float
    duration_s: float
    energy_j: float | None


class Phase(Closed):
    """A named part of a run. Times are seconds of open window."""

    name: str
    start_s: float
    end_s: float
    energy_j: float | None


class Step(Closed):
    """A numbered instant of a run, in seconds of open window, with the energy of the whole machine since the
    window opened."""

    index: int
    time_s: float
    energy_j: float | None


class Spent(Closed):
    """Energy of the whole machine during a run's turns: its window, set-up, warm-up and sentinels. The sum
    over all records is the energy of the campaign."""

    duration_s: float
    energy_j: float | None


class Sentinel(Closed):
    """Duration of a fixed piece of work just before and just after a run, in seconds."""

    before_s: float
    after_s: float


class AfterWindow(Closed):
    """Processor seconds of a run between the end of its window and its exit, with those of its evaluation and
    of counting its threads."""

    cpu_s: float
    evaluation_cpu_s: float


class Idle(Closed):
    """The idle machine, before or after the runs of one session of one block."""

    kind: Literal["idle"] = "idle"
    schema_version: int = SCHEMA_VERSION
    meter_version: int
    experiment: str
    block: int
    session: str
    position: Literal["before", "after"]
    measured_at: str
    machine: Machine
    node: str | None = None
    duration_s: float
    readings: list[Reading]
    contention: Contention
    spent: Spent


class Run(Closed):
    """One arm in one block: one child process.

    `fingerprint` identifies what was measured (parameters, workload code, meter version); `session` is shared
    by all runs and idle records of one session. A failed run keeps its record: `failure` says what happened,
    the rest is what was read before. `parts` are the segments of the window: one, unless the workload paused;
    `duration_s` and each energy are sums over them. `threads` were granted; `threads_at_work` did
    work when PyTorch divided some after the window. `power` is empty unless the design asks for it.
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
    node: str | None = None
    versions: dict[str, str]
    threads: int
    threads_at_work: int | None = None
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
    after: AfterWindow | None = None
    spent: Spent
    peak_memory_bytes: int | None
    flags: list[str]
    metrics: dict[str, Any]

    @property
    def has_result(self) -> bool:
        """Whether the run succeeded and the energy of every domain was read."""
        return self.failure is None and self.total is not None


Record = Annotated[Run | Idle, Field(discriminator="kind")]
_HASHED = b'"sha256": "'
_RECORD: TypeAdapter[Run | Idle] = TypeAdapter(Record)


class InvalidRecord(ValueError):
    """A line that is not a record as it was written: incomplete, modified, or of another schema."""


def format_record(record: Run | Idle) -> str:
    """A record as one line of JSON that contains its own SHA-256."""
    body = record.model_dump(mode="json")
    return json.dumps({**body, "sha256": _digest(body)}, sort_keys=True) + "\n"


def parse_record(line: bytes) -> Run | Idle:
    """Parses one line in UTF-8.

    Raises:
        InvalidRecord: If the line is incomplete, its hash does not match, or it has another schema.
    """
    written = _as_written(line)
    if written is not None:
        with contextlib.suppress(ValidationError):
            record = _RECORD.validate_json(written)
            if record.schema_version == SCHEMA_VERSION:
                return record
    return _parse_body(line.decode(errors="replace"))


def _as_written(line: bytes) -> bytes | None:
    """The line without its hash, if the hash is that of exactly this text, as in every line of
    `format_record`; otherwise None. It takes half as long as parsing the line and formatting it again."""
    before, found, after = line.rpartition(_HASHED)
    stated, body = after[:64], before + after[67:]
    return body if found and hashlib.sha256(body).hexdigest().encode() == stated else None


def _parse_body(line: str) -> Run | Idle:
    try:
        body = json.loads(line)
        stated = body.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise InvalidRecord("is not a complete record") from None
    if stated != _digest(body):
        raise InvalidRecord("was modified after it was written (its hash does not match)")
    if body.get("schema_version") != SCHEMA_VERSION:
        stated = body.get("schema_version")
        raise InvalidRecord(f"has schema version {stated}, this code reads {SCHEMA_VERSION}")
    try:
        return _RECORD.validate_python(body)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRecord(f"does not match the schema at {where}: {first['msg']}") from None


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
