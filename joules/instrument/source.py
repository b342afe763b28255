"""What the meter asks of a source of power or energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Provenance = Literal["counter", "sampled", "modelled", "missing"]

Scope = Literal["machine", "job"]

# What the numbers of a channel are: joules counted since some origin, watts at the instant of the
# read, or mean watts since the previous read of the same channel.
Form = Literal["cumulative_j", "instant_w", "mean_w"]

PREFERENCE: tuple[Provenance, ...] = ("counter", "sampled", "modelled", "missing")


class SourceError(Exception):
    """A source cannot be opened, or one read of it failed. The message is a sentence."""


class CounterRestarted(SourceError):
    """A counter began anew: what it counted since the last read is not known."""


@dataclass(frozen=True)
class Channel:
    """One quantity a source delivers.

    `scope` is what it covers: the whole machine, or the job alone (see `attribution`).
    `domain` is 'cpu', 'dram' or 'gpu<index>'; `source` names the instrument; `detail` says in words
    what the number rests on. `resolution_j` is the step of a cumulative channel; `range_w` the power
    a model could have returned at all, which bounds what it can be wrong by.
    """

    domain: str
    source: str
    provenance: Provenance
    form: Form
    detail: str
    resolution_j: float = 0.0
    range_w: tuple[float, float] | None = None
    scope: Scope = "machine"


class Source(Protocol):
    """An instrument. Opening happens in its constructor, which raises SourceError."""

    @property
    def channels(self) -> tuple[Channel, ...]: ...

    @property
    def period_s(self) -> float:
        """Seconds between two periodic reads."""
        ...

    def read(self) -> Mapping[Channel, float]:
        """One value per channel, in the unit of its form. Raises SourceError."""
        ...

    def close(self) -> None: ...
