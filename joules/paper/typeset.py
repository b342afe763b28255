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

# A PDF depends on its inputs alone, so its date is fixed: the start of 2026, UTC.
_EPOCH = "1767225600"
# Variables by which a user's own files would be read, or output would go elsewhere.
_FOREIGN = ("TEXINPUTS", "BIBINPUTS", "BSTINPUTS", "TEXMFOUTPUT", "TEXMF_OUTPUT_DIRECTORY")


def run_latex(paper: Path, figures: Path, build: Path, macros: Mapping[str, str]) -> Path:
    """Typesets a paper in a temporary folder; the PDF is replaced only if that succeeds.

    LaTeX reads names of files as its own language: a path with a comma, a brace or a dollar sign is another
    path there. So it sees none but those below the temporary folder, which has links to its inputs.

    Args:
        paper: the main `.tex` file; all that lies next to it can be read.
        figures: the folder that the paper reads as `figures`.
        build: the folder for the PDF and the log; it holds the other `.tex` files that the paper reads.
        macros: LaTeX text by the name of the command that expands to it, written to `campaign.tex`.

    Returns:
        The PDF.

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
    with tempfile.TemporaryDirectory(prefix="paper-", dir=_plain_folder()) as temporary:
        folder = Path(temporary)
        inputs = [*paper.parent.glob("*.bib"), paper.parent / "sections", *build.glob("*.tex")]
        for path in inputs:
            (folder / path.name).symlink_to(path.resolve())
        (folder / "paper.tex").symlink_to(paper.resolve())
        (folder / "figures").symlink_to(figures.resolve())
        done = subprocess.run(
            # Without the user's own settings of latexmk.
            [
                "latexmk",
                "-norc",
                "-pdf",
                "-interaction=nonstopmode",
                "-halt-on-error",
                "-file-line-error",
                "paper",
            ],
            cwd=folder,
            env=_environment(folder),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        log = folder / "paper.log"
        for kept in filter(Path.exists, (log, folder / "paper.aux")):
            shutil.copyfile(kept, build / kept.name)
        if done.returncode:
            raise UserError(
                f"LaTeX stopped: {_first_error(done.stdout, done.stderr)} (log: {build / log.name})"
            )
        _refuse_undefined(log)
        partial = shutil.copyfile(folder / "paper.pdf", build / "paper.pdf.partial")
        return partial.rename(build / "paper.pdf")


def _environment(folder: Path) -> dict[str, str]:
    """The environment of LaTeX, whose own packages may be in the user's home folder."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    home = {} if _is_plain(kept.get("HOME", "")) else {"HOME": str(folder)}
    return kept | home | {"SOURCE_DATE_EPOCH": _EPOCH, "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}


def _plain_folder() -> str:
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
