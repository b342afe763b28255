"""What a command is, and the arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joules.study.campaign import Campaign
    from joules.study.config import Config

Options = argparse.Namespace
Declare = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True)
class Command:
    """One command of `joules`.

    Args:
        summary: What the command does, one line for `joules --help`.
        run: Runs the command; returns its exit status, or None for 0.
        declare: Adds the command's arguments to its parser.
        needs_repository: Run in the root of the repository, by the code of that repository.
        is_exact: The output must be the same bytes on every x86-64 processor with AVX2.
    """

    summary: str
    run: Callable[[Options], int | None]
    declare: Declare = lambda _parser: None
    needs_repository: bool = True
    is_exact: bool = False


def declare_all(*parts: Declare) -> Declare:
    """Combines declarations of arguments into one."""

    def declare(parser: argparse.ArgumentParser) -> None:
        for part in parts:
            part(parser)

    return declare


def declare_campaign(parser: argparse.ArgumentParser) -> None:
    """Adds `--campaign`."""
    parser.add_argument(
        "--campaign", default="local", metavar="NAME", help="folder of results/ (default: local)"
    )


def declare_config(parser: argparse.ArgumentParser) -> None:
    """Adds `--option NAME=VALUE`."""
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override an option of workflow/config.yaml, for example scale=smoke; may be repeated",
    )


def declare_experiments(parser: argparse.ArgumentParser) -> None:
    """Adds any number of experiments."""
    parser.add_argument(
        "experiments", nargs="*", metavar="EXPERIMENT", help="default: all experiments of the campaign"
    )


def load_config(options: Options) -> Config:
    """The options of workflow/config.yaml with those of the command line over them.

    Raises:
        UserError: If an option is unknown or its value invalid.
    """
    from joules.study.config import check_config, parse_option, read_options

    return check_config({**read_options(), **dict(map(parse_option, options.option))})


def select_campaign(options: Options) -> Campaign:
    """The campaign that `--campaign` names."""
    from joules.study.campaign import Campaign

    return Campaign(options.campaign)


def select_experiments(options: Options) -> list[str]:
    """The experiments that are named, or all experiments of the campaign."""
    from joules.study.design import with_campaign_experiments

    if options.experiments:
        return with_campaign_experiments(options.experiments)
    return select_campaign(options).experiments()
