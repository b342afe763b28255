"""What wall-metered servers draw, for a processor recognized by the numbers that it gives and for any other.

The tables are made from the published results in `reference/` by `joules.power.calibration`.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from joules.models import Closed

REFERENCE = Path(__file__).parent / "reference"
# Loads at which power was metered: active idle and ten more.
LOADS = tuple(step / 10 for step in range(11))

# What a prediction rests on: servers of the same generation, a thread; any server, a watt of TDP or a thread,
# and the same for a machine that may be none.
Evidence = Literal["generation", "tdp", "threads", "machines"]
Levels = tuple[float, ...]


class ProcessorIdentity(Closed):
    """The numbers by which a processor of the x86 family gives its generation, whatever it calls itself."""

    vendor: str
    family: int
    model: int
    stepping: int


@dataclass(frozen=True)
class ServerPower:
    """Watts of whole servers for each unit that they have: a hardware thread or, with the evidence 'tdp', a
    watt of thermal design power.

    `idle_w` and `full_w` are medians over `count` servers, of which `metered` with their load curve;
    `memory_gb` is the memory a unit that they had. `curve` is the share of the way from idle to full that is
    reached at each of `LOADS`; `low` and `high` are the factors by which the 90 % prediction interval of an
    unmetered server lies below and above, at each of `LOADS`.
    """

    name: str
    evidence: Evidence
    count: int
    metered: int
    idle_w: float
    full_w: float
    memory_gb: float
    curve: Levels
    low: Levels
    high: Levels

    @property
    def basis(self) -> str:
        """What a prediction by these servers rests on, in words."""
        if self.evidence == "generation":
            return f"{self.count} wall-metered servers of this generation, {self.name}"
        known = "by their TDP" if self.evidence == "tdp" else "by their threads"
        doubt = "; this machine may be no server" if self.evidence == "machines" else ""
        return f"{self.count} wall-metered servers of other generations, {known}{doubt}"


@dataclass(frozen=True)
class Generation:
    """A generation of processors: the numbers that it is recognized by (`vendor` is empty where machines that
    are no servers give the same), the family of its load curve, and a pattern of its names in the results."""

    name: str
    vendor: str
    family: int
    models: range
    steppings: range
    curve: str
    names: str

    def covers(self, identity: ProcessorIdentity) -> bool:
        return (
            (identity.vendor, identity.family) == (self.vendor, self.family)
            and identity.model in self.models
            and identity.stepping in self.steppings
        )


def choose_servers(
    identity: ProcessorIdentity | None, rated_tdp_w: float | None = None, is_part: bool = False
) -> ServerPower:
    """The wall-metered servers that stand for a machine: those with a processor of its generation, else any
    server, by the processor's thermal design power where that is known and by threads where it is not. A
    machine that `is_part` of a host is part of a server."""
    found = next((each for each in generations() if identity and each.covers(identity)), None)
    if found and found.name in server_powers():
        return server_powers()[found.name]
    if rated_tdp_w is not None:
        return server_powers()["any server, by TDP"]
    return server_powers()["any server, by threads" if is_part else "any machine, by threads"]


@functools.cache
def generations() -> tuple[Generation, ...]:
    """Every generation of the table."""
    return tuple(
        Generation(
            name=row["generation"],
            vendor=row["vendor_id"],
            family=int(row["cpu_family"] or -1),
            models=_range(row["models"]),
            steppings=_range(row["steppings"] or "0-15"),
            curve=row["curve"],
            names=row["names"],
        )
        for row in read_rows("generations")
    )


@functools.cache
def server_powers() -> dict[str, ServerPower]:
    """Calibrated powers by the name of a generation or of any other server."""
    factors: dict[str, dict[str, Levels]] = {}
    for row in read_rows("intervals"):
        factors.setdefault(row["evidence"], {})[row["end"]] = _levels(row)
    curves = {row["curve"]: _levels(row) for row in read_rows("load_curves")}
    return {
        row["name"]: ServerPower(
            name=row["name"],
            evidence=row["evidence"],  # type: ignore[arg-type]
            count=int(row["count"]),
            metered=int(row["metered"]),
            idle_w=float(row["idle_w"]),
            full_w=float(row["full_w"]),
            memory_gb=float(row["memory_gb"]),
            curve=curves[row["curve"]],
            **factors[row["evidence"]],
        )
        for row in read_rows("server_power")
    }


def read_rows(table: str) -> Iterator[dict[str, str]]:
    """The rows of a table of `reference/`."""
    with (REFERENCE / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _levels(row: dict[str, str]) -> Levels:
    return tuple(float(row[f"{load:g}"]) for load in LOADS)


def _range(text: str) -> range:
    first, _, last = (text or "0").partition("-")
    return range(int(first), int(last or first) + 1)
