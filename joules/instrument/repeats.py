"""Repeats work in randomised blocks until its energy and its time are known with a precision."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joules.errors import UserError
from joules.instrument.measurement import Measurement, significant
from joules.instrument.reading import RecordedProvenance
from joules.instrument.source import PREFERENCE
from joules.means import Interval, MeanSample
from joules.models import Closed

# Quality flags for which a repeat is repeated, once in its block: others or the machine disturbed it.
DISTURBED = frozenset(
    {"foreign-cpu", "foreign-gpu", "cpu-steal", "suspended", "clock-step", "throttled", "read-failed"}
)
_RETRIES = 1
# Blocks before which a small spread is chance, and those that any budget pays for.
_LEAST_BLOCKS, _PAID_BLOCKS = 10, 3


@dataclass(frozen=True)
class Precision:
    """When to stop: at half of the 95 % interval of each mean within `within` of it, or after `budget_s`."""

    within: float
    budget_s: float

    def is_reached(self, results: Sequence[Repeats]) -> bool:
        """Whether the means of energy and of time of all results are known with it."""
        return min(result.n for result in results) >= _LEAST_BLOCKS and all(
            result.half_width <= self.within for result in results
        )


class Repeat(Closed):
    """One repeat.

    Attributes:
        block: Number of its block, in which everything was repeated once.
        place: Place in the order of its block.
        counts: Whether it is in the means; a disturbed one that was repeated is not.
        energy_j: Energy of the whole machine in joules.
        energy_attributed_j: Energy attributed to the work, in joules; None if it is not known.
        duration_s: Time in seconds.
        cpu_s: Processor time of the work in seconds.
        flags: Quality flags, each a keyword with its evidence.
    """

    block: int
    place: int
    counts: bool
    energy_j: float
    energy_attributed_j: float | None
    duration_s: float
    cpu_s: float
    flags: list[str]

    @property
    def disturbances(self) -> list[str]:
        """Keywords of flags that say that others or the machine disturbed it."""
        return sorted({flag.partition(":")[0] for flag in self.flags} & DISTURBED)


class Repeats(Closed):
    """Repeats of the same work, with mean and 95 % interval of its energy and of its time.

    Attributes:
        name: Name of the work.
        provenance: How the energy was read: 'counter', 'sampled' or 'modelled'.
        repeats: All repeats, in the order of their measurement.
        factors: Ends of the interval of modelled energy as multiples of the energy, of the last repeat; it is
            a doubt that all repeats share. None if nothing is modelled.
    """

    name: str
    provenance: RecordedProvenance
    repeats: list[Repeat]
    factors: tuple[float, float] | None = None

    @property
    def counted(self) -> list[Repeat]:
        """Repeats that are in the means, one a block."""
        return [each for each in self.repeats if each.counts]

    @property
    def n(self) -> int:
        """Number of repeats that are in the means."""
        return len(self.counted)

    @property
    def energies_j(self) -> list[float]:
        """Energy of the whole machine in joules, of each repeat in the means."""
        return [each.energy_j for each in self.counted]

    @property
    def durations_s(self) -> list[float]:
        """Time in seconds, of each repeat in the means."""
        return [each.duration_s for each in self.counted]

    @property
    def energies_attributed_j(self) -> list[float] | None:
        """Energy attributed to the work in joules, of each repeat in the means; None if one is not known."""
        known = [each.energy_attributed_j for each in self.counted if each.energy_attributed_j is not None]
        return known if len(known) == self.n else None

    @property
    def energy_j(self) -> float:
        """Mean energy of the whole machine in joules."""
        return MeanSample.from_values(self.energies_j).estimate

    @property
    def energy_interval_j(self) -> Interval:
        """Student's 95 % interval of the mean energy in joules; NaN for fewer than two repeats."""
        return MeanSample.from_values(self.energies_j).interval()

    @property
    def duration_s(self) -> float:
        """Mean time in seconds."""
        return MeanSample.from_values(self.durations_s).estimate

    @property
    def duration_interval_s(self) -> Interval:
        """Student's 95 % interval of the mean time in seconds; NaN for fewer than two repeats."""
        return MeanSample.from_values(self.durations_s).interval()

    @property
    def half_width(self) -> float:
        """Half of the wider 95 % interval, of energy or of time, as a share of the mean."""
        means = (self.energy_j, self.energy_interval_j), (self.duration_s, self.duration_interval_s)
        return max((high - low) / 2 / mean for mean, (low, high) in means)

    @property
    def disturbed(self) -> int:
        """Number of repeats in the means that were disturbed."""
        return sum(bool(each.disturbances) for each in self.counted)

    def __str__(self) -> str:
        low_j, high_j = map(significant, self.energy_interval_j)
        low_s, high_s = self.duration_interval_s
        return (
            f"{self.name}: {significant(self.energy_j)} J ({low_j} to {high_j}, 95 % of the mean; "
            f"{self.provenance}), {self.duration_s:.4g} s ({low_s:.4g} to {high_s:.4g}), n = {self.n}"
        )

    def __repr__(self) -> str:
        return f"<Repeats {self}>"

    def _repr_html_(self) -> str:
        import html

        return html.escape(str(self))


def repeat_in_blocks(
    names: Sequence[str],
    measure_once: Callable[[int], Measurement],
    precision: Precision,
    seed: int = 0,
    before_block: Callable[[list[Repeats]], object] = lambda _results: None,
) -> list[Repeats]:
    """Measures several pieces of work in blocks: each once a block, in random order.

    A disturbed repeat is measured again, once; the second counts, whatever it is.

    Args:
        names: Name of each piece of work.
        measure_once: Measures the piece of work with this index.
        precision: When to stop.
        seed: Of the random order.
        before_block: Called before each block, with the results so far.

    Returns:
        The repeats of each piece of work.

    Raises:
        UserError: If the energy of a domain was not read.
    """
    generator, start_s, blocks = random.Random(seed), time.monotonic(), 0
    results = [Repeats(name=name, provenance="counter", repeats=[]) for name in names]
    while blocks < _PAID_BLOCKS or not (
        precision.is_reached(results) or (time.monotonic() - start_s) * (1 + 1 / blocks) > precision.budget_s
    ):
        before_block(results)
        for place, index in enumerate(generator.sample(range(len(names)), len(names))):
            for tries_left in range(_RETRIES, -1, -1):
                measured = measure_once(index)
                repeat = _make_repeat(measured, blocks, place)
                if not (repeat.disturbances and tries_left):
                    repeat = repeat.model_copy(update={"counts": True})
                repeats = [*results[index].repeats, repeat]
                update = {
                    "repeats": repeats,
                    # The weakest of all repeats.
                    "provenance": max(results[index].provenance, measured.provenance, key=PREFERENCE.index),
                    "factors": measured.interval_factors,
                }
                results[index] = results[index].model_copy(update=update)
                if repeat.counts:
                    break
        blocks += 1
    return results


def _make_repeat(measured: Measurement, block: int, place: int) -> Repeat:
    if measured.energy_j is None:
        raise UserError(f"the energy of '{measured.name}' is missing: see 'joules doctor'")
    return Repeat(
        block=block,
        place=place,
        counts=False,
        energy_j=measured.energy_j,
        energy_attributed_j=measured.energy_attributed_j,
        duration_s=measured.duration_s,
        cpu_s=measured.cpu_s,
        flags=measured.flags,
    )
