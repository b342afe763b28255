"""What published servers with a processor of the same generation draw as a whole.

Aggregated from the published results of SPECpower_ssj2008, see `reference/README.md`.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

from joules.models import Closed

_TABLE = Path(__file__).parent / "reference" / "server_power_by_processor.csv"


class ProcessorIdentity(Closed):
    """The numbers by which a processor of the x86 family gives its generation, whatever it calls itself."""

    vendor: str
    family: int
    model: int
    stepping: int


@dataclass(frozen=True)
class ServerPower:
    """Watts a hardware thread of whole servers with processors of one `generation`, at active idle and at
    full load: the median over `results` published ones, and their 5th and 95th percentile.
    `memory_gb_per_thread` is what those servers had."""

    generation: str
    vendor: str
    family: int
    models: range
    steppings: range | None
    results: int
    idle_w: float
    idle_low_w: float
    idle_high_w: float
    full_w: float
    full_low_w: float
    full_high_w: float
    memory_gb_per_thread: float

    def covers(self, identity: ProcessorIdentity) -> bool:
        return (
            (identity.vendor, identity.family) == (self.vendor, self.family)
            and identity.model in self.models
            and (self.steppings is None or identity.stepping in self.steppings)
        )


def recognize_servers(identity: ProcessorIdentity | None) -> ServerPower | None:
    """The servers with a processor of this generation; None where the table has none."""
    if identity is None:
        return None
    return next((servers for servers in published_servers() if servers.covers(identity)), None)


@functools.cache
def published_servers() -> tuple[ServerPower, ...]:
    """Every generation of the table."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(_servers(row) for row in csv.DictReader(file))


def _servers(row: dict[str, str]) -> ServerPower:
    return ServerPower(
        generation=row["processor"],
        vendor=row["vendor_id"],
        family=int(row["cpu_family"]),
        models=_range(row["models"]),
        steppings=_range(row["steppings"]) if row["steppings"] else None,
        results=int(row["results"]),
        idle_w=float(row["idle_w_per_thread"]),
        idle_low_w=float(row["idle_p05"]),
        idle_high_w=float(row["idle_p95"]),
        full_w=float(row["full_w_per_thread"]),
        full_low_w=float(row["full_p05"]),
        full_high_w=float(row["full_p95"]),
        memory_gb_per_thread=float(row["memory_gb_per_thread"]),
    )


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
