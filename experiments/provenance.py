"""Hashes that say what something was made from: files, code and designs."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from experiments.config import ROOT, Scalar
from experiments.energy import METER_VERSION

# What these do to a reading is stated by the meter's version, not by their text.
_NOT_FOLLOWED = ("experiments.bench", "experiments.energy", "experiments.errors")


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of `path`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_sha256(data: Any) -> str:
    """SHA-256 of `data` as canonical JSON."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def run_fingerprint(experiment: str, arm: str, parameters: Mapping[str, Scalar]) -> str:
    """Names what a run measures. Two runs with the same fingerprint are replicates.

    It changes with the arm's entry in the design, the workload's code and the meter's version; not
    with a comment, a docstring, the number of blocks, a figure or the prose.
    """
    return data_sha256(
        {
            "experiment": experiment,
            "arm": arm,
            "parameters": dict(parameters),
            "code": code_fingerprint(f"experiments.{experiment}.workload", ("build", "run")),
            "meter_version": METER_VERSION,
        }
    )


def code_fingerprint(module: str, names: Iterable[str]) -> str:
    """SHA-256 of the code that the top-level `names` of `module` can reach.

    Follows names within the module and imports within this package; comments, docstrings and layout
    do not count. Other packages are pinned by the lock in `envs/`.
    """
    reached: dict[tuple[str, str], str] = {}
    waiting = [(module, name) for name in names]
    while waiting:
        place = waiting.pop()
        if place in reached:
            continue
        text, uses = _definition(*place)
        reached[place] = text
        waiting.extend(uses)
    return data_sha256(sorted((f"{where}:{name}", text) for (where, name), text in reached.items()))


def _definition(module: str, name: str) -> tuple[str, list[tuple[str, str]]]:
    """(code of one top-level name, the names of this package it uses)."""
    statements = _top_level(module)
    if name not in statements:
        # A submodule imported as a name: everything in it counts.
        submodule = f"{module}.{name}"
        if _module_path(submodule) is None:
            return "", []
        return "", [(submodule, inner) for inner in _top_level(submodule)]
    node = statements[name]
    if isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if not origin.startswith("experiments") or origin.startswith(_NOT_FOLLOWED):
            return ast.unparse(node), []
        original = next(a.name for a in node.names if (a.asname or a.name) == name)
        return "", [(origin, original)]
    used = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    uses = [(module, other) for other in sorted(used & set(statements)) if other != name]
    return ast.unparse(_without_docstrings(node)), uses


def _top_level(module: str) -> dict[str, ast.stmt]:
    path = _module_path(module)
    if path is None:
        return {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {name: node for node in tree.body for name in _bound_names(node)}


def _bound_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (
            inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)
        )


def _without_docstrings(node: ast.stmt) -> ast.stmt:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            first = inner.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                inner.body = inner.body[1:] or [ast.Pass()]
    return node


def _module_path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None
