"""Compares the energy counter of a GPU with the integral of its sampled power, for known loads.

    python -m validation.counter [ROUNDS]

Needs an NVIDIA GPU with an energy counter. A child process idles, multiplies matrices, runs inference with a
ResNet-50, or multiplies for 50 ms of every 100 ms, the hardest load for a sensor that sees 25 ms of them.
Rounds are in random order. Prints the median and the range of the error of the integral and of naive sampling
once per second, in per cent of the counter, and how often each instrument has a new value.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import numpy as np
import pandas as pd

from joules.errors import UserError
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source, SourceError
from joules.instrument.sources import discover
from validation.arguments import parse_numbers

WINDOW_S, WARM_S = 10.0, 2.0
NAIVE_S = 1.0
WATCH_S = 3.0
BURST_S = 0.05
SIDE = 8192
LOADS = ("idle", "matrix products", "ResNet-50, batch of 64", "products, 50 of 100 ms")


def worker(connection: Connection) -> None:
    """Run the load that was last received, and answer when it begins."""
    import torch
    import torchvision

    left, right = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    network = torchvision.models.resnet50(weights=None).cuda().eval()
    images = torch.randn(64, 3, 224, 224, device="cuda")

    def burst() -> None:
        until_s = time.perf_counter() + BURST_S
        while time.perf_counter() < until_s:
            left @ right
            torch.cuda.synchronize()
        time.sleep(BURST_S)

    steps: list[Callable[[], object]] = [
        lambda: time.sleep(0.01),
        lambda: left @ right,
        lambda: network(images),
        burst,
    ]
    by_load = dict(zip(LOADS, steps, strict=True))
    with torch.inference_mode():
        while load := connection.recv():
            by_load[load]()
            connection.send("working")
            while not connection.poll():
                by_load[load]()
                torch.cuda.synchronize()


@contextmanager
def loaded() -> Iterator[Callable[[str], None]]:
    """Start a child process that loads the GPU.

    Yields:
        A function that sets the load and returns once the load has begun.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=worker, args=(there,), daemon=True)
    process.start()
    there.close()

    def begin(load: str) -> None:
        here.send(load)
        try:
            here.recv()
        except EOFError:
            raise UserError("the child that loads the GPU ended: see its error above") from None
        time.sleep(WARM_S)

    try:
        yield begin
    finally:
        process.kill()
        process.join()


def window(meter: Sampler, duration_s: float) -> list[dict[str, object]]:
    """Compare counter and sampled power over one window.

    Returns:
        One row for every GPU with both: mean power by the counter in watts, and errors of the methods that
        sample power, in per cent of the counter.
    """
    start_s = meter.now()
    time.sleep(duration_s)
    end_s = meter.now()
    meter.flush()
    readings = {(r.domain, r.provenance): r.energy_j for r in meter.readings(start_s, end_s)}
    rows: list[dict[str, object]] = []
    for course in meter.power(start_s, end_s):
        counted_j = readings.get((course.domain, "counter"))
        integral_j = readings.get((course.domain, "sampled"))
        if course.form != "instant_w" or not counted_j or integral_j is None:
            continue
        asked_s = np.arange(0, end_s - start_s, NAIVE_S)
        seen = np.searchsorted(course.from_s, asked_s, side="right") - 1
        naive_w = float(np.mean(np.asarray(course.power_w)[np.maximum(seen, 0)]))
        counted_w = counted_j / (end_s - start_s)
        rows.append(
            {
                "gpu": course.domain,
                "power_w": counted_w,
                "integral": 100 * (integral_j / counted_j - 1),
                f"naive {NAIVE_S:g} s": 100 * (naive_w / counted_w - 1),
            }
        )
    return rows


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Median [least, largest] of every column by GPU and load."""

    def said(values: pd.Series[float]) -> str:
        return f"{values.median():.2f} [{values.min():.2f}, {values.max():.2f}]"

    return rows.groupby(["gpu", "load"], sort=False).agg(said)


def update_period_s(
    source: Source, duration_s: float, clock: Callable[[], float] = time.monotonic
) -> dict[str, float]:
    """Median time between two changes of each channel's value, in seconds, when read as fast as possible."""
    changes: dict[str, list[float]] = {}
    last: dict[str, float] = {}
    until_s = clock() + duration_s
    while (now_s := clock()) < until_s:
        for channel, value in source.read().items():
            name = f"{channel.domain} {channel.source}"
            if not isinstance(value, SourceError) and last.get(name) != value:
                changes.setdefault(name, []).append(now_s)
                last[name] = value
    return {name: float(np.median(np.diff(at_s))) for name, at_s in changes.items() if len(at_s) > 2}


def main(rounds: int) -> None:
    sources, absent = discover()
    gpus = [source for source in sources if any(c.domain.startswith("gpu") for c in source.channels)]
    if not gpus:
        raise UserError(absent["nvml"])
    if not any(channel.provenance == "counter" for channel in gpus[0].channels):
        raise UserError("no GPU of this machine has an energy counter: use Volta or a later one")
    rows = []
    with Sampler(sources) as meter, loaded() as begin:
        begin(LOADS[1])
        for name, period_s in update_period_s(gpus[0], WATCH_S).items():
            print(f"{name}: a new value every {1000 * period_s:.0f} ms")
        for index in range(rounds):
            for load in random.sample(LOADS, len(LOADS)):
                print(f"round {index + 1}/{rounds}: {load}", file=sys.stderr)
                begin(load)
                rows += [{"load": load, **row} for row in window(meter, WINDOW_S)]
    print(table(pd.DataFrame(rows)).to_string())


if __name__ == "__main__":
    try:
        main(parse_numbers(__doc__, rounds=5).rounds)
    except UserError as fault:
        sys.exit(f"error: {fault}")
