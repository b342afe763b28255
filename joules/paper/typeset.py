"""Runs LaTeX: the same inputs give the same bytes, and an error is a short message."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from joules.errors import UserError

# A PDF depends on its inputs alone, so its date is fixed: the start of 2026, UTC.
_EPOCH = "1767225600"


def run_latex(paper: Path, build: Path, macros: Mapping[str, str]) -> Path:
    """Typesets a paper.

    Args:
        paper: the main `.tex` file.
        build: the folder for all output; it already holds what the paper reads.
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
    """Raises UserError for undefined references and citations, which LaTeX prints as question marks."""
    text = log.read_text(encoding="utf-8", errors="replace")
    missing = sorted(set(re.findall(r"(?:Reference|Citation) [`'](.+?)'.* undefined", text)))
    if missing:
        raise UserError(f"undefined references or citations in the paper: {', '.join(missing)}")
