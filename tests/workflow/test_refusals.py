"""Errors of the workflow before it measures, and its plan on a cluster."""

import os
import subprocess
import sys

import pytest

from joules.study.design import load_design
from tests import experiments_with_runs
from tests.conftest import link_environment
from tests.workflow import SMOKE, rules_run


def test_a_typo_is_refused_before_anything_is_measured(repository):
    refused = repository.snakemake("--cores", "all", "--config", "scale=quik")
    assert refused.returncode != 0
    assert "did you mean 'quick'" in refused.stdout
    assert rules_run(refused.stdout) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            ["campaign=epyc-2core-standard", "experiments=[grokking]"],
            "is rebuilt whole: leave 'experiments' out",
        ),
        (["scale=smoke", "region=NO"], "did you mean 'NOR'"),
        (["scale=smoke", "region=fra"], "did you mean 'FRA'"),
    ],
)
def test_an_option_that_would_be_misread_is_refused(repository, given, sentence):
    refused = repository.snakemake("--cores", "all", "-n", "--config", *given)
    assert refused.returncode != 0
    assert sentence in refused.stdout


def test_a_key_that_stands_twice_is_refused_before_anything_is_measured(repository):
    repository.edit("workflow/config.yaml", "scale: quick", "scale: quick\nscale: standard")
    refused = repository.snakemake("--cores", "all", "-n")
    assert refused.returncode != 0
    assert "duplicate key 'scale'" in refused.stdout


def test_on_a_cluster_a_block_takes_a_node(repository, tmp_path):
    python = link_environment(tmp_path / "environment")
    cluster = ("--workflow-profile", "profiles/slurm", "--config", "scale=smoke")
    unsaid = repository.snakemake(*cluster, "--slurm-init-seconds-before-status-checks", "1", python=python)
    assert unsaid.returncode != 0
    assert "give the number of logical processors of a node" in unsaid.stdout
    asked = ("--set-threads", "measure=48", "--set-resources", "measure:gpu=1")
    asked += ("--default-resources", "slurm_partition=gpus")
    planned = repository.snakemake(*cluster, *asked, "-n")
    assert planned.returncode == 0, planned.stdout
    blocks = sum(load_design(name).at("smoke").blocks for name in experiments_with_runs())
    assert planned.stdout.count("slurm_extra=--exclusive") == blocks
    assert planned.stdout.count("gpu=1") >= 10


def test_on_a_cluster_an_environment_with_a_blank_in_its_path_is_refused(repository, tmp_path):
    python = link_environment(tmp_path / "an environment")
    cluster = (
        "--workflow-profile",
        "profiles/slurm",
        "--set-threads",
        "measure=2",
        "--config",
        "scale=smoke",
    )
    refused = repository.snakemake(*cluster, python=python)
    assert refused.returncode != 0
    assert f"has a blank or a special character ({python})" in " ".join(refused.stdout.split())
    assert rules_run(refused.stdout) == []


def test_a_home_folder_that_cannot_be_written_stops_nothing(repository):
    repository.environment |= {"HOME": "/dev/null/none", "XDG_CACHE_HOME": ""}
    planned = repository.snakemake("--cores", "all", "-n", "--config", "scale=smoke")
    assert planned.returncode == 0, planned.stdout


def test_a_question_that_lacks_a_file_is_refused_before_anything_is_measured(repository):
    (repository.path / "experiments/grokking/columns.yaml").unlink()
    refused = repository.snakemake(*SMOKE)
    assert refused.returncode != 0
    assert "experiments/grokking/columns.yaml is missing" in refused.stdout
    assert rules_run(refused.stdout) == []


def test_a_long_path_of_temporary_files_ends_in_a_sentence(repository):
    folder = repository.path / ("long" * 25)
    folder.mkdir()
    measured = subprocess.run(
        [sys.executable, "-m", "joules", "measure", "flops_vs_energy", "--option", "scale=smoke"],
        cwd=repository.path,
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert measured.returncode == 2
    assert "error: path of the folder for temporary files is too long" in measured.stderr
    assert "Traceback" not in measured.stderr


def test_from_another_folder_it_says_how_to_run_the_workflow(repository, tmp_path):
    snakefile = str(repository.path / "Snakefile")
    refused = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "-s", snakefile],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert f"add '--directory {repository.path}'" in refused.stdout


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("experiments=grokking", "write a list"),
        ("experiments=[grokking,grokking]", "'grokking' is listed 2 times"),
        ("text=empty.txt", "has 0 characters"),
    ],
)
def test_options_are_checked_before_anything_is_measured(repository, given, sentence):
    (repository.path / "empty.txt").touch()
    refused = repository.snakemake("--cores", "all", "-n", "--config", "scale=smoke", given)
    assert refused.returncode != 0
    assert sentence in refused.stdout
    assert rules_run(refused.stdout) == []
