"""What watching a training takes from it: optimiser steps a second, watched over not watched.

    python -m validation.watching [TRAININGS]

A page of `joules live` is open in a browser on this machine. A training works in stretches of about a second,
and is told to the page in every two of four and not in the others: the second of each two are compared, the
drawing of the first falls into it. Prints the geometric mean of the ratios of steps a second with its 95 %
interval, and the share of the time in which the training was stopped for its page to be told, which is no
part of its window.
"""

from __future__ import annotations

import argparse
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
from validation.browser import chromium

_CHOICES = {"architecture": "mlp", "learning_rate": 0.01, "train_fraction": 0.7, "steps": 6000}
# Where the child notes its stretches.
_NOTES = "JOULES_WATCHING_NOTES"


class Alternating(LiveSession):
    """Tells what it sees in every two of four stretches, and notes how each went."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._number = 0
        self._steps: list[tuple[int, float]] = []
        self._telling_s = 0.0

    def seen(self, point: Callable[[], dict[str, Any]]) -> None:
        if self._number % 4 < 2:
            begun_s = time.monotonic()
            super().seen(point)
            self._telling_s += time.monotonic() - begun_s

    def step(self, index: int) -> None:
        super().step(index)
        self._steps.append((index, time.monotonic()))

    def breathe(self, progress: float, answer: Callable[[Any], Any]) -> None:
        stopped_s, woke_s = time.monotonic(), self._woke_s
        super().breathe(progress, answer)
        if self._woke_s == woke_s:
            return
        # Before the first step is done a stretch may be over.
        (first, from_s), (last, to_s) = self._steps[0], self._steps[-1]
        note = {
            "number": self._number,
            "steps_per_s": (last - first) / (to_s - from_s) if to_s > from_s else None,
            "worked_s": stopped_s - woke_s,
            "stopped_s": self._woke_s - stopped_s,
            "telling_s": self._telling_s,
        }
        with Path(os.environ[_NOTES]).open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(note) + "\n")
        self._number += 1
        self._steps, self._telling_s = [], 0.0
        self._woke_s = time.monotonic()


def serve() -> None:
    """`joules live` with the session above."""
    from joules.cli import main as joules
    from joules.live import training

    training._LiveWorker.session_class = Alternating
    joules(["live", "--no-browser"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trainings", type=int, nargs="?", default=8)
    options = parser.parse_args()
    logs: list[float] = []
    notes: list[dict[str, Any]] = []
    with chromium() as browser:
        for number in range(options.trainings):
            mine = _watched(browser, number)
            notes += mine
            # The first four warm up.
            rates = {note["number"]: note["steps_per_s"] for note in mine if note["number"] >= 4}
            pairs = [(rates[place], rates.get(place + 2)) for place in rates if place % 4 == 1]
            logs += [float(np.log(told / alone)) for told, alone in pairs if alone is not None]
            print(f"training {number + 1} of {options.trainings}: {len(logs)} pairs so far", flush=True)
    reach = stats.sem(logs) * stats.t.ppf(0.975, len(logs) - 1)
    low, middle, high = np.exp(np.mean(logs) + np.array([-reach, 0.0, reach]))
    print(f"{middle:.4f} [{low:.4f}, {high:.4f}] of the steps a second that are not told ({len(logs)} pairs)")
    told = [note for note in notes if note["telling_s"]]
    telling = sum(note["telling_s"] for note in told) / sum(note["worked_s"] for note in told)
    stopped_s, worked_s = (sum(note[name] for note in notes) for name in ("stopped_s", "worked_s"))
    print(f"telling takes the child {100 * telling:.2f} % of its window")
    print(f"stopped for {100 * stopped_s / (stopped_s + worked_s):.1f} % of the time")


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
                "/over|failed/.test(document.getElementById('told').textContent)", timeout=600_000
            )
        finally:
            page.close()
            server.send_signal(signal.SIGINT)
            server.wait()
        return [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
