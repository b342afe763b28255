"""Slowdown of work by the meter, compared with CodeCarbon's tracker at the same sampling interval.

    python -m validation.overhead [ROUNDS]

A child process repeats the same matrix products on every core. Each round times one piece of work unmetered,
one with this meter and one with CodeCarbon's tracker, in random order, so that drift of the machine affects
all three equally. Prints the median slowdown with a bootstrap interval. Run it on a quiet machine.
"""

from __future__ import annotations

import logging
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import numpy as np

from joules.instrument.sampler import Sampler
from joules.instrument.sources import discover
from validation.arguments import parse_numbers
from validation.summary import median_interval

PIECE_S = 1.5
CADENCE_S = 1.0


def worker(connection: Connection) -> None:
    """Answers each request with the seconds a fixed number of products took."""
    import torch

    left, right = torch.randn(512, 512), torch.randn(512, 512)

    def products(count: int) -> float:
        start_s = time.perf_counter()
        for _ in range(count):
            left @ right
        return time.perf_counter() - start_s

    products(200)
    count = int(200 * PIECE_S / products(200))
    while connection.recv():
        # Not timed: the start of a meter is not metering, and must not leave cold caches for the timed work.
        products(count // 5)
        connection.send(products(count))


@contextmanager
def ours() -> Iterator[None]:
    with Sampler(discover()[0]):
        yield


@contextmanager
def codecarbon() -> Iterator[None]:
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="USA",
        measure_power_secs=CADENCE_S,
        save_to_file=False,
        log_level="critical",
        allow_multiple_runs=True,
    )
    tracker.start()
    try:
        yield
    finally:
        tracker.stop()


@contextmanager
def unmetered() -> Iterator[None]:
    yield


def main(rounds: int) -> None:
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=worker, args=(there,), daemon=True)
    process.start()
    arms: dict[str, Callable[[], object]] = {
        "unmetered": unmetered,
        "ours": ours,
        "codecarbon": codecarbon,
    }
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for index in range(rounds):
        for name in random.sample(list(arms), len(arms)):
            with arms[name]():  # type: ignore[attr-defined]
                here.send(True)
                taken[name].append(here.recv())
        print(f"round {index + 1}/{rounds}", file=sys.stderr, end="\r")
    here.send(False)
    process.join()
    base = np.array(taken["unmetered"])
    for name in ("ours", "codecarbon"):
        slowdown = 100 * (np.array(taken[name]) / base - 1)
        median, low, high = median_interval(slowdown)
        print(f"{name:12} median slowdown {median:+.2f} % [{low:+.2f}, {high:+.2f}] over {rounds} pairs")


if __name__ == "__main__":
    main(parse_numbers(__doc__, rounds=40).rounds)
