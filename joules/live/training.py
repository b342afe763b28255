"""One training that is watched: metered by the bench as any other run is, or played again from its record."""

from __future__ import annotations

import importlib
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from joules.bench.environment import fork_server
from joules.bench.lock import machine_lock
from joules.bench.worker import Worker
from joules.instrument.host.contention import watch_descendants
from joules.instrument.host.limits import usable_cores
from joules.instrument.host.processes import Job
from joules.instrument.measurement import Stretch, measure
from joules.instrument.reading import floor_power_w, total
from joules.instrument.sampler import Sampler
from joules.instrument.sources import discover
from joules.live.contracts import READ, Energies, Live, Recorded, Watch
from joules.live.session import LiveSession

_TIME_LIMIT_S = 3600.0
# How often a pause and a replay look whether they are over.
_LOOK_EVERY_S = 0.05

Tell = Callable[[dict[str, Any]], None]
Point = tuple[float, dict[str, Any]]


class Stopped(Exception):
    """The training was stopped."""


class Show(ABC):
    """Something that can be watched, in a thread of its own. What happens is handed to `tell`, an event at a
    time."""

    def __init__(self, watch: Watch, tell: Tell) -> None:
        self._watch, self._tell = watch, tell
        self._questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._goes_on, self._is_stopped = threading.Event(), threading.Event()
        self._goes_on.set()
        self._last: tuple[float, float] = (0.0, 0.0)
        self._thread = threading.Thread(target=self._run, name="show", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def ask(self, question: Any) -> None:
        """Has the network asked at its next rest. Raises ValueError where there is none."""
        self._questions.put(question)

    def pause(self) -> None:
        """Lets it rest from its next rest on."""
        self._goes_on.clear()

    def resume(self) -> None:
        """Lets it go on."""
        self._goes_on.set()

    def interrupt(self) -> None:
        """Ends it now, and waits for nothing."""
        self._is_stopped.set()

    def stop(self) -> None:
        """Ends it now, and waits for its thread."""
        self.interrupt()
        self._thread.join()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    @abstractmethod
    def _play(self) -> None:
        """Shows all of it; raises Stopped where it was stopped on the way."""

    def _run(self) -> None:
        try:
            self._play()
        except Stopped:
            self._tell({"event": "stopped"})
        except Exception as fault:
            # Whatever went wrong, the page must not wait for ever.
            self._tell({"event": "failed", "reason": str(fault) or type(fault).__name__})

    def _go_on(self) -> None:
        if self._is_stopped.is_set():
            raise Stopped

    def _rest(self) -> None:
        """Waits through a pause."""
        if not self._goes_on.is_set():
            self._tell({"event": "paused"})
            while not self._goes_on.wait(_LOOK_EVERY_S):
                self._go_on()
            self._tell({"event": "resumed"})
        self._go_on()

    def _shown(self, point: Mapping[str, Any], time_s: float, energies_j: Energies) -> dict[str, Any]:
        """A point as the page is told of it."""
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
            **self._watch.see(point, energies_j),
        }


class _LiveWorker(Worker):
    """A worker that keeps what its child tells between two rests."""

    part, session_class = "live", LiveSession

    def __init__(self, *arguments: Any) -> None:
        self.seen: list[Point] = []
        self.answers: list[Any] = []
        super().__init__(*arguments)

    def _take(self, name: str, at_s: float, data: dict[str, Any]) -> None:
        if name == "seen":
            self.seen.append((at_s, data))
        elif name == "answers":
            self.answers += data["answers"]
        else:
            super()._take(name, at_s, data)


class Training(Show):
    """A training on this machine, by the workload of the experiment, in a child as always."""

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
        super().__init__(live.watch(parameters), tell)
        self._experiment, self._parameters, self._seed = experiment, dict(parameters), seed
        self._log, self._chosen_floor_w = log, chosen_floor_w
        self._worker: _LiveWorker | None = None
        # Joules and seconds of work at the end of the last closed stretch.
        self._before: dict[str, float] = {READ: 0.0}
        self._worked_s = 0.0

    def interrupt(self) -> None:
        super().interrupt()
        if self._worker is not None:
            self._worker.kill()

    def _play(self) -> None:
        holder = f"a training that is watched ({self._experiment})"
        with machine_lock(holder, lambda words: self._tell({"event": "waits", "reason": words}), self._go_on):
            self._train()

    def _train(self) -> None:
        self._tell({"event": "prepares"})
        job = Job(rests=True)
        sources, _ = discover(job)
        watch_descendants()
        context = fork_server(self._experiment, usable_cores())
        with Sampler(sources) as sampler:
            floor_w = floor_power_w([channel.domain for channel in sampler.channels], self._chosen_floor_w)
            self._go_on()
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
                self._turns(worker, sampler, floor_w)
            finally:
                worker.kill()
        self._tell({"event": "ends"})

    def _turns(self, worker: _LiveWorker, sampler: Sampler, floor_w: float) -> None:
        rests = worker.turn()
        while rests:
            self._account(worker, sampler, floor_w)
            self._rest()
            rests = worker.turn(self._asked())
        self._go_on()
        if worker.window.failure:
            raise RuntimeError(worker.window.failure)
        self._account(worker, sampler, floor_w)

    def _account(self, worker: _LiveWorker, sampler: Sampler, floor_w: float) -> None:
        """Tells what was seen in the stretch that was just closed, with the joules until each point."""
        stretch = worker.window.stretches[-1]
        sampler.flush()
        measured = measure(sampler, [stretch], {}, floor_w)
        of_stretch = {READ: measured.energy_j} | {each.model: each.energy_j for each in measured.models}
        taken = {name: energy_j for name, energy_j in of_stretch.items() if energy_j is not None}

        def until(at_s: float) -> dict[str, float]:
            share = (at_s - stretch.start_s) / stretch.duration_s
            energies = {name: self._before.get(name, 0.0) + share * all_j for name, all_j in taken.items()}
            # What is read has a course; of models nothing but the mean power over the stretch is known.
            return energies | {READ: self._before[READ] + _read_j(sampler, stretch, at_s, floor_w)}

        points = [
            self._shown(data, self._worked_s + at_s - stretch.start_s, until(at_s))
            for at_s, data in worker.seen
        ]
        answers, worker.seen, worker.answers = worker.answers, [], []
        self._before = {name: self._before.get(name, 0.0) + all_j for name, all_j in taken.items()}
        self._before.setdefault(READ, 0.0)
        self._worked_s += stretch.duration_s
        sampler.discard_before(stretch.start_s)
        if answers:
            self._tell({"event": "answers", "answers": answers})
        if points:
            self._tell({"event": "seen", "points": points})

    def _asked(self) -> list[Any]:
        questions = []
        while not self._questions.empty():
            questions.append(self._questions.get())
        return questions


def _read_j(sampler: Sampler, stretch: Stretch, at_s: float, floor_w: float) -> float:
    if at_s <= stretch.start_s:
        return 0.0
    whole = total(sampler.readings(stretch.start_s, at_s), at_s - stretch.start_s, floor_w)
    return whole.energy_j if whole else 0.0


class Replay(Show):
    """A training of a released campaign, played again at `speed` times its own."""

    def __init__(self, recorded: Recorded, speed: float, watch: Watch, tell: Tell) -> None:
        super().__init__(watch, tell)
        self._recorded, self._speed = recorded, speed

    def ask(self, question: Any) -> None:  # noqa: ARG002
        raise ValueError("of a recorded training the network is not kept: train one to ask it")

    def _play(self) -> None:
        recorded = self._recorded
        self._tell(
            {
                "event": "begins",
                "parameters": recorded.parameters,
                "seed": recorded.seed,
                "provenance": recorded.provenance,
            }
        )
        shown_s, waiting = 0.0, []
        for point, time_s, energies_j in recorded.points:
            waiting.append(self._shown(point, time_s, energies_j))
            # As often as a training that is metered tells.
            due_s = (time_s - shown_s) / self._speed
            if due_s >= 1.0:
                self._wait(due_s)
                self._tell({"event": "seen", "points": waiting})
                shown_s, waiting = time_s, []
        if waiting:
            self._tell({"event": "seen", "points": waiting})
        self._tell({"event": "ends"})

    def _wait(self, seconds: float) -> None:
        if self._is_stopped.wait(seconds):
            raise Stopped
        self._rest()
