"""A training run that is watched: metered by the bench as any other run, or replayed from its record."""

from __future__ import annotations

import contextlib
import importlib
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from joules.bench.environment import start_fork_server
from joules.bench.lock import machine_lock
from joules.bench.marks import Mark
from joules.bench.worker import Worker
from joules.instrument.host.contention import watch_descendants
from joules.instrument.host.limits import usable_cores
from joules.instrument.host.processes import Job
from joules.instrument.reading import floor_power_w
from joules.instrument.reading_arrays import one_window
from joules.instrument.sampler import Sampler
from joules.instrument.segments import Segment, observe
from joules.instrument.sources import discover
from joules.live.contracts import READ, Energies, Live, Recorded, Watch
from joules.live.session import LiveSession

_TIME_LIMIT_S = 3600.0
# How often a paused run checks whether it is to continue.
_CHECK_EVERY_S = 0.05
# How often a replay shows what is new.
_REPLAYED_EVERY_S = 0.25

Tell = Callable[[dict[str, Any]], None]
Point = tuple[float, dict[str, Any]]


class Stopped(Exception):
    """The run was stopped."""


class Show(ABC):
    """A run that can be watched, in its own thread.

    Args:
        watch: Analyses the run.
        tell: Gets each event.
    """

    def __init__(self, watch: Watch, tell: Tell) -> None:
        self._watch, self._tell = watch, tell
        self._questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._may_continue, self._is_stopped = threading.Event(), threading.Event()
        self._may_continue.set()
        self._last: tuple[float, float] = (0.0, 0.0)
        self._thread = threading.Thread(target=self._run, name="show", daemon=True)

    def start(self) -> None:
        """Starts the run."""
        self._thread.start()

    def ask(self, question: Any) -> None:
        """Asks the network a question at its next pause.

        Raises:
            ValueError: If there is no network to ask.
        """
        self._questions.put(question)

    def pause(self) -> None:
        """Holds the run at its next pause."""
        self._may_continue.clear()

    def resume(self) -> None:
        """Lets the run continue."""
        self._may_continue.set()

    def interrupt(self) -> None:
        """Ends the run, without waiting."""
        self._is_stopped.set()

    def stop(self) -> None:
        """Ends the run and waits for its thread."""
        self.interrupt()
        self._thread.join()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    @abstractmethod
    def _play(self) -> None:
        """Plays the run to its end; raises Stopped if it is stopped."""

    def _run(self) -> None:
        try:
            self._play()
        except Stopped:
            self._tell({"event": "stopped"})
        except Exception as fault:
            # The page must not wait for ever, whatever went wrong.
            self._tell({"event": "failed", "reason": str(fault) or type(fault).__name__})

    def _check_stopped(self) -> None:
        if self._is_stopped.is_set():
            raise Stopped

    def _wait_while_paused(self) -> None:
        if not self._may_continue.is_set():
            self._tell({"event": "paused"})
            while not self._may_continue.wait(_CHECK_EVERY_S):
                self._check_stopped()
            self._tell({"event": "resumed"})
        self._check_stopped()

    def _extend_point(self, point: Mapping[str, Any], time_s: float, energies_j: Energies) -> dict[str, Any]:
        """A point with everything that the page shows of it."""
        read_j = energies_j[READ]
        before_s, before_j = self._last
        self._last = (time_s, read_j)
        return {
            **point,
            "time_s": time_s,
            "energy_j": read_j,
            "energy_low_j": min(energies_j.values()),
            "energy_high_j": max(energies_j.values()),
            "power_w": (read_j - before_j) / (time_s - before_s) if time_s > before_s else None,
            **self._watch.observe(point, energies_j),
        }


class _LiveWorker(Worker):
    """A worker that keeps what its child reports between two pauses."""

    part, session_class = "live", LiveSession

    def __init__(self, *arguments: Any) -> None:
        self.points: list[Point] = []
        self.answers: list[Any] = []
        super().__init__(*arguments)

    def _add_mark(self, mark: Mark) -> None:
        if mark.name == "point":
            self.points.append((mark.at_s, mark.data))
        elif mark.name == "answers":
            self.answers += mark.data["answers"]
        else:
            super()._add_mark(mark)


class Training(Show):
    """A training run on this machine, in a child process of the bench.

    Args:
        experiment: Name of the experiment.
        parameters: Parameters of its workload.
        seed: Seed of the run.
        log: File for everything the workload prints.
        chosen_floor_w: Minimum power of the whole machine in watts; None for the default.
        tell: Gets each event.
    """

    def __init__(
        self,
        experiment: str,
        parameters: Mapping[str, Any],
        seed: int,
        log: Path,
        chosen_floor_w: float | None,
        tell: Tell,
    ) -> None:
        live = cast(Live, importlib.import_module(f"experiments.{experiment}.live"))
        super().__init__(live.start_watch(parameters), tell)
        self._experiment, self._parameters, self._seed = experiment, dict(parameters), seed
        self._log, self._chosen_floor_w = log, chosen_floor_w
        self._worker: _LiveWorker | None = None
        # Energy and seconds of open window at the end of the last segment.
        self._before: dict[str, float] = {READ: 0.0}
        # Power models that wall meters refute at the load of a segment: they are in no range from then on.
        self._refuted: set[str] = set()
        self._worked_s = 0.0

    def interrupt(self) -> None:
        super().interrupt()
        if self._worker is not None:
            self._worker.kill()

    def _play(self) -> None:
        holder = f"joules live {self._experiment}"
        with contextlib.ExitStack() as lock:
            lock.enter_context(
                machine_lock(
                    holder, lambda words: self._tell({"event": "waits", "reason": words}), self._check_stopped
                )
            )
            self._train(lock.close)

    def _train(self, release_machine: Callable[[], None]) -> None:
        self._tell({"event": "prepares"})
        job = Job(has_pauses=True)
        sources, _ = discover(job)
        watch_descendants()
        context = start_fork_server(self._experiment, usable_cores())
        with Sampler(sources) as sampler:
            floor_w = floor_power_w([channel.domain for channel in sampler.channels], self._chosen_floor_w)
            self._check_stopped()
            worker = self._worker = _LiveWorker(
                context,
                job,
                sampler,
                sources,
                self._experiment,
                self._parameters,
                self._seed,
                self._log,
                _TIME_LIMIT_S,
            )
            self._tell(
                {
                    "event": "begins",
                    "can_be_asked": True,
                    "parameters": self._parameters,
                    "seed": self._seed,
                    "provenance": {
                        channel.domain: channel.provenance
                        for channel in sampler.channels
                        if channel.scope == "machine"
                    },
                }
            )
            try:
                self._run_turns(worker, sampler, floor_w)
                release_machine()
                self._tell({"event": "ends"})
                self._answer_until_stopped(worker)
            finally:
                worker.kill()

    def _run_turns(self, worker: _LiveWorker, sampler: Sampler, floor_w: float) -> None:
        """Trains until the last pause, in which the network is kept."""
        is_paused = worker.run_turn()
        while is_paused and worker.window.progress < 1:
            self._account(worker, sampler, floor_w)
            self._wait_while_paused()
            is_paused = worker.run_turn(self._take_questions())
        self._check_stopped()
        if worker.window.failure:
            raise RuntimeError(worker.window.failure)
        self._account(worker, sampler, floor_w)

    def _answer_until_stopped(self, worker: _LiveWorker) -> None:
        """Answers questions with the trained network, whose process is suspended in between."""
        while not self._is_stopped.wait(_CHECK_EVERY_S):
            questions = self._take_questions()
            if questions and worker.run_turn(questions):
                self._tell_answers(worker)

    def _tell_answers(self, worker: _LiveWorker) -> None:
        answers, worker.answers = worker.answers, []
        if answers:
            self._tell({"event": "answers", "answers": answers})

    def _account(self, worker: _LiveWorker, sampler: Sampler, floor_w: float) -> None:
        """Reports the points of the segment that has just ended, with the energy until each of them."""
        segment = worker.window.segments[-1]
        sampler.flush()
        measured = observe(sampler, [segment], {}, floor_w).measure()
        of_segment = {READ: measured.energy_j} | {each.model: each.energy_j for each in measured.models}
        self._refuted |= {each.model for each in measured.models if not each.takes_part}
        taken = {
            name: energy_j
            for name, energy_j in of_segment.items()
            if energy_j is not None and name not in self._refuted
        }

        def energies_until(at_s: float) -> dict[str, float]:
            share = (at_s - segment.start_s) / segment.duration_s
            energies = {name: self._before.get(name, 0.0) + share * all_j for name, all_j in taken.items()}
            # Power that is read is known over time; of power models only the mean over the segment is known.
            return energies | {READ: self._before[READ] + _read_j(sampler, segment, at_s, floor_w)}

        points = [
            self._extend_point(data, self._worked_s + at_s - segment.start_s, energies_until(at_s))
            for at_s, data in worker.points
        ]
        worker.points = []
        self._before = {name: self._before.get(name, 0.0) + all_j for name, all_j in taken.items()}
        self._before.setdefault(READ, 0.0)
        self._worked_s += segment.duration_s
        sampler.discard_before(segment.start_s)
        self._tell_answers(worker)
        if points:
            self._tell({"event": "seen", "points": points})

    def _take_questions(self) -> list[Any]:
        questions = []
        while not self._questions.empty():
            questions.append(self._questions.get())
        return questions


def _read_j(sampler: Sampler, segment: Segment, at_s: float, floor_w: float) -> float:
    if at_s <= segment.start_s:
        return 0.0
    whole = one_window(sampler.readings(segment.start_s, at_s), at_s - segment.start_s, floor_w).total(0)
    return whole.energy_j if whole else 0.0


class Replay(Show):
    """A replay of a recorded run.

    Args:
        recorded: The run.
        speed: How many times as fast as it was recorded.
        watch: Analyses the run.
        tell: Gets each event.
    """

    def __init__(self, recorded: Recorded, speed: float, watch: Watch, tell: Tell) -> None:
        super().__init__(watch, tell)
        self._recorded, self._speed = recorded, speed

    def ask(self, question: Any) -> None:  # noqa: ARG002
        raise ValueError("the network of a recorded run is not kept: start a training run to ask questions")

    def _play(self) -> None:
        recorded = self._recorded
        self._tell(
            {
                "event": "begins",
                "can_be_asked": False,
                "parameters": recorded.parameters,
                "seed": recorded.seed,
                "provenance": recorded.provenance,
            }
        )
        shown_s, waiting = 0.0, []
        for point, time_s, energies_j in recorded.points:
            waiting.append(self._extend_point(point, time_s, energies_j))
            due_s = (time_s - shown_s) / self._speed
            if due_s >= _REPLAYED_EVERY_S:
                self._wait(due_s)
                self._tell({"event": "seen", "points": waiting})
                shown_s, waiting = time_s, []
        if waiting:
            self._tell({"event": "seen", "points": waiting})
        self._tell({"event": "ends"})

    def _wait(self, seconds: float) -> None:
        if self._is_stopped.wait(seconds):
            raise Stopped
        self._wait_while_paused()
