"""The child's side of a training that is watched."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from joules.workload.session import Session

# Seconds of work between rests: at each the parent may pause it, ask it or stop it.
REST_EVERY_S = 1.0


class LiveSession(Session):
    """A session that tells the parent what the training sees, and hears questions while it rests."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._woke_s = time.monotonic()

    def seen(self, point: Callable[[], dict[str, Any]]) -> None:
        """What an evaluation has shown, any JSON values."""
        self._mark("seen", **point())

    def breathe(self, progress: float, answer: Callable[[Any], Any]) -> None:
        """Rests where the last rest is long enough ago. The window is closed while `answer` turns the
        questions that the parent has sent into answers."""
        if time.monotonic() - self._woke_s < REST_EVERY_S:
            return
        self._mark("rest", progress=progress)
        questions = self._wait()
        if isinstance(questions, list):
            self._mark("answers", answers=[answer(question) for question in questions])
        self._mark("start")
        self._woke_s = time.monotonic()
