"""Exit status and messages of a command that cannot print or write."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from joules import METER_VERSION, cli
from joules.cli.command import Command
from joules.cli.failures import report_failure
from joules.study.campaign import Campaign
from joules.version import VERSION
from tests import ROOT, make_repository


def test_a_reader_that_has_read_enough_ends_a_command_quietly():
    command = [sys.executable, "-m", "joules", "doctor"]
    writing = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    writing.stdout.close()
    assert writing.wait() == 128 + signal.SIGPIPE
    assert writing.stderr.read() == ""
    writing.stderr.close()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "error: No space left on device: free disk space",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "t.csv"),
            "error: t.csv: Read-only file system: work in a copy",
        ),
    ],
)
def test_a_disk_that_takes_nothing_is_said_in_a_sentence(monkeypatch, capsys, fault, sentence):
    def fail(_options):
        raise fault

    monkeypatch.setitem(cli.COMMANDS, "schemas", Command("fails", fail))
    assert cli.main(["schemas"]) == 2
    assert capsys.readouterr().err.startswith(sentence)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("meter", "error: interrupted\n"),
        ("measure", "error: interrupted: run again to continue (recorded runs are kept)\n"),
    ],
)
def test_an_interrupt_promises_what_the_command_keeps(capsys, command, sentence):
    assert report_failure(KeyboardInterrupt(), command) == 128 + signal.SIGINT
    assert capsys.readouterr().err == sentence


def test_other_faults_are_not_hidden(monkeypatch):
    def fail(_options):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setitem(cli.COMMANDS, "schemas", Command("fails", fail))
    with pytest.raises(OSError, match="Input/output"):
        cli.main(["schemas"])


def test_the_overview_lists_every_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    printed = capsys.readouterr().out
    assert all(f"\n  {name} " in printed for name in cli.COMMANDS)
    assert all(f"\n{title}:\n" in printed for title in cli.GROUPS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_its_arguments(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    assert cli.COMMANDS[name].summary[:40] in " ".join(capsys.readouterr().out.split())


def test_a_port_out_of_range_is_refused(capsys):
    assert cli.main(["live", "--port", "70000", "--root", str(ROOT)]) == 2
    assert capsys.readouterr().err == "error: invalid port 70000: use 0 to 65535\n"


def test_without_a_command_the_list_is_named(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 2
    assert "no command is given: run 'joules --help' for a list" in capsys.readouterr().err


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"joules {VERSION} (meter version {METER_VERSION})\n"


def joules(*arguments, cwd, **variables):
    return subprocess.run(
        [sys.executable, "-c", "import sys; from joules.cli import main; sys.exit(main())", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        timeout=300,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("place", [[f"--root={ROOT}"], ["--root", str(ROOT)], []], ids=len)
def test_a_campaign_is_worked_on_from_any_folder(tmp_path, place):
    arguments = ["trace", *place, "--campaign", "epyc-2core-standard-2026-11-26b", "rl.runs"]
    traced = joules(*arguments, cwd=tmp_path if place else ROOT / "paper")
    assert traced.returncode == 0, traced.stderr
    assert traced.stdout.startswith("rl.runs = ")


def test_without_a_local_campaign_the_released_one_is_traced(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(
        "joules.study.campaign.Campaign.is_local", property(lambda self: self.name == "never")
    )
    monkeypatch.setattr(
        "joules.study.manifest.newest_whole_release", lambda: Campaign("epyc-2core-standard-2026-11-26b")
    )
    assert cli.main(["trace", "--campaign", "never", "rl.runs"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "campaign 'never' was not measured here: this is epyc-2core-standard-2026-11-26b"
    assert said[1].startswith("rl.runs = ")


def test_outside_of_a_clone_the_remedy_is_said(tmp_path):
    refused = joules("trace", "rl.runs", cwd=tmp_path)
    assert refused.returncode == 2
    assert "is not in a clone of the artifact" in refused.stderr


def test_a_clone_is_worked_on_by_its_own_code(tmp_path):
    """An installed copy runs the clone's code, because fingerprints name the clone's code."""
    make_repository(tmp_path)
    (tmp_path / "joules").mkdir()
    (tmp_path / "joules" / "__init__.py").touch()
    (tmp_path / "joules" / "__main__.py").write_text("import sys; print('its own', sys.argv[1:])")
    handed = joules("trace", "--root", str(tmp_path), "key", cwd=ROOT)
    assert handed.stdout == "its own ['trace', 'key']\n"
    # Python then looks for no package in the current folder.
    handed = joules("trace", "--root", str(tmp_path), "key", cwd=ROOT, PYTHONSAFEPATH="1")
    assert handed.stdout == "its own ['trace', 'key']\n"


def test_code_that_is_not_the_clones_is_refused_after_one_try(tmp_path, monkeypatch, capsys):
    make_repository(tmp_path)
    (tmp_path / "joules").mkdir()
    (tmp_path / "joules" / "__init__.py").touch()
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("JOULES_REPLACED", str(os.getpid()))
    assert cli.main(["trace", "--root", str(tmp_path), "key"]) == 2
    assert f"instead of the code of {tmp_path}" in capsys.readouterr().err


def test_a_back_end_that_a_notebook_names_is_replaced(monkeypatch):
    """Before anything imports matplotlib, which refuses a name that it does not know."""
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.chdir(ROOT)
    seen = []
    show = Command("", lambda _: seen.append(os.environ["MPLBACKEND"]))
    monkeypatch.setitem(cli.COMMANDS, "schemas", show)
    assert cli.main(["schemas"]) == 0
    assert seen == ["agg"]


def test_text_is_printed_where_the_terminal_has_no_letters_for_it(tmp_path):
    code = (
        "from joules import cli; from joules.cli.command import Command;"
        "cli.COMMANDS['schemas'] = Command('', lambda _: print('\\u00d7 \\u6d77'), needs_repository=False);"
        "cli.main(['schemas'])"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | plain, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("? ?\n", "")


def test_a_package_that_is_missing_is_named(monkeypatch, capsys):
    def fail(_options):
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib.pyplot")

    monkeypatch.setitem(cli.COMMANDS, "schemas", Command("fails", fail))
    assert cli.main(["schemas"]) == 2
    assert "'schemas' needs matplotlib, which is not installed" in capsys.readouterr().err


# What is summed in another order, or by other instructions, has other last digits.
SUMS = """
import dataclasses, hashlib, sys
from joules import cli

def compute(_options):
    import numpy as np
    numbers = np.random.default_rng(0).random((40, 40))
    print(hashlib.sha256(np.linalg.pinv(numbers).tobytes() + np.exp(numbers).tobytes()).hexdigest())

name = sys.argv[1]
cli.COMMANDS[name] = dataclasses.replace(cli.COMMANDS[name], run=compute)
cli.main([name])
"""


# Those that make tables of records, and those that prove them.
@pytest.mark.parametrize("command", ["evaluate", "release"])
def test_what_is_computed_does_not_depend_on_the_processor(command):
    printed = {
        subprocess.run(
            [sys.executable, "-c", SUMS, command],
            cwd=ROOT,
            env=os.environ | kernels,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for kernels in (
            {"OPENBLAS_CORETYPE": "Prescott"},
            {"OPENBLAS_CORETYPE": "Haswell", "NPY_ENABLE_CPU_FEATURES": "X86_V3"},
            {},
        )
    }
    assert len(printed) == 1
