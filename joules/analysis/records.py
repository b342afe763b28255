"""Records of a campaign as one tidy table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from joules.bench.journal import read_entries
from joules.bench.record import Idle, Run
from joules.errors import UserError
from joules.instrument.host.machine import ProcessorIdentity
from joules.instrument.reading import attributed_j, primary, total
from joules.instrument.source import PREFERENCE
from joules.models import Closed, read_yaml, validate
from joules.study.campaign import STATED
from joules.study.design import Design

# Tables by name.
TableSet = dict[str, pd.DataFrame]

# An idle machine whose power before and after a block differs by more than this was not at rest.
IDLE_MISMATCH = 0.1


class Stated(Closed):
    """What records do not tell of their machine and was stated later; `basis` is the reason to believe it."""

    identity: ProcessorIdentity
    basis: str


def load(files: Sequence[Path]) -> list[Run | Idle]:
    """The entries of the block files of one experiment, with what was stated of their machine filled in.

    Raises UserError where a file is missing, was edited, or mixes versions of the meter.
    """
    for path in files:
        if not path.exists():
            raise UserError(f"{path} does not exist: measure the campaign first")
    entries = [entry for path in files for entry in _of_block(path)]
    versions = sorted({entry.meter_version for entry in entries})
    if len(versions) > 1:
        raise UserError(
            f"records of meter versions {versions} cannot share a table: measure the older ones again "
            f"(delete their block files under {files[0].parent})"
        )
    stated = stated_of(files[0].parent.parent / STATED) if files else None
    return [_identified(entry, stated.identity) for entry in entries] if stated else entries


def stated_of(path: Path) -> Stated | None:
    """What was stated of a campaign's machine; None where nothing was. Raises UserError where it cannot be
    read."""
    return validate(Stated, read_yaml(path), str(path)) if path.exists() else None


def _identified(entry: Run | Idle, identity: ProcessorIdentity) -> Run | Idle:
    """The entry with a processor that it did not name. What was recorded is never replaced."""
    if entry.machine.identity is not None:
        return entry
    machine = entry.machine.model_copy(update={"identity": identity})
    return entry.model_copy(update={"machine": machine})


def _of_block(path: Path) -> list[Run | Idle]:
    """The entries of a block's file. Raises UserError where they are not those of that block."""
    entries = read_entries(path)
    if not any(isinstance(entry, Run) for entry in entries):
        raise UserError(f"{path} holds no run: restore it, or delete it and measure that block again")
    for entry in entries:
        named = f"{entry.experiment}/block-{entry.block}.jsonl"
        if named != f"{path.parent.name}/{path.name}":
            raise UserError(f"{path} holds a record of {named}: a file was copied or renamed, restore it")
    return entries


def runs_table(entries: Sequence[Run | Idle]) -> pd.DataFrame:
    """One row a run, failed ones included, in order of block and position.

    Energies in joules, gross and net of the idle power that brackets the run's session; power in
    watts; CPU time in seconds; instructions in user mode, none where the processor counts none. Flags are
    separated by '; '.
    """
    runs = sorted(
        (entry for entry in entries if isinstance(entry, Run)),
        key=lambda run: (run.block, run.position),
    )
    rests = rests_by_session(entries)
    return pd.DataFrame([_row(run, rests.get(run.session, [])) for run in runs])


def with_metrics(
    entries: Sequence[Run | Idle], parameters: Sequence[str] = (), metrics: Sequence[str] = ()
) -> pd.DataFrame:
    """`runs_table` with the named parameters and metrics of each run as columns; None where absent."""
    table = runs_table(entries)
    run_of = {(run.arm, run.block): run for run in entries if isinstance(run, Run)}
    runs = [run_of[arm, block] for arm, block in zip(table["arm"], table["block"], strict=True)]
    for place, name in enumerate(parameters, start=2):
        table.insert(place, name, [run.parameters.get(name) for run in runs])
    return table.assign(**{name: [run.metrics.get(name) for run in runs] for name in metrics})


def with_result(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of runs that worked to their end and whose energy was read."""
    return runs[runs["failure"].isna() & runs["energy_j"].notna()]


def rests_by_session(entries: Sequence[Run | Idle]) -> dict[str, list[float]]:
    """Power in watts of the machine at rest around the runs of each session, where it was read."""
    rests: dict[str, list[float]] = {}
    for entry in entries:
        if isinstance(entry, Idle) and (power_w := _power_w(entry)) is not None:
            rests.setdefault(entry.session, []).append(power_w)
    return rests


def flags_of(run: Run, idle_powers_w: Sequence[float]) -> list[str]:
    """Everything that speaks against a run, or against the rest around its session, of which the powers are
    given: each a word and its evidence."""
    return [*run.flags, *_idle_flags(idle_powers_w)]


def in_order(table: pd.DataFrame, design: Design) -> pd.DataFrame:
    """A table with a row an arm in the order of the design, not of the first block's random one."""
    if table.empty:
        return table
    places = {arm: place for place, arm in enumerate(design.arms)}
    return table.sort_values("arm", key=lambda arms: arms.map(places), kind="stable", ignore_index=True)


def _row(run: Run, idle_powers_w: Sequence[float]) -> dict[str, object]:
    domains = {reading.domain: reading for reading in primary(run.readings)}
    idle_power_w = sum(idle_powers_w) / len(idle_powers_w) if idle_powers_w else None
    gross_j = run.total.energy_j if run.total else None
    net_j = net_uncertainty_j = None
    if run.total is not None and idle_power_w is not None and run.duration_s is not None:
        idle_uncertainty_w = (max(idle_powers_w) - min(idle_powers_w)) / 2
        net_j = run.total.energy_j - idle_power_w * run.duration_s
        net_uncertainty_j = run.total.uncertainty_j + idle_uncertainty_w * run.duration_s
    return {
        "experiment": run.experiment,
        "arm": run.arm,
        "block": run.block,
        "position": run.position,
        "scale": run.scale,
        "duration_s": run.duration_s,
        "energy_j": gross_j,
        "energy_uncertainty_j": run.total.uncertainty_j if run.total else None,
        "energy_net_j": net_j,
        "energy_net_uncertainty_j": net_uncertainty_j,
        "energy_attributed_j": attributed_j(run.readings),
        "provenance": run.total.provenance if run.total else "missing",
        **{f"energy_{domain}_j": reading.energy_j for domain, reading in domains.items()},
        "idle_power_w": idle_power_w,
        "cpu_s": run.contention.job_cpu_s if run.contention else None,
        "instructions": run.contention.job_instructions if run.contention else None,
        "foreign_cores": run.contention.foreign_cores if run.contention else None,
        "peak_memory_bytes": run.peak_memory_bytes,
        "failure": run.failure,
        "flags": "; ".join(flags_of(run, idle_powers_w)),
        "fingerprint": run.fingerprint,
        "measured_at": run.measured_at,
    }


def _power_w(idle: Idle) -> float | None:
    whole = total(idle.readings, idle.duration_s, floor_power_w=0.0)
    return whole.energy_j / idle.duration_s if whole else None


def _idle_flags(powers_w: Sequence[float]) -> list[str]:
    if len(powers_w) < 2:
        return ["idle-bracket: the idle machine was not measured on both sides"]
    if max(powers_w) > min(powers_w) * (1 + IDLE_MISMATCH):
        return [f"idle-mismatch: {min(powers_w):.1f} to {max(powers_w):.1f} W"]
    return []


def provenance_of(runs: pd.DataFrame) -> str:
    """The weakest provenance among runs with a result: what a caption must say."""
    kinds = set(with_result(runs)["provenance"])
    return max(kinds, key=[*PREFERENCE].index) if kinds else "missing"
