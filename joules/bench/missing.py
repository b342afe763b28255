"""The message at the start of a campaign: what is to be measured, and what that took elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from joules.bench.journal import read_records
from joules.bench.measure import select_runs
from joules.bench.progress import Expectation, format_duration, load_expectation
from joules.bench.record import Record
from joules.bench.scheduler import Block
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.config import Config
from joules.study.design import load_design


def describe_missing_runs(
    campaign: Campaign, config: Config, fingerprints: Mapping[str, Mapping[str, str]]
) -> str:
    """Says which runs a campaign lacks, and what they took in a released campaign.

    Args:
        campaign: The campaign.
        config: Its options.
        fingerprints: Fingerprints of runs by experiment and arm.

    Returns:
        A message; empty if no run is missing.
    """
    missing: dict[str, list[str]] = {}
    for experiment, arms in fingerprints.items():
        for index in range(load_design(experiment).at(config.scale).blocks):
            block = Block(experiment, index, config, campaign)
            kept = select_runs(_read_recorded(block), block, arms)
            missing.setdefault(experiment, []).extend(arm for arm in arms if arm not in kept)
    missing = {experiment: arms for experiment, arms in missing.items() if arms}
    if not missing:
        return ""
    runs = sum(map(len, missing.values()))
    sentence = f"to measure: {runs} runs of {', '.join(missing)}, at scale {config.scale}"
    known = {
        experiment: expected
        for experiment in missing
        if (expected := load_expectation(campaign, experiment, config.scale)) is not None
    }
    if not known:
        return f"{sentence}; duration unknown (no released campaign has this scale)"
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
    gaps = f"; no energy is known of {unread} of these runs" if unread else ""
    gaps += f"; {unknown} more runs are in no released campaign" if unknown else ""
    names = ", ".join(dict.fromkeys(expected.campaign for expected in known.values()))
    machines = ", ".join(dict.fromkeys(expected.machine for expected in known.values()))
    how = ", ".join(dict.fromkeys(expected.provenance for expected in known.values()))
    # Two significant digits, without an exponent.
    energy_kj = float(f"{energy_j / 1000:.2g}")
    return f"{format_duration(duration_s)} and {energy_kj:g} kJ ({how}) as in {names} (on {machines}){gaps}"


def _read_recorded(block: Block) -> list[Record]:
    """Records of a block so far. Repairs nothing: another process may be measuring."""
    records: list[Record] = []
    for path in (
        block.campaign.block_file(block.experiment, block.index),
        block.campaign.journal_file(block.experiment, block.index),
    ):
        # `joules measure` reports a bad file, and repairs one that a crash left incomplete.
        with suppress(OSError, UserError):
            records += read_records(path)
    return records
