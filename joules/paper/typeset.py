"""Runs LaTeX: the same inputs give the same bytes, and an error is a short message."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from joules.errors import UserError
from joules.study.documents import DOCUMENTS

# A PDF depends on its inputs alone, so its date is fixed: the start of 2026, UTC.
_EPOCH = "1767225600"
# Variables by which a user's own files would be read, or output would go elsewhere.
_FOREIGN = ("TEXINPUTS", "BIBINPUTS", "BSTINPUTS", "TEXMFOUTPUT", "TEXMF_OUTPUT_DIRECTORY")


def run_latex(paper: Path, figures: Path, build: Path, macros: Mapping[str, str]) -> list[Path]:
    """Typesets the paper and its supplement in a temporary folder; PDFs are replaced only if both succeed.

    LaTeX reads names of files as its own language: a path with a comma, a brace or a dollar sign is another
    path there. So it sees none but those below the temporary folder, which has links to its inputs.

    Args:
        paper: the folder with `paper.tex`, `supplement.tex` and all that they read.
        figures: the folder that the paper reads as `figures`.
        build: the folder for the PDFs and logs; it holds the other `.tex` files that the paper reads.
        macros: LaTeX text by the name of the command that expands to it, written to `campaign.tex`.

    Returns:
        The PDFs.

    Raises:
        UserError: LaTeX is not installed, or it stopped; the message gives the line.
    """
    if shutil.which("latexmk") is None or shutil.which("pdflatex") is None:
        raise UserError(
            "LaTeX is not installed: install the packages listed in envs/latex-packages.txt "
            "(on Debian and Ubuntu, run 'make latex')"
        )
    build.mkdir(parents=True, exist_ok=True)
    (build / "campaign.tex").write_text(
        "".join(f"\\newcommand{{\\{name}}}{{{text}}}\n" for name, text in macros.items()), encoding="utf-8"
    )
    with tempfile.TemporaryDirectory(prefix="paper-", dir=plain_folder()) as temporary:
        folder = Path(temporary)
        for path in [*paper.iterdir(), *build.glob("*.tex")]:
            if path != build:
                (folder / path.name).symlink_to(path.resolve())
        (folder / "figures").symlink_to(figures.resolve())
        # Each refers to the other, so the supplement is set again when the numbers of the paper are known.
        for document in (DOCUMENTS[1], *DOCUMENTS):
            _typeset(document, folder, build)
        for document in DOCUMENTS:
            _refuse_undefined(folder / f"{document}.log")
        made = [folder / f"{document}.pdf" for document in DOCUMENTS]
        partial = [shutil.copyfile(path, build / f"{path.name}.partial") for path in made]
        return [path.rename(build / path.stem) for path in partial]


def _typeset(document: str, folder: Path, build: Path) -> None:
    options = ["-pdf", "-g", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error"]
    done = subprocess.run(
        # Without the user's own settings of latexmk.
        ["latexmk", "-norc", *options, document],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    log = folder / f"{document}.log"
    for kept in filter(Path.exists, (log, folder / f"{document}.aux")):
        shutil.copyfile(kept, build / kept.name)
    if done.returncode:
        raise UserError(f"LaTeX stopped: {_first_error(done.stdout, done.stderr)} (log: {build / log.name})")


def _environment(folder: Path) -> dict[str, str]:
    """The environment of LaTeX, whose own packages may be in the user's home folder."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    home = {} if _is_plain(kept.get("HOME", "")) else {"HOME": str(folder)}
    return kept | home | {"SOURCE_DATE_EPOCH": _EPOCH, "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}


def plain_folder() -> str:
    """The folder for temporary files, or /tmp if LaTeX cannot read its path."""
    folder = tempfile.gettempdir()
    return folder if _is_plain(folder) else "/tmp"


def _is_plain(path: str) -> bool:
    """Whether LaTeX reads a path as it is written."""
    return re.fullmatch(r"[\w/.-]+", path, re.ASCII) is not None


def _first_error(output: str, messages: str) -> str:
    """The first line of an error of LaTeX, or else the last line that latexmk printed."""
    for line in output.splitlines():
        if re.match(r"^(!|.*\.(tex|bib|bbl):\d+:) ", line):
            return line.strip()
    return next(
        filter(None, map(str.strip, reversed((output + messages).splitlines()))), "it printed nothing"
    )


def _refuse_undefined(log: Path) -> None:
    """Raises UserError for undefined references and citations, which LaTeX prints as question marks."""
    text = log.read_text(encoding="utf-8", errors="replace")
    missing = sorted(set(re.findall(r"(?:Reference|Citation) [`'](.+?)'.* undefined", text)))
    if missing:
        raise UserError(f"undefined references or citations in the paper: {', '.join(missing)}")
