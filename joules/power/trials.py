"""Power models tried on wall-metered servers that were left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joules.power.intervals import COVERAGE, LAST_YEAR, UNITS_LEFT_OUT, cover, cover_later, predict_interval
from joules.power.metered import Chosen, Errors, Floats, Servers, estimate_power, leave_out
from joules.power.models import DEFAULT_MODEL, POWER_MODELS
from joules.power.servers import LOADS, Evidence, ServerPower

LATER = f"{LAST_YEAR + 1} and later"
_SIMULATED = 1000


@dataclass(frozen=True)
class Trial:
    """A power model tried on servers that were left out: its errors, and the ends of the 90 % intervals
    [k, loads] (logarithms, as the errors) where it has them. `evidence` is None of a model that does not rest
    on metered servers."""

    power_model: str
    evidence: Evidence | None
    left_out: str
    errors: Errors
    interval: tuple[Floats, Floats] | None = None

    @property
    def coverage(self) -> Floats:
        """The share of the servers that lie within their intervals, by load; NaN of a model without one."""
        if self.interval is None:
            return np.full(len(LOADS), np.nan)
        low, high = self.interval
        return np.asarray(((self.errors.logs >= low) & (self.errors.logs <= high)).mean(axis=0))

    @property
    def width(self) -> Floats:
        """The upper over the lower end of the intervals by load, median; NaN of a model without one."""
        if self.interval is None:
            return np.full(len(LOADS), np.nan)
        low, high = self.interval
        return np.asarray(np.exp(np.median(high - low, axis=0)))

    @property
    def chance(self) -> Floats:
        """Probability, by load, of a count at least as far from 90 % as the observed one, on the same side.

        Each server is taken to lie in its 90 % interval independently of the others. NaN of a model without
        intervals.
        """
        n = len(self.errors.places)
        return np.array([_binomial_tail(share * n, n) for share in self.coverage])

    @property
    def takes_part(self) -> Chosen:
        """Whether wall meters do not refute the model, by load: 1 lies between the 5th and the 95th
        percentile of its ratio to the wall."""
        return np.asarray((self.errors.ratio(0.05) <= 1) & (self.errors.ratio(0.95) >= 1))


def _binomial_tail(inside: float, n: int) -> float:
    if math.isnan(inside):
        return math.nan
    count = round(inside)
    counts = range(count, n + 1) if count >= COVERAGE * n else range(count + 1)
    return sum(math.comb(n, each) * COVERAGE**each * (1 - COVERAGE) ** (n - each) for each in counts)


def simulate_coverage(errors: Errors) -> tuple[Floats, Floats]:
    """The 5th and 95th percentile by load of the coverage of intervals whose assumption holds exactly.

    Errors of the same groups are drawn from normal distributions with the spread between and within groups of
    `errors`, and each group is tried against the interval of the others. The coverage varies with the number
    of groups, and not with that of servers.
    """
    random = np.random.default_rng(0)
    names, member = np.unique(errors.groups, return_inverse=True)
    of_groups = [errors.logs[member == place] for place in range(len(names))]
    between = np.std([logs.mean(axis=0) for logs in of_groups], axis=0, ddof=1)
    within = np.sqrt(np.mean([logs.var(axis=0) for logs in of_groups], axis=0))
    ends = []
    for load in range(len(LOADS)):
        effects = random.normal(scale=between[load], size=(len(names), _SIMULATED))
        logs = effects[member] + random.normal(scale=within[load], size=(len(member), _SIMULATED))
        inside = np.zeros(_SIMULATED)
        for place in range(len(names)):
            own = member == place
            others = Errors(errors.places[~own], errors.groups[~own], logs[~own])
            low, high = predict_interval(others)
            inside += ((logs[own] >= low) & (logs[own] <= high)).sum(axis=0)
        ends.append(np.quantile(inside / len(member), [0.05, 0.95]))
    return tuple(np.array(ends).T)


def try_load_curve(servers: Servers) -> Iterator[Trial]:
    """The default model on servers left out one by one, with all of the same processor, vendor or generation,
    and on later servers by those until LAST_YEAR; with intervals where what is left out is what they are made
    for."""
    for evidence in UNITS_LEFT_OUT:
        units: dict[str, NDArray[Any]] = {
            "server": np.arange(len(servers.year)),
            "processor": servers.processor,
            "vendor": servers.vendor,
            "generation": servers.generation,
        }
        if evidence == "generation":
            # No server's generation is known without it.
            del units["generation"]
        for unit, labels in units.items():
            if unit == UNITS_LEFT_OUT[evidence]:
                errors, low, high = cover(servers, evidence, labels)
                yield Trial(DEFAULT_MODEL, evidence, unit, errors, (low, high))
            else:
                yield Trial(DEFAULT_MODEL, evidence, unit, leave_out(servers, evidence, labels))
        errors, low, high = cover_later(servers, evidence)
        yield Trial(DEFAULT_MODEL, evidence, LATER, errors, (low, high))


def try_models(servers: Servers) -> Iterator[Trial]:
    """Every model on servers of known generation. Models by metered servers are told those with another
    processor."""
    known = leave_out(servers, "generation", servers.processor)
    uses = [servers.use(place, _without_processor(servers, place)) for place in known.places]
    for name, model in POWER_MODELS.items():
        if name in ("load_curve_low", "load_curve_high", "load_curve_full_host"):
            continue
        watts = np.array([sum(model.power_w(use).values()) * np.ones(len(LOADS)) for use in uses])
        with np.errstate(divide="ignore"):
            logs = np.log(servers.power_w[known.places] / watts)
        evidence: Evidence | None = "generation" if name in (DEFAULT_MODEL, "servers") else None
        yield Trial(name, evidence, "processor", replace(known, logs=logs))


def try_all(servers: Servers) -> list[Trial]:
    """The trials of `try_load_curve`, and those of the other models."""
    others = (trial for trial in try_models(servers) if trial.power_model != DEFAULT_MODEL)
    return [*try_load_curve(servers), *others]


def _without_processor(servers: Servers, place: int) -> ServerPower | None:
    others = servers.choose(servers.processor != servers.processor[place])
    return estimate_power(others, "generation", str(servers.generation[place]), str(servers.curve[place]))
