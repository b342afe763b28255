"""How often the intervals of statistics hold the true value, and how often claims are decided wrongly.

    python -m validation.coverage [TRIALS]

Each kind of interval is simulated at the numbers of values that the statistics of the campaigns in the
repository have, from several distributions with a known mean (or correlation). An interval should hold the
true value in 95 % of the trials. A claim that the value is larger than its true value is supported wrongly
if the interval lies above it, and one that it is smaller if it lies below; either should happen in at most
5 %. Two primary claims of a question are corrected together: of two such claims, one or both should be
supported in at most 5 % ("of two", for the worse side). A star marks an interval that holds the true value in
less than 93 %, a plus one that decides claims wrongly in more than 5 %, beyond the error of the simulation;
"not in use" says that these values are skewed and that the statistics are of logarithms of ratios over
blocks, which are not.

A second table has the claims of the released paper, each under nulls that its values can have
(`validation.claims_in_use`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from joules.analysis.inference import (
    CorrelationSample,
    ExtremeSample,
    MedianSample,
    ResampledSample,
    Sample,
)
from joules.analysis.statistics import holm
from joules.means import DifferenceSample, Floats, MeanSample, MeanTest, can_reject
from joules.study.campaign import Campaign
from validation.arguments import parse_numbers
from validation.claims_in_use import LEVEL, print_claims

REPOSITORY = Path(__file__).parent.parent
# The campaign of the paper.
IN_USE = Campaign("epyc-2core-standard-2026-11-26b", REPOSITORY)
# Samples of which the largest counts, as many as an experiment has problems or criteria.
PARTS = 4
# True R squared, and values in a group of which medians are resampled.
R_SQUARED, IN_GROUP = 0.5, 5
RESAMPLES = 500
# Values, in rows, whose median is taken for that of their distribution.
_MANY = (1000, 1000)
# More values than this have about the coverage of this number.
_MOST = 40

Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]
# Kind of interval by the column `test` of statistics.csv. Without a test it is that of a mean of values that
# may be skewed, or Student's of logarithms of ratios.
KINDS = {
    "none": "Student or Hall",
    "ratio": "Student",
    "paired_t": "Student",
    "sign_flip": "sign flip",
    "skewed_t": "Student or Hall",
    "r_squared": "Fisher or jackknife",
    "intersection_union": "largest of four",
    "welch_t": "Welch",
    "sign": "sign of the median",
    "median": "median of groups",
}
# Tests of means by kind.
MEANS: dict[str, MeanTest] = {
    "Student": "paired_t",
    "Student or Hall": "skewed_t",
    "sign flip": "sign_flip",
}
# Kinds of interval of logarithms of ratios over blocks, which are nearly symmetric (`claims_in_use` says how
# nearly): values as skewed as `SKEWED` are simulated and no interval in use has them.
LOGARITHMS = ("Student", "sign flip", "Welch", "largest of four")
SKEWED = ("lognormal .5", "exponential")
# Least coverage that is asked for.
LEAST = 0.93
_RECORDED = Path(__file__).parent / "data" / "energy_by_block.csv"


@dataclass(frozen=True)
class Coverage:
    """Shares of trials.

    Attributes:
        held: the interval holds the true value.
        above, below: the interval lies above or below it.
        of_two: one of two primary claims that are false is supported after the correction, at the worse side.
    """

    held: float
    above: float
    below: float
    of_two: float

    def describe(self, trials: int) -> str:
        """A star where the interval holds the true value in less than `LEAST`, a plus where claims are
        decided wrongly in more than `LEVEL`, each beyond two standard errors of the simulation."""
        errors = 2 * math.sqrt(LEAST * (1 - LEAST) / trials), 2 * math.sqrt(LEVEL * (1 - LEVEL) / trials)
        is_short = self.held < LEAST - errors[0]
        is_wrong = max(self.above, self.below, self.of_two) > LEVEL + errors[1]
        return (" *" if is_short else "") + (" +" if is_wrong else "")


def shapes() -> dict[str, Draw]:
    """Distributions with mean zero; `recorded` draws the differences of two runs of a recorded campaign."""
    wide = np.log(pd.read_csv(_RECORDED).pivot(index="block", columns="arm", values="energy_per_inference_j"))
    deviations = (wide - wide.mean()).to_numpy()
    deviations = deviations / deviations.std(axis=0)

    def recorded(random: np.random.Generator, size: tuple[int, ...]) -> Floats:
        arm = random.integers(deviations.shape[1], size=(size[0],) + (1,) * (len(size) - 1))
        rows = random.integers(len(deviations), size=(2, *size))
        return np.asarray(deviations[rows[0], arm] - deviations[rows[1], arm])

    return {
        "recorded": recorded,
        "normal": lambda random, size: random.normal(size=size),
        "lognormal .5": lambda random, size: random.lognormal(0, 0.5, size) - math.exp(0.125),
        "t 3": lambda random, size: random.standard_t(3, size),
        "exponential": lambda random, size: random.exponential(size=size) - 1,
    }


def counts_in_use() -> dict[str, list[int]]:
    """Numbers of values by kind of interval, in the statistics of the campaigns in the repository."""
    paths = sorted(REPOSITORY.glob("results/*/tables/*/statistics.csv"))
    rows = pd.concat([pd.read_csv(path) for path in paths]).dropna(subset=["ci_low"])
    is_median = rows["group"].astype(str).str.startswith("median over")
    is_ratio = rows["test"].eq("none") & rows["contrast"].eq("ratio")
    kinds = rows["test"].mask(is_ratio, "ratio").mask(is_median, "median").map(KINDS)
    rows = rows.assign(kind=kinds, n=rows["n"].clip(upper=_MOST))
    counts: dict[str, list[int]] = {}
    for kind, group in rows.groupby("kind", sort=False):
        counts[str(kind)] = sorted({int(n) for n in group["n"] if kind != "sign flip" or can_reject(int(n))})
    return counts


def draw_samples(kind: str, n: int, draw: Draw, trials: int, seed: int) -> Iterator[tuple[Sample, float]]:
    """Samples of a kind with their true values."""
    random = np.random.default_rng(seed)
    if kind in MEANS:
        test = MEANS[kind]
        for values in draw(random, (trials, n)):
            yield MeanSample.from_values(values, test), 0.0
    elif kind == "largest of four":
        for values in draw(random, (trials, PARTS, n)):
            yield ExtremeSample(tuple(map(MeanSample.from_values, values)), is_largest=True), 0.0
    elif kind == "Welch":
        for a, b in draw(random, (trials, 2, n)):
            squares = np.array([a.var(ddof=1), b.var(ddof=1)]) / n
            freedom = squares.sum() ** 2 / (squares**2 / (n - 1)).sum()
            error = math.sqrt(squares.sum())
            yield DifferenceSample(float(a.mean() - b.mean()), error, float(freedom), n), 0.0
    elif kind == "Fisher or jackknife":
        correlation = math.sqrt(R_SQUARED)
        for x, noise in draw(random, (trials, 2, n)):
            y = correlation * x + math.sqrt(1 - R_SQUARED) * noise
            yield CorrelationSample.from_columns(x, y), R_SQUARED
    elif kind == "sign of the median":
        median = float(np.median(draw(random, _MANY)))
        for values in draw(random, (trials, n)):
            yield MedianSample(tuple(values)), median
    else:
        median = float(np.median(draw(random, _MANY)))
        for groups in draw(random, (trials, n, IN_GROUP)):
            rows = random.integers(n, size=(RESAMPLES, n))
            resamples = np.median(groups[rows].reshape(RESAMPLES, -1), axis=1)
            yield ResampledSample(float(np.median(groups)), tuple(resamples.tolist()), n), median


def measure_coverage(kind: str, n: int, draw: Draw, trials: int, seed: int = 0) -> Coverage:
    """Coverage and wrong decisions of one kind of interval.

    Args:
        kind: a value of `KINDS`.
        n: number of values, pairs, points or groups.
        draw: draws values with mean zero.
        trials: number of samples, even.
        seed: of the random numbers.
    """
    ends, truths, ps = [], [], []
    for sample, truth in draw_samples(kind, n, draw, trials, seed):
        ends.append(sample.interval())
        truths.append(truth)
        ps.append(sample.p_value(truth))
    low, high = np.array(ends).T
    above, below = low > truths, high < truths
    rejected = np.array([holm(pair) <= LEVEL for pair in np.array(ps).reshape(-1, 2)])
    of_two = [(rejected & side.reshape(-1, 2)).any(axis=1).mean() for side in (above, below)]
    return Coverage(
        held=float(1 - above.mean() - below.mean()),
        above=float(above.mean()),
        below=float(below.mean()),
        of_two=float(max(of_two)),
    )


def main() -> None:
    """Prints the coverage of every kind of interval."""
    trials = parse_numbers(__doc__, trials=2000).trials
    print(
        f"{trials} trials; shares in per cent, standard error of 95: {100 * math.sqrt(0.0475 / trials):.1f}"
    )
    print(f"{'interval':20}{'n':>4}  {'values':14}{'holds':>7}{'above':>7}{'below':>7}{'of two':>8}")
    for kind, counts in counts_in_use().items():
        for n in counts:
            for name, draw in shapes().items():
                got = measure_coverage(kind, n, draw, trials)
                shares = (got.held, got.above, got.below)
                printed = "".join(f"{100 * share:7.1f}" for share in shares)
                mark = got.describe(trials)
                mark += " not in use" if mark and kind in LOGARITHMS and name in SKEWED else ""
                print(f"{kind:20}{n:4}  {name:14}{printed}{100 * got.of_two:8.1f}{mark}", flush=True)
    print(f"\nclaims of {IN_USE.name} under nulls that they can have")
    print_claims(IN_USE, trials, lambda kind, n: worst_decisions(kind, n, trials))


def worst_decisions(kind: str, n: int, trials: int) -> tuple[float, float]:
    """The largest shares of intervals above and below the true value, over the distributions of `shapes`."""
    got = [measure_coverage(kind, n, draw, trials) for draw in shapes().values()]
    return max(each.above for each in got), max(each.below for each in got)


if __name__ == "__main__":
    main()
