"""Every command on a page is accepted by its program: planned, parsed, or run if it measures nothing."""

import importlib.util
import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from joules import cli
from joules.analysis.tables import read_tables
from joules.paper.rows import pick
from joules.paper.values import Value
from tests import RELEASED, ROOT

_PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("experiments/**/README.md")),
    *sorted(ROOT.glob("joules/**/README.md")),
    *sorted(ROOT.glob("validation/**/README.md")),
]
_BLOCK = re.compile(r"^```(\S+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Blocks whose language another test runs.
_RUN_ELSEWHERE = {
    "tests/joules/test_how_to.py": [
        "bench.md console",
        "ci.md console",
        "clusters.md console",
        "meter.md python",
    ],
    "tests/joules/archive/test_bibtex.py": ["cite.md console"],
    "tests/joules/instrument/test_exchange.py": ["notebook.md python"],
    "tests/joules/integrations/test_trainers.py": ["trainers.md python"],
    "tests/workflow/test_commands.py": ["CONTRIBUTING.md python"],
}
_NO_COMMANDS = ("mermaid", "text")
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


def texts(node):
    """The texts in a YAML document."""
    if isinstance(node, str):
        return [node]
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [text for part in below for text in texts(part)]


def test_every_kind_of_block_is_run_by_a_test():
    found = {
        f"{page.name} {kind}"
        for page in _PAGES
        for kind, _ in _BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind not in ("sh", "yaml", *_NO_COMMANDS) and not kind.startswith("{")
    }
    assert found == {block for blocks in _RUN_ELSEWHERE.values() for block in blocks}
    for test, blocks in _RUN_ELSEWHERE.items():
        assert (ROOT / test).is_file(), blocks


def test_a_value_has_the_source_that_the_page_states():
    (example,) = (
        body for kind, body in _BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text()) if kind == "python"
    )
    made = []
    names = {"tables": read_tables(RELEASED, "first_principles"), "pick": pick}
    exec(example, names | {"Value": lambda *given: made.append(Value(*given))})
    assert len(made) > 1
    assert made[0].raw > 0
    assert example.partition("#")[2].partition("\n")[0].strip() == made[0].source


def commands():
    found = {}
    for page in _PAGES:
        if page.name == "CHANGELOG.md":
            continue
        text = page.read_text(encoding="utf-8")
        blocks = _BLOCK.findall(text)
        lines = "".join(body for kind, body in blocks if kind == "sh").replace("\\\n", " ").splitlines()
        steps = [step for kind, body in blocks if kind == "yaml" for step in texts(yaml.safe_load(body))]
        for command in [
            *(line.partition("  #")[0] for line in lines),
            *(step for step in steps if step.startswith("joules ")),
            *_SPAN.findall(text),
        ]:
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
