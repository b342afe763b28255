"""What changes a fingerprint and what does not."""

import pytest

from experiments import provenance
from experiments.config import load_design

CODE = '''
"""Module."""
import math
from experiments.errors import UserError
from experiments.fake import helper

SIZE = 3


def run(x):
    """Doc."""
    # comment
    return helper.twice(x) * SIZE


def other(x):
    return x
'''
HELPER = """
def twice(x):
    return 2 * x
"""


@pytest.fixture
def fingerprint(tmp_path, monkeypatch):
    folder = tmp_path / "experiments" / "fake"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)

    def of(code=CODE, helper=HELPER, name="run"):
        (folder / "work.py").write_text(code)
        (folder / "helper.py").write_text(helper)
        return provenance.code_fingerprint("experiments.fake.work", [name])

    return of


def test_comments_docstrings_and_layout_do_not_count(fingerprint):
    changed = CODE.replace("# comment", "# another").replace('"""Doc."""', '"""Docs."""\n')
    assert fingerprint(changed) == fingerprint()


@pytest.mark.parametrize(("old", "new"), [("* SIZE", "+ SIZE"), ("SIZE = 3", "SIZE = 4")])
def test_code_and_constants_count(fingerprint, old, new):
    assert fingerprint(CODE.replace(old, new)) != fingerprint()


def test_imported_code_of_this_package_counts(fingerprint):
    assert fingerprint(helper=HELPER.replace("2", "3")) != fingerprint()


def test_what_is_not_reached_does_not_count(fingerprint):
    assert fingerprint(CODE.replace("return x\n", "return -x\n")) == fingerprint()
    assert fingerprint(CODE.replace("return x\n", "return -x\n"), name="other") != fingerprint(name="other")


def test_a_run_is_named_by_its_parameters_and_the_meter(monkeypatch):
    arms = load_design("flops_vs_energy").runs("smoke")
    arm, parameters = next(iter(arms.items()))
    first = provenance.run_fingerprint("flops_vs_energy", arm, parameters)
    assert first == provenance.run_fingerprint("flops_vs_energy", arm, dict(parameters))
    assert first != provenance.run_fingerprint("flops_vs_energy", arm, {**parameters, "batch_size": 2})
    monkeypatch.setattr(provenance, "METER_VERSION", 99)
    assert first != provenance.run_fingerprint("flops_vs_energy", arm, parameters)
