"""The paper as web pages: the numbers of LaTeX, links to where numbers come from, text for who cannot see."""

import re

import pytest
from bs4 import BeautifulSoup

from joules.errors import UserError
from joules.paper.printing import escape
from joules.paper.webpages import write_pages

EXPLORER = "../../results/c/explorer.html"
MACROS = {
    "papertitle": "Energy of things",
    "authors": escape("Nguyễn Thị Phương"),
    "figurefolder": "figures/c",
    "explorerpage": EXPLORER,
}
PAPER = r"""\documentclass{article}
\input{preamble}
\title{\papertitle}
\author{\authors}
\begin{document}
\maketitle
\begin{abstract}It takes \val{energy}. \ifval{energy}{Known.}{Unknown: \val{none}.}\end{abstract}
\section{First}\label{sec:first}
\paragraph{Answer.} \brief{grows} \brief{unasked} % a comment with a \val{none}
See Figure~\ref{fig:curve}, Section~\ref{sec:more}, Table~\ref{tab:short} and \hyperref[tab:long]{all of them}
\citep{some}.
\exportedfigure{curve}{At the end it is \val{energy}.}
\begin{table}\centering
\exportedtable{short}
\caption{Numbers of \explorer{table/x}{a table}.}\label{tab:short}
\end{table}
\bibliographystyle{plainnat}
\bibliography{references}
\end{document}
"""
SUPPLEMENT = r"""\documentclass{article}
\begin{document}
\section{More}\label{sec:more}
\begin{description}
\item[Used, \val{energy}] Once.
\end{description}
\claim{grows}
\exportedlongtable{long}{All numbers.}
\end{document}
"""
EXPORTED = {
    "values": r"""\defval{energy}{\qty{1.5}{\kWh} [\num{1.2}, \num{1.9}]}
\defval{claim.grows}{It grows (2 against > 1).}
\defval{claim.grows.brief}{It grows.}
""",
    "captions": r"""\defcaption{curve}{Half (50 \%) of a curve\_name.}
\defchain{curve}{Energy read; \hyperref[tab:long]{\texttt{abc}}, drawn by \source{a/b.py}{a/b.py}.}
""",
    "tables": r"""\deftable{short}{\begin{tabularx}{\linewidth}{lrY}
\toprule
name & \shortstack[r]{energy\\in J} & words \\
\midrule
one & \num{1.50} & a sentence \\
\bottomrule
\end{tabularx}
}
\deftable{long}{\begin{longtable}{>{\raggedright\arraybackslash}p{\dimexpr0.5\linewidth-2\tabcolsep\relax}l}
\caption{\longcaption}\label{tab:long}\\
\toprule
claim & verdict \\
\midrule
\endfirsthead
\toprule
claim & verdict \\
\midrule
\endhead
\bottomrule
\endfoot
grows & yes \\
\end{longtable}
}
""",
}
AUX = {
    "paper": r"""\@writefile{toc}{\contentsline {section}{\numberline {1}First}{1}{section.1}}
\newlabel{sec:first}{{1}{1}{First}{section.1}{}}
\newlabel{fig:curve}{{7}{1}{}{figure.7}{}}
\newlabel{tab:short}{{3}{1}{}{table.3}{}}
""",
    "supplement": r"""\@writefile{toc}{\contentsline {section}{\numberline {S1}More}{1}{section.1}}
\newlabel{sec:more}{{S1}{1}{More}{section.1}{}}
\newlabel{tab:long}{{S4}{1}{}{table.4}{}}
""",
}


def write(folder, paper=PAPER):
    """A paper that LaTeX has numbered; returns its pages."""
    sources, build = folder / "paper", folder / "paper" / "build"
    build.mkdir(parents=True, exist_ok=True)
    (sources / "paper.tex").write_text(paper, encoding="utf-8")
    (sources / "supplement.tex").write_text(SUPPLEMENT, encoding="utf-8")
    (sources / "references.bib").write_text("@article{some, author={Some, Body}, title={Title}, year={1999}}")
    for name, text in EXPORTED.items():
        (build / f"{name}.tex").write_text(text, encoding="utf-8")
    for document, text in AUX.items():
        (build / f"{document}.aux").write_text(text, encoding="utf-8")
    return write_pages(sources, folder / "figures", build, MACROS)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    written = write(tmp_path_factory.mktemp("clone"))
    return {path.stem: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in written}


def words_of(element):
    return " ".join(element.get_text().split())


def test_each_number_leads_to_where_it_comes_from(pages):
    page = pages["paper"]
    numbers = page.find_all("a", href=f"{EXPLORER}#value/energy")
    assert [words_of(each) for each in numbers] == ["1.5 kWh [1.2, 1.9]"] * 2
    assert words_of(page.find("a", href=f"{EXPLORER}#claim/grows")) == "It grows."
    assert (
        words_of(pages["supplement"].find("a", href=f"{EXPLORER}#claim/grows")) == "It grows (2 against > 1)."
    )
    assert words_of(pages["supplement"].find("dt")) == "Used, 1.5 kWh [1.2, 1.9]"
    assert words_of(page.find("div", class_="abstract")).endswith("1.5 kWh [1.2, 1.9]. Known.")


def test_sections_figures_and_tables_have_the_numbers_of_latex(pages):
    page = pages["paper"]
    assert words_of(page.find("figcaption")) == (
        "Figure 7: Half (50 %) of a curve_name. At the end it is 1.5 kWh [1.2, 1.9]. "
        "Energy read; abc, drawn by a/b.py."
    )
    captions = [words_of(each.find("caption")) for each in pages.values()]
    assert captions == ["Table 3: Numbers of a table.", "Table S4: All numbers."]
    for label, document, number in (
        ("fig:curve", "", "7"),
        ("sec:more", "supplement.html", "S1"),
        ("tab:short", "", "3"),
        ("tab:long", "supplement.html", "all of them"),
    ):
        assert words_of(page.find("a", href=f"{document}#{label}")) == number
        assert pages["supplement" if document else "paper"].find(id=label)


def test_a_page_can_be_read_aloud(pages):
    page = pages["paper"]
    assert page.html["lang"] == "en-GB"
    assert page.title.string == "Energy of things"
    assert [(each.name, words_of(each)) for each in page.find_all(re.compile(r"h\d"))] == [
        ("h1", "Energy of things"),
        ("h2", "1 First"),
        ("h3", "Answer"),
        ("h2", "References"),
    ]
    assert page.find("img")["alt"] == "Half (50 %) of a curve_name."
    assert page.find("img")["src"] == "../../figures/c/curve.svg"
    for table, heads in (
        (page, ["name", "energy in J", "words"]),
        (pages["supplement"], ["claim", "verdict"]),
    ):
        assert [words_of(each) for each in table.thead.find_all("th")] == heads
    assert "Nguyễn Thị Phương" in page.find("p", class_="author").string
    assert "(Some 1999)" in words_of(page)
    assert len(page.find_all("main")) == 1


def test_a_page_asks_no_network(pages):
    for page in pages.values():
        loaded = [each.get("src") or each.get("href") for each in page.find_all(["img", "script", "link"])]
        assert all(str(path).startswith("../../figures/") for path in loaded), loaded
        assert "@import" not in str(page.style)


def test_a_page_at_scale_smoke_says_that_nothing_can_be_concluded(tmp_path, monkeypatch):
    said = []
    for scale in ("standard", "smoke"):
        monkeypatch.setitem(
            EXPORTED, "values", EXPORTED["values"] + f"\\defval{{campaign.scale}}{{{scale}}}\n"
        )
        said.append(["nothing can be concluded" in path.read_text() for path in write(tmp_path)])
    assert said == [[False, False], [True, True]]


def test_a_users_settings_and_paths_change_no_byte(tmp_path, monkeypatch):
    first = [path.read_bytes() for path in write(tmp_path / "plain")]
    hostile = tmp_path / "a,b;c{d} $HOME é"
    templates = hostile / ".local" / "share" / "pandoc" / "templates"
    templates.mkdir(parents=True)
    (templates / "default.html5").write_text("a template of the user")
    for name, value in {"HOME": str(hostile), "TMPDIR": str(hostile), "LC_ALL": "C"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", None)
    assert [path.read_bytes() for path in write(hostile)] == first


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (r"\val{none}", "no val is called 'none': see values.csv"),
        (r"\ref{fig:none}", "nothing has the label 'fig:none': correct the reference"),
        (r"\val{energy", r"no argument in braces at '\{energy'"),
        (r"\begin{itemize}", "pandoc stopped: "),
    ],
)
def test_a_fault_of_the_source_is_named(tmp_path, text, sentence):
    with pytest.raises(UserError, match=sentence):
        write(tmp_path, PAPER.replace(r"\end{document}", "") + text)
