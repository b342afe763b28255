"""Every command that a page names is taken by its program: planned, parsed, or run if it measures nothing."""

import importlib.util
import re
import shlex
import subprocess

import pytest

from joules import cli
from tests import ROOT

_PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("experiments/*/README.md")),
    *sorted(ROOT.glob("joules/**/README.md")),
]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`((?:snakemake|joules|make|python -m)\s[^`]+)`")
_CAMPAIGN = "epyc-2core-quick-2026-11-26"
# What a reader puts in these places.
_PLACES = {
    "<machine>-<scale>": _CAMPAIGN,
    "<name>": _CAMPAIGN,
    "<logical processors of a node>": "64",
    "<experiment>": "grokking",
    "FILE": "README.md",
    "COMMAND": "true",
}
# These need no campaign that was built.
_READS = ("--help", "doctor", "new-experiment")


def commands():
    found = {}
    for page in _PAGES:
        if page.name == "CHANGELOG.md":
            continue
        text = page.read_text(encoding="utf-8")
        lines = "".join(_BLOCK.findall(text)).replace("\\\n", " ").splitlines()
        for command in [*(line.partition("  #")[0] for line in lines), *_SPAN.findall(text)]:
            words = " ".join(command.split())
            if words and not words.startswith("#"):
                found.setdefault(words, None)
    # What makes a question stands before what plans it.
    return sorted(found, key=lambda words: not words.startswith("joules new-experiment"))


@pytest.fixture(scope="module")
def clone(copy_repository):
    return copy_repository()


@pytest.mark.parametrize("command", commands())
def test_a_command_of_a_page_is_taken(clone, command):
    for place, given in _PLACES.items():
        command = command.replace(place, given)
    done = _tried(clone, command)
    assert done is None or done.returncode == 0, done.stdout


def _tried(clone, command):
    program, *arguments = shlex.split(command, comments=True)
    if program == "python" and arguments[:2] == ["-m", "joules"]:
        program, arguments = "joules", arguments[2:]
    if program == "snakemake":
        # Reports need a campaign that is built, which the chain has, and lints end with a status of their own.
        if {"--report", "--lint"} & set(arguments):
            return None
        return clone.snakemake(*([] if "--unlock" in arguments else ["-n"]), *arguments)
    if program == "joules":
        if " ".join(arguments).startswith(_READS):
            return clone.joules(*arguments)
        if arguments:
            cli._parser().parse_args(arguments)
        return None
    if program == "make":
        return _shell(clone, "make", "-n", *arguments)
    if program == "python" and arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1])
        return None
    return _shell(clone, "bash", "-n", "-c", command)


def _shell(clone, *words):
    return subprocess.run(
        words, cwd=clone.path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
