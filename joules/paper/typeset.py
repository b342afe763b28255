"""Runs LaTeX: the same inputs give the same bytes, and an error is a short message."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from joules.errors import UserError
from joules.study.documents import DOCUMENTS

# A PDF depends on its inputs alone, so its date is fixed: the start of 2026, UTC.
_EPOCH = "1767225600"
# Variables by which a user's own files would be read, or output would go elsewhere.
_FOREIGN = ("TEXINPUTS", "BIBINPUTS", "BSTINPUTS", "TEXMFOUTPUT", "TEXMF_OUTPUT_DIRECTORY")
_OPTIONS = ("-interaction=nonstopmode", "-halt-on-error", "-file-line-error")
# Runs that find labels, set the list of references and cite it; only a later one can change nothing.
_DRAFTS, _RUNS = 3, 8


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
    if shutil.which("pdflatex") is None or shutil.which("bibtex") is None:
        raise UserError(
            "LaTeX is not installed: install the packages listed in envs/latex-packages.txt "
            "(on Debian and Ubuntu, run 'make latex')"
        )
    build.mkdir(parents=True, exist_ok=True)
    (build / "campaign.tex").write_text(
        "".join(f"\\newcommand{{\\{name}}}{{{text}}}\n" for name, text in macros.items()), encoding="utf-8"
    )
    with tempfile.TemporaryDirectory(prefix="paper-", dir=plain_folder()) as temporary:
        folders = [Path(temporary) / document for document in DOCUMENTS]
        for folder in folders:
            folder.mkdir()
            for path in [*paper.iterdir(), *build.glob("*.tex")]:
                if path != build:
                    (folder / path.name).symlink_to(path.resolve())
            (folder / "figures").symlink_to(figures.resolve())
        _typeset(folders, build)
        for folder in folders:
            _refuse_undefined(folder / f"{folder.name}.log")
        made = [folder / f"{folder.name}.pdf" for folder in folders]
        partial = [shutil.copyfile(path, build / f"{path.name}.partial") for path in made]
        return [path.rename(build / path.stem) for path in partial]


def _typeset(folders: Sequence[Path], build: Path) -> None:
    """Typesets each document in the folder of its name, all at the same time, until no number changes.

    Raises:
        UserError: LaTeX stopped, or numbers still change after `_RUNS` runs.
    """
    read: list[dict[str, bytes]] = []
    with ThreadPoolExecutor() as pool:
        for number in range(1, _RUNS + 1):
            # A run that cannot be the last writes no PDF.
            options = _OPTIONS if number > _DRAFTS else (*_OPTIONS, "-draftmode")
            list(pool.map(partial(_run, "pdflatex", options, build), folders))
            written = [_read_numbers(folder) for folder in folders]
            if written == read and number > _DRAFTS:
                return
            read = written
            for folder, numbers in zip(folders, written, strict=True):
                if number == 1 and rb"\bibdata" in numbers[f"{folder.name}.aux"]:
                    _run("bibtex", (), build, folder)
                # Each document refers to the other.
                for other in folders:
                    if other != folder:
                        shutil.copyfile(folder / f"{folder.name}.aux", other / f"{folder.name}.aux")
    raise UserError(f"LaTeX does not settle: numbers of sections or pages change after {_RUNS} runs")


def _read_numbers(folder: Path) -> dict[str, bytes]:
    """What a run of LaTeX in `folder` wrote for the next one, by the name of the file."""
    paths = [folder / f"{folder.name}.{kind}" for kind in ("aux", "out", "toc")]
    return {path.name: path.read_bytes() for path in paths if path.exists()}


def _run(program: str, options: Sequence[str], build: Path, folder: Path) -> None:
    done = subprocess.run(
        [program, *options, folder.name],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    log = folder / f"{folder.name}.log"
    for kept in filter(Path.exists, (log, folder / f"{folder.name}.aux")):
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
    """The first line of an error of LaTeX, or else the last line that was printed."""
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
