"""Pages on the meter: their commands run and print what the pages show, other numbers aside."""

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

PAGES = ROOT / "docs" / "how-to"
# Measured numbers, what depends on the machine, and what depends on how long or how quietly was measured.
VARIES = (
    (r"(modelled|counter|sampled)( \(same error in all repeats: [^)]*\))?", "read"),
    (r"(; [^;]* J above idle)?(; [^;]* J attributed)?$", ""),
    (r"90 % interval [^;]*; read from [^)]*|± [^)]*; read", "doubt"),
    (r"(json: )\S+(, read)", r"\1host\2"),
    (r"(meters )\S+$", r"\1host"),
    (r"p [<=] ", "p = "),
    (r" \[[a-z, -]*\]", ""),
    (r"-?\d[\d.,]*(e[+-]?\d+)?", "#"),
    (r" +", " "),
)
UNSTEADY = ("  repeats", "  flag", "The budget of", "  attributed")


def mask(text):
    lines = []
    for line in text.splitlines():
        if line.strip() and not line.startswith(UNSTEADY) and "attributed energy" not in line:
            for pattern, replacement in VARIES:
                line = re.sub(pattern, replacement, line)  # noqa: PLW2901
            lines.append(line.strip())
    return lines


def commands(page):
    """Each command of the console blocks of a page, with what it prints."""
    text = (PAGES / page).read_text(encoding="utf-8")
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, printed = command.partition("\n")
            yield line, printed


@pytest.mark.alone
@pytest.mark.parametrize("page", ["bench.md", "ci.md", "clusters.md"])
def test_commands_print_what_the_page_shows(page, tmp_path):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    shown = list(commands(page))
    assert shown
    for line, printed in shown:
        done = subprocess.run(
            ["bash", "-c", re.sub(r"--budget \S+", "--budget 4s", line)],
            cwd=tmp_path,
            # Elsewhere than other meters of this user, which it would name.
            env=environment | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert mask(done.stdout) == mask(printed), line


@pytest.mark.alone
def test_python_prints_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (PAGES / "meter.md").read_text(encoding="utf-8")
    names = {}
    examples = [
        example
        for block in re.findall(r"```python\n(>>>.*?)```", text, re.DOTALL)
        for example in doctest.DocTestParser().get_examples(block)
    ]
    assert len(examples) > 8
    for example in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(example.source, "page", "single"), names)
        assert mask(printed.getvalue()) == mask(example.want), example.source
    assert (tmp_path / "windows.csv").exists()
