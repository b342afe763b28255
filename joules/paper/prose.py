"""Checks of the paper's text that LaTeX cannot make: typed numbers, unused values, retyped claims."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from joules.analysis import columns
from joules.errors import UserError
from joules.paper.values import Value
from joules.study.claims import Claim

# Commands whose first argument is a name or a place, not prose.
_NAMES = re.compile(
    r"\\(?:val|ifval|claim|brief|ifscale|exported\w*|ref|label|cite\w*|input|bibliography\w*|includegraphics"
    r"|begin|end|usepackage|documentclass)\*?(?:\[[^\]]*\])*\{[^}]*\}"
)
_LENGTHS = re.compile(r"[\d.]+\s*(?:pt|em|ex|cm|mm|in|\\(?:line|text|paper)(?:width|height))")
# Digits within a name: A2C, V2, ResNet-50.
_NAMED = re.compile(r"[A-Za-z][A-Za-z0-9]*-?\d+[A-Za-z0-9]*")
_COMMENT = re.compile(r"(?<!\\)%.*")
_WAIVER = re.compile(r"(?<!\\)%\s*number:\s*(.*)")
_MEASURED = re.compile(r"(?:^|[\s_])measured(?:$|[\s_])")
_ENERGY = re.compile(r"(?:^|\s)(?:mJ|J|kJ|Wh|kWh|W|energy|power)(?:$|[/,\s])")
_MEASURED_ENERGY = re.compile(r"\bmeasured (?:(?:its|the|this|modelled) )?(?:energy|energies|joules|power)\b")
_ENERGY_UNITS = ("J", "Wh", "kWh", "W", "FLOP/J")
_USED = re.compile(r"\\(val|ifval|claim)\{([^}]*)\}")
_STATED = re.compile(r"\\(?:claim|brief)\{([^}]*)\}")
_PRINTED = re.compile(r"\\val\{([^}]*)\}")
# Parts that tell what was found: in them, results of claims stand with their verdicts.
_SUMMARIES = re.compile(
    r"\\begin\{abstract\}.*?\\end\{abstract\}|\\section\{(?:Introduction|Discussion)\}.*?(?=\\section|\Z)",
    re.DOTALL,
)


def check_sources(sources: Mapping[Path, str], values: Sequence[Value], claims: Mapping[str, Claim]) -> None:
    """Checks the paper's text.

    A digit is a fault unless it belongs to a name, a length or a reference, or its line ends in a comment
    `% number: <reason>`. Further faults are such a comment on a line without digits, a value or claim that no
    source prints, the statement of a claim that is typed instead of printed with its verdict, and energy that
    is called measured. In abstract, introduction, discussion and the sections of the main text it is a fault
    to print the statistic that decides a claim without the sentence of its verdict; in the first three also a
    word that results have picked, such as a winner.

    Args:
        sources: LaTeX text by its path.
        values: the exported values.
        claims: all claims by their names.

    Raises:
        UserError: there are faults; the message lists all of them.
    """
    faults = [fault for path, text in sources.items() for fault in _typed_numbers(path, text)]
    used = {
        f"claim.{key}" if command == "claim" else key
        for text in sources.values()
        for command, key in _USED.findall(text)
    }
    for value in values:
        if not value.on_demand and value.key not in used:
            faults.append(
                f"unused value '{value.key}' (from {value.source}): print it with \\val or remove it"
            )
    for path, text in sources.items():
        running = " ".join(text.split())
        faults += [
            f"{path}: typed statement of claim '{name}': print it with \\claim{{{name}}}"
            for name, claim in claims.items()
            if claim.statement.rstrip(".").lower() in running.lower()
        ]
        faults += [
            f"{path}: '{found[0]}': energy may be modelled, so say that it is read"
            for found in _MEASURED_ENERGY.finditer(running)
        ]
        summaries = _SUMMARIES.findall(text)
        for part in [text] if path.parent.name == "main" else summaries:
            faults += [f"{path}: {fault}" for fault in _results_without_verdict(part, claims)]
        for summary in summaries:
            faults += [f"{path}: {fault}" for fault in _picked_words(summary, values)]
    if faults:
        raise UserError("; ".join(faults))


def _results_without_verdict(text: str, claims: Mapping[str, Claim]) -> Iterator[str]:
    printed, stated = _PRINTED.findall(text), set(_STATED.findall(text))
    for name, claim in claims.items():
        decides = re.compile(rf"(?:^|\.){re.escape(claim.statistic)}(?:\.(?:low|high|least|most|p))?$")
        for key in printed:
            if decides.search(key) and name not in stated:
                yield f"'{key}' decides claim '{name}': print its verdict with \\brief{{{name}}} as well"


def _picked_words(summary: str, values: Sequence[Value]) -> Iterator[str]:
    printed = _PRINTED.findall(summary)
    with_claims = {value.experiment for value in values if value.key.startswith("claim.")}
    for value in values:
        if value.key in printed and value.experiment in with_claims and isinstance(value.raw, str):
            yield f"the word '{value.key}' is picked by results: print a claim with \\brief instead"


def check_heads(printed: Mapping[str, pd.DataFrame], tables: Mapping[str, Sequence[str]]) -> None:
    """Checks that modelled energy is not called measured.

    Args:
        printed: tables of the paper, by name.
        tables: columns of the tables of the campaign, by name.

    Raises:
        UserError: where the head of a printed table or the name of a column says so.
    """
    faults = [
        f"the head '{column}' of the table '{name}'"
        for name, table in printed.items()
        for column in map(str, table)
        if _MEASURED.search(column) and _ENERGY.search(column)
    ]
    faults += [
        f"the column '{column}' of {name}.csv"
        for name, table in tables.items()
        for column in table
        if _MEASURED.search(column) and columns.unit(column) in _ENERGY_UNITS
    ]
    if faults:
        raise UserError(f"modelled energy is called measured: rename {'; '.join(faults)}")


def _typed_numbers(path: Path, text: str) -> Iterator[str]:
    body = "\\begin{document}" not in text
    for number, line in enumerate(text.splitlines(), start=1):
        if not body:
            body = "\\begin{document}" in line
            continue
        waiver = _WAIVER.search(line)
        prose = _COMMENT.sub("", line)
        for ignored in (_NAMES, _LENGTHS, _NAMED):
            prose = ignored.sub("", prose)
        has_digit = re.search(r"\d", prose)
        if has_digit and waiver is None:
            yield (
                f"{path}:{number} has a number typed by hand ('{line.strip()}'): print it with \\val, or "
                "end the line in '% number: <reason>'"
            )
        if waiver is not None and not has_digit:
            yield f"{path}:{number} waives a number that is not there: delete its comment"
        if waiver is not None and has_digit and not waiver[1].strip():
            yield f"{path}:{number} waives a number without a reason"
