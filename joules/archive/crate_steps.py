"""The steps of a campaign: what each read and made, with what software, and what measuring took."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import pandas as pd

from joules.analysis.drawing.sidecar import SIDECAR
from joules.analysis.tables import read_table
from joules.archive.metadata import describe_provenance, read_machine
from joules.archive.verification import read_config
from joules.study.campaign import CAMPAIGN, Campaign, earlier_releases, figures_of
from joules.study.config import Config
from joules.study.design import Scale, load_design
from joules.study.documents import DOCUMENTS
from joules.study.fingerprint import run_fingerprint
from joules.study.manifest import Manifest, read_manifest

# Of a machine's row, the columns with the versions of packages begin so.
_VERSION = "version_"


@dataclasses.dataclass(frozen=True)
class Software:
    """A program with its real name and version; `key` is its name in the crate."""

    key: str
    properties: Mapping[str, str]
    packages: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of the workflow: files that it read and made; of measuring, its times and what it took.

    `not_kept` names files that it read in another version than the present one.
    """

    name: str
    title: str
    description: str
    software: Software
    read: Sequence[Path]
    made: Sequence[Path]
    times: Mapping[str, str] = dataclasses.field(default_factory=dict)
    usage: Sequence[Mapping[str, str]] = ()
    not_kept: Sequence[str] = ()


def list_steps(campaign: Campaign) -> Iterator[Step]:
    """The steps of a campaign in the order of the data flow.

    Args:
        campaign: A campaign with tables and a manifest.
    """
    manifest = read_manifest(campaign)
    config = read_config(campaign, manifest)
    energy = read_table(campaign.tables(CAMPAIGN) / "energy.csv").set_index("experiment")
    machine = read_machine(campaign)
    experiments = manifest.experiments
    for name in experiments:
        if load_design(name).has_runs:
            yield _measure(campaign, name, manifest, config, machine, energy.loc[name])
    joules = Software("joules", {"name": "joules", "softwareVersion": manifest.version})
    earlier = [other.latest_claims for other in earlier_releases(campaign)]
    tables = {name: sorted(campaign.tables(name).iterdir()) for name in experiments}
    for name in experiments:
        described = campaign.tables_read(name, config)
        read = [
            _file(campaign, name, "design.yaml"),
            *campaign.evidence_files(name, config),
            *(path for other in described for path in tables[other]),
            *(earlier if described else []),
        ]
        title = f"Tabulate {name}"
        yield Step(f"tabulate-{name}", title, f"Tables of {name}", joules, read, tables[name])
    claims = [_file(campaign, name, "claims.yaml") for name in experiments]
    everything = [path for name in experiments for path in tables[name]]
    yield Step(
        "evaluate",
        "Evaluate the claims",
        "Verdicts on the declared claims",
        joules,
        [*claims, *everything],
        [campaign.claims],
    )
    drawn = []
    for name in experiments:
        made = [
            campaign.figure_file(figure, end)
            for figure in figures_of(name)
            for end in (".pdf", ".svg", SIDECAR)
        ]
        drawn += made
        yield Step(f"draw-{name}", f"Draw {name}", f"Figures of {name}", joules, tables[name], made)
    yield Step(
        "typeset",
        "Export the values and typeset the paper",
        "Paper and supplement, every number from the tables",
        joules,
        [*everything, campaign.claims, *drawn],
        [campaign.build / f"{document}.{kind}" for document in DOCUMENTS for kind in ("pdf", "html")],
    )


def _measure(
    campaign: Campaign, name: str, manifest: Manifest, config: Config, machine: pd.Series, energy: pd.Series
) -> Step:
    runs = read_table(campaign.tables(name) / "runs.csv")
    runs = runs[runs["experiment"] == name]
    start = pd.to_datetime(runs["measured_at"])
    end = start + pd.to_timedelta(runs["duration_s"].fillna(0), unit="s")
    design = _file(campaign, name, "design.yaml")
    made = campaign.block_files(name, config)
    usage = [
        {
            "name": f"{kind} of measuring {name}",
            "propertyID": f"#{kind}",
            "value": f"{energy[column]:.9g}",
            "unitCode": f"http://qudt.org/vocab/unit/{unit}",
            "unitText": words,
            "description": f"Whole machine, set-up of runs included; {describe_provenance(campaign)}",
        }
        for kind, column, unit, words in (
            ("energy", "spent_j", "J", "joules"),
            ("duration", "spent_s", "SEC", "seconds"),
        )
    ]
    is_current = _has_current_arms(name, manifest)
    return Step(
        f"measure-{name}",
        f"Measure {name}",
        f"{len(runs)} runs in {len(made)} blocks at scale {machine['scale']} on a {machine['words']}; from "
        "the start of the first run to the end of the last window, pauses not counted",
        _meter(machine),
        [design] if is_current else [],
        made,
        {
            "startTime": start.min().isoformat(timespec="milliseconds"),
            "endTime": end.max().isoformat(timespec="milliseconds"),
        },
        usage,
        [] if is_current else [f"experiments/{name}/design.yaml"],
    )


def _meter(machine: pd.Series) -> Software:
    """What measured: records name the version of the instrument and of the packages that workloads use."""
    packages = {
        column.removeprefix(_VERSION): str(version)
        for column, version in machine.items()
        if column.startswith(_VERSION)
    }
    return Software(
        "meter",
        {
            "name": "joules measure",
            "softwareVersion": f"meter version {machine['meter_version']}",
            "operatingSystem": str(machine["system"]),
        },
        {"Python": str(machine["python"]), **packages},
    )


def _has_current_arms(name: str, manifest: Manifest) -> bool:
    """Whether the runs of an experiment are those of the present design and code."""
    now = load_design(name).runs(cast(Scale, manifest.origin.scale))
    measured = manifest.origin.fingerprints[name]
    return now.keys() == measured.keys() and all(
        run_fingerprint(name, arm, parameters) == measured[arm] for arm, parameters in now.items()
    )


def _file(campaign: Campaign, experiment: str, name: str) -> Path:
    return campaign.root / "experiments" / experiment / name
