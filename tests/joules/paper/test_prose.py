"""The check of the prose finds each kind of fault, and accepts names, lengths and waived numbers."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from joules.errors import UserError
from joules.paper import prose
from joules.paper.quantities import constant
from joules.paper.values import Value
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


def test_a_value_on_demand_may_stay_unused():
    check(GOOD, [value("a.b"), value("c.d", on_demand=True)])


def test_a_claim_that_is_not_printed_is_a_fault():
    with pytest.raises(UserError, match=r"unused value 'claim\.grows'"):
        check(GOOD.replace(r"\claim{grows}", ""), [value("claim.grows")])
