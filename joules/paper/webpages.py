"""The paper as web pages: the sources of its PDF, its exported numbers as links to where they come from."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from joules.analysis.parallel import parallel_map
from joules.errors import UserError
from joules.paper.letters import vietnamese_letter
from joules.paper.typeset import plain_folder
from joules.study.documents import DOCUMENTS

_HERE = Path(__file__).parent / "page"
_COMMAND = re.compile(r"\\([A-Za-z]+)(?:\[([^\]]*)\])?")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
# A comment of LaTeX, with the end of its line.
_COMMENT = re.compile(r"(?<!\\)%.*\n[ \t]*")
_DEFINED = re.compile(r"\\def(val|caption|chain|table)\{([^}]*)\}(?=\{)")
_FLOATS = {"fig": "Figure", "tab": "Table"}


def write_pages(paper: Path, figures: Path, build: Path, macros: Mapping[str, str]) -> list[Path]:
    """Writes the paper and its supplement as pages of HTML, which need no network.

    Sections, figures and tables have the numbers that LaTeX gave them. Same inputs give the same bytes.

    Args:
        paper: the folder with `paper.tex`, `supplement.tex` and all that they read.
        figures: the folder that `macros["figurefolder"]` begins with; the pages show its SVG files.
        build: the folder for the pages; it holds the exported `.tex` files and the `.aux` files of LaTeX.
        macros: LaTeX text by the name of the command that expands to it.

    Returns:
        The pages.

    Raises:
        UserError: a command has no argument, what it names was not exported, or pandoc stopped.
    """
    exported = _read_exported(build)
    labels: dict[str, tuple[str, str]] = {}
    to_figures = Path(os.path.relpath(figures.parent, build)) / macros["figurefolder"]
    macros = {**macros, "figurefolder": to_figures.as_posix()}
    for document in DOCUMENTS:
        labels |= {name: (document, number) for name, number in _labels(build / f"{document}.aux").items()}

    def convert(document: str) -> str:
        before = _other_forms(document, macros["explorerpage"])
        if exported.get(("val", "campaign.scale")) == "smoke":
            before += '<p role="note">Smoke scale: nothing can be concluded</p>'
        text = _Expansion(document, (paper, build), macros, exported, labels).text
        return _convert(text, before, paper / "references.bib")

    pages = {
        build / f"{document}.html": text
        for document, text in zip(DOCUMENTS, parallel_map(convert, DOCUMENTS), strict=True)
    }
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return list(pages)


def _convert(text: str, before: str, references: Path) -> str:
    """Runs pandoc where it sees no path of a user, which it cannot read in every locale, and no template."""
    # Not where the other steps of the paper are used.
    import pypandoc

    with tempfile.TemporaryDirectory(prefix="paper-", dir=plain_folder()) as folder:
        for path in (references, *_HERE.iterdir()):
            (Path(folder) / path.name).symlink_to(path.resolve())
        options = {
            "data-dir": ".",
            "include-in-header": "head.html",
            "lua-filter": "accessible.lua",
            "bibliography": references.name,
            "toc-depth": "2",
            "shift-heading-level-by": "1",
        }
        metadata = {
            "reference-section-title": "References",
            "link-citations": "true",
            "lang": "en-GB",
            "document-css": "false",
        }
        around = {"include-before": f"{before}<main>", "include-after": "</main>"}
        arguments = [
            *("--standalone", "--mathml", "--toc", "--citeproc"),
            *(f"--{name}={value}" for name, value in options.items()),
            *(f"--metadata={name}:{value}" for name, value in metadata.items()),
            *(f"--variable={name}:{value}" for name, value in around.items()),
        ]
        try:
            return str(pypandoc.convert_text(text, "html5", "latex", arguments, cworkdir=folder))
        except RuntimeError as fault:
            raise UserError(f"pandoc stopped: {str(fault).splitlines()[0]}") from None


def _other_forms(document: str, explorer: str) -> str:
    """Links to the PDF of a document, to the other documents and to the explorer."""
    others = [one for one in DOCUMENTS if one != document]
    links = {f"{document}.pdf": "PDF"} | {f"{one}.html": one for one in others} | {explorer: "explorer"}
    linked = " &middot; ".join(f'<a href="{to}">{words}</a>' for to, words in links.items())
    words = "Dotted numbers and arrows lead to where a result comes from."
    return f'<nav aria-label="Other forms">{linked}. {words}</nav>'


def _read_exported(build: Path) -> dict[tuple[str, str], str]:
    """What the preamble defines: LaTeX text by kind and name."""
    found: dict[tuple[str, str], str] = {}
    for name in ("values", "captions", "tables"):
        text = (build / f"{name}.tex").read_text(encoding="utf-8")
        for defined in _DEFINED.finditer(text):
            found[defined[1], defined[2]], _ = _take_group(text, defined.end())
    return found


def _labels(aux: Path) -> dict[str, str]:
    """The number of each label of a document, and of each section by its place."""
    text = aux.read_text(encoding="utf-8")
    sections = re.findall(r"\\contentsline \{section\}\{\\numberline \{(.*?)\}", text)
    return dict(re.findall(r"\\newlabel\{([^}]*)\}\{\{([^}]*)\}", text)) | {
        f"{aux.stem} {place}": number for place, number in enumerate(sections)
    }


def _take_group(text: str, start: int) -> tuple[str, int]:
    """What the braces hold that open at `start`, and where they end."""
    depth = 0
    for found in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if not depth:
            break
    else:
        raise UserError(f"no argument in braces at '{text[start : start + 40]}': close its braces")
    return text[start + 1 : found.start()], found.end()


class _Expansion:
    """A document without the paper's own commands: each is a method that is handed its arguments."""

    def __init__(
        self,
        document: str,
        folders: tuple[Path, ...],
        macros: Mapping[str, str],
        exported: Mapping[tuple[str, str], str],
        labels: Mapping[str, tuple[str, str]],
    ):
        self._document, self._folders, self._labels = document, folders, labels
        self._macros, self._exported = macros, exported
        self._sections = 0
        self._commands: dict[str, tuple[int, Callable[..., str]]] = {
            "input": (1, self._input),
            "val": (1, lambda key: self._link(f"value/{key}", self._get("val", key))),
            "claim": (1, lambda name: self._link(f"claim/{name}", self._get("val", f"claim.{name}"))),
            "brief": (1, self._brief),
            "ifval": (3, self._ifval),
            "exportedtable": (1, lambda name: self._table(name, "")),
            "exportedlongtable": (2, self._table),
            "exportedfigure": (2, self._figure),
            "caption": (2, self._caption),
            "section": (1, self._section),
            "paragraph": (1, lambda words: f"\\subsection*{{{words.rstrip('.')}}}"),
            "ref": (1, lambda label: self._refer(label, self._number(label))),
            "explorer": (2, self._link),
            "source": (2, lambda _path, words: f"\\texttt{{{words}}}"),
            "shortstack": (1, lambda lines: lines.replace(r"\\", " ")),
            "vietnamese": (1, lambda place: vietnamese_letter(int(place))),
            "tablesinplace": (0, lambda: ""),
            **{name: (0, lambda text=text: self._expand(text)) for name, text in macros.items()},
        }
        self.text = self._input(document)

    def _expand(self, text: str) -> str:
        done, at = [], 0
        while found := _COMMAND.search(text, at):
            done.append(text[at : found.start()])
            name, at = found[1], found.end()
            if name == "hyperref":
                words, at = _take_group(text, at)
                done.append(self._refer(found[2], self._expand(words)))
            elif name not in self._commands:
                done.append(text[found.start() : found.end(1)])
                at = found.end(1)
            else:
                count, function = self._commands[name]
                given = []
                for _ in range(count):
                    while text[at : at + 1].isspace():
                        at += 1
                    group, at = _take_group(text, at)
                    given.append(group)
                done.append(function(*given))
        return "".join(done) + text[at:]

    def _input(self, name: str) -> str:
        if name == "preamble":
            return ""
        path = next(path for folder in self._folders if (path := folder / f"{name}.tex").is_file())
        text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
        # A caption is handed the name of its table.
        return self._expand(text.replace(r"}\label{tab:", "}{tab:"))

    def _get(self, kind: str, name: str) -> str:
        try:
            return self._exported[kind, name]
        except KeyError:
            raise UserError(f"no {kind} is called '{name}': see values.csv for those there are") from None

    def _link(self, fragment: str, words: str) -> str:
        address = f"{self._macros['explorerpage']}#{quote(fragment)}".replace("%", r"\%")
        return f"\\href{{{address}}}{{{self._expand(words)}}}"

    def _number(self, label: str) -> str:
        if label not in self._labels:
            raise UserError(f"nothing has the label '{label}': correct the reference")
        return self._labels[label][1]

    def _refer(self, label: str, words: str) -> str:
        document, _ = self._labels[label]
        return f"\\href{{{'' if document == self._document else f'{document}.html'}#{label}}}{{{words}}}"

    def _brief(self, name: str) -> str:
        words = self._exported.get(("val", f"claim.{name}.brief"))
        return self._link(f"claim/{name}", words) if words else ""

    def _ifval(self, keys: str, then: str, otherwise: str) -> str:
        is_known = all(("val", key) in self._exported for key in keys.split(","))
        return self._expand(then if is_known else otherwise)

    def _table(self, name: str, words: str) -> str:
        table = self._get("table", name).replace("}\\label{tab:", "}{tab:").replace("\\longcaption", words)
        # All columns to the left but numbers; a page has no widths.
        aligned = re.sub(
            r"\\begin\{tabularx\}\{\\linewidth\}\{(.*?)\}",
            lambda found: f"\\begin{{tabular}}{{{found[1].replace('Y', 'l')}}}",
            table,
        )
        return self._expand(aligned.replace(r"\end{tabularx}", r"\end{tabular}"))

    def _figure(self, name: str, note: str) -> str:
        shown = self._get("caption", name)
        figure = f"[alt={{{self._expand(shown)}}}]{{{self._macros['figurefolder']}/{name}.svg}}"
        caption = self._caption(f"{shown} {note} {self._get('chain', name)}", f"fig:{name}")
        return f"\\begin{{figure}}\\includegraphics{figure}{caption}\\end{{figure}}"

    def _caption(self, words: str, label: str) -> str:
        kind = _FLOATS[label.partition(":")[0]]
        return f"\\caption{{{kind} {self._number(label)}: {self._expand(words)}}}\\label{{{label}}}"

    def _section(self, words: str) -> str:
        number = self._number(f"{self._document} {self._sections}")
        self._sections += 1
        return f"\\section{{{number} {words}}}"
