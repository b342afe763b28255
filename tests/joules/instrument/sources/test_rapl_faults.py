"""Packages with random power and random faults: every reading is right, flagged or missing."""

import random

import pytest

from joules.instrument.sources import rapl
from validation.laboratory.curve import constant, steps, total
from validation.laboratory.machine import KnownModel
from validation.laboratory.situation import Reported, Situation, energies_j, try_situation
from validation.laboratory.tree import zone

LIMIT_W = 250.0
FOLDER = "sys/class/powercap/intel-rapl:{}"


def course(draw):
    """Power up to the limit, in steps of milliseconds to seconds."""
    at_s, pairs = 0.0, []
    while at_s < 14:
        pairs.append((at_s, draw.uniform(5.0, LIMIT_W)))
        at_s += draw.choice([0.003, 0.05, 0.2, 1.0, 3.0]) * draw.uniform(0.5, 1.5)
    return steps(*pairs)


def faulty(draw, curve, number, until_s):
    """Files of a package with at most one fault, which does not affect later counts."""
    at_s, long_s = draw.uniform(0.0, until_s), draw.choice([0.05, 0.15, 0.3, 1.0, 2.0])
    range_uj = draw.choice([262_143_328_850, 65_532_610_987, 150_000_000])
    shown = draw.choice(
        [
            *[lambda t: t] * 4,
            lambda t: None if at_s <= t < at_s + long_s else t,
            lambda t: at_s if at_s <= t < at_s + long_s else t,
            lambda t: min(t, at_s),
        ]
    )
    jump_j = draw.choice([0, 0, 0, 0, draw.uniform(2e3, 1e5)])
    offset_uj, every_s = draw.randrange(10**9), draw.choice([0.001, 0.001, 0.01])
    folder = FOLDER.format(number)
    limit_w = draw.choice([None, LIMIT_W])
    files = dict(zone(folder, f"package-{number}", curve, range_uj, every_s, shown, offset_uj, limit_w))
    counted = files[f"{folder}/energy_uj"]

    def jumped(t):
        text = counted(t)
        return text and f"{(int(text) + (round(jump_j * 1e6) if t >= at_s else 0)) % range_uj}\n"

    return {**files, f"{folder}/energy_uj": jumped if jump_j and range_uj > 1e9 else counted}


def situation(seed):
    draw = random.Random(seed)
    curves = [course(draw) for _ in range(draw.choice([1, 1, 2, 4]))]
    start_s = draw.uniform(1.0, 3.0)
    end_s = start_s + draw.choice([0.15, 0.5, 1.0, 3.0, 6.0])
    files = [faulty(draw, curve, number, end_s + 1.0) for number, curve in enumerate(curves)]

    def run(machine):
        for each in files:
            machine.add_files(each)
        model = KnownModel(machine.clock, {"cpu": 70.0, "dram": 9.0})
        measured = machine.measure([*rapl.open_sources(machine.host), model], start_s, end_s)
        truth = {"cpu": total(curves), "dram": constant(9.0)}
        return Reported(measured, energies_j(truth, start_s, end_s))

    return Situation(str(seed), "random", run, "within", driver="none")


@pytest.mark.parametrize("seed", range(40))
def test_no_fault_is_read_as_energy(seed, tmp_path):
    outcome = try_situation(situation(seed), tmp_path / "machine")
    assert outcome.verdict in ("within", "flagged", "flagged, off"), outcome.sentences
