"""Errors of the meter and of naive sampling, for power with a known energy.

    python -m validation.accuracy [TRIALS]

Each trial draws the phase of a waveform and replays it through an energy counter that is updated every 100 ms
and a power sensor that sees 25 of every 100 ms (Yang, Adamek, Armour, SC24: A100 and H100). Both are read
every 50 ms with jitter. The energy of a window is compared with the integral of the waveform.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.instrument.power_trace import PowerTrace
from joules.instrument.source import Channel
from validation.arguments import parse_numbers

Floats = NDArray[np.float64]

UPDATE_S, SENSED_S = 0.1, 0.025
READ_S, JITTER_S = 0.05, 0.005
LONG_S, SHORT_S = 60.0, 5.0
NAIVE_S = (0.1, 1.0, 10.0, 15.0)
LOW_W, HIGH_W = 80.0, 400.0

COUNTER = Channel("gpu0", "counter", "counter", "cumulative_j", "simulated", resolution_j=1e-3)
POWER = Channel("gpu0", "power", "sampled", "instant_w", "simulated")


@dataclass(frozen=True)
class Wave:
    """Energy in joules at the knots `times`, power constant in between."""

    times: Floats
    energies: Floats

    def energy(self, at_s: Floats | float) -> Floats:
        return np.interp(np.asarray(at_s), self.times, self.energies)


def _from_powers(edges: Floats, powers: Floats) -> Wave:
    return Wave(edges, np.concatenate([[0.0], np.cumsum(powers * np.diff(edges))]))


def constant(_: np.random.Generator, until_s: float) -> Wave:
    return _from_powers(np.array([0.0, until_s]), np.array([200.0]))


def square(period_s: float) -> Callable[[np.random.Generator, float], Wave]:
    def wave(random: np.random.Generator, until_s: float) -> Wave:
        starts = np.arange(0, until_s + period_s, period_s) + random.uniform(0, period_s)
        edges = np.sort(np.concatenate([[0.0], starts, starts + period_s / 2]))
        powers = np.where(np.arange(len(edges) - 1) % 2 == 1, HIGH_W, LOW_W)
        return _from_powers(edges, powers)

    return wave


def bursts(random: np.random.Generator, until_s: float) -> Wave:
    lengths = random.exponential([0.4, 0.08], size=(int(until_s * 4), 2))
    edges = np.concatenate([[0.0], np.cumsum(lengths.ravel())])
    powers = np.tile([LOW_W, HIGH_W], len(lengths))
    return _from_powers(edges, powers)


def ramps(random: np.random.Generator, until_s: float) -> Wave:
    edges = np.arange(0, until_s, 1e-3)
    rise = (edges[:-1] + random.uniform(0, 2)) % 2 / 2
    return _from_powers(edges, LOW_W + (HIGH_W - LOW_W) * rise)


WAVES: dict[str, Callable[[np.random.Generator, float], Wave]] = {
    "constant": constant,
    **{f"square {round(1e3 * period_s)} ms": square(period_s) for period_s in (0.01, 0.02, 0.05, 0.1, 0.2)},
    "bursts": bursts,
    "ramps": ramps,
}


def trial(
    make: Callable[[np.random.Generator, float], Wave], random: np.random.Generator
) -> dict[str, float]:
    """Measure one window.

    Returns:
        Relative errors by method, and the meter's standard uncertainty relative to its error.
    """
    wave = make(random, LONG_S + 4)
    start_s = 1.0 + random.uniform(0, 1)
    reads = np.arange(0.5, LONG_S + 3, READ_S)
    reads = reads + random.uniform(0, JITTER_S, len(reads))
    phase_s = random.uniform(0, UPDATE_S)
    updates = np.floor((reads - phase_s) / UPDATE_S) * UPDATE_S + phase_s
    counter, power = PowerTrace(COUNTER), PowerTrace(POWER)
    sensed = (wave.energy(updates) - wave.energy(updates - SENSED_S)) / SENSED_S
    for at_s, joules, watts in zip(reads, wave.energy(updates), sensed, strict=True):
        counter.append(float(at_s), float(joules))
        power.append(float(at_s), float(watts))
    errors: dict[str, float] = {}
    for name, length_s in (("ours", LONG_S), (f"ours {SHORT_S:g} s window", SHORT_S)):
        truth = float(wave.energy(start_s + length_s) - wave.energy(start_s))
        estimate = counter.energy(start_s, start_s + length_s)
        error_j = estimate.energy_j - truth
        errors[name] = error_j / truth
        errors[f"covered {name}"] = abs(error_j) <= 2 * estimate.uncertainty_j
    truth = float(wave.energy(start_s + LONG_S) - wave.energy(start_s))
    errors["sampled, ours"] = power.energy(start_s, start_s + LONG_S).energy_j / truth - 1
    delta = counter_delta(reads, wave.energy(updates), start_s, start_s + LONG_S)
    errors["counter delta"] = delta / truth - 1
    for interval_s in NAIVE_S:
        errors[f"naive {interval_s:g} s"] = naive(wave, phase_s, start_s, interval_s) / truth - 1
    return errors


def naive(wave: Wave, phase_s: float, start_s: float, interval_s: float) -> float:
    """Sum of power at each tick times the interval, the method of trackers that sample power."""
    ticks = np.arange(start_s + interval_s, start_s + LONG_S + 1e-9, interval_s)
    updates = np.floor((ticks - phase_s) / UPDATE_S) * UPDATE_S + phase_s
    sensed = (wave.energy(updates) - wave.energy(updates - SENSED_S)) / SENSED_S
    return float(np.sum(sensed) * interval_s)


def counter_delta(reads: Floats, values: Floats, start_s: float, end_s: float) -> float:
    """Difference of the counter's values at the last reads before both ends."""
    first, last = np.searchsorted(reads, [start_s, end_s]) - 1
    return float(values[last] - values[first])


def table(trials: int, seed: int = 0) -> pd.DataFrame:
    """Summarise trials by waveform.

    Returns:
        The 95th percentile of each method's absolute error in per cent, the largest error of this meter, and
        the share of trials with the true energy within two standard uncertainties of this meter.
    """
    random = np.random.default_rng(seed)
    rows = []
    for name, make in WAVES.items():
        trials_table = pd.DataFrame([trial(make, random) for _ in range(trials)])
        covered = [column for column in trials_table if column.startswith("covered")]
        errors = 100 * trials_table.drop(columns=covered).abs()
        rows.append(
            {
                "waveform": name,
                **errors.quantile(0.95).to_dict(),
                "ours, largest": errors["ours"].max(),
                f"ours {SHORT_S:g} s window, largest": errors[f"ours {SHORT_S:g} s window"].max(),
                **(100 * trials_table[covered].mean()).to_dict(),
            }
        )
    return pd.DataFrame(rows).set_index("waveform")


if __name__ == "__main__":
    count = parse_numbers(__doc__, trials=1000).trials
    print(f"95th percentile of |error| in %, {count} trials, windows of {LONG_S:g} s unless said:")
    print(table(count).T.to_string(float_format=lambda value: f"{value:.3f}"))
