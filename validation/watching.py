"""What watching a training run costs it: steps per second, watched over not watched.

    python -m validation.watching [RUNS]

A page of `joules live` is open in a browser on this machine. A run works in segments of about a second and
reports to the page in two of every four. The second segments of these pairs are compared, since the page
draws during them. Prints the geometric mean of the ratio of steps per second with its 95 % interval, and the
share of time in which the run was paused to report, which is not part of its window.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from joules.live.session import LiveSession
from validation.arguments import parse_numbers
from validation.browser import chromium

_CHOICES = {"architecture": "mlp", "learning_rate": 0.01, "train_fraction": 0.7, "steps": 6000}
# Environment variable that names the file for notes of the child.
_NOTES = "JOULES_WATCHING_NOTES"


class Alternating(LiveSession):
    """Reports in two of every four segments, and records the speed of each."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._number = 0
        self._steps: list[tuple[int, float]] = []
        self._reporting_s = 0.0

    def report_point(self, make_point: Callable[[], dict[str, Any]]) -> None:
        if self._number % 4 < 2:
            begun_s = time.monotonic()
            super().report_point(make_point)
            self._reporting_s += time.monotonic() - begun_s

    def step(self, index: int) -> None:
        super().step(index)
        self._steps.append((index, time.monotonic()))

    def pause_if_due(self, progress: float, answer: Callable[[Any], Any]) -> None:
        paused_s, resumed_s = time.monotonic(), self._resumed_s
        super().pause_if_due(progress, answer)
        if self._resumed_s == resumed_s:
            return
        # The first segment may end before the first step.
        (first, from_s), (last, to_s) = self._steps[0], self._steps[-1]
        note = {
            "number": self._number,
            "steps_per_s": (last - first) / (to_s - from_s) if to_s > from_s else None,
            "worked_s": paused_s - resumed_s,
            "paused_s": self._resumed_s - paused_s,
            "reporting_s": self._reporting_s,
        }
        with Path(os.environ[_NOTES]).open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(note) + "\n")
        self._number += 1
        self._steps, self._reporting_s = [], 0.0
        self._resumed_s = time.monotonic()


def serve() -> None:
    """Runs `joules live` with the session above."""
    from joules.cli import main as joules
    from joules.live import training

    training._LiveWorker.session_class = Alternating
    joules(["live", "--no-browser"])


def main() -> None:
    runs = parse_numbers(__doc__, runs=8).runs
    logs: list[float] = []
    notes: list[dict[str, Any]] = []
    with chromium() as browser:
        for number in range(runs):
            mine = _watched(browser, number)
            notes += mine
            # The first four warm up.
            rates = {note["number"]: note["steps_per_s"] for note in mine if note["number"] >= 4}
            pairs = [(rates[place], rates.get(place + 2)) for place in rates if place % 4 == 1]
            logs += [float(np.log(told / alone)) for told, alone in pairs if alone is not None]
            print(f"run {number + 1} of {runs}: {len(logs)} pairs so far", flush=True)
    reach = stats.sem(logs) * stats.t.ppf(0.975, len(logs) - 1)
    low, middle, high = np.exp(np.mean(logs) + np.array([-reach, 0.0, reach]))
    print(f"steps/s, watched over not watched: {middle:.4f} [{low:.4f}, {high:.4f}] ({len(logs)} pairs)")
    told = [note for note in notes if note["reporting_s"]]
    reporting = sum(note["reporting_s"] for note in told) / sum(note["worked_s"] for note in told)
    paused_s, worked_s = (sum(note[name] for note in notes) for name in ("paused_s", "worked_s"))
    print(f"reporting takes {100 * reporting:.2f} % of the window")
    print(f"paused for {100 * paused_s / (paused_s + worked_s):.1f} % of the time")


def _watched(browser: Any, seed: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder, "notes.jsonl")
        server = subprocess.Popen(
            [sys.executable, "-c", "from validation.watching import serve; serve()"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {_NOTES: str(notes)},
        )
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())[0]  # type: ignore[index]
        page = browser.new_page(viewport={"width": 1000, "height": 1600})
        try:
            page.goto(address)
            page.evaluate("choices => act('begin', choices)", {**_CHOICES, "seed": seed})
            page.wait_for_function(
                "() => /has ended|failed/.test(document.getElementById('told').textContent)", timeout=600_000
            )
        finally:
            page.close()
            server.send_signal(signal.SIGINT)
            server.wait()
        return [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
