"""Every module of `validation/` can be run, and the documentation lists it."""

import re
import runpy
import subprocess
import sys

import pytest

from tests import ROOT

MODULES = sorted(
    path.stem
    for path in (ROOT / "validation").glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)
# Numbers with which a module has the least to do.
SMALLEST = {
    "accuracy": ["2"],
    "bench_intervals": ["1", "0.5"],
    "coverage": ["20"],
    "fuzz": ["config", "--inputs", "2"],
    "grokking_speed": ["1", "0.1"],
    "learning": ["0.001", "0", "1"],
    "neighbour": ["1"],
    "overhead": ["1"],
    "pooling": ["20"],
    "recompute_published": [],
    "registry": ["10"],
    "rl_throughput": ["0", "1"],
    "same_arm": ["20"],
    "tuning": ["1"],
}
# These need a GPU, a browser, a package index, or a campaign that is built, or build one: minutes each.
LONG = {"counter", "explorer", "nothing_to_do", "peers", "pictures", "records", "start", "watching"}


@pytest.mark.alone
@pytest.mark.parametrize("module", SMALLEST)
def test_a_module_does_its_smallest_work(module):
    command = [sys.executable, "-m", f"validation.{module}", *SMALLEST[module]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_no_module_is_forgotten():
    assert sorted([*SMALLEST, *LONG]) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_starts_and_explains_itself(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"validation.{module}", run_name="__main__")
    assert ended.value.code == 0
    assert f"python -m validation.{module}" in capsys.readouterr().out


def test_the_page_lists_every_module():
    page = (ROOT / "docs" / "reference" / "validation.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `python -m validation\.(\w+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted([*MODULES, "laboratory"])
