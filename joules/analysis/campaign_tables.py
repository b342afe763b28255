"""What a campaign says of itself: tables of its machine, its instruments, its own energy and its flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from joules.analysis import campaign_power
from joules.analysis.records import flags_of, rests_by_session
from joules.bench.record import Idle, Run
from joules.errors import UserError
from joules.instrument import carbon
from joules.instrument.host.machine import Machine
from joules.instrument.reading import primary
from joules.instrument.servers import recognised
from joules.study.config import Config

Entries = Sequence[Run | Idle]

# The word for a number of each provenance, as a caption and the abstract print it.
WORDS = {
    "counter": "measured by hardware counters",
    "sampled": "measured by sampled power",
    "modelled": "modelled, not measured",
    "missing": "missing",
}
DOMAINS = {"cpu": "processor", "dram": "memory"}


def tabulate(
    records: Mapping[str, Entries], config: Config, stated: str | None = None
) -> dict[str, pd.DataFrame]:
    """`machine` (one row), `instruments` (one row a domain), `energy` (one row an experiment), `watts` (one
    row a model of power), `flags` (one row an experiment and kind of flag). `stated` is the reason to believe
    what was stated of the machine after it was measured.

    Raises UserError where the records come from more than one machine.
    """
    entries = [entry for of_experiment in records.values() for entry in of_experiment]
    machines = {entry.machine.id: entry.machine for entry in entries}
    if len(machines) > 1:
        raise UserError(
            "the records of this campaign come from several machines "
            f"({', '.join(machine.words for machine in machines.values())}): one campaign is one machine"
        )
    return {
        "machine": pd.DataFrame([_machine_row(next(iter(machines.values())), entries, stated)]),
        "instruments": _instruments(entries),
        "energy": energy(records, config),
        "watts": campaign_power.watts(entries),
        "flags": pd.DataFrame(
            [row for name, of_experiment in records.items() for row in _flag_rows(name, of_experiment)],
            columns=["experiment", "flag", "runs", "example"],
        ),
    }


def energy(records: Mapping[str, Entries], config: Config) -> pd.DataFrame:
    """What the campaign itself used, a row an experiment, and what that means; how many runs it has, and how
    many of them are at fault."""
    counts = pd.DataFrame([_counts(name, entries) for name, entries in records.items()])
    return counts.merge(spending(records, config), on="experiment", validate="one_to_one")


def spending(records: Mapping[str, Entries], config: Config) -> pd.DataFrame:
    """Of `energy`, what a model of power may move."""
    return pd.DataFrame([_spent(name, entries, config) for name, entries in records.items()])


def _machine_row(machine: Machine, entries: Entries, stated: str | None) -> dict[str, object]:
    servers = recognised(machine.identity)
    generation = servers.generation if servers else None
    basis = None if machine.identity is None else stated or "recorded"
    runs = [entry for entry in entries if isinstance(entry, Run)]
    return {
        "machine": machine.id,
        "words": machine.words,
        "processor": machine.processor,
        "logical_cores": machine.logical_cores,
        "memory_gib": machine.memory_gib,
        "generation": generation,
        "generation_basis": basis,
        "virtual": machine.virtual,
        "gpus": "; ".join(gpu.name for gpu in machine.gpus),
        "driver": "; ".join(sorted({gpu.driver for gpu in machine.gpus})),
        "system": machine.system,
        "python": machine.python,
        "scale": ", ".join(sorted({run.scale for run in runs})),
        "first_seed": min(run.seed - run.block for run in runs),
        "meter_version": entries[0].meter_version,
        "threads": max(run.threads for run in runs),
        "first_measured_at": min(entry.measured_at for entry in entries),
        "last_measured_at": max(entry.measured_at for entry in entries),
        **{f"version_{name}": version for name, version in sorted(runs[0].versions.items())},
    }


def _instruments(entries: Entries) -> pd.DataFrame:
    rows = {
        (reading.domain, reading.provenance, reading.source, reading.detail): None
        for entry in entries
        for reading in primary(entry.readings)
    }
    columns = ["domain", "provenance", "source", "detail"]
    return pd.DataFrame(sorted(rows), columns=columns)


def _counts(experiment: str, entries: Entries) -> dict[str, object]:
    runs = [entry for entry in entries if isinstance(entry, Run)]
    rests = rests_by_session(entries)
    return {
        "experiment": experiment,
        "runs": len(runs),
        "failed": sum(run.failure is not None for run in runs),
        "unread": sum(run.failure is None and not run.has_result for run in runs),
        "flagged": sum(bool(flags_of(run, rests.get(run.session, []))) for run in runs),
    }


def _spent(experiment: str, entries: Entries, config: Config) -> dict[str, object]:
    runs = [entry for entry in entries if isinstance(entry, Run)]
    spent_j = sum(entry.spent.energy_j or 0.0 for entry in entries)
    grid = carbon.grid(config.region)
    impact = carbon.impact(spent_j, grid, config.pue, config.price_usd_per_kwh)
    low_usd, median_usd, high_usd = impact.social_cost_usd
    return {
        "experiment": experiment,
        "windows_j": sum(run.total.energy_j for run in runs if run.total),
        "windows_s": sum(run.duration_s or 0.0 for run in runs if run.total),
        "spent_j": spent_j,
        "spent_s": sum(entry.spent.duration_s for entry in entries),
        "unread_s": sum(entry.spent.duration_s for entry in entries if entry.spent.energy_j is None),
        "pue": config.pue,
        "region": grid.region,
        "intensity_g_per_kwh": grid.intensity_g_per_kwh,
        "grid_sha256": impact.grid_sha256,
        "energy_kwh": impact.energy_kwh,
        "emissions_g": impact.emissions_g,
        "price_usd": impact.price_usd,
        "social_cost_low_usd": low_usd,
        "social_cost_usd": median_usd,
        "social_cost_high_usd": high_usd,
        "boiled_litres": impact.boiled_litres,
        "household_h": impact.household_h,
    }


def _flag_rows(experiment: str, entries: Entries) -> list[dict[str, object]]:
    evidence: dict[str, list[str]] = {}
    rests = rests_by_session(entries)
    for run in (entry for entry in entries if isinstance(entry, Run)):
        for kind, evidence_of_kind in {
            flag.partition(": ")[0]: flag for flag in flags_of(run, rests.get(run.session, []))
        }.items():
            evidence.setdefault(kind, []).append(
                f"{run.arm} block {run.block}, {evidence_of_kind.partition(': ')[2]}"
            )
    return [
        {
            "experiment": experiment,
            "flag": kind,
            "runs": len(evidence_of_kind),
            "example": evidence_of_kind[0],
        }
        for kind, evidence_of_kind in sorted(evidence.items())
    ]


def is_modelled(instruments: pd.DataFrame) -> bool:
    """Whether the energy of any part of the machine is modelled."""
    return bool((instruments["provenance"] == "modelled").any())


def words(instruments: pd.DataFrame) -> str:
    """How the energy was read, as a clause."""
    kinds = set(instruments["provenance"])
    if len(kinds) == 1:
        return WORDS[kinds.pop()]
    parts = [
        f"{DOMAINS.get(row.domain, row.domain.upper())} {WORDS[row.provenance]}"
        for row in instruments.itertuples()
    ]
    return ", ".join(parts)
