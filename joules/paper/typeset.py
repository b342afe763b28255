"""LaTeX to PDF, with its errors as sentences and the same bytes from the same inputs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from joules.errors import UserError

# Fixed dates: a PDF must depend on its inputs alone. The instant is the start of 2026, UTC.
_EPOCH = "1767225600"


def typeset(paper: Path, build: Path, figures: Path, explorer: Path, authors: str) -> Path:
    """Typesets `paper` (a .tex file) in `build` with the figures of a folder, links to a page and the names
    of its authors, as LaTeX takes them; returns the PDF.

    Raises UserError where LaTeX is absent or stops, with the line it stopped at.
    """
    if shutil.which("latexmk") is None or shutil.which("pdflatex") is None:
        raise UserError(
            "LaTeX is not installed: install the packages listed in envs/latex-packages.txt "
            "(on Debian and Ubuntu 'make latex' does it)"
        )
    build.mkdir(parents=True, exist_ok=True)
    (build / "campaign.tex").write_text(
        f"\\newcommand{{\\figurefolder}}{{{figures.as_posix()}}}\n"
        f"\\newcommand{{\\explorerpage}}{{{Path(os.path.relpath(explorer, build)).as_posix()}}}\n"
        f"\\newcommand{{\\authors}}{{{authors}}}\n",
        encoding="utf-8",
    )
    search = os.pathsep.join([str(build), str(paper.parent), ""])
    done = subprocess.run(
        [
            "latexmk",
            "-pdf",
            "-g",
            "-interaction=nonstopmode",
            "-halt-on-error",
            "-file-line-error",
            f"-outdir={build}",
            "-jobname=paper",
            str(paper),
        ],
        env=os.environ
        | {
            "TEXINPUTS": search,
            "BIBINPUTS": search,
            "SOURCE_DATE_EPOCH": _EPOCH,
            "FORCE_SOURCE_DATE": "1",
            "max_print_line": "1000",
        },
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise UserError(f"LaTeX stopped: {_first_error(done.stdout)} (log: {build / 'paper.log'})")
    _refuse_undefined(build / "paper.log")
    return build / "paper.pdf"


def _first_error(output: str) -> str:
    for line in output.splitlines():
        if re.match(r"^(!|.*\.(tex|bib|bbl):\d+:) ", line):
            return line.strip()
    return "no error line was found"


def _refuse_undefined(log: Path) -> None:
    """A reference or citation that leads nowhere is an error, not a pair of question marks."""
    text = log.read_text(encoding="utf-8", errors="replace")
    missing = sorted(set(re.findall(r"(?:Reference|Citation) [`'](.+?)'.* undefined", text)))
    if missing:
        raise UserError(f"the paper refers to what does not exist: {', '.join(missing)}")
