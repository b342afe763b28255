"""The child's side of a training run that is watched."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from joules.workload.session import Session

# Seconds of work between pauses. At each pause the parent can hold, ask or stop the run.
PAUSE_EVERY_S = 1.0


class LiveSession(Session):
    """A session that reports points of a training run, and answers questions while it is paused."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._resumed_s = -math.inf

    def report_point(self, make_point: Callable[[], dict[str, Any]]) -> None:
        """Reports one evaluation.

        Args:
            make_point: Makes its results by name, any JSON values.
        """
        self._mark("point", **make_point())

    def pause_if_due(self, progress: float, answer: Callable[[Any], Any]) -> None:
        """Pauses if the last pause was at least `PAUSE_EVERY_S` ago. The window is closed during a pause.

        The first call always pauses: however short the training, its network is asked before it has learnt.
        The last pause, at a progress of 1, is repeated for as long as the parent asks questions.

        Args:
            progress: Share of the work done so far, from 0 to 1.
            answer: Answers one question of the parent.
        """
        is_last = progress >= 1
        if not is_last and time.monotonic() - self._resumed_s < PAUSE_EVERY_S:
            return
        is_asked = True
        while is_asked:
            self._mark("pause", progress=progress)
            questions = self._wait()
            if isinstance(questions, list):
                self._mark("answers", answers=[answer(question) for question in questions])
            self._mark("start")
            is_asked = is_last and bool(questions) and isinstance(questions, list)
        self._resumed_s = time.monotonic()
