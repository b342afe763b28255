"""The window of a run, made from the marks of the child."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from joules.instrument.measurement import Opening, Segment


@dataclass
class Window:
    """The metered window of one run. Times are instants of the monotonic clock, in seconds.

    Args:
        segments: Closed segments, in order of time.
        phases: Name, start and end of each phase.
        steps: Number and instant of each step.
        metrics: Results of the run by name.
        failure: What went wrong; None if nothing did.
        is_closed: The run has closed its window for the last time.
        progress: Share of the work done at the last pause, from 0 to 1.
        opening: Start of the open segment; None while the window is closed.
    """

    segments: list[Segment] = field(default_factory=list)
    phases: list[tuple[str, float, float]] = field(default_factory=list)
    steps: list[tuple[int, float]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    is_closed: bool = False
    progress: float = 0.0
    opening: Opening | None = None
    _open_phases: list[tuple[str, float]] = field(default_factory=list)

    def close(self, segment: Segment, progress: float, *, is_last: bool) -> None:
        """Adds a segment that has ended, by a pause or as the last one."""
        self.segments.append(segment)
        self.opening, self.is_closed, self.progress = None, is_last, progress

    def add_mark(self, mark: str, at_s: float, data: dict[str, Any]) -> None:
        """Adds a mark that neither opens nor closes a segment."""
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
    def segments_s(self) -> list[tuple[float, float]]:
        """Start and end of each segment."""
        return [(part.start_s, part.end_s) for part in self.segments]

    def segments_between(self, from_s: float, to_s: float) -> list[tuple[float, float]]:
        """Start and end of each segment, clipped to two instants."""
        clipped = [(max(start_s, from_s), min(end_s, to_s)) for start_s, end_s in self.segments_s]
        return [(start_s, end_s) for start_s, end_s in clipped if start_s < end_s]

    def worked_s(self, at_s: float) -> float:
        """Seconds of open window from its start to an instant."""
        return sum(end_s - start_s for start_s, end_s in self.segments_between(float("-inf"), at_s))
