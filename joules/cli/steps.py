"""Commands for the steps of the paper, in the order of the data flow. Snakemake runs them all."""

from __future__ import annotations

import argparse

from joules.cli.command import (
    Command,
    Options,
    declare_all,
    declare_campaign,
    declare_config,
    declare_experiments,
    load_config,
    select_campaign,
    select_experiments,
)


def _declare_measure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXPERIMENT", help="folder of experiments/")
    parser.add_argument("--block", type=int, default=0, metavar="N", help="number of the block (default: 0)")
    declare_config(parser)


def _measure(options: Options) -> None:
    from joules.bench.measure import measure_block
    from joules.bench.scheduler import Block
    from joules.study.campaign import Campaign
    from joules.study.config import LOCAL

    print(measure_block(Block(options.experiment, options.block, load_config(options), Campaign(LOCAL))))


def _declare_tabulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXPERIMENT", help="folder of experiments/")
    declare_campaign(parser)
    declare_config(parser)


def _tabulate(options: Options) -> None:
    from joules.analysis.steps import tabulate

    tabulate(select_campaign(options), options.experiment, load_config(options))


def _declare_draw(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXPERIMENT", help="folder of experiments/")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help="default: all figures of the experiment")
    declare_campaign(parser)


def _draw(options: Options) -> None:
    from joules.analysis.steps import draw
    from joules.study.campaign import figures_of

    for figure in options.figures or figures_of(options.experiment):
        draw(select_campaign(options), options.experiment, figure)


def _evaluate(options: Options) -> None:
    from joules.paper.steps import evaluate_claims

    evaluate_claims(select_campaign(options), select_experiments(options))


def _export(options: Options) -> None:
    from joules.paper.steps import check_prose, export_values

    experiments = select_experiments(options)
    check_prose(experiments, export_values(select_campaign(options), experiments))


def _typeset(options: Options) -> None:
    from joules.paper.steps import typeset_paper

    for path in typeset_paper(select_campaign(options)):
        print(path)


COMMANDS = {
    "measure": Command("measure one block of an experiment on this machine", _measure, _declare_measure),
    "tabulate": Command("make CSV tables from records", _tabulate, _declare_tabulate, is_exact=True),
    "draw": Command("draw figures from tables", _draw, _declare_draw, is_exact=True),
    "evaluate": Command(
        "evaluate the claims of the paper against a campaign",
        _evaluate,
        declare_all(declare_experiments, declare_campaign),
        is_exact=True,
    ),
    "export": Command(
        "export the numbers, captions and tables that the paper prints",
        _export,
        declare_all(declare_experiments, declare_campaign),
        is_exact=True,
    ),
    "typeset": Command(
        "typeset the paper as a PDF and a web page", _typeset, declare_campaign, is_exact=True
    ),
}
