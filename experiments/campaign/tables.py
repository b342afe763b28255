"""Tables about a campaign as a whole: its machine, instruments, energy, quality flags and power models."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from experiments.campaign import power
from experiments.campaign.networks import tabulate_networks
from joules.analysis import sensitivity
from joules.analysis.contracts import CampaignEvidence
from joules.analysis.instruments import provenance_words
from joules.analysis.origin import describe_setting
from joules.analysis.records import Floats, Records, alternative_models, find_machine, recompute_under
from joules.instrument import carbon
from joules.instrument.host.machine import Machine
from joules.paper.claims import evaluate_tables
from joules.paper.evidence import tabulate_evidence
from joules.paper.replication import tabulate_replication
from joules.power.metered import read_servers
from joules.power.servers import choose_servers
from joules.power.trials import try_all
from joules.study.config import Config


def tabulate(evidence: CampaignEvidence) -> dict[str, pd.DataFrame]:
    """Build the tables about the campaign.

    Args:
        evidence: Records, tables and configuration of the campaign.

    Returns:
        `machine` (one row), `instruments` (one row per domain), `energy` (one row per experiment), `flags`
        (one row per experiment and kind of flag), `calibration` (one row per power model, unit left out and
        load), `wall` (one row per wall-metered server and load), `processor_only` (one row per system of
        MLPerf), `watts` (one row per power model), `headlines` (one row per claim and power model),
        `networks` (one row per system and network), `evidence` (one row per claim and kind of evidence) and
        `replication` (one row per claim and campaign, per claim and machine, and per claim over machines).

    Raises:
        UserError: If the records come from more than one machine.
    """
    records, config = evidence.records, evidence.config
    machine = find_machine(records.values())
    assert machine is not None
    stated = evidence.stated.basis if evidence.stated else None
    servers = read_servers()
    trials = try_all(servers)
    calibrated = power.calibration(trials)
    by_model = [
        spending({name: recompute_under(entries, model) for name, entries in records.items()}, config)
        for model in sensitivity.select_models(alternative_models(records.values()), records.values())
    ]
    instruments = _instruments(records.values())
    own = evaluate_tables(evidence.tables).assign(**describe_setting(records.values()))
    return {
        "machine": pd.DataFrame([_machine_row(machine, records.values(), stated)]),
        "instruments": instruments,
        "energy": sensitivity.with_model_ranges(energy(records, config), by_model),
        "flags": pd.DataFrame(
            [row for name, of_experiment in records.items() for row in _flag_rows(name, of_experiment)],
            columns=["experiment", "flag", "runs", "example"],
        ),
        "calibration": calibrated,
        "wall": power.wall(servers, trials),
        "processor_only": power.processor_only(),
        "watts": power.watts(records.values(), calibrated),
        "headlines": power.headlines(evidence.tables),
        "networks": tabulate_networks(evidence.tables),
        "evidence": tabulate_evidence(evidence.tables, provenance_words(instruments), evidence.releases),
        "replication": tabulate_replication({evidence.campaign: own, **evidence.releases}),
    }


def energy(records: Mapping[str, Records], config: Config) -> pd.DataFrame:
    """Tabulate runs, failures and the energy that the campaign used, with its impact.

    Args:
        records: Records of each experiment.
        config: Region, PUE and price of electricity.

    Returns:
        One row per experiment.
    """
    counts = pd.DataFrame([_counts(name, entries) for name, entries in records.items()])
    return counts.merge(spending(records, config), on="experiment", validate="one_to_one")


def spending(records: Mapping[str, Records], config: Config) -> pd.DataFrame:
    """Columns of `energy` that depend on the power model, one row per experiment."""
    return pd.DataFrame([_spent(name, entries, config) for name, entries in records.items()])


def _machine_row(machine: Machine, every: Collection[Records], stated: str | None) -> dict[str, object]:
    servers = choose_servers(machine.identity)
    generation = servers.name if servers.evidence == "generation" else None
    basis = None if machine.identity is None else stated or "recorded"
    runs = {
        name: np.concatenate([each.cells.runs[name] for each in every])
        for name in ("scale", "seed", "block", "threads", "meter_version")
    }
    measured_at = [
        instant
        for each in every
        for of in (each.cells.runs, each.cells.idle)
        for instant in of["measured_at"].tolist()
    ]
    versions = next(each.cells.versions for each in every if each.has_runs)
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
        "scale": ", ".join(sorted(set(runs["scale"].tolist()))),
        "first_seed": (runs["seed"] - runs["block"]).min(),
        "meter_version": runs["meter_version"][0],
        "threads": runs["threads"].max(),
        "first_measured_at": min(measured_at),
        "last_measured_at": max(measured_at),
        **{f"version_{name}": version for name, version in sorted(versions.items())},
    }


def _instruments(every: Iterable[Records]) -> pd.DataFrame:
    rows = {
        (kind.domain, kind.provenance, kind.source, kind.detail)
        for each in every
        for group in each.groups
        for kind in group.primary
    }
    columns = ["domain", "provenance", "source", "detail"]
    return pd.DataFrame(sorted(rows), columns=columns)


def _counts(experiment: str, entries: Records) -> dict[str, object]:
    worked = pd.isna(entries.cells.runs["failure"])
    return {
        "experiment": experiment,
        "runs": len(worked),
        "failed": int((~worked).sum()),
        "unread": int((worked & np.isnan(entries.energy_j)).sum()),
        "flagged": int(np.array(list(map(bool, entries.idle.flags)))[entries.idle.flags_of_run].sum()),
    }


def _spent(experiment: str, entries: Records, config: Config) -> dict[str, object]:
    groups = entries.groups
    runs = [group for group in groups if group.kind == "run"]
    spent_j = _summed(group.spent_j for group in groups)
    grid = carbon.grid(config.region)
    impact = carbon.impact(spent_j, grid, config.pue, config.price_usd_per_kwh)
    low_usd, median_usd, high_usd = impact.social_cost_usd
    return {
        "experiment": experiment,
        "windows_j": _summed(group.total_j for group in runs),
        "windows_s": _summed(group.duration_s[~np.isnan(group.total_j)] for group in runs),
        "spent_j": spent_j,
        "spent_s": _summed(group.spent_s for group in groups),
        "unread_s": _summed(group.spent_s[np.isnan(group.spent_j)] for group in groups),
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


def _summed(numbers: Iterable[Floats]) -> float:
    """Sum of all numbers; missing ones (NaN) count as zero."""
    return float(sum(np.nansum(some) for some in numbers))


def _flag_rows(experiment: str, entries: Records) -> list[dict[str, object]]:
    runs, rests = entries.cells.runs, entries.idle
    evidence = [dict(flag.partition(": ")[::2] for flag in flags) for flags in rests.flags]
    rows = []
    for kind in sorted({kind for each in evidence for kind in each}):
        has_kind = np.array([kind in each for each in evidence])[rests.flags_of_run]
        first = np.flatnonzero(has_kind)[0]
        words = evidence[rests.flags_of_run[first]][kind]
        rows.append(
            {
                "experiment": experiment,
                "flag": kind,
                "runs": int(has_kind.sum()),
                "example": f"{runs['arm'][first]} block {runs['block'][first]}, {words}",
            }
        )
    return rows
