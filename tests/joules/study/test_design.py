"""The files of an experiment, its kinds of evidence, and an experiment made from the template."""

import shutil

import pytest
import yaml

from joules.errors import UserError
from joules.models import validate
from joules.study import design
from joules.study.config import check_config
from joules.study.new_experiment import PLACEHOLDER, new_experiment
from tests import QUESTIONS, ROOT, make_repository


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """An empty clone as the current folder of this process."""
    make_repository(tmp_path)
    (tmp_path / "paper" / "main").mkdir(parents=True)
    shutil.copytree(QUESTIONS / "_template", tmp_path / "experiments" / "_template")
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
    assert {path.name for path in written} >= {*design.FILES, *design.RUN_FILES}
    assert len(written) == len(list((QUESTIONS / "_template").glob("*.*"))) + 1


NO_NAMES = ["My question", "1st", "a-b", "class", "lambda", "a" * 61]


@pytest.mark.parametrize("name", [*NO_NAMES, "../up", "", "a" * 300])
def test_what_is_no_name_makes_nothing(clone, name):
    with pytest.raises(UserError, match="invalid experiment name"):
        new_experiment(name)
    assert design.experiment_names() == []


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_folder_whose_name_is_none_is_refused(clone, name):
    new_experiment("mine")
    (clone / "experiments" / "mine").rename(clone / "experiments" / name)
    with pytest.raises(UserError, match=f"invalid experiment name '{name[:60]}"):
        design.load_design(name)


def test_a_name_that_is_taken_is_refused(clone):
    new_experiment("mine")
    with pytest.raises(UserError, match="experiments/mine already exists"):
        new_experiment("mine")


@pytest.mark.parametrize("missing", ["columns.yaml", "workload.py", "report.py", "section"])
def test_what_a_question_lacks_is_named(clone, missing):
    new_experiment("mine")
    path = "paper/main/mine.tex" if missing == "section" else f"experiments/mine/{missing}"
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


DESIGN = {"title": "T", "question": "Q?", "tables": ["statistics"], "figures": {"f": "A figure."}}
RUNS = {"arms": {"a": {}}, "scales": {"smoke": {"blocks": 1, "arms": "all"}}, "time_limit_s": 60}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (RUNS, None),
        ({"evidence": "campaign"}, None),
        ({"evidence": "published", "sources": ["reference/meters.csv"]}, None),
        ({"evidence": "runs"}, "'arms' is missing"),
        ({**RUNS, "evidence": "campaign"}, "'arms' needs evidence 'runs', not 'campaign'"),
        ({"evidence": "published"}, "'sources' lists the files"),
        ({**RUNS, "sources": ["reference/meters.csv"]}, "'sources' lists the files"),
    ],
)
def test_a_design_has_the_fields_of_its_evidence(fields, message):
    if message is None:
        validate(design.Design, DESIGN | fields, "design")
    else:
        with pytest.raises(UserError, match=message):
            validate(design.Design, DESIGN | fields, "design")


def test_what_has_no_runs_is_not_measured():
    published = design.load_design("campaign")
    with pytest.raises(UserError, match="nothing to measure, its evidence is 'campaign'"):
        published.at("smoke")


def test_a_published_source_that_is_missing_is_named(clone):
    new_experiment("mine")
    folder = clone / "experiments" / "mine"
    for name in design.RUN_FILES:
        (folder / name).unlink()
    fields = {**DESIGN, "evidence": "published", "sources": ["reference/meters.csv"]}
    (folder / "design.yaml").write_text(yaml.safe_dump(fields))
    with pytest.raises(UserError, match=r"reference/meters\.csv is missing"):
        design.check_complete("mine")
    (clone / "reference").mkdir()
    (clone / "reference" / "meters.csv").touch()
    design.check_complete("mine")


def test_every_campaign_has_the_experiments_that_rest_on_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert check_config({"experiments": ["grokking"]}).experiments == ["campaign", "grokking"]
    assert check_config({"experiments": ["grokking", "campaign"]}).experiments == ["campaign", "grokking"]
