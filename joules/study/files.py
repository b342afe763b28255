"""Files that may be stored compressed. Their names and hashes are those of the uncompressed content."""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from pathlib import Path

from joules.errors import UserError

COMPRESSED = ".gz"


def existing_file(path: Path) -> Path:
    """`path`, or the compressed file that is stored in its place."""
    compressed = path.parent / f"{path.name}{COMPRESSED}"
    # Unlike `Path.exists` of Python 3.11, this takes any name: a manifest may have been modified.
    is_compressed = not os.path.exists(path) and os.path.exists(compressed)  # noqa: PTH110
    return compressed if is_compressed else path


def create_once(path: Path, text: str) -> str:
    """Creates a file with its whole text, unless it exists, and returns the text that it has: of several
    processes that do so at the same time, on whatever node, one decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8") as written:
        written.write(text)
        written.flush()
        os.fchmod(written.fileno(), 0o644)
        try:
            os.link(written.name, path)
        except FileExistsError:
            pass
        except OSError:
            # A file system without links is that of one machine.
            if not path.exists():
                path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8", errors="replace")


def read_content(path: Path) -> bytes:
    """Reads a file, compressed or not.

    Returns:
        The uncompressed bytes.

    Raises:
        UserError: it is a folder, or a compressed file is incomplete.
    """
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == COMPRESSED else content
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, not a file of records: move it away") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise UserError(f"{path} is incomplete or was modified: restore it") from None
