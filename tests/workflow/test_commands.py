"""Every command on a page is accepted by its program: planned, parsed, or run if it measures nothing."""

import importlib.util
import re
import shlex
import shutil
import subprocess

import pytest

from joules import cli
from tests import RELEASED, ROOT

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
    # Long enough to learn from.
    "text=FILE": "text=experiments/published_measurements/reference/mlperf_v3.0.csv",
    "FILE": "README.md",
    "name=value": "scale=smoke",
    "COMMAND": "true",
    "<key>": "flops.least.energy",
}
# These are run: they measure nothing, and a clone without a local campaign traces the released one.
_READS = ("--help", "doctor", "new-experiment", "trace")
# This takes minutes.
_LONG = "--verify"


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
    # Commands that create an experiment come before commands that plan it.
    return sorted(found, key=lambda words: not words.startswith("joules new-experiment"))


@pytest.fixture(scope="module")
def clone(copy_repository):
    """A fresh clone: the released paper is in it, and no local campaign."""
    made = copy_repository()
    built = RELEASED.build.relative_to(ROOT)
    shutil.copytree(ROOT / built, made.path / built, dirs_exist_ok=True)
    return made


@pytest.mark.parametrize("command", commands())
def test_a_command_of_a_page_is_taken(clone, command):
    for place, given in _PLACES.items():
        command = command.replace(place, given)
    words = shlex.split(command.removeprefix("python -m joules "), comments=True)
    if command.startswith("python -m joules "):
        words.insert(0, "joules")
    program = "module" if words[:2] == ["python", "-m"] and words[2] != "pip" else words[0]
    done = _TRIES.get(program, _read_by_the_shell)(clone, words)
    assert done is None or done.returncode == 0, done.stdout


def _planned(clone, words):
    # Reports need a campaign that is built, which the chain has, and lints have a status of their own.
    if {"--report", "--lint"} & set(words):
        return None
    return clone.snakemake(*([] if "--unlock" in words else ["-n"]), *words[1:])


def _parsed(clone, words):
    # A page may name the command alone.
    if " ".join(words[1:]).startswith(_READS) and words != ["joules", "trace"] and _LONG not in words:
        return clone.joules(*words[1:])
    if words[1:] not in [[name] for name in cli.COMMANDS]:
        cli.parse_arguments(words[1:])
    return None


def _found(clone, words):
    assert importlib.util.find_spec(words[2])


def _made(clone, words):
    return _run(clone, ["make", "-n", *words[1:]])


def _read_by_the_shell(clone, words):
    return _run(clone, ["bash", "-n", "-c", " ".join(words)])


def _run(clone, words):
    return subprocess.run(
        words, cwd=clone.path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )


_TRIES = {"snakemake": _planned, "joules": _parsed, "module": _found, "make": _made}
