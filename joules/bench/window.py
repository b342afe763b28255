"""What the marks of a child said: stretches of work, and what happened in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from joules.instrument.measurement import Opening, Stretch


@dataclass
class Window:
    """The metered window of one run. Times are instants of the monotonic clock, in seconds."""

    stretches: list[Stretch] = field(default_factory=list)
    phases: list[tuple[str, float, float]] = field(default_factory=list)
    steps: list[tuple[int, float]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    closed: bool = False
    # Share of the work done at the last rest, between 0 and 1.
    progress: float = 0.0
    opening: Opening | None = None
    _open_phases: list[tuple[str, float]] = field(default_factory=list)

    def close(self, stretch: Stretch, progress: float, *, at_end: bool) -> None:
        """Notes that a stretch is over, for a rest or `at_end`."""
        self.stretches.append(stretch)
        self.opening, self.closed, self.progress = None, at_end, progress

    def take(self, mark: str, at_s: float, data: dict[str, Any]) -> None:
        """Notes a mark that neither opens nor closes a stretch."""
        if mark == "phase_start":
            self._open_phases.append((data["name"], at_s))
        elif mark == "phase_end":
            name, opened_s = self._open_phases.pop()
            self.phases.append((name, opened_s, at_s))
        elif mark == "step":
            self.steps.append((data["index"], at_s))
        elif mark == "metrics":
            self.metrics = data
        elif mark == "failed":
            self.failure = data["reason"]

    @property
    def stretches_s(self) -> list[tuple[float, float]]:
        """Opening and close of every stretch."""
        return [(part.start_s, part.end_s) for part in self.stretches]

    def between(self, from_s: float, to_s: float) -> list[tuple[float, float]]:
        """The stretches of work between two instants."""
        clipped = [(max(start_s, from_s), min(end_s, to_s)) for start_s, end_s in self.stretches_s]
        return [(start_s, end_s) for start_s, end_s in clipped if start_s < end_s]

    def worked_s(self, at_s: float) -> float:
        """Seconds of work from the opening of the window to an instant."""
        return sum(end_s - start_s for start_s, end_s in self.between(float("-inf"), at_s))
