"""Writes `docs/reference/cli.md` from the commands of `joules`.

python docs/cli_reference.py
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from joules.cli import COMMANDS, GROUPS, build_parser

PAGE = Path(__file__).parent / "reference" / "cli.md"


def main() -> None:
    PAGE.write_text(render_page(), encoding="utf-8")


def render_page() -> str:
    """The page in Markdown."""
    parsers = next(
        action.choices for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    lines = [
        "# Commands",
        "",
        "Made from the commands by `docs/cli_reference.py`. Exit status: 0, or 2 after an error message. "
        "`joules meter` ends with the status of its command, `bench` and `compare` with 1 if the condition "
        "of `--fail-if` is met.",
    ]
    for title, commands in GROUPS.items():
        lines += ["", f"## {title[0].upper()}{title[1:]}"]
        for name in commands:
            lines += ["", *_section(name, parsers[name])]
    return "\n".join(lines) + "\n"


def _section(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    summary = COMMANDS[name].summary
    yield f"### joules {name}"
    yield ""
    yield f"{summary[0].upper()}{summary[1:]}."
    arguments = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    if arguments:
        yield ""
        yield "| argument | meaning |"
        yield "|---|---|"
        yield from (
            f"| `{_spell_argument(action)}` | {action.help or 'the command to run'} |" for action in arguments
        )


def _spell_argument(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return {"?": f"[{value}]", "*": f"[{value} ...]"}.get(str(action.nargs), value)
    return " ".join(filter(None, [action.option_strings[-1], value]))


if __name__ == "__main__":
    main()
