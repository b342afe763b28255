"""Commands for those who extend the artifact: `new-experiment`, `schemas`."""

from __future__ import annotations

import argparse
from pathlib import Path

from joules.cli.command import Command, Options


def _declare_new_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        metavar="NAME",
        help="name of its folder: lowercase letters, digits and underscores, starting with a letter",
    )


def _new_experiment(options: Options) -> None:
    from joules.study.new_experiment import new_experiment

    for path in new_experiment(options.name):
        print(path)


def _schemas(_options: Options) -> None:
    from joules.archive.schemas import make_schemas

    for path, text in make_schemas().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(Path.cwd()))


COMMANDS = {
    "new-experiment": Command(
        "create an experiment from the template, ready to be measured",
        _new_experiment,
        _declare_new_experiment,
    ),
    "schemas": Command("write the JSON Schemas in workflow/schemas/", _schemas),
}
