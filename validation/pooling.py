"""How often intervals over machines hold the true value, by simulated campaigns on 3, 10 and 30 machines.

    python -m validation.pooling [TRIALS]

Each machine has one to four campaigns of two to eight blocks, as the released ones have. Machines, campaigns
on a machine, and blocks of a campaign vary as normal logarithms. `Student of means` is what the paper uses
(`joules.analysis.pooling`). `weighted` weights campaigns and machines by their estimated variances (Paule and
Mandel 1982 at both levels, Hartung and Knapp 2001 with a factor of at least 1 as in Röver et al. 2015,
prediction by Higgins et al. 2009). An interval should hold the mean over machines, and a prediction interval
the mean of a machine that was not measured, in 95 % of the trials.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from joules.analysis.pooling import PooledMachines
from joules.means import Floats, Interval
from validation.arguments import parse_numbers

MACHINES = (3, 10, 30)
# Standard deviations over machines and over campaigns on a machine; that over blocks of a campaign.
SPREADS = ((0.0, 0.0), (0.0, 0.1), (0.1, 0.0), (0.1, 0.1), (0.3, 0.0), (0.3, 0.1))
_BLOCKS_SPREAD = 0.1
_MOST_CAMPAIGNS, _BLOCKS = 4, (2, 8)

Campaigns = list[tuple[Floats, Floats]]
Method = Callable[[Campaigns], tuple[Interval, Interval]]


@dataclass(frozen=True)
class Coverage:
    """Shares of trials in which the interval and the prediction hold, and the interval's median width."""

    held: float
    predicted: float
    width: float


def simulate(
    machines: int, spread: float, within: float, trials: int, seed: int
) -> Iterator[tuple[Campaigns, float]]:
    """Estimates of campaigns and their variances by machine, and the mean of a machine that is not seen."""
    random = np.random.default_rng(seed)
    for _ in range(trials):
        campaigns: Campaigns = []
        for mean in spread * random.normal(size=machines):
            count = int(random.integers(1, _MOST_CAMPAIGNS + 1))
            blocks = [
                mean + within * random.normal() + _BLOCKS_SPREAD * random.normal(size=int(n))
                for n in random.integers(_BLOCKS[0], _BLOCKS[1] + 1, size=count)
            ]
            means = np.array([values.mean() for values in blocks])
            campaigns.append((means, np.array([values.var(ddof=1) / len(values) for values in blocks])))
        yield campaigns, spread * float(random.normal())


def use_means(campaigns: Campaigns) -> tuple[Interval, Interval]:
    """Interval and prediction of the paper."""
    pooled = PooledMachines([estimates for estimates, _ in campaigns])
    return pooled.mean.interval(), pooled.prediction()


def use_weights(campaigns: Campaigns) -> tuple[Interval, Interval]:
    """Interval and prediction by estimated variances."""
    of_campaigns = _excess(campaigns)
    weights = [1 / (variances + of_campaigns) for _, variances in campaigns]
    means = np.array([np.average(each[0], weights=w) for each, w in zip(campaigns, weights, strict=True)])
    variances = np.array([1 / w.sum() for w in weights])
    of_machines = _excess([(means, variances)])
    over = 1 / (variances + of_machines)
    mean = float(np.average(means, weights=over))
    freedom = len(means) - 1
    scale = max(1.0, float((over * (means - mean) ** 2).sum()) / freedom)
    error = math.sqrt(scale / over.sum())
    half = special.stdtrit(freedom, 0.975) * error
    wide = special.stdtrit(max(freedom - 1, 1), 0.975) * math.sqrt(of_machines + error**2)
    return (mean - half, mean + half), (mean - wide, mean + wide)


def _excess(groups: Campaigns) -> float:
    """The variance beyond that of the estimates, common to all groups, by Paule and Mandel."""
    freedom = sum(len(estimates) - 1 for estimates, _ in groups)

    def surplus(variance: float) -> float:
        total = -float(freedom)
        for estimates, variances in groups:
            weights = 1 / (variances + variance)
            total += float((weights * (estimates - np.average(estimates, weights=weights)) ** 2).sum())
        return total

    if freedom == 0 or surplus(0.0) <= 0:
        return 0.0
    high = 1e-4
    while surplus(high) > 0:
        high *= 4
    return float(optimize.brentq(surplus, 0.0, high))


METHODS: dict[str, Method] = {"Student of means": use_means, "weighted": use_weights}


def measure_coverage(
    method: Method, machines: int, spread: float, within: float, trials: int, seed: int = 0
) -> Coverage:
    """Coverage of a method; the arguments are those of `simulate`."""
    held, predicted, widths = [], [], []
    for campaigns, unseen in simulate(machines, spread, within, trials, seed):
        (low, high), (least, most) = method(campaigns)
        held.append(low <= 0 <= high)
        predicted.append(least <= unseen <= most)
        widths.append(high - low)
    return Coverage(float(np.mean(held)), float(np.mean(predicted)), float(np.median(widths)))


def main() -> None:
    """Prints the coverage of both methods."""
    trials = parse_numbers(__doc__, trials=1000).trials
    print(
        f"{trials} trials; coverage in per cent, standard error of 95: {100 * math.sqrt(0.0475 / trials):.1f}"
    )
    print(f"{'':18}{'machines':>9}{'spread':>8}{'within':>8}{'holds':>7}{'predicts':>10}{'width':>8}")
    for machines in MACHINES:
        for spread, within in SPREADS:
            for name, method in METHODS.items():
                got = measure_coverage(method, machines, spread, within, trials)
                print(
                    f"{name:18}{machines:9}{spread:8.1f}{within:8.1f}{100 * got.held:7.1f}"
                    f"{100 * got.predicted:10.1f}{got.width:8.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
