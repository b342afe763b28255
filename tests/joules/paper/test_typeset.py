"""LaTeX sees neither the user's settings nor the user's paths; a failure keeps the paper that is there."""

import os
import re

import pytest
from pypdf import PdfReader

from joules.errors import UserError
from joules.paper import letters
from joules.paper.printing import escape
from joules.paper.typeset import run_latex
from tests import RELEASED, ROOT

# Letters of many languages: Latin with accents, Vietnamese, and those that only print as code points.
NAMES = "Łukasz Şahin, Jiří Žižka, Ștefan Țepeș, Nguyễn Thị Phương Ỷ, Lǚ Bù; Жанна 海光 Ω"


def write_paper(folder, text):
    """A paper with a section, a supplement and a figure's folder; returns the arguments of `run_latex`."""
    paper = folder / "paper"
    (paper / "main").mkdir(parents=True)
    (folder / "figures").mkdir()
    preamble = (ROOT / "paper" / "preamble.tex").read_text(encoding="utf-8").partition("% Figures are")[0]
    preamble = f"\\documentclass{{article}}\n{preamble}\\usepackage{{xr-hyper}}\\usepackage{{hyperref}}\n"
    (paper / "main" / "one.tex").write_text(text, encoding="utf-8")
    for document, other, section in (
        ("paper", "supplement", "\\input{main/one}"),
        ("supplement", "paper", "\\section{More}\\label{more}"),
    ):
        body = f"\\input{{campaign}}\n\\begin{{document}}\\name\n{section}\n\\end{{document}}\n"
        link = f"\\externaldocument{{{other}}}[{other}.pdf]\n"
        (paper / f"{document}.tex").write_text(preamble + link + body, encoding="utf-8")
    return paper, folder / "figures", paper / "build"


def test_a_users_settings_and_paths_change_no_byte(tmp_path, monkeypatch):
    made = []
    for place in ("plain", "a,b;c{d} $HOME é"):
        folder = tmp_path / place
        folder.mkdir()
        hostile = {"HOME": str(folder), "TEXINPUTS": "/nowhere", "TMPDIR": str(folder)} if made else {}
        for name, value in hostile.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("tempfile.tempdir", None)
        monkeypatch.chdir(folder)
        pdf, supplement = run_latex(*write_paper(folder, "See \\ref{more}."), {"name": escape(NAMES)})
        made.append(pdf.read_bytes() + supplement.read_bytes())
        assert {path.name for path in folder.iterdir()} == {"paper", "figures"}
        assert (pdf.parent / "paper.log").exists()
    assert made[0].startswith(b"%PDF")
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\\nonsense", "main/one.tex:1: Undefined control sequence"),
        ("\\ref{none}", "undefined references"),
    ],
)
def test_a_failure_keeps_the_paper_that_is_there(tmp_path, text, sentence):
    paper, figures, build = write_paper(tmp_path, text)
    build.mkdir()
    (build / "paper.pdf").write_bytes(b"released")
    with pytest.raises(UserError, match=sentence):
        run_latex(paper, figures, build, {"name": "Anyone"})
    assert (build / "paper.pdf").read_bytes() == b"released"
    assert (build / "paper.log").exists()


def test_a_latex_that_prints_no_error_line_is_quoted(tmp_path, monkeypatch):
    (tmp_path / "pdflatex").write_text("#!/bin/sh\necho 'no format pdflatex.fmt' >&2\nexit 12\n")
    (tmp_path / "pdflatex").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UserError, match=r"LaTeX stopped: no format pdflatex.fmt"):
        run_latex(*write_paper(tmp_path / "clone", "Text."), {"name": "Anyone"})


def test_latex_runs_until_no_number_changes(tmp_path):
    """Each page that the text says moves the next one's text."""
    lines = "".join(f"\\pageref{{p{n}}}\\newpage\\label{{p{n}}}\n" for n in range(3))
    cited = "\\cite{one}\\bibliographystyle{plainnat}\\bibliography{references}"
    paper, figures, build = write_paper(tmp_path, f"\\tableofcontents\\section{{A}}{lines}{cited}")
    (paper / "references.bib").write_text("@book{one, author={Someone}, title={Book}, year=2020}\n")
    pdf, _ = run_latex(paper, figures, build, {"name": "Anyone"})
    text = "".join(page.extract_text() for page in PdfReader(pdf).pages)
    assert "??" not in text
    assert text.count("Book") == 1


def test_latex_that_does_not_settle_is_refused(tmp_path):
    """The number of a label grows with each run."""
    grows = "\\newcounter{n}\\setcounter{n}{0\\csname grown\\endcsname}\\stepcounter{n}"
    write = "\\makeatletter\\immediate\\write\\@auxout{\\gdef\\string\\grown{\\arabic{n}}}"
    with pytest.raises(UserError, match="LaTeX does not settle"):
        run_latex(*write_paper(tmp_path, grows + write), {"name": "Anyone"})


def test_the_main_text_of_the_released_paper_has_at_most_twelve_pages():
    pages = [page.extract_text() for page in PdfReader(RELEASED.build / "paper.pdf").pages]
    with_list = next(at for at, text in enumerate(pages) if re.search(r"^References$", text, re.MULTILINE))
    before_list = re.split(r"^References$", pages[with_list], flags=re.MULTILINE)[0]
    assert with_list + bool(before_list.strip()) <= 12


def test_what_no_font_has_is_printed_as_its_code_point():
    assert escape("50 % of 海") == r"50 \% of [U+6D77]"
    assert escape("e\u0301\u00a0é\n") == "é~é "
    assert escape("\x1b[1m") == "[U+001B][1m"


@pytest.mark.parametrize("name", ["Жанна", "Ωmega", "海光", "a\tb\x07"])
def test_an_author_whom_the_paper_cannot_print_is_refused(monkeypatch, name):
    cited = {"title": "Energy", "authors": [{"given-names": "Thị", "family-names": "Nguyễn"}, {"name": name}]}
    monkeypatch.setattr(letters, "citation", lambda: cited)
    with pytest.raises(UserError, match=r"CITATION.cff: the fonts of the paper have no '.' \('" + name[:2]):
        letters.check_citation()
    cited["authors"].pop()
    letters.check_citation()


def test_the_workflow_refuses_such_an_author_before_it_measures(repository):
    repository.edit("CITATION.cff", "The authors of", "Авторы")
    refused = repository.snakemake("--cores", "all", "-n", "--config", "scale=smoke")
    assert refused.returncode != 0
    assert "the fonts of the paper have no 'А'" in refused.stdout
