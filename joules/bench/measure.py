"""Measures what is missing of one block and writes its file of records."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from joules.bench.journal import Journal, write_entries
from joules.bench.lock import machine_lock
from joules.bench.progress import Progress, expectation
from joules.bench.record import Entry, Idle, Run
from joules.bench.scheduler import Arm, Block, Scheduler, in_random_order
from joules.errors import UserError
from joules.instrument.host import machine
from joules.instrument.host.processes import Job
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source
from joules.instrument.sources import discover
from joules.study.config import arm_options
from joules.study.design import check_parameters, load_design
from joules.study.fingerprint import run_fingerprint


def measure_block(block: Block, sources: list[Source] | None = None) -> Path:
    """Measures what is missing of `block` and writes its file of records; returns the file.

    Runs already in the journal with the same fingerprint, measured on this hardware and with a result,
    are kept. `sources` replaces what this machine offers (tests). Raises UserError where nothing can
    be measured, or where no run of the block has a result.
    """
    design = load_design(block.experiment)
    scale = block.config.scale
    arms, blocks = design.runs(scale, arm_options(block.config)), design.at(scale).blocks
    if not 0 <= block.index < blocks:
        raise UserError(
            f"{block.experiment} has {blocks} blocks at {scale}, counted from 0: "
            f"there is no block {block.index}"
        )
    check_parameters(block.experiment, arms)
    progress = Progress(block.experiment, block.index, blocks)
    output = block.campaign.block_file(block.experiment, block.index)
    holder = f"{block.experiment} block {block.index} in {block.campaign.results.resolve()}"
    with contextlib.ExitStack() as held:
        with progress.waiting():
            held.enter_context(machine_lock(holder, progress.say))
        journal = Journal(block.campaign.journal_file(block.experiment, block.index))
        if journal.recovered:
            progress.say(journal.recovered)
        fingerprints = {arm: run_fingerprint(block.experiment, arm, arms[arm]) for arm in arms}
        kept = recorded_runs(journal.entries, block, fingerprints)
        missing = [
            Arm(name, dict(arms[name]), fingerprints[name], position)
            for position, name in enumerate(in_random_order(block, arms))
            if name not in kept
        ]
        expected = expectation(block.campaign, block.experiment, scale)
        progress.plan(len(kept), [arm.name for arm in missing], expected)
        if missing:
            # Runs rest while others work, with their processes stopped.
            job = Job(rests=True)
            used = sources or _discover(job, progress)
            with Sampler(used) as sampler:
                Scheduler(block, design, job, sampler, used, journal, progress).run_all(missing)
        runs = recorded_runs(journal.entries, block, fingerprints, without_result_too=True)
        if not any(run.has_result for run in runs.values()):
            first = next(iter(runs.values()))
            raise UserError(
                f"no run of {block.experiment} block {block.index} has a result; {first.arm}: "
                + (first.failure or "; ".join(first.flags))
            )
        sessions = {run.session for run in runs.values()}
        idles = [entry for entry in journal.entries if isinstance(entry, Idle) and entry.session in sessions]
        write_entries(output, [*idles, *sorted(runs.values(), key=lambda run: run.measured_at)])
        progress.finish(block.campaign.times_file)
    return output


def recorded_runs(
    entries: Iterable[Entry], block: Block, fingerprints: Mapping[str, str], without_result_too: bool = False
) -> dict[str, Run]:
    """The newest usable run of each arm of the block."""
    here = machine.describe().id
    return {
        run.arm: run
        for run in entries
        if isinstance(run, Run)
        and run.block == block.index
        and run.seed == block.seed
        and fingerprints.get(run.arm) == run.fingerprint
        and run.machine.id == here
        and block.config.floor_power_w in (None, run.floor_power_w)
        and (without_result_too or run.has_result)
    }


def _discover(job: Job, progress: Progress) -> list[Source]:
    sources, _ = discover(job)
    for source in sources:
        for channel in source.channels:
            if channel.scope == "machine":
                progress.say(f"{channel.domain} energy: {channel.provenance}, {channel.detail}")
        for notice in source.notices():
            if notice.level != "info":
                progress.say(f"WARNING: {notice}")
    return sources
