"""What a campaign begins with: how much is to be measured, and what that took elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from joules.bench.journal import read_entries
from joules.bench.measure import recorded_runs
from joules.bench.progress import Expectation, clock, expectation
from joules.bench.record import Entry
from joules.bench.scheduler import Block
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.config import Config
from joules.study.design import load_design


def opening(campaign: Campaign, config: Config, fingerprints: Mapping[str, Mapping[str, str]]) -> str:
    """One sentence on the runs that a campaign lacks; empty where it lacks none.

    `fingerprints` are those of each arm, by experiment and arm.
    """
    missing: dict[str, list[str]] = {}
    for experiment, arms in fingerprints.items():
        for index in range(load_design(experiment).at(config.scale).blocks):
            block = Block(experiment, index, config, campaign)
            kept = recorded_runs(_entries(block), block, arms)
            missing.setdefault(experiment, []).extend(arm for arm in arms if arm not in kept)
    missing = {experiment: arms for experiment, arms in missing.items() if arms}
    if not missing:
        return ""
    runs = sum(map(len, missing.values()))
    sentence = f"to measure: {runs} runs of {', '.join(missing)}, at scale {config.scale}"
    known = {
        experiment: expected
        for experiment in missing
        if (expected := expectation(campaign, experiment, config.scale)) is not None
    }
    if not known:
        return f"{sentence}; no released campaign of this scale says how long that takes"
    return f"{sentence}; about {_cost(missing, known)}"


def _cost(missing: Mapping[str, list[str]], known: Mapping[str, Expectation]) -> str:
    duration_s = energy_j = 0.0
    counted = unread = 0
    for experiment, expected in known.items():
        arms = [arm for arm in missing[experiment] if arm in expected.seconds]
        counted += len(arms)
        duration_s += sum(expected.seconds[arm] for arm in arms)
        energy_j += sum(expected.energy_j.get(arm, 0.0) for arm in arms)
        unread += sum(arm not in expected.energy_j for arm in arms)
    unknown = sum(map(len, missing.values())) - counted
    rest = f", without the energy of {unread} runs, which could not be read there" if unread else ""
    rest += f", and {unknown} runs more that none of them has" if unknown else ""
    names = ", ".join(dict.fromkeys(expected.campaign for expected in known.values()))
    machines = ", ".join(dict.fromkeys(expected.machine for expected in known.values()))
    how = ", ".join(dict.fromkeys(expected.provenance for expected in known.values()))
    # Two figures, and never a power of ten.
    energy_kj = float(f"{energy_j / 1000:.2g}")
    return f"{clock(duration_s)} and {energy_kj:g} kJ ({how}) as in {names} (on {machines}){rest}"


def _entries(block: Block) -> list[Entry]:
    """What is recorded of a block so far. Nothing is mended: another process may be measuring."""
    entries: list[Entry] = []
    for path in (
        block.campaign.block_file(block.experiment, block.index),
        block.campaign.journal_file(block.experiment, block.index),
    ):
        # Measuring says what is wrong with a file, and mends what a crash has torn.
        with suppress(OSError, UserError):
            entries += read_entries(path)
    return entries
