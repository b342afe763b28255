"""Uses every public name of the package; mypy --strict must accept it (test_public.py)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from joules import (
    METER_VERSION,
    Measurement,
    Meter,
    Reading,
    Repeat,
    Repeats,
    Total,
    UserError,
    Window,
    Windows,
    __version__,
    load_ipython_extension,
)


def use_everything() -> None:
    with Meter(idle_s=0.1, floor_w=None, without_gpu=True) as meter:

        @meter.measure("add")
        def add(a: int, b: int) -> int:
            return a + b

        @meter.measure()
        async def wait(seconds: float) -> float:
            await asyncio.sleep(seconds)
            return seconds

        @meter.measure()
        def count(end: int) -> Iterator[int]:
            yield from range(end)

        total: int = add(1, 2) + sum(count(3))
        slept: float = asyncio.run(wait(0.01))
        window: Window = meter.begin_window("again")
        measured: Measurement = meter.end_window(window)
        with meter.window("body") as body:
            time.sleep(slept)
        repeats: Repeats = meter.profile(lambda: time.sleep(0.01), within=0.5, budget_s=0.1)
        windows: Windows = meter.windows
        try:
            meter.end_window("unknown")
        except UserError as fault:
            print(fault, total)
        reading: Reading = measured.domains["cpu"]
        sum_j: Total | None = measured.total
        energy_j: float | None = body.energy_j
        repeat: Repeat = repeats.counted[0]
        low_j, high_j = repeats.energy_interval_j
        rows: list[dict[str, object]] = windows.to_rows()
        grams: float | None = measured.co2e_g("WOR")
        numbers: list[float | None] = [
            measured.energy_kwh,
            measured.power_w,
            grams,
            energy_j,
            repeat.energy_j,
        ]
        print(low_j <= repeats.energy_j <= high_j, reading, sum_j, rows, numbers)
    print(__version__, METER_VERSION, load_ipython_extension)


if __name__ == "__main__":
    use_everything()
