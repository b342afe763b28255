"""Files of a git clone, read from one process without a work tree."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from joules.errors import UserError


class Blob(NamedTuple):
    """A file of a commit: its path and the hash of its content."""

    path: str
    sha: str


class Clone:
    """The files of one commit of a clone, work tree or bare.

    Args:
        folder: the clone, or its git directory.
        revision: commit, tag or branch.

    Raises:
        UserError: the folder is not a clone, or has no such revision.
    """

    def __init__(self, folder: Path, revision: str = "HEAD") -> None:
        self._git = ["git", "-C", str(folder)]
        found = subprocess.run(
            [*self._git, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode:
            raise UserError(f"{folder} is not a git clone with revision '{revision}': clone the repository")
        self.commit = found.stdout.strip()
        self._reader = subprocess.Popen(
            [*self._git, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.communicate()

    def files(self) -> Iterator[Blob]:
        """Every file of the commit, in order of path."""
        listed = subprocess.run(
            [*self._git, "ls-tree", "-r", "-z", self.commit], capture_output=True, check=True
        ).stdout
        for line in listed.decode("utf-8").split("\0")[:-1]:
            kind, path = line.split("\t", 1)
            yield Blob(path, kind.split()[2])

    def read_bytes(self, path: str) -> bytes | None:
        """The content of a file; None where the commit has no such file.

        Raises:
            UserError: the clone lacks the content, or ends in the middle of it.
        """
        if self._reader.stdin is None or self._reader.stdout is None or "\n" in path:
            return None
        self._reader.stdin.write(f"{self.commit}:{path}\n".encode())
        self._reader.stdin.flush()
        head = self._reader.stdout.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            return None
        content = self._reader.stdout.read(int(head[2]) + 1)
        if len(content) != int(head[2]) + 1:
            raise UserError(f"the clone is incomplete: '{path}' cannot be read, fetch it again")
        return content[:-1]

    def read(self, path: str) -> str | None:
        """The same as text."""
        content = self.read_bytes(path)
        return None if content is None else content.decode("utf-8", "replace")
