"""The steps from records to tables and figures. Each reads files, writes files and keeps no state."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Mapping
from typing import cast

from joules.analysis import campaign_power, campaign_tables, ensemble, records, sensitivity, tables
from joules.analysis.contracts import Figure, Tables
from joules.bench.record import Idle, Run
from joules.errors import UserError
from joules.models import did_you_mean
from joules.study.campaign import POWER_MODELS, SELF, Campaign, figures_module, figures_of
from joules.study.config import LOCAL, Config
from joules.study.design import load_design
from joules.study.fingerprint import code_fingerprint, file_sha256


def tabulate(campaign: Campaign, experiment: str, config: Config) -> None:
    """Writes the tables of an experiment, or those of the campaign itself for 'campaign'."""
    if experiment == SELF:
        names = config.experiments if campaign.name == LOCAL else campaign.experiments()
        made = _of_campaign(
            {name: records.load(campaign.block_files(name, config)) for name in names},
            {name: tables.read_tables(campaign.tables(name)) for name in names},
            config,
            records.stated_of(campaign.stated),
        )
    else:
        names = [experiment]
        made = tabulated(experiment, records.load(campaign.read_files(experiment, config)))
    inputs = [path for name in names for path in campaign.records(name, config)]
    tables.write_tables(
        campaign.tables(experiment),
        made,
        {path.relative_to(campaign.runs).as_posix(): path for path in inputs},
    )


def tabulated(experiment: str, entries: list[Run | Idle]) -> records.TableSet:
    """Tables of an experiment, with its results without flagged runs and under every model of power."""
    module = cast(Tables, importlib.import_module(f"experiments.{experiment}.tables"))
    design = load_design(experiment)
    made = module.tabulate(entries, design)
    made["statistics"] = sensitivity.beside(
        made["statistics"],
        made["runs"],
        entries,
        lambda fewer: module.tabulate(fewer, design)["statistics"],
    )
    return ensemble.beside(made, entries, lambda again: module.tabulate(again, design))


def _of_campaign(
    entries: Mapping[str, list[Run | Idle]],
    tabulated: Mapping[str, records.TableSet],
    config: Config,
    stated: records.Stated | None,
) -> records.TableSet:
    """Tables of the campaign itself, from the records of all experiments and from their tables."""
    made = campaign_tables.tabulate(entries, config, stated.basis if stated else None)
    rereading = ensemble.Rereading([entry for of_experiment in entries.values() for entry in of_experiment])
    again = []
    for model in rereading.models:
        left = iter(rereading.under(model))
        under = {name: list(itertools.islice(left, len(each))) for name, each in entries.items()}
        again.append(campaign_tables.spending(under, config))
    return {
        **made,
        "energy": ensemble.with_bands(made["energy"], again),
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
