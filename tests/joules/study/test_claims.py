"""Declared claims: few primary ones, each able to fail, and declared when history says."""

import subprocess

import pytest
import yaml

from joules.errors import UserError
from joules.models import validate
from joules.study.claims import Claims, load_claims
from joules.study.design import experiment_names, load_design
from joules.study.repository import repository_root
from tests.claims import claim

DECLARED = [
    (experiment, name, one)
    for experiment in experiment_names()
    for name, one in load_claims(experiment).items()
]


def read(**given):
    declared = {
        name: claim(statistic=name).model_dump(mode="json") | changes for name, changes in given.items()
    }
    return validate(Claims, {"claims": declared}, "claims.yaml")


def test_an_experiment_has_at_most_two_primary_claims():
    read(a={}, b={}, c={"kind": "secondary"})
    with pytest.raises(UserError, match="3 primary claims: keep at most 2"):
        read(a={}, b={}, c={})


def test_a_statistic_decides_one_claim():
    with pytest.raises(UserError, match="2 claims name the statistic 's': keep one"):
        read(a={"statistic": "s"}, b={"statistic": "s"})


def test_a_claim_that_cannot_fail_is_none():
    with pytest.raises(UserError, match="greater than 0"):
        read(a={"chance_to_fail": 0})


def git(*arguments):
    return subprocess.run(
        ["git", *arguments], cwd=repository_root(), capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("experiment", "name", "one"), DECLARED, ids=[name for _, name, _ in DECLARED])
def test_a_claim_was_declared_when_history_says(experiment, name, one):
    """Its commit has the same statistic, relation and bound, and the campaigns that it names."""
    commit = one.declared.commit
    if commit is None or git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        pytest.skip("not committed yet, or a copy without history")
    assert git("show", "-s", "--format=%cs", commit).stdout.strip() == one.declared.date.isoformat()
    files = git("ls-tree", "-r", "--name-only", commit).stdout.split()
    then = [
        (found["statistic"], found["comparison"], found["value"])
        for path in files
        if path.endswith(f"/{experiment}/claims.yaml")
        for found in yaml.safe_load(git("show", f"{commit}:{path}").stdout)["claims"].values()
    ]
    assert (one.statistic, one.comparison, one.value) in then
    measured = {path.split("/")[1] for path in files if f"/runs/{experiment}/" in path}
    is_published = load_design(experiment).evidence == "published"
    assert set(one.declared.data_known) == ({"published readings"} if is_published else measured)
