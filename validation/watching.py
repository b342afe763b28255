"""What watching a training takes from it: optimiser steps a second, watched over not watched.

    python -m validation.watching [PAIRS] [--picture FILE]

Each round trains the same network three times in random order: by the bench as a campaign does; under `joules
live` with nobody at the page; and with the page open in a browser on the same machine. A rate counts the
seconds in which the window was open, as those of a campaign do: at its rests, about one a second, a watched
training is stopped for its page to be told. Prints the geometric mean of the ratios with its 95 % interval,
and the same by the clock on the wall, rests included. With `--picture` the last page is kept as a PNG.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from experiments.grokking import live
from joules.bench.environment import fork_server
from joules.bench.lock import machine_lock
from joules.bench.worker import Worker
from joules.instrument.host.contention import watch_descendants
from joules.instrument.host.limits import usable_cores
from joules.instrument.host.processes import Job
from joules.instrument.sampler import Sampler
from joules.instrument.sources import discover
from validation.browser import chromium

_CHOICES = {"architecture": "mlp", "learning_rate": 0.01, "train_fraction": 0.7, "steps": 2000}
# Rates begin here: before, kernels and caches are warmed.
_FROM_STEP = 100

# Steps a second of open window, and of the wall's clock.
Rates = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=int, nargs="?", default=6)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    rates: dict[str, list[Rates]] = {name: [] for name in _WAYS}
    with chromium() as browser:
        for number in range(options.pairs):
            for name in random.sample(list(_WAYS), len(_WAYS)):
                rates[name].append(_WAYS[name](browser, options.picture))
                print(
                    f"round {number + 1} of {options.pairs}: {name} {rates[name][-1][0]:.1f} steps/s",
                    flush=True,
                )
    for name in list(_WAYS)[1:]:
        for place, clock in enumerate(("open window", "wall")):
            logs = np.log(
                [mine[place] / alone[place] for mine, alone in zip(rates[name], rates["alone"], strict=True)]
            )
            reach = stats.sem(logs) * stats.t.ppf(0.975, len(logs) - 1)
            low, middle, high = np.exp(logs.mean() + np.array([-reach, 0.0, reach]))
            print(f"{name}: {middle:.4f} [{low:.4f}, {high:.4f}] of the steps a second not watched ({clock})")


def _alone(_browser: Any, _picture: Path | None) -> Rates:
    with machine_lock("validation.watching", print), tempfile.TemporaryDirectory() as folder:
        job = Job(rests=True)
        sources, _ = discover(job)
        watch_descendants()
        context = fork_server("grokking", usable_cores())
        parameters = live.parameters(live.Choices.model_validate(_CHOICES))
        with Sampler(sources) as sampler:
            worker = Worker(
                context, job, sampler, sources, "grokking", parameters, 0, Path(folder, "log"), 3600.0
            )
            while worker.turn():
                pass
    window = worker.window
    if window.failure:
        raise RuntimeError(window.failure)
    seen = [(step, window.worked_s(at_s), at_s) for step, at_s in window.steps]
    return _rates(seen)


def _rates(seen: list[tuple[int, float, float]]) -> Rates:
    (first, worked_s, wall_s), last = next(each for each in seen if each[0] >= _FROM_STEP), seen[-1]
    return (last[0] - first) / (last[1] - worked_s), (last[0] - first) / (last[2] - wall_s)


def _served(browser: Any, picture: Path | None, *, is_open: bool) -> Rates:
    server = subprocess.Popen(
        [sys.executable, "-m", "joules", "live", "--no-browser"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    address = re.search(r"http://\S+", server.stdout.readline())[0]  # type: ignore[index]
    page = browser.new_page(viewport={"width": 1000, "height": 1500}) if is_open else None
    try:
        if page:
            page.goto(address)
        with urllib.request.urlopen(f"{address}events") as events:
            request = urllib.request.Request(
                f"{address}begin", json.dumps(_CHOICES).encode(), {"Content-Type": "application/json"}
            )
            urllib.request.urlopen(request).close()
            seen = []
            for line in events:
                event = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if event.get("event") == "seen":
                    # All points of a stretch are told at its end: the last is the one whose instant is known.
                    now_s = time.monotonic()
                    seen.append((event["points"][-1]["step"], event["points"][-1]["time_s"], now_s))
                if event.get("event") == "failed":
                    raise RuntimeError(event["reason"])
                if event.get("event") == "ends":
                    break
        if page and picture:
            page.screenshot(path=picture)
    finally:
        if page:
            page.close()
        server.send_signal(signal.SIGINT)
        server.wait()
    return _rates(seen)


_WAYS = {
    "alone": _alone,
    "watched by nobody": lambda browser, picture: _served(browser, picture, is_open=False),
    "watched in a browser": lambda browser, picture: _served(browser, picture, is_open=True),
}


if __name__ == "__main__":
    main()
