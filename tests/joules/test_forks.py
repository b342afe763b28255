"""A step gives the same in a fork of the process that a build starts, and ends with its own process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from joules.cli.forks import ADDRESS
from tests import RELEASED, ROOT

BUILD = "import os, subprocess, sys; from joules.cli import forks; forks.start_process()\n"
UNKNOWN = ["tabulate", "nonesuch"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no process is started elsewhere")


def run(*arguments, folder=ROOT, **variables):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [UNKNOWN, ["trace", "campaign.threads", "--campaign", RELEASED.name]], ids=["error", "trace"]
)
def test_a_step_prints_and_returns_the_same_in_a_fork(arguments):
    forked = run("-c", f"{BUILD}sys.exit(forks.run_in_fork({arguments}))")
    alone = run("-m", "joules", *arguments)
    assert (forked.returncode, forked.stdout, forked.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_nothing_of_the_process_is_left():
    printed = run("-c", f"{BUILD}forks.run_in_fork({UNKNOWN}); print(os.environ[forks.ADDRESS])").stdout
    assert printed
    assert not Path(printed.strip()).parent.exists()


def test_a_step_runs_by_itself_where_no_process_answers(tmp_path):
    away = {ADDRESS: str(tmp_path / "none")}
    assert run("-m", "joules", *UNKNOWN, **away).stderr == run("-m", "joules", *UNKNOWN).stderr
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    printed = run("-c", f"{BUILD}print(forks.run_in_fork({UNKNOWN}))", TMPDIR=str(folder)).stdout
    assert printed == "None\n"


def test_code_that_changes_between_steps_is_run(repository):
    code = f"""{BUILD}
from pathlib import Path
forks.run_in_fork({UNKNOWN})
file = Path("joules/study/design.py")
file.write_text(file.read_text().replace("no experiment is called", "nothing is called"))
forks.run_in_fork({UNKNOWN})
"""
    said = run("-c", code, folder=repository.path).stderr.splitlines()
    assert [line.partition(" '")[0] for line in said] == [
        "error: no experiment is called",
        "error: nothing is called",
    ]


def test_a_fork_ends_with_the_process_of_its_step():
    code = f"""{BUILD}
command = [sys.executable, "-m", "joules", "trace", "--verify", "--campaign", "{RELEASED.name}"]
step = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
print(step.stdout.readline())
step.kill()
print(step.stdout.read())
"""
    printed = run("-c", code).stdout
    assert "hashing" in printed
    assert "follow" not in printed
