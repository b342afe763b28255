"""The steps from records to tables and figures. Each reads files, writes files and keeps no state."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import pandas as pd

from joules.analysis import campaign_power, campaign_tables, records, sensitivity, tables
from joules.analysis.contracts import Figure, Tables
from joules.analysis.records import Records
from joules.errors import UserError
from joules.models import did_you_mean
from joules.study.campaign import POWER_MODELS, SELF, Campaign, figures_module, figures_of
from joules.study.config import LOCAL, Config
from joules.study.design import load_design
from joules.study.fingerprint import code_fingerprint, file_sha256

# The records of an experiment by its name.
Load = Callable[[str], Records]


def cached_loader(campaign: Campaign, config: Config) -> Load:
    """Loads the records of an experiment of the campaign once, however often it is asked for them."""
    return functools.cache(lambda name: records.load(campaign.block_files(name, config)))


def tabulate(campaign: Campaign, experiment: str, config: Config, load: Load | None = None) -> None:
    """Writes the tables of an experiment, or those of the campaign itself for 'campaign'.

    `load` is the campaign's `cached_loader`, where several experiments share one.
    """
    load = load or cached_loader(campaign, config)
    if experiment == SELF:
        names: Sequence[str] = config.experiments if campaign.name == LOCAL else campaign.experiments()
        made = _of_campaign(
            {name: load(name) for name in names},
            {name: tables.read_tables(campaign.tables(name)) for name in names},
            config,
            records.read_stated(campaign.stated),
        )
    else:
        names = campaign.read_questions(experiment, config)
        made = tabulate_records(experiment, records.concat([load(name) for name in names]))
    inputs = {path: digest for name in names for path, digest in load(name).sha256.items()}
    if campaign.stated.exists():
        inputs[campaign.stated.name] = file_sha256(campaign.stated)
    tables.write_tables(campaign.tables(experiment), made, inputs)


def tabulate_records(experiment: str, entries: Records) -> records.TableSet:
    """Tables of an experiment, with its results without flagged runs and under every model of power."""
    module = cast(Tables, importlib.import_module(f"experiments.{experiment}.tables"))
    design = load_design(experiment)
    made = module.tabulate(entries, design)
    made["statistics"] = sensitivity.with_unflagged(
        made["statistics"],
        made["runs"],
        entries,
        lambda fewer: module.tabulate(fewer, design)["statistics"],
    )
    return sensitivity.with_power_models(made, entries, lambda again: module.tabulate(again, design))


def statistics_of(campaign: Campaign, experiment: str, config: Config) -> pd.DataFrame:
    """The statistics of an experiment, computed in memory from the campaign's records."""
    load = cached_loader(campaign, config)
    entries = records.concat([load(name) for name in campaign.read_questions(experiment, config)])
    module = cast(Tables, importlib.import_module(f"experiments.{experiment}.tables"))
    return module.tabulate(entries, load_design(experiment))["statistics"]


def _of_campaign(
    entries: Mapping[str, Records],
    tabulated: Mapping[str, Mapping[str, pd.DataFrame]],
    config: Config,
    stated: records.Stated | None,
) -> records.TableSet:
    """Tables of the campaign itself, from the records of all experiments and from their tables."""
    made = campaign_tables.tabulate(entries, config, stated.basis if stated else None)
    again = [
        campaign_tables.spending(
            {name: records.recompute_under(of_experiment, model) for name, of_experiment in entries.items()},
            config,
        )
        for model in records.alternative_models(entries.values())
    ]
    return {
        **made,
        "energy": sensitivity.with_model_ranges(made["energy"], again),
        "headlines": campaign_power.headlines(
            {name: each[POWER_MODELS] for name, each in tabulated.items()},
            {name: each["statistics"] for name, each in tabulated.items()},
        ),
    }


def draw(campaign: Campaign, experiment: str, figure: str) -> None:
    """Draws one figure of an experiment with its provenance beside it."""
    known = figures_of(experiment)
    if figure not in known:
        raise UserError(f"{experiment} has no figure '{figure}' ({did_you_mean(figure, known)})")
    from joules.analysis import plotting

    module = figures_module(experiment)
    draw_one: Figure = getattr(importlib.import_module(module), figure)
    folder = campaign.tables(experiment)
    table_set = tables.read_tables(folder)
    with plotting.style():
        plotting.save(
            draw_one(table_set),
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
