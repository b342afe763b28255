"""The window of a run, made from the marks of the child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joules.bench.marks import InvalidMark, Mark
from joules.instrument.segments import Opening, Segment

# The last stage of a run.
FINISHED = "finished"
# For each mark, the stages of a run at which it may come, and the stage that it begins, if it begins one.
_ORDER: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "devices": (("being set up",), "set up"),
    "ready": (("set up",), "ready"),
    "start": (("ready", "paused"), "in its window"),
    "phase_start": (("in its window",), None),
    "phase_end": (("in its window",), None),
    "step": (("in its window",), None),
    "pause": (("in its window",), "paused"),
    "end": (("in its window",), "evaluated"),
    "threads": (("evaluated",), None),
    "evaluated": (("evaluated",), "evaluated to the end"),
    "metrics": (("evaluated to the end",), FINISHED),
}
_BEFORE_RESULTS = ("evaluated", "evaluated to the end")


@dataclass(frozen=True)
class Threads:
    """Numbers of threads of a child: those PyTorch started with, those the workload asked it for, and those
    that were then at work (0 if that is unknown)."""

    given: int
    asked: int
    at_work: int


@dataclass
class Window:
    """The metered window of one run. Times are instants of the monotonic clock, in seconds.

    Args:
        segments: Closed segments, in order of time.
        phases: Name, start and end of each phase.
        steps: Number and instant of each step.
        metrics: Results of the run by name.
        threads: Threads of the child; None before its window has closed.
        failure: What went wrong; None if nothing did.
        stage: What the run is doing, as its marks say.
        progress: Share of the work done at the last pause, from 0 to 1.
        opening: Start of the open segment; None while the window is closed.
        evaluation_cpu_s: Processor time of the evaluation after the window, in seconds.
    """

    segments: list[Segment] = field(default_factory=list)
    phases: list[tuple[str, float, float]] = field(default_factory=list)
    steps: list[tuple[int, float]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    threads: Threads | None = None
    failure: str | None = None
    stage: str = "being set up"
    progress: float = 0.0
    opening: Opening | None = None
    evaluation_cpu_s: float = 0.0
    _open_phases: list[tuple[str, float]] = field(default_factory=list)
    _last_s: float = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether the run has closed its window for the last time."""
        return self.stage in (*_BEFORE_RESULTS, FINISHED)

    def check(self, mark: Mark, now_s: float) -> None:
        """Checks that a mark may come now, and follows the run to the stage that it begins.

        Raises:
            InvalidMark: If it comes out of order, or its instant is not between the last mark and now.
        """
        stages, begun = _ORDER.get(mark.name, (("in its window", "paused"), None))
        if mark.name == "failed":
            stages = tuple({stage for allowed, _ in _ORDER.values() for stage in allowed})
        if self.stage not in stages:
            raise InvalidMark(f"mark '{mark.name}' came while the run was {self.stage}")
        if not self._last_s <= mark.at_s <= now_s:
            raise InvalidMark(f"mark '{mark.name}' names an instant before the last mark or after now")
        if self.opening and mark.name in ("pause", "end"):
            if self._open_phases:
                raise InvalidMark(f"mark '{mark.name}' came within phase '{self._open_phases[-1][0]}'")
            if mark.at_s == self.opening.start_s:
                raise InvalidMark(f"mark '{mark.name}' closes a window that lasted no time")
        if mark.name == "phase_end" and [name for name, _ in self._open_phases[-1:]] != [mark.data["name"]]:
            raise InvalidMark(f"mark 'phase_end' ends phase '{mark.data['name']}', which is not open")
        self._last_s, self.stage = mark.at_s, begun or self.stage

    def close(self, segment: Segment, progress: float) -> None:
        """Adds a segment that has ended, by a pause or as the last one."""
        self.segments.append(segment)
        self.opening, self.progress = None, progress

    def add_mark(self, mark: Mark) -> None:
        """Adds a mark that neither opens nor closes a segment."""
        match mark.name:
            case "phase_start":
                self._open_phases.append((mark.data["name"], mark.at_s))
            case "phase_end":
                name, opened_s = self._open_phases.pop()
                self.phases.append((name, opened_s, mark.at_s))
            case "step":
                self.steps.append((mark.data["index"], mark.at_s))
            case "threads":
                self.threads = Threads(mark.data["given"], mark.data["asked"], mark.data["at_work"])
            case "evaluated":
                self.evaluation_cpu_s = mark.data["cpu_s"]
            case "metrics":
                self.metrics = mark.data
            case "failed":
                self.failure = mark.data["reason"]
            case _:
                raise InvalidMark(f"unknown mark '{mark.name}'")

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
