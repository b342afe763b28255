"""Fingerprints of code that an earlier process computed, kept until any file of the code changes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path


class FingerprintCache:
    """Texts by key that depend on the Python files of some packages and on nothing else.

    They are forgotten when a file was added, removed or written: sizes, times and inodes are compared, and no
    program can set the time of a file's last change of status. Kept in Snakemake's folder, if there is one.
    """

    def __init__(self, root: Path, packages: Sequence[str]) -> None:
        self._path = root / ".snakemake" / "fingerprints.json"
        self._files = [list(each) for name in packages for each in _stat_files(root / name)]
        self._known: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if kept["files"] == self._files:
                self._known = dict(kept["fingerprints"])

    def get(self, key: str) -> str | None:
        """What is known of a key, None if nothing is."""
        return self._known.get(key)

    def keep(self, key: str, value: str) -> None:
        """Keeps the value of a key for later processes."""
        self._known[key] = value
        if not self._path.parent.is_dir():
            return
        body = json.dumps({"files": self._files, "fingerprints": self._known})
        whole = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            whole.write_text(body, encoding="utf-8")
            whole.replace(self._path)


def _stat_files(folder: Path) -> Iterator[tuple[str, int, int, int, int]]:
    """Path, size, times and inode of every Python file below a folder, in order."""
    if not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _stat_files(Path(entry.path))
        elif entry.name.endswith(".py"):
            found = entry.stat()
            yield entry.path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
