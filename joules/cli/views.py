"""Commands that show things in a browser: `live`, `explorer`."""

from __future__ import annotations

import argparse

from joules.cli.command import (
    Command,
    Options,
    declare_campaign,
    declare_config,
    load_config,
    select_campaign,
)
from joules.errors import UserError


def _declare_live(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        nargs="?",
        default="grokking",
        metavar="EXPERIMENT",
        help="folder of experiments/ that has a live.py (default: grokking)",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port on the loopback address (default: 0, any free port)"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the URL, do not open a browser")
    declare_config(parser)


def _live(options: Options) -> None:
    from joules.study.design import experiment_folder

    if not (experiment_folder(options.experiment) / "live.py").exists():
        raise UserError(f"experiment '{options.experiment}' cannot be watched: it has no live.py")
    if not 0 <= options.port < 2**16:
        raise UserError(f"invalid port {options.port}: use 0 to 65535")
    from joules.live.server import serve

    serve(options.experiment, load_config(options), options.port, opens_browser=not options.no_browser)


def _explorer(options: Options) -> None:
    from joules.archive import explorer

    print(explorer.write_page(select_campaign(options)))


COMMANDS = {
    "live": Command("watch a training run and its energy in a browser", _live, _declare_live),
    "explorer": Command(
        "make one page to explore a campaign, from figures to readings",
        _explorer,
        declare_campaign,
        is_exact=True,
    ),
}
