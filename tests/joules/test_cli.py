"""How a command ends that cannot say or write what it should."""

import errno
import signal
import subprocess
import sys

import pytest

from joules import cli
from tests import ROOT


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
            "error: No space left on device: free some and run",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "t.csv"),
            "error: t.csv: Read-only file system: work in",
        ),
    ],
)
def test_a_disk_that_takes_nothing_is_said_in_a_sentence(monkeypatch, capsys, fault, sentence):
    def fail(_options):
        raise fault

    monkeypatch.setitem(cli.COMMANDS, "schemas", cli.Command("fails", fail))
    assert cli.main(["schemas"]) == 2
    assert capsys.readouterr().err.startswith(sentence)


def test_other_faults_are_not_hidden(monkeypatch):
    def fail(_options):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setitem(cli.COMMANDS, "schemas", cli.Command("fails", fail))
    with pytest.raises(OSError, match="Input/output"):
        cli.main(["schemas"])
