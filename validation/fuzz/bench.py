"""A worker of the bench whose child is made of what it sends."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from joules.bench.worker import Worker
from joules.instrument.host.processes import Job
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source

# Larger than any process id of Linux.
_NO_PROCESS = 2**22 + 1


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
