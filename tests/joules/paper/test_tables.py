"""Layout of printed tables: columns of numbers, names and sentences, and tables over several pages."""

import re

import pandas as pd

from joules.paper import printing, steps


def kinds(table):
    return re.search(r"\\begin\{tabularx?\}(?:\{\\linewidth\})?\{(\w+)\}", printing.tabular(table))[1]


def test_numbers_stand_to_the_right_names_to_the_left_and_sentences_share_the_rest():
    table = pd.DataFrame(
        {"arm": ["one"], "J": ["2.5"], "said": ["a sentence that is longer than any name would be, by far"]}
    )
    assert kinds(table) == "lrY"
    assert kinds(table[["arm", "J"]]) == "lr"


def test_names_of_a_table_wider_than_a_line_wrap():
    names = pd.DataFrame({f"column {number}": ["elimination packed (1.00)"] for number in range(6)})
    assert kinds(names) == "YYYYYY"
    assert kinds(names.iloc[:, :3]) == "lll"


def test_columns_of_a_long_table_share_its_line():
    table = pd.DataFrame({"claim": ["short"], "evidence": ["words " * 30]})
    made = printing.long_table("claims", table)
    shares = [float(share) for share in re.findall(r"\\dimexpr([\d.]+)\\linewidth", made)]
    assert abs(sum(shares) - 1) < 0.001
    assert shares[0] < shares[1]
    assert made.count("\\toprule") == 2
    assert "\\caption{\\longcaption}\\label{tab:claims}" in made


def test_hashes_of_more_records_than_a_row_holds_are_counted():
    digests = [f"{number:064x}"[::-1] for number in range(100)]
    few, many = steps.brief_digests(digests[:60]), steps.brief_digests(digests)
    assert few.count("#") == 60
    assert many == f"{few} and 40 more, which the manifest of the tables lists"
