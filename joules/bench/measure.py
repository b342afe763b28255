"""Measures the missing runs of one block and writes its file of records."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from joules.bench.journal import Journal, parse_records, write_records
from joules.bench.lock import machine_lock
from joules.bench.progress import Progress, load_expectation
from joules.bench.record import Idle, Record, Run
from joules.bench.scheduler import Arm, Block, Scheduler, shuffle_items
from joules.errors import UserError
from joules.instrument.host import machine
from joules.instrument.host.processes import Job
from joules.instrument.reading import primary
from joules.instrument.sampler import Sampler
from joules.instrument.source import Source
from joules.instrument.sources import discover, failing_channels
from joules.models import printable
from joules.study.config import arm_options
from joules.study.design import check_parameters, load_design
from joules.study.files import create_once, read_content
from joules.study.fingerprint import run_fingerprint


def measure_block(block: Block, sources: list[Source] | None = None) -> Path:
    """Measures the missing runs of a block and writes its file of records.

    A run of the journal is kept if it has the same fingerprint, was measured on this hardware and has a
    result.

    Args:
        block: What to measure.
        sources: Sources of energy; None for those that this machine has.

    Returns:
        The file of records.

    Raises:
        UserError: If nothing can be measured, or no run of the block has a result.
    """
    design = load_design(block.experiment)
    scale = block.config.scale
    arms, blocks = design.runs(scale, arm_options(block.config)), design.at(scale).blocks
    if not 0 <= block.index < blocks:
        raise UserError(
            f"invalid block {block.index}: {block.experiment} has {blocks} blocks at scale {scale}, "
            f"use 0 to {blocks - 1}"
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
        check_same_machine(block)
        known = len(journal.records)
        fingerprints = {arm: run_fingerprint(block.experiment, arm, arms[arm]) for arm in arms}
        kept = select_runs(journal.records, block, fingerprints)
        missing = [
            Arm(name, dict(arms[name]), fingerprints[name], position)
            for position, name in enumerate(shuffle_items(block.experiment, block.seed, arms))
            if name not in kept
        ]
        expected = load_expectation(block.campaign, block.experiment, scale)
        progress.plan(len(kept), [arm.name for arm in missing], expected)
        if missing:
            # A run is paused while others work: its processes are stopped.
            job = Job(has_pauses=True)
            used = sources or discover_sources(job, block.config.without_gpu, progress)
            with Sampler(used) as sampler:
                Scheduler(block, design, job, sampler, used, journal, progress).run_all(missing)
        runs = select_runs(journal.records, block, fingerprints, has_result=False)
        if not any(run.has_result for run in runs.values()):
            first = next(iter(runs.values()))
            raise UserError(
                f"no run of {block.experiment} block {block.index} has a result; {first.arm}: "
                + (first.failure or "; ".join(first.flags))
            )
        check_read(block, [*runs.values(), *journal.records[known:]])
        sessions = {run.session for run in runs.values()}
        idles = [idle for idle in journal.records if isinstance(idle, Idle) and idle.session in sessions]
        write_records(output, [*idles, *sorted(runs.values(), key=lambda run: run.measured_at)])
        progress.finish(block.campaign.times_file)
    return output


def select_runs(
    records: Iterable[Record], block: Block, fingerprints: Mapping[str, str], *, has_result: bool = True
) -> dict[str, Run]:
    """The newest usable run of each arm of a block, measured on this hardware, and on this node of a cluster.

    Args:
        records: Records of the block, in order of time.
        block: The block.
        fingerprints: Fingerprint that a run must have, by arm.
        has_result: Ignore runs without a result.

    Returns:
        Runs by arm.
    """
    here, node = machine.describe().id, machine.node_name()
    return {
        run.arm: run
        for run in records
        if isinstance(run, Run)
        and run.block == block.index
        and run.seed == block.seed
        and fingerprints.get(run.arm) == run.fingerprint
        and run.machine.id == here
        # Arms of a block are compared with one another: a block that has moved is measured anew.
        and (run.node == node or None in (run.node, node))
        and block.config.floor_power_w in (None, run.floor_power_w)
        and (run.has_result or not has_result)
    }


def check_same_machine(block: Block) -> None:
    """Raises UserError if another block of the campaign was measured on other hardware, or started on it at
    the same time: tables hold one machine, and would be refused when all is measured."""
    here, own = machine.describe(), block.campaign.block_file(block.experiment, block.index)
    same = (
        f"this is a {here.words}: measure all blocks on the same hardware (of a cluster, choose nodes), "
        f"or move {block.campaign.results} away"
    )
    for path in sorted(block.campaign.runs.glob("*/block-*")):
        if path == own:
            continue
        first = next(iter(parse_records(path, read_content(path).partition(b"\n")[0])), None)
        if first is not None and first.machine.id != here.id:
            raise UserError(f"{path} was measured on a {first.machine.words}, {same}")
    stated = create_once(block.campaign.machine_file, f"{here.id}\n{here.words}\n").split("\n")
    if stated[0] != here.id:
        raise UserError(f"a block is being measured on a {printable(' '.join(stated[1:]).strip())}, {same}")


def check_read(block: Block, records: Iterable[Record]) -> None:
    """Raises UserError if a device was lost while the block was measured: the block is not done."""
    lost = {
        reading.domain: reading
        for record in records
        if isinstance(record, Idle) or (record.failure is None and record.total is None)
        for reading in primary(record.readings)
        if reading.energy_j is None
    }
    if lost:
        domain, reading = next(iter(lost.items()))
        raise UserError(
            f"energy of {', '.join(lost)} was lost while {block.experiment} block {block.index} was measured "
            f"({domain}: {reading.detail}): make it readable (see 'joules doctor') and run again, runs that "
            "were read are kept"
        )


def discover_sources(job: Job, without_gpu: bool, progress: Progress) -> list[Source]:
    """Opens the sources of this machine. Raises UserError if one of its GPUs cannot be read."""
    sources, _ = discover(job, without_gpu=without_gpu)
    refused = [
        *(
            f"{c.domain}: {c.detail}"
            for source in sources
            for c in source.channels
            if c.provenance == "missing"
        ),
        *(
            str(notice)
            for source in sources
            for notice in source.notices()
            if notice.level == "flag" and notice.about.startswith("gpu")
        ),
    ]
    if refused:
        for source in sources:
            source.close()
        raise UserError(
            f"a partial reading is refused, {'; '.join(refused)}; or measure without GPUs: without_gpu=true"
        )
    failing = failing_channels(sources)
    for source in sources:
        for channel in source.channels:
            if channel in failing:
                progress.say(f"WARNING: {channel.domain} is not read by {channel.source}: {failing[channel]}")
            elif channel.scope == "machine":
                progress.say(f"{channel.domain} energy: {channel.provenance}, {channel.detail}")
        for notice in source.notices():
            if notice.level != "info":
                progress.say(f"WARNING: {notice}")
    return sources
