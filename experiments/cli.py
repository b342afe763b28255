"""Each step of the paper as a plain command: `python -m experiments <step>`."""

from __future__ import annotations

import argparse
import errno
import os
import signal
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

_DISK_REMEDIES = {
    errno.ENOSPC: "free some and run again; what was recorded is kept",
    errno.EDQUOT: "free some and run again; what was recorded is kept",
    errno.EROFS: "work in a copy of the repository that you may write to",
    errno.EACCES: "work in a copy of the repository that you may write to",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status (2 after a sentence on standard error)."""
    options = _parser().parse_args(arguments)
    try:
        status = options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads our output, such as head, has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UserError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except OSError as fault:
        remedy = _DISK_REMEDIES.get(fault.errno or 0)
        if remedy is None:
            raise
        place = f"{fault.filename}: " if fault.filename else ""
        print(f"error: {place}{fault.strerror}: {remedy}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what was recorded is kept, run again to go on", file=sys.stderr)
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="step")

    def step(
        name: str, command: object, summary: str, *, campaign: bool = False, configured: bool = False
    ) -> argparse.ArgumentParser:
        added = steps.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=command)
        if campaign:
            added.add_argument("--campaign", default=LOCAL, help="folder of results/ (default: local)")
        if configured:
            added.add_argument(
                "--option",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help="overrides workflow/config.yaml, for example scale=smoke",
            )
        return added

    measure = step("measure", _measure, "measure one block of an experiment on this machine", configured=True)
    measure.add_argument("experiment", choices=experiment_names())
    measure.add_argument("--block", type=int, default=0)

    tabulate = step("tabulate", _tabulate, "records to CSV tables", campaign=True, configured=True)
    tabulate.add_argument("experiment", choices=[*experiment_names(), "campaign"])

    draw = step("draw", _draw, "tables to one figure", campaign=True)
    draw.add_argument("experiment", choices=experiment_names())
    draw.add_argument("figure")

    judge = step("judge", _judge, "which of the paper's claims a campaign supports", campaign=True)
    judge.add_argument("experiments", nargs="*", help="default: all the campaign has")

    inject = step(
        "inject",
        _inject,
        "tables and verdicts to the numbers the paper prints",
        campaign=True,
        configured=True,
    )
    inject.add_argument("experiments", nargs="*", help="default: all the campaign has")

    step("typeset", _typeset, "LaTeX to PDF", campaign=True)

    manifest = step(
        "manifest", _manifest, "the hashes of all files of a campaign", campaign=True, configured=True
    )
    manifest.add_argument("experiments", nargs="*", help="default: all the campaign has")

    step("release", _release, "a data package, an RO-Crate and an archive of a campaign", campaign=True)

    step("reproduction", _reproduction, "one page: this campaign against the released ones", campaign=True)

    trace = step(
        "trace", _trace, "the chain from a figure, a value or a cell down to its readings", campaign=True
    )
    trace.add_argument(
        "target",
        nargs="?",
        help="figures/<campaign>/<figure>.pdf, the key of a value, or <table>.csv:<row>:<column>",
    )
    trace.add_argument("--verify", action="store_true", help="prove the whole campaign first")

    meter = step("meter", _meter, "joules of any command: meter [options] -- COMMAND ...", configured=True)
    meter.add_argument("--idle", type=float, default=2.0, metavar="SECONDS", help="rest before it (2)")
    meter.add_argument("--json", metavar="FILE", help="also write everything read as JSON")
    meter.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")

    step(
        "fleet",
        _fleet,
        "what the energy wasted after grokking comes to for many trainings a year",
        campaign=True,
        configured=True,
    )

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
    from experiments import steps
    from experiments.analysis.typeset import typeset
    from experiments.campaigns import Campaign

    campaign = Campaign(options.campaign)
    steps.check_printed(campaign)
    print(typeset(steps.PAPER, campaign.build, campaign.name))


def _manifest(options: argparse.Namespace) -> None:
    from experiments import manifest
    from experiments.campaigns import Campaign

    campaign = Campaign(options.campaign)
    experiments = options.experiments or campaign.experiments()
    print(manifest.write(campaign, experiments, _config(options)))


def _release(options: argparse.Namespace) -> None:
    from experiments.campaigns import Campaign
    from experiments.release import release

    for path in release(Campaign(options.campaign)):
        print(path)


def _reproduction(options: argparse.Namespace) -> None:
    from experiments.campaigns import Campaign
    from experiments.reproduction import report

    print(report(Campaign(options.campaign)))


def _trace(options: argparse.Namespace) -> None:
    from experiments import manifest
    from experiments.campaigns import Campaign
    from experiments.trace import trace

    campaign = Campaign(options.campaign)
    if options.target is None and not options.verify:
        raise UserError("nothing to trace: name a figure, a value or a cell, or give --verify")
    if options.verify:
        for line in manifest.verify(campaign):
            print(line)
    if options.target is not None:
        for line in trace(options.target, campaign):
            print(line)


def _fleet(options: argparse.Namespace) -> None:
    from experiments.analysis import plotting
    from experiments.analysis.tables import read_tables
    from experiments.campaigns import Campaign
    from experiments.energy import carbon
    from experiments.grokking.fleet import fleet

    config = _config(options)
    folder = Campaign(options.campaign).tables("grokking")
    found = read_tables(folder)
    # A training that a rule stopped is no schedule, and its waste is not a schedule's.
    waste_j = found["runs"].query("rule == 'fixed'")["waste_j"].dropna()
    if waste_j.empty:
        raise UserError(f"no training of {folder} understood, so there is no waste to multiply")
    table = fleet(float(waste_j.mean()), carbon.grid(config.region), config.pue, config.price_usd_per_kwh)
    print(f"energy {plotting.provenance(found['arms'])}")
    print(table.to_string(index=False, float_format=lambda number: f"{number:.4g}"))


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
    print(report(found, grid), file=sys.stderr)
    if options.json:
        try:
            Path(options.json).write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except OSError as fault:
            raise UserError(f"{options.json} could not be written: {fault.strerror}") from None
    return found.exit_code


def _doctor(_options: argparse.Namespace) -> None:
    from experiments.energy.doctor import diagnose

    for line in diagnose():
        print(line, flush=True)


def _schemas(_options: argparse.Namespace) -> None:
    for path, text in schema_files().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
