"""Every module of `validation/` can be run, and the documentation lists it."""

import re
import runpy
import sys

import pytest

from tests import ROOT

MODULES = sorted(
    path.stem
    for path in (ROOT / "validation").glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)


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
