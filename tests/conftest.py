"""Fixtures shared by tests: copies of the repository, and records made without measuring."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ROOT

_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".snakemake", ".*_cache", "__pycache__", "local", "build"
)


class Repository:
    """A copy of this repository that a test may change and run, with a temporary folder of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name("temporary")
        self.temporary.mkdir()
        self.environment = os.environ | {"TMPDIR": str(self.temporary)}

    def snakemake(self, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
        """Runs Snakemake, which says what rules it runs."""
        return self.run("-m", "snakemake", "--quiet", "host", *arguments, python=python)

    def joules(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "joules", *arguments)

    def run(self, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
        """Runs an interpreter, by default this one, in the copy; standard error is merged into the output."""
        return subprocess.run(
            [python, *arguments],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def start(self, *arguments: str, python: str = sys.executable) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [python, *arguments],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.path / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


def link_environment(folder: Path) -> str:
    """Makes a folder the environment that the tests run in; returns its interpreter."""
    folder.symlink_to(Path(sys.executable).parent.parent)
    return str(folder / "bin" / Path(sys.executable).name)


def _copy(to: Path) -> Repository:
    shutil.copytree(ROOT, to, ignore=_NOT_COPIED)
    copy = Repository(to)
    copy.edit("workflow/config.yaml", "first_seed: null", "first_seed: 0")
    return copy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that no process is left with one at the end."""
    longest = ("test_rebuild.py", "test_slurm.py")
    items.sort(key=lambda item: longest.index(item.path.name) if item.path.name in longest else len(longest))


@pytest.fixture(autouse=True, scope="session")
def _logs_of_learners(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Redirects the temporary folder, because Stable-Baselines3 writes its logs there."""
    os.environ["SB3_LOGDIR"] = str(tmp_path_factory.mktemp("logs"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A fresh copy for a single test, with the same seeds at every run."""
    return _copy(tmp_path / "a répository")


@pytest.fixture(scope="session")
def copy_repository(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Repository]:
    """Makes copies that several tests share."""
    return lambda: _copy(tmp_path_factory.mktemp("copy") / "a répository")
