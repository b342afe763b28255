"""What a question consists of, and one made from the template."""

import shutil

import pytest

from joules.errors import UserError
from joules.study import design
from joules.study.new_experiment import PLACEHOLDER, TEMPLATE, new_experiment
from tests import ROOT, make_repository


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """An empty clone that this process stands in."""
    make_repository(tmp_path)
    (tmp_path / "paper" / "sections").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_question_is_complete(monkeypatch):
    monkeypatch.chdir(ROOT)
    for name in design.experiment_names():
        design.check_complete(name)


def test_the_template_makes_a_complete_question(clone):
    written = new_experiment("my_question")
    assert all((clone / path).exists() for path in written)
    design.check_complete("my_question")
    assert design.load_design("my_question").tables == ["runs", "arms", "statistics"]
    assert (clone / "workflow" / "config.yaml").read_text() == "experiments: [my_question]\n"
    assert not any(PLACEHOLDER in (clone / path).read_text() for path in written)
    assert {path.name for path in written} >= set(design.FILES)
    assert len(written) == len(list(TEMPLATE.glob("*.*"))) + 1


@pytest.mark.parametrize("name", ["My question", "1st", "../up", "", "a-b"])
def test_what_is_no_name_makes_nothing(clone, name):
    with pytest.raises(UserError, match="no name of an experiment"):
        new_experiment(name)
    assert list((clone / "experiments").iterdir()) == []


def test_a_name_that_is_taken_is_refused(clone):
    new_experiment("mine")
    with pytest.raises(UserError, match="experiments/mine is there already"):
        new_experiment("mine")


@pytest.mark.parametrize("missing", ["columns.yaml", "README.md", "report.py", "section"])
def test_what_a_question_lacks_is_named(clone, missing):
    new_experiment("mine")
    path = "paper/sections/mine.tex" if missing == "section" else f"experiments/mine/{missing}"
    (clone / path).unlink()
    with pytest.raises(UserError, match=f"{path} is missing"):
        design.check_complete("mine")


def test_outside_of_a_clone_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="not in a clone of the artifact"):
        design.experiment_names()


def test_a_clone_is_found_from_within(clone, monkeypatch):
    new_experiment("mine")
    monkeypatch.chdir(clone / "experiments" / "mine")
    assert design.experiment_names() == ["mine"]
    shutil.rmtree(clone / "experiments" / "mine")
