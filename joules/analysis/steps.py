"""The steps from records to tables and figures. Each reads files, writes files and keeps no state."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pandas as pd

from joules.analysis import sensitivity, tables
from joules.analysis.contracts import CampaignEvidence, CampaignTables, Figure, PublishedTables, Tables
from joules.analysis.origin import read_verdicts
from joules.analysis.records import Records, TableSet, concat, load_records, read_stated
from joules.analysis.statistics import with_p_bound
from joules.errors import UserError
from joules.models import did_you_mean
from joules.study.campaign import Campaign, earlier_releases, figures_of
from joules.study.claims import load_claims
from joules.study.config import Config
from joules.study.design import Evidence, load_design
from joules.study.fingerprint import code_fingerprint, file_sha256

# The records of an experiment by its name.
Load = Callable[[str], Records]


def cached_loader(campaign: Campaign, config: Config) -> Load:
    """A loader that reads the records of each experiment of the campaign once."""
    return functools.cache(lambda name: load_records(campaign.block_files(name, config)))


def tabulate(campaign: Campaign, experiment: str, config: Config, load: Load | None = None) -> None:
    """Makes the tables of an experiment from its evidence and writes them.

    Args:
        campaign: the campaign.
        experiment: name of the experiment; its design names the kind of evidence.
        config: options of the campaign.
        load: the campaign's `cached_loader`, where several experiments share one.
    """
    load = load or cached_loader(campaign, config)
    made = _TABULATED[load_design(experiment).evidence](campaign, experiment, config, load)
    folder = campaign.evidence_folder(experiment)
    inputs = {
        path: digest
        for name in campaign.sources(experiment, config)
        for path, digest in load(name).sha256.items()
    }
    of_others = load_design(experiment).evidence == "campaign"
    released = [other.latest_claims for other in earlier_releases(campaign)] if of_others else []
    for path in [*campaign.evidence_files(experiment, config), *released]:
        # Records are hashed as they are read.
        name = Path(os.path.relpath(path, folder)).as_posix()
        inputs.setdefault(name, file_sha256(path))
    tables.write_tables(campaign.tables(experiment), made, inputs)


def _from_runs(campaign: Campaign, experiment: str, config: Config, load: Load) -> TableSet:
    names = campaign.sources(experiment, config)
    return tabulate_records(experiment, concat([load(name) for name in names]))


def tabulate_records(experiment: str, records: Records) -> TableSet:
    """Makes the tables of an experiment with runs, with its results without flagged runs and under every
    power model."""
    module = cast(Tables, importlib.import_module(f"experiments.{experiment}.tables"))
    design = load_design(experiment)

    def tabulate_again(others: Records) -> TableSet:
        return _with_p_bound(experiment, module.tabulate(others, design))

    made = tabulate_again(records)
    made["statistics"] = sensitivity.with_unflagged(
        made["statistics"], made["runs"], records, lambda fewer: tabulate_again(fewer)["statistics"]
    )
    return sensitivity.with_power_models(made, records, tabulate_again)


def _with_p_bound(experiment: str, made: TableSet) -> TableSet:
    """The tables of an experiment, with each statistic that a claim names tested against its bound."""
    bounds = {claim.statistic: claim.value for claim in load_claims(experiment).values()}
    return {**made, "statistics": with_p_bound(made["statistics"], bounds)}


def statistics_of(campaign: Campaign, experiment: str, config: Config) -> pd.DataFrame:
    """The statistics of an experiment, computed in memory from the campaign's records."""
    load = cached_loader(campaign, config)
    records = concat([load(name) for name in campaign.sources(experiment, config)])
    module = cast(Tables, importlib.import_module(f"experiments.{experiment}.tables"))
    return module.tabulate(records, load_design(experiment))["statistics"]


def _from_campaign(campaign: Campaign, experiment: str, config: Config, load: Load) -> TableSet:
    module = cast(CampaignTables, importlib.import_module(f"experiments.{experiment}.tables"))
    evidence = CampaignEvidence(
        {name: load(name) for name in campaign.sources(experiment, config)},
        {name: tables.read_tables(campaign, name) for name in campaign.tables_read(experiment, config)},
        config,
        campaign.name,
        read_stated(campaign.stated),
        read_verdicts(earlier_releases(campaign)),
    )
    return module.tabulate(evidence)


def _from_published(campaign: Campaign, experiment: str, config: Config, _load: Load) -> TableSet:
    module = cast(PublishedTables, importlib.import_module(f"experiments.{experiment}.tables"))
    made = module.tabulate(campaign.evidence_files(experiment, config))
    if "statistics" not in made:
        return made
    made = _with_p_bound(experiment, made)
    return {**made, "statistics": sensitivity.without_runs(made["statistics"])}


_TABULATED: dict[Evidence, Callable[[Campaign, str, Config, Load], TableSet]] = {
    "runs": _from_runs,
    "campaign": _from_campaign,
    "published": _from_published,
}


def draw(campaign: Campaign, experiment: str, figure: str) -> None:
    """Draws one figure of an experiment and writes it with its provenance file.

    Raises:
        UserError: where the experiment has no such figure.
    """
    known = figures_of(experiment)
    if figure not in known:
        raise UserError(f"{experiment} has no figure '{figure}' ({did_you_mean(figure, known)})")
    from joules.analysis.drawing import print_renderer

    module = f"experiments.{experiment}.figures"
    describe: Figure = getattr(importlib.import_module(module), figure)
    folder = campaign.tables(experiment)
    table_set = tables.read_tables(campaign, experiment)
    print_renderer.save_figure(
        print_renderer.draw_figure(describe(table_set)),
        campaign.figures,
        figure,
        {
            "figure": figure,
            "campaign": campaign.name,
            "experiment": experiment,
            "tables": campaign.relative(folder),
            "manifest_sha256": file_sha256(folder / tables.MANIFEST),
            "code_fingerprint": code_fingerprint(module, [figure]),
        },
    )
