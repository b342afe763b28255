"""The check of the prose finds each kind of fault, and accepts names, lengths and waived numbers."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from joules.errors import UserError
from joules.paper import prose
from joules.paper.quantities import constant
from joules.paper.values import Value
from joules.study.claims import load_claims
from joules.study.design import experiment_names
from tests import ROOT
from tests.claims import claim

CLAIM = claim(statement="Energy grows with time.")
GOOD = r"""
\usepackage[margin=2.6cm]{geometry}
\begin{document}
A2C and ResNet-50 use \val{a.b} joules~\citep{mnih2016} (Table~\ref{tab:run1}). % forty-two: 42
\claim{grows}\includegraphics[width=0.8\linewidth]{x1.pdf}
Rounded to 3 figures. % number: how the tables are printed
"""


def value(key, **options):
    return Value(key, constant(sys, "maxsize"), **options)


def check(text, values=None):
    prose.check_sources({Path("paper.tex"): text}, values or [value("a.b")], {"grows": CLAIM})


def test_names_lengths_comments_and_waived_numbers_pass():
    check(GOOD)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("joules~", "times 10 joules~", "paper.tex:4 has a number typed by hand"),
        ("% number: how the tables are printed", "", "paper.tex:6 has a number typed by hand"),
        ("% number: how the tables are printed", "% number:", "without a reason"),
        ("to 3 figures", "to three figures", "waives a number that is not there"),
        (r"\val{a.b}", "some", "unused value 'a.b'"),
        ("to 3 figures", "to 3 figures of measured energy", "'measured energy': energy may be modelled"),
        (r"\claim{grows}", "Energy grows\nwith time (see below).", "typed statement of claim 'grows'"),
    ],
)
def test_a_fault_is_a_sentence(old, new, sentence):
    assert old in GOOD
    with pytest.raises(UserError, match=sentence):
        check(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("printed", "tables", "sentence"),
    [
        ({"a": ["measured mJ"]}, {}, "the head 'measured mJ' of the table 'a'"),
        ({}, {"e/t": ["measured_j"]}, "the column 'measured_j' of e/t.csv"),
        ({}, {"e/t": ["power_measured_w"]}, "the column 'power_measured_w'"),
    ],
)
def test_no_head_and_no_column_calls_modelled_energy_measured(printed, tables, sentence):
    frames = {name: pd.DataFrame(columns=heads) for name, heads in printed.items()}
    with pytest.raises(UserError, match=sentence):
        prose.check_heads(frames, tables)
    prose.check_heads({"a": pd.DataFrame(columns=["measured ms", "energy in mJ"])}, {"t": ["measured_s"]})


ABSTRACT = r"""
\begin{document}
\begin{abstract}
It grows by \val{one.s}, or between \val{one.s.low} and more. \brief{grows}
\end{abstract}
Elsewhere \val{one.s} and \val{best} may stand alone. \claim{grows}
\section{Discussion} None. \section{Threats}
"""


def results():
    return [
        value("one.s"),
        value("one.s.low"),
        Value("best", constant(sys, "platform"), experiment="one"),
        Value("claim.grows", constant(sys, "platform"), experiment="one"),
    ]


def test_results_of_a_claim_stand_with_its_verdict():
    check(ABSTRACT, results())


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (r" \brief{grows}", "", r"'one\.s' decides claim 'grows': print its verdict with \\brief\{grows\}"),
        ("None.", r"It is \val{one.s}.", "'one.s' decides claim 'grows'"),
        (r"\brief{grows}", r"\brief{grows} \val{best} wins.", "the word 'best' is picked by results"),
    ],
)
def test_a_result_without_its_verdict_is_refused_in_a_summary(old, new, sentence):
    assert old in ABSTRACT
    with pytest.raises(UserError, match=sentence):
        check(ABSTRACT.replace(old, new), results())


def test_the_paper_states_declared_claims_only():
    declared = {name for experiment in experiment_names() for name in load_claims(experiment)}
    sources = [ROOT / "paper" / "paper.tex", *(ROOT / "paper" / "main").glob("*.tex")]
    briefs = re.findall(r"\\brief\{(\w+)\}", "".join(path.read_text(encoding="utf-8") for path in sources))
    assert {"ppo_above_a2c_on_breakout", "operations_cost_tenfold"} <= set(briefs) <= declared


def test_a_value_on_demand_may_stay_unused():
    check(GOOD, [value("a.b"), value("c.d", on_demand=True)])


def test_a_claim_that_is_not_printed_is_a_fault():
    with pytest.raises(UserError, match=r"unused value 'claim\.grows'"):
        check(GOOD.replace(r"\claim{grows}", ""), [value("claim.grows")])
