"""How often each claim of the released paper would be decided wrongly under a null that it can have.

The null of a claim has the claim's own test, its number of values, and a true value that is equal to its
bound. How its values scatter is taken from the records of the released campaigns:

- values of blocks: Pearson's distribution of type III. Its skewness is estimated from all released campaigns,
  for logarithms of ratios from all experiments and for other values from those of the same experiment: the
  skewness whose samples would have as large a mean skewness. The end of the 90 % interval of that estimate
  farther from 0 is tried with both signs, and the worse is shown. Values that an extreme is taken of are
  correlated as they are in the campaign.
- values of more than ten systems, families or networks: resampled from the claim's own.
- R squared: operations and residuals of the networks, resampled.
- other kinds: the worst of the distributions of `validation.coverage`.

No test of a mean holds where the mean hangs on values too rare to be drawn (Bahadur and Savage 1956): without
the one system that is far from all others, resampled values decide a claim more often than stated.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.analysis.inference import CorrelationSample, ExtremeSample, MedianSample, Sample
from joules.analysis.statistics import holm
from joules.analysis.steps import statistics_of
from joules.means import DifferenceSample, Floats, MeanSample, student_quantile
from joules.study.campaign import Campaign, campaigns
from joules.study.claims import Claim, load_claims
from joules.study.config import check_config, paper_order
from joules.study.design import load_design

LEVEL = 0.05
# The number of blocks of a campaign is at most this; more values are of systems, families or networks.
MOST_BLOCKS = 10
_LEAST_SKEWED = 3
_SKEWNESSES = np.linspace(0, 4, 41)
_SIMULATED = 4000
_FAR = 1e3
_CONFIDENCE = 0.90


@dataclass(frozen=True)
class Used:
    """A claim and the sample that decides it in a campaign. `skewness` is the largest that values of blocks
    may have, of either sign; 0 of other values."""

    experiment: str
    name: str
    claim: Claim
    sample: Sample
    skewness: float


@dataclass(frozen=True)
class Decisions:
    """Trials of a null [trials]: whether the claim is supported, whether it is contradicted, and p."""

    supported: NDArray[np.bool_]
    contradicted: NDArray[np.bool_]
    p: Floats

    @property
    def shares(self) -> tuple[float, float]:
        """Shares of the trials in which the claim is supported, and contradicted."""
        return float(self.supported.mean()), float(self.contradicted.mean())


def read_samples(root: Campaign) -> pd.DataFrame:
    """Statistics with their samples of the released campaigns in the folder of `root`, with columns
    `campaign` and `experiment`; published readings count as those of `root`."""
    config = check_config({})
    tables = [
        statistics_of(each, name, config).assign(campaign=each.name, experiment=name)
        for each in campaigns(root.root)
        if not each.is_local
        for name in each.measured_experiments()
    ]
    for name in paper_order():
        if load_design(name).evidence == "published":
            made = importlib.import_module(f"experiments.{name}.tables").tabulate(
                root.evidence_files(name, config)
            )
            tables.append(made["statistics"].assign(campaign=root.name, experiment=name))
    return pd.concat(tables, ignore_index=True).dropna(subset=["sample"])


def claims_in_use(samples: pd.DataFrame, campaign: str) -> list[Used]:
    """The claims that `campaign` has a sample for, in the order of the paper."""
    rows = samples[samples["campaign"] == campaign]
    here = dict(zip(zip(rows["experiment"], rows["statistic"], strict=True), rows["sample"], strict=True))
    claims = {
        (experiment, claim.statistic): (name, claim)
        for experiment in rows["experiment"].unique()
        for name, claim in load_claims(experiment).items()
    }
    return [
        Used(key[0], name, claim, here[key], _skewness_of(samples, key[0], here[key]))
        for key, (name, claim) in claims.items()
        if key in here and np.isfinite(here[key].interval()[0])
    ]


def _skewness_of(samples: pd.DataFrame, experiment: str, sample: Sample) -> float:
    if not isinstance(sample, MeanSample | ExtremeSample) or sample.n > MOST_BLOCKS:
        return 0.0
    is_log = parts_of(sample)[0].is_log
    alike = samples if is_log else samples[samples["experiment"] == experiment]
    rows = [
        (f"{of} {campaign}", part.n, sample_skewness(np.array(part.values)))
        for of, campaign, each in alike[["experiment", "campaign", "sample"]].itertuples(index=False)
        if isinstance(each, MeanSample | ExtremeSample)
        for part in parts_of(each)
        if part.is_log == is_log and _LEAST_SKEWED <= part.n <= MOST_BLOCKS
    ]
    return estimate_skewness(pd.DataFrame(rows, columns=["source", "n", "skewness"]).dropna())


def parts_of(sample: MeanSample | ExtremeSample) -> tuple[MeanSample, ...]:
    """The means that a sample consists of."""
    return sample.parts if isinstance(sample, ExtremeSample) else (sample,)


def sample_skewness(values: Floats) -> Floats:
    """Skewness over the last axis of three and more values by unbiased cumulants; NaN where all are equal."""
    n = values.shape[-1]
    deviations = values - values.mean(axis=-1, keepdims=True)
    second = (deviations**2).sum(axis=-1) / (n - 1)
    third = n * (deviations**3).sum(axis=-1) / ((n - 1) * (n - 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(np.sqrt(second) > 1e-9, third / second**1.5, np.nan))


def estimate_skewness(table: pd.DataFrame) -> float:
    """The largest skewness that a population may have, of either sign, from samples of it.

    Args:
        table: a row a sample, with its `n`, its `skewness` and the `source` that it shares with others, an
            experiment of a campaign. The standard error is over sources.

    Returns:
        The skewness whose samples of these sizes would have the mean skewness at the end of its 90 % interval
            that is farther from 0; the largest that is tried where there is one source.
    """
    by_source = table.groupby("source")["skewness"].mean()
    if len(by_source) < 2:
        return float(_SKEWNESSES[-1])
    error = by_source.std() / math.sqrt(len(by_source))
    reach = student_quantile(len(by_source) - 1, (1 + _CONFIDENCE) / 2) * error
    shares = table["n"].value_counts(normalize=True)
    expected = sum(share * _expected_skewness(int(n)) for n, share in shares.items())
    return float(np.interp(abs(by_source.mean()) + reach, expected, _SKEWNESSES))


@functools.cache
def _expected_skewness(n: int) -> Floats:
    """Mean skewness of samples of `n` values from populations of each of `_SKEWNESSES`."""
    return np.maximum.accumulate(
        [
            sample_skewness(draw_pearson(np.random.default_rng(0), skewness, (_SIMULATED, n))).mean()
            for skewness in _SKEWNESSES
        ]
    )


def draw_pearson(random: np.random.Generator, skewness: float, size: tuple[int, ...]) -> Floats:
    """Values of Pearson's distribution of type III with mean 0 and variance 1; 0 gives normal ones."""
    shape = 4 / max(skewness**2, 1e-12)
    if shape > 1e6:
        return random.normal(size=size)
    return np.sign(skewness) * (random.gamma(shape, size=size) - shape) / np.sqrt(shape)


def decide(used: Used, columns: tuple[Floats, Floats], trials: int) -> dict[str, Decisions]:
    """Decides a claim in trials of each of its nulls; empty for kinds without one of their own.

    Args:
        used: the claim.
        columns: operations and energy of the networks, for R squared.
        trials: number of trials.
    """
    random = np.random.default_rng(0)
    sample, bound = used.sample, used.claim.value
    nulls: dict[str, Iterator[tuple[Sample, float]]] = {}
    if isinstance(sample, CorrelationSample):
        nulls["resampled networks"] = _correlations(random, columns, sample.n, bound, trials)
    elif isinstance(sample, MedianSample):
        own = np.array(sample.values)
        draws = random.choice(own - sample.estimate, size=(trials, sample.n))
        nulls["own values resampled"] = ((MedianSample(tuple(values)), 0.0) for values in draws)
    elif isinstance(sample, MeanSample | ExtremeSample) and sample.n > MOST_BLOCKS:
        own = np.array(parts_of(sample)[0].values)
        draws = random.choice(own - own.mean(), size=(trials, 1, sample.n))
        nulls["own values resampled"] = _means(sample, draws)
    elif isinstance(sample, MeanSample | ExtremeSample):
        size = trials, len(parts_of(sample)), sample.n
        for skewness in (-used.skewness, used.skewness):
            draws = _correlate(random, sample, draw_pearson(random, skewness, size), skewness)
            nulls[f"skewness {skewness:.1f}"] = _means(sample, draws)
            if isinstance(sample, ExtremeSample):
                # One at the bound and the others far from it.
                far = _FAR * (np.arange(size[1]) > 0)[:, None] * (-1 if sample.is_largest else 1)
                nulls[f"skewness {skewness:.1f}, one at the bound"] = _means(sample, draws + far)
    return {name: _decide(used.claim, drawn) for name, drawn in nulls.items()}


def _correlate(
    random: np.random.Generator, sample: MeanSample | ExtremeSample, draws: Floats, skewness: float
) -> Floats:
    """Draws whose parts have the mean correlation of those of the sample."""
    parts = np.array([part.values for part in parts_of(sample)])
    if len(parts) == 1:
        return draws
    pairs = np.corrcoef(parts)[np.triu_indices(len(parts), 1)]
    shared = max(float(np.nanmean(pairs)), 0.0)
    common = draw_pearson(random, skewness, (len(draws), 1, draws.shape[2]))
    return np.asarray(math.sqrt(shared) * common + math.sqrt(1 - shared) * draws)


def _means(sample: MeanSample | ExtremeSample, draws: Floats) -> Iterator[tuple[Sample, float]]:
    tests = [dataclasses.replace(part, is_log=False) for part in parts_of(sample)]
    for values in draws:
        parts = tuple(
            dataclasses.replace(test, values=tuple(row.tolist()))
            for test, row in zip(tests, values, strict=True)
        )
        if isinstance(sample, ExtremeSample):
            yield ExtremeSample(parts, sample.is_largest), 0.0
        else:
            yield parts[0], 0.0


def _correlations(
    random: np.random.Generator, columns: tuple[Floats, Floats], n: int, bound: float, trials: int
) -> Iterator[tuple[Sample, float]]:
    x, y = ((column - column.mean()) / column.std() for column in columns)
    residuals = y - (x @ y / len(x)) * x
    residuals /= residuals.std()
    for _ in range(trials):
        places, others = random.integers(len(x), size=(2, n))
        if len(set(places.tolist())) > 1:
            noisy = np.sqrt(bound) * x[places] + np.sqrt(1 - bound) * residuals[others]
            yield CorrelationSample.from_columns(x[places], noisy), bound


def _decide(claim: Claim, drawn: Iterator[tuple[Sample, float]]) -> Decisions:
    rows = [(*sample.interval(), truth, sample.p_value(truth)) for sample, truth in drawn]
    low, high, truth, p = np.array(rows).T
    above, below = low > truth, high < truth
    return Decisions(*((above, below) if claim.comparison.startswith(">") else (below, above)), p)


def print_claims(
    campaign: Campaign, trials: int, worst_of: Callable[[str, int], tuple[float, float]]
) -> None:
    """Prints a row a claim: the worst of its nulls, and how often it is supported and contradicted wrongly;
    then how often one of two primary claims of an experiment is supported after their correction.

    Args:
        campaign: whose claims are in use.
        trials: number of trials.
        worst_of: shares of wrong decisions above and below, at worst, of a kind without a null of its own.
    """
    arms = pd.read_csv(campaign.tables("flops_vs_energy") / "arms.csv")
    arms = arms[arms["factor"].isna()]
    columns = arms["flops"].to_numpy(np.float64), arms["energy_per_inference_j"].to_numpy(np.float64)
    limit = LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / trials)
    primary: dict[str, list[Decisions]] = {}
    print(f"{'claim':42}{'test':14}{'n':>4}  {'null':36}{'supported':>10}{'contradicted':>13}")
    for used in claims_in_use(read_samples(campaign), campaign.name):
        sample, decided = used.sample, decide(used, columns, trials)
        if decided:
            null, worst = max(decided.items(), key=lambda item: max(item[1].shares))
            shares = worst.shares
            if used.claim.kind == "primary":
                primary.setdefault(used.experiment, []).append(worst)
        else:
            null = "worst distribution"
            kind = "Welch" if isinstance(sample, DifferenceSample) else "median of groups"
            above, below = worst_of(kind, sample.n)
            shares = (above, below) if used.claim.comparison.startswith(">") else (below, above)
        test = getattr(sample, "test", type(sample).__name__.removesuffix("Sample").lower())
        mark = " +" if max(shares) > limit else ""
        printed = f"{100 * shares[0]:10.1f}{100 * shares[1]:13.1f}"
        print(f"{used.name:42}{test:14}{sample.n:4}  {null:36}{printed}{mark}", flush=True)
    for experiment, of_two in primary.items():
        if len(of_two) == 2:
            share = support_of_two(*of_two)
            mark = " +" if share > limit else ""
            print(f"{f'{experiment}, of two primary claims':98}{100 * share:10.1f}{mark}", flush=True)


def support_of_two(first: Decisions, second: Decisions) -> float:
    """How often one or both of two primary claims are supported, corrected by Holm."""
    pairs = zip(first.p, second.p, strict=False)
    rejected = np.array([holm(np.array(pair)) <= LEVEL for pair in pairs])
    supported = np.column_stack([each.supported[: len(rejected)] for each in (first, second)])
    return float((rejected & supported).any(axis=1).mean())
