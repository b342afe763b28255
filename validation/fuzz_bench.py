"""A worker of the bench whose child is made of what it sends."""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from joules.bench.accounting import make_window_fields
from joules.bench.record import Run, Sentinel, Spent, format_record, parse_record
from joules.bench.window import FINISHED
from joules.bench.worker import Worker
from joules.instrument.host import machine
from joules.instrument.host.processes import Job
from joules.instrument.sampler import Sampler
from joules.instrument.segments import observe
from joules.instrument.source import Channel, Source

# Larger than any process id of Linux.
_NO_PROCESS = 2**22 + 1
# The marks of a run that ends well, in their order.
GOOD: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("devices", {"gpu": False}),
    ("ready", {}),
    ("start", {}),
    ("phase_start", {"name": "training"}),
    ("step", {"index": 1}),
    ("phase_end", {"name": "training"}),
    ("pause", {"progress": 0.5}),
    ("start", {}),
    ("end", {}),
    ("threads", {"given": 2, "asked": 2, "at_work": 1}),
    ("evaluated", {"cpu_s": 0.5}),
    ("metrics", {"loss": 1.0}),
)

# Fields of a record that do not follow from marks.
_FIELDS: Mapping[str, Any] = {
    **{"meter_version": 1, "fingerprint": "", "experiment": "any", "arm": "any", "block": 0, "position": 0},
    **{"seed": 0, "scale": "smoke", "parameters": {}, "session": "", "measured_at": "", "versions": {}},
    **{"machine": machine.describe(), "threads": 1, "environment": {}, "floor_power_w": 0.0},
    "sentinel": Sentinel(before_s=0.0, after_s=0.0),
    "spent": Spent(duration_s=0.0, energy_j=None),
    "peak_memory_bytes": None,
}


class _Constant(Source):
    """A counter of one watt."""

    period_s = 0.05

    channels = (Channel("cpu", "simulated", "counter", "cumulative_j", "one watt"),)

    def read(self) -> Mapping[Channel, float]:
        return {self.channels[0]: time.monotonic()}


class SentWorker(Worker):
    """A worker whose child has sent these contents and ended.

    Args:
        sampler: Reads the sources.
        sources: Sources of energy.
        contents: What the child has sent over its pipe, in order.
        log: Path of its log, which is not written.
    """

    def __init__(
        self, sampler: Sampler, sources: Sequence[Source], contents: Sequence[bytes], log: Path
    ) -> None:
        super().__init__(_SentContext(contents), Job(), sampler, sources, "any", {}, 0, log, time_limit_s=5.0)


class _SentContext:
    """In place of a multiprocessing context and its process."""

    exitcode, pid = 0, _NO_PROCESS

    def __init__(self, contents: Sequence[bytes]) -> None:
        self._contents = contents

    def Process(self, target: object, args: tuple[Any, ...]) -> _SentContext:  # noqa: ARG002, N802
        self._pipe: Connection = args[0]
        return self

    def start(self) -> None:
        # What the worker answers is kept here, where nothing reads it.
        self._kept = socket.socket(fileno=os.dup(self._pipe.fileno()))
        for content in self._contents:
            self._pipe.send_bytes(content)
        self._kept.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        self._kept.close()

    def join(self, timeout_s: float | None = None) -> None:  # noqa: ARG002
        self._kept.close()

    def is_alive(self) -> bool:
        return False


def fuzz_marks(folder: Path, anything: Callable[[random.Random], object]) -> Callable[[random.Random], None]:
    """Lets a worker follow a child that sends any marks in any order, and makes the record of its window."""
    source = _Constant()
    sampler = Sampler([source])

    def follow(chance: random.Random) -> None:
        contents = list(_course(chance, anything))
        with mock.patch("joules.bench.worker.time_sentinel_s", return_value=0.02):
            worker = SentWorker(sampler, [source], contents, folder / "log")
            while worker.run_turn():
                pass
        window = worker.window
        assert window.failure or window.stage == FINISHED, "a run neither failed nor finished"
        measured = None
        if window.is_closed:
            sampler.flush()
            measured = observe(sampler, window.segments, {}, 0.0).measure()
        fields = make_window_fields(window, measured, lambda _from_s, _to_s: None, [])
        fields |= {"failure": window.failure, "metrics": window.metrics, "after": worker.after}
        parse_record(format_record(Run(**_FIELDS, **fields)).encode())
        sampler.discard_before(sampler.now())

    sampler.__enter__()
    return follow


def _course(chance: random.Random, anything: Callable[[random.Random], object]) -> Iterator[bytes]:
    """What a child sends: a good course with marks left out, repeated, swapped or changed."""
    course: list[dict[str, Any]] = [{"name": name, "data": dict(data)} for name, data in GOOD]
    for _ in range(chance.randint(0, 3)):
        place = chance.randrange(len(course))
        match chance.randrange(5):
            case 0:
                course.pop(place) if len(course) > 1 else None
            case 1:
                course.insert(place, course[chance.randrange(len(course))])
            case 2:
                course[place] = {"name": anything(chance), "data": anything(chance)}
            case 3:
                course[place] = course[place] | {
                    "data": {"name": anything(chance), "index": anything(chance)}
                }
            case _:
                course[place] = course[place] | {"at_s": anything(chance)}
    now_s = time.monotonic() - 1.0
    for number, mark in enumerate(course):
        at_s = mark.get("at_s", now_s + number / 1000)
        content = json.dumps([mark["name"], at_s, mark["data"]]).encode()
        yield content if chance.random() < 0.97 else content[: chance.randrange(len(content))]
