"""Set-up on machines whose users have settings of their own. Nothing is downloaded: programs are fakes."""

import os
import re
import shutil
import subprocess

import pytest

from tests import ROOT

ENVS = ROOT / "envs"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Makes fake programs, first on the path, which note what they were called with."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))

    def make(path, body="", name=None):
        path = folder / path if isinstance(path, str) else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/bash\necho "{name or path.name} $*" >> "$NOTES"\n{body}\n')
        path.chmod(0o755)
        return path

    return make


def notes(tmp_path):
    return (tmp_path / "notes").read_text().splitlines()


def run(command, cwd):
    return subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )


def test_a_users_settings_of_pip_and_uv_move_no_package(tmp_path, programs, monkeypatch):
    """Those that say where packages come from stay."""
    hostile = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "UV_TARGET", "PYTHONPATH", "PYTHONSAFEPATH")
    kept = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "UV_DEFAULT_INDEX", "UV_HTTP_TIMEOUT")
    for name in (*hostile, *kept):
        monkeypatch.setenv(name, "1")
    told = "".join(f'echo "{name}=${name}" >> "$NOTES"\n' for name in (*hostile, *kept))
    python = programs(tmp_path / "an environment" / "bin" / "python", told)
    programs(tmp_path / "an environment" / "bin" / "uv", told)
    done = run(["bash", ENVS / "setup-python.sh", python, python.parent.parent, "one.lock"], tmp_path)
    assert done.returncode == 0, done.stdout
    lines = notes(tmp_path)
    assert not [line for line in lines if line.endswith("=1") and line.partition("=")[0] in hostile]
    assert {f"{name}=1" for name in kept} <= set(lines)
    installing = [line for line in lines if " pip install " in line and line.startswith("python")]
    assert len(installing) == 2
    assert all("--no-user" in line for line in installing)


def test_steps_of_make_wait_for_one_another(tmp_path, programs, monkeypatch):
    """Scripts are run whether or not they are executable, as after unpacking a zip."""
    clone = tmp_path / "a clone"
    shutil.copytree(ENVS, clone / "envs")
    shutil.copy(ROOT / "Makefile", clone)
    for step in ("setup-python.sh", "setup-debian.sh"):
        script = clone / "envs" / step
        script.write_text(f'echo "{step} begins" >> "$NOTES"; sleep 0.3; echo "{step} ends" >> "$NOTES"\n')
        script.chmod(0o644)
    (clone / ".venv").mkdir()
    programs(clone / ".venv" / "bin" / "snakemake")
    monkeypatch.setenv("MAKEFLAGS", "-j4")
    done = run(["make", "reproduce"], clone)
    assert done.returncode == 0, done.stdout
    steps = [
        f"{step} {what}" for step in ("setup-python.sh", "setup-debian.sh") for what in ("begins", "ends")
    ]
    assert notes(tmp_path) == [*steps, "snakemake --cores all"]


def test_installing_latex_waits_for_the_lock_of_dpkg(tmp_path, programs):
    """A list of packages that cannot be fetched stops nothing."""
    programs("kpsewhich", '[ -e "$(dirname "$NOTES")/installed" ]')
    programs("bibtex")
    programs("pdflatex")
    programs("sudo", 'shift; exec "$@"')
    programs("apt-get", 'case "$*" in *update*) exit 100 ;; esac; touch "$(dirname "$NOTES")/installed"')
    done = run(["bash", ENVS / "setup-debian.sh", "latex"], tmp_path)
    assert done.returncode == 0, done.stdout
    calls = [line for line in notes(tmp_path) if line.startswith("apt-get")]
    assert len(calls) == 2
    assert all("-o DPkg::Lock::Timeout=600" in call for call in calls)


def test_a_clone_has_the_same_bytes_where_git_converts_line_endings(tmp_path):
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    files = {
        "Snakefile": b"a\nb\n",
        "envs/setup-python.sh": b"a\nb\n",
        "results/one/manifest.json": b"a\nb\n",
        "experiments/one/reference/of_others.csv": b"a\r\nb\r\n",
        "figures/one/a.pdf": b"%PDF\r\n\n",
    }
    for name, content in files.items():
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_bytes(content)
    shutil.copy(ROOT / ".gitattributes", origin)
    git = ("git", "-c", "core.autocrlf=true", "-c", "user.name=a", "-c", "user.email=a@b.example")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "files"]):
        assert run([*git, *command], origin).returncode == 0
    cloned = run([*git, "clone", "-q", "--config", "core.autocrlf=true", origin, clone], tmp_path)
    assert cloned.returncode == 0, cloned.stdout
    assert {name: (clone / name).read_bytes() for name in files} == files


def test_the_container_is_made_by_the_steps_of_make(tmp_path):
    text = (ENVS / "Containerfile").read_text(encoding="utf-8").replace("\\\n", "")
    assert re.search(r"^FROM debian:bookworm-\d{8}-slim$", text, re.MULTILINE)
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for name in line.split()]
    assert {"envs", "joules", "pyproject.toml"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    asked = ["make", "-n", "-B", "setup", "latex", "PYTHON=python3", "VENV=/opt/environment"]
    steps = [line.lstrip("@") for line in run(asked, ROOT).stdout.splitlines() if line.startswith("bash ")]
    assert len(steps) == 2
    assert all(step in text for step in steps)
    for lock in re.findall(r"\S+\.lock", text):
        pins = [line for line in (ROOT / lock).read_text().splitlines() if re.match(r"\w", line)]
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
        assert (ROOT / lock).read_text().count("--hash=sha256:") >= len(pins)
    # Lines of a Debian image of that day, whose archive of the day is a comment.
    days = "# http://archive.example/debian/20250520T000000Z"
    sources = tmp_path / "debian.sources"
    sources.write_text(f"Types: deb\n{days}\nURIs: http://debian.example/debian\nSuites: bookworm\n\n" * 2)
    edit = re.search(r"sed -i '([^']*)'", text)[1]
    assert run(["sed", "-i", edit, sources], tmp_path).returncode == 0
    days = days.replace("# ", "URIs: ")
    assert sources.read_text() == f"Types: deb\n{days}\nSuites: bookworm\n\n" * 2


@pytest.mark.parametrize("failing", [None, "slurm", "test"])
def test_the_suite_is_run_where_the_path_has_a_blank_and_an_accent(tmp_path, programs, failing):
    clone = tmp_path / "clone"
    (clone / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", clone / ".ci")
    (clone / ".hidden").touch()
    programs("make", f'pwd >> "$NOTES"; [ -e .hidden ] && [ "$1" != "{failing}" ]')
    done = run(["bash", clone / ".ci" / "run"], tmp_path)
    assert done.returncode == (1 if failing == "test" else 0), done.stdout
    folder = f"{clone}/.ci/a cl\u00f4ne"
    assert notes(tmp_path) == ["make slurm", folder, "make lint", folder, "make test", folder]
    assert {path.name for path in (clone / ".ci").iterdir()} == {"run"}
