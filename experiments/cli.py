"""Each step of the paper as a plain command: `python -m experiments <step>`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.config import (
    LOCAL,
    ROOT,
    Config,
    check_config,
    experiment_names,
    parse_option,
    read_options,
)
from experiments.errors import UserError
from experiments.schemas import schema_files


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status (2 after a sentence on standard error)."""
    options = _parser().parse_args(arguments)
    try:
        status = options.command(options)
    except UserError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what was recorded is kept, run again to go on", file=sys.stderr)
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="step")

    def step(name: str, command: object, summary: str) -> argparse.ArgumentParser:
        added = steps.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=command)
        return added

    def campaign(added: argparse.ArgumentParser) -> None:
        added.add_argument("--campaign", default=LOCAL, help="folder of results/ (default: local)")

    def configured(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="overrides workflow/config.yaml, for example scale=smoke",
        )

    measure = step("measure", _measure, "measure one block of an experiment on this machine")
    measure.add_argument("experiment", choices=experiment_names())
    measure.add_argument("--block", type=int, default=0)
    configured(measure)

    tabulate = step("tabulate", _tabulate, "records to CSV tables")
    tabulate.add_argument("experiment", choices=[*experiment_names(), "campaign"])
    configured(tabulate)
    campaign(tabulate)

    draw = step("draw", _draw, "tables to one figure")
    draw.add_argument("experiment", choices=experiment_names())
    draw.add_argument("figure")
    campaign(draw)

    judge = step("judge", _judge, "which of the paper's claims a campaign supports")
    judge.add_argument("experiments", nargs="*", help="default: all the campaign has")
    campaign(judge)

    inject = step("inject", _inject, "tables and verdicts to the numbers the paper prints")
    inject.add_argument("experiments", nargs="*", help="default: all the campaign has")
    configured(inject)
    campaign(inject)

    typeset = step("typeset", _typeset, "LaTeX to PDF")
    campaign(typeset)

    trace = step("trace", _trace, "the chain from a figure or a value down to its readings")
    trace.add_argument("target", help="figures/<campaign>/<figure>.pdf, or the key of a value")
    campaign(trace)

    meter = step("meter", _meter, "joules of any command: meter [options] -- COMMAND ...")
    configured(meter)
    meter.add_argument("--idle", type=float, default=2.0, metavar="SECONDS", help="rest before it (2)")
    meter.add_argument("--json", metavar="FILE", help="also write everything read as JSON")
    meter.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")

    step("doctor", _doctor, "what this machine can measure, what is modelled, what is missing")
    step("schemas", _schemas, "write workflow/schemas/ from the models")
    return parser


def _config(options: argparse.Namespace) -> Config:
    return check_config({**read_options(), **dict(map(parse_option, options.option))})


def _measure(options: argparse.Namespace) -> None:
    from experiments.bench.runner import Block, measure_block

    config = _config(options)
    block = Block(
        experiment=options.experiment,
        index=options.block,
        config=config,
        campaign_dir=Path("results", LOCAL),
    )
    print(measure_block(block))


def _tabulate(options: argparse.Namespace) -> None:
    from experiments import steps
    from experiments.campaigns import Campaign

    config = _config(options)
    steps.tabulate(Campaign(options.campaign), options.experiment, config)


def _draw(options: argparse.Namespace) -> None:
    from experiments import steps
    from experiments.campaigns import Campaign

    steps.draw(Campaign(options.campaign), options.experiment, options.figure)


def _judge(options: argparse.Namespace) -> None:
    from experiments import steps
    from experiments.campaigns import Campaign

    campaign = Campaign(options.campaign)
    steps.judge(campaign, options.experiments or campaign.experiments())


def _inject(options: argparse.Namespace) -> None:
    from experiments import steps
    from experiments.campaigns import Campaign

    campaign = Campaign(options.campaign)
    config = _config(options)
    steps.inject(campaign, options.experiments or campaign.experiments(), config)


def _typeset(options: argparse.Namespace) -> None:
    from experiments.analysis.typeset import typeset
    from experiments.campaigns import Campaign

    print(typeset(Path("paper/paper.tex"), Campaign(options.campaign).build, options.campaign))


def _trace(options: argparse.Namespace) -> None:
    from experiments.campaigns import Campaign
    from experiments.trace import trace

    for line in trace(options.target, Campaign(options.campaign)):
        print(line)


def _meter(options: argparse.Namespace) -> int:
    from experiments.energy import carbon
    from experiments.energy.command import meter_command, report
    from experiments.energy.sources import discover

    command = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    if not command:
        raise UserError("nothing to meter: write python -m experiments meter -- COMMAND ...")
    config = _config(options)
    grid = carbon.grid(config.region)
    sources, _ = discover()
    found = meter_command(
        command,
        sources,
        options.idle,
        config.floor_power_for(channel.domain for source in sources for channel in source.channels),
        grid,
        config.pue,
        config.price_usd_per_kwh,
    )
    if options.json:
        try:
            Path(options.json).write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except OSError as fault:
            raise UserError(f"{options.json} could not be written: {fault.strerror}") from None
    print(report(found, grid), file=sys.stderr)
    return found.exit_code


def _doctor(_options: argparse.Namespace) -> None:
    from experiments.energy.doctor import diagnose

    for line in diagnose():
        print(line, flush=True)


def _schemas(_options: argparse.Namespace) -> None:
    for path, text in schema_files().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
