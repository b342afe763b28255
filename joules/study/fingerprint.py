"""Hashes of what something was made from: files, data and code.

The fingerprint of code identifies its behaviour. It is a hash of the syntax trees of all definitions that can
be reached from some names, in the order in which they are reached. Trees are written without positions,
comments, docstrings, names of modules and names of top-level definitions (a reference is the position in that
order instead), so that reformatting, moving and renaming change nothing. The format is our own, because the
output of `ast.unparse` and `ast.dump` differs between versions of Python.
"""

from __future__ import annotations

import ast
import functools
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joules.errors import UserError
from joules.instrument import METER_VERSION
from joules.study.design import Scalar
from joules.study.files import COMPRESSED
from joules.study.fingerprint_cache import FingerprintCache
from joules.study.repository import repository_root

# Packages of the repository. All others are pinned by the lock in `envs/` and count only by their names.
_OWN_PACKAGES = ("experiments", "joules")
# The meter's version, not the text of these modules, identifies how they affect a reading.
STATED_BY_VERSION = ("joules.bench", "joules.errors", "joules.instrument", "joules.workload.session")

Tree = list[Any]


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of `path`; for a compressed file, of its uncompressed content."""
    with gzip.open(path) if path.suffix == COMPRESSED else path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def present_sha256(path: Path) -> str | None:
    """SHA-256 of the bytes of `path`; None if there is no such file or its name is invalid."""
    try:
        return file_sha256(path)
    except (OSError, ValueError):
        return None


def check_unchanged(path: Path, stated: str, made: str, remedy: str) -> None:
    """Checks that a file has the SHA-256 `stated`.

    Raises UserError with the `remedy` if it is missing or changed after it was `made` (such as "drawn").
    """
    present = present_sha256(path)
    if present is None:
        raise UserError(f"{path} is missing: {remedy}")
    if present != stated:
        raise UserError(f"{path} was changed after it was {made}: {remedy}")


def data_sha256(data: Any) -> str:
    """SHA-256 of `data` as canonical JSON."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def run_fingerprint(experiment: str, arm: str, parameters: Mapping[str, Scalar]) -> str:
    """Identifies what a run measures. Two runs with the same fingerprint are replicates.

    It changes with the arm's entry in the design, the workload's code and the meter's version; not
    with a comment, a docstring, the number of blocks, a figure or the prose.
    """
    sources, workload = source_tree(repository_root()), f"experiments.{experiment}.workload"
    judged = ("evaluate",) if "evaluate" in (sources.statements(workload) or {}) else ()
    return data_sha256(
        {
            "experiment": experiment,
            "arm": arm,
            "parameters": dict(parameters),
            "code": sources.fingerprint(workload, ("build", "run", *judged), STATED_BY_VERSION),
            "meter_version": METER_VERSION,
        }
    )


def code_fingerprint(module: str, names: Iterable[str]) -> str:
    """SHA-256 of the code that the top-level `names` of `module` reach in the repository.

    Files are read once per process, so later edits have no effect.
    """
    return source_tree(repository_root()).fingerprint(module, tuple(names))


@functools.cache
def source_tree(root: Path) -> SourceTree:
    """The sources of the repository at `root`; each file is read at most once per process."""
    return SourceTree(root, FingerprintCache(root, _OWN_PACKAGES))


@dataclass(frozen=True)
class _Place:
    """A top-level name of a module, or `_EFFECTS` for the statements that do more than bind names."""

    module: str
    name: str


_EFFECTS = ""


@dataclass(frozen=True)
class _Written:
    """A definition as JSON, split where the numbers of the places that it reaches are inserted."""

    pieces: tuple[str, ...]
    places: tuple[_Place, ...]


# Placeholder of a place until it has its number; neither names nor ASCII constants contain it.
_MARK = "\ue000"


class SourceTree:
    """The own packages below `root` as syntax trees."""

    def __init__(self, root: Path, cache: FingerprintCache | None = None) -> None:
        self._root = root
        self._cache = cache
        self._modules: dict[str, dict[str, list[ast.stmt]] | None] = {}
        self._fingerprints: dict[tuple[str, tuple[str, ...], tuple[str, ...]], str] = {}
        self._written: dict[tuple[_Place, tuple[str, ...]], _Written] = {}
        # How many files have been read.
        self.parsed = 0

    def fingerprint(self, module: str, names: tuple[str, ...], not_followed: tuple[str, ...] = ()) -> str:
        """SHA-256 of the code that `names` of `module` reach.

        That is names used in the code, attributes of imported modules, and the statements that a reached
        module executes on import. Modules in `not_followed`, and modules within them, count only by their
        names.
        """
        key = (module, names, not_followed)
        if key not in self._fingerprints:
            self._fingerprints[key] = self._cached(*key)
        return self._fingerprints[key]

    def _cached(self, module: str, names: tuple[str, ...], not_followed: tuple[str, ...]) -> str:
        key = json.dumps([module, names, not_followed])
        known = self._cache.get(key) if self._cache else None
        if known is None:
            known = _Walk(self, module, names, not_followed).digest()
            if self._cache:
                self._cache.keep(key, known)
        return known

    def written(self, place: _Place, not_followed: tuple[str, ...]) -> _Written:
        """The definition at a place; it is written once and reused by all fingerprints."""
        key = (place, not_followed)
        if key not in self._written:
            places: list[_Place] = []

            def mark(reached: _Place) -> str:
                places.append(reached)
                return _MARK

            text = json.dumps(_Writer(self, place.module, not_followed).place(place.name), default=mark)
            self._written[key] = _Written(tuple(text.split(json.dumps(_MARK))), tuple(places))
        return self._written[key]

    def statements(self, module: str) -> dict[str, list[ast.stmt]] | None:
        """The top-level statements of a module by the name that they bind.

        Statements that do more than bind names are under `_EFFECTS`. None if the repository has no such
        module.
        """
        if module not in self._modules:
            path = self._path(module)
            self._modules[module] = None if path is None else self._parse(path)
        return self._modules[module]

    def _parse(self, path: Path) -> dict[str, list[ast.stmt]]:
        self.parsed += 1
        bound: dict[str, list[ast.stmt]] = {}
        for node in ast.parse(path.read_bytes()).body:
            if _is_docstring(node) or _is_for_type_checkers(node):
                continue
            names = dict.fromkeys(_bound_names(node))
            if not names or isinstance(node, _COMPOUND):
                names[_EFFECTS] = None
            for name in names:
                bound.setdefault(name, []).append(node)
        return bound

    def origin(self, module: str, node: ast.ImportFrom) -> str:
        """The module that `node`, a statement of `module`, imports from."""
        if not node.level:
            return node.module or ""
        path = self._path(module)
        is_package = path is not None and path.name == "__init__.py"
        parts = module.split(".")
        parts = parts[: len(parts) + is_package - node.level]
        return ".".join([*parts, *([node.module] if node.module else [])])

    def _path(self, module: str) -> Path | None:
        package, *_ = module.split(".")
        base = self._root.joinpath(*module.split("."))
        places = (base.with_suffix(".py"), base / "__init__.py")
        return next((path for path in places if package in _OWN_PACKAGES and path.exists()), None)


class _Walk:
    """One walk over all code that some names reach, which numbers places in the order of the walk."""

    def __init__(
        self, sources: SourceTree, module: str, names: tuple[str, ...], not_followed: tuple[str, ...]
    ) -> None:
        self._sources = sources
        self._not_followed = not_followed
        self._order: dict[_Place, int] = {}
        self._waiting: list[_Place] = []
        self._starts = [self._number(_Place(module, name)) for name in names]

    def digest(self) -> str:
        written: list[str] = []
        while self._waiting:
            written.append(self._numbered(self._sources.written(self._waiting.pop(0), self._not_followed)))
        return hashlib.sha256(f"[{json.dumps(self._starts)}, [{', '.join(written)}]]".encode()).hexdigest()

    def _numbered(self, definition: _Written) -> str:
        first, *others = definition.pieces
        numbers = [str(self._number(place)) for place in definition.places]
        return first + "".join(f"{number}{piece}" for number, piece in zip(numbers, others, strict=True))

    def _number(self, place: _Place) -> int:
        if place not in self._order:
            self._order[place] = len(self._order)
            self._waiting.append(place)
        return self._order[place]


class _Writer:
    """Writes syntax trees of one module as nested lists of JSON values and of places."""

    def __init__(self, sources: SourceTree, module: str, not_followed: tuple[str, ...]) -> None:
        self._sources = sources
        self._module = module
        self._not_followed = not_followed

    def place(self, name: str) -> Tree:
        """All statements that bind a name."""
        statements = self._sources.statements(self._module) or {}
        tree: Tree = [self.definition(node) for node in statements.get(name, [])]
        if name != _EFFECTS and _EFFECTS in statements:
            # Using a name of a module imports the module.
            tree.append(_Place(self._module, _EFFECTS))
        return tree

    def _followed(self, module: str) -> dict[str, list[ast.stmt]] | None:
        """Statements of a module of the repository; None for any other module."""
        if any(module == name or module.startswith(f"{name}.") for name in self._not_followed):
            return None
        return self._sources.statements(module)

    def _reference(self, module: str, name: str) -> Tree | None:
        """The reference of a name used in `module`; None if the module does not bind it at top level."""
        statements = self._sources.statements(module) or {}
        if name not in statements:
            return None
        (node, *others) = statements[name]
        if others or not isinstance(node, ast.Import | ast.ImportFrom):
            return ["own", _Place(module, name)]
        if isinstance(node, ast.Import):
            alias = next(a for a in node.names if (a.asname or a.name.split(".")[0]) == name)
            return ["module", alias.name if alias.asname else alias.name.split(".")[0]]
        original = next(a.name for a in node.names if (a.asname or a.name) == name)
        return self._attribute_of(self._sources.origin(module, node), original)

    def _attribute_of(self, module: str, name: str) -> Tree:
        """The reference of attribute `name` of an imported module."""
        if self._sources.statements(f"{module}.{name}") is not None:
            return ["module", f"{module}.{name}"]
        if name in (self._followed(module) or {}):
            return self._reference(module, name) or []
        return ["other", f"{module}.{name}"]

    def _whole(self, module: str) -> Tree:
        """An imported module that is used as a value: everything it defines counts."""
        statements = self._followed(module)
        if statements is None:
            return ["other", module]
        defined = [
            name
            for name, nodes in sorted(statements.items())
            if name != _EFFECTS and not isinstance(nodes[0], ast.Import | ast.ImportFrom)
        ]
        return ["whole", *([name, _Place(module, name)] for name in defined)]

    def definition(self, node: ast.stmt) -> Tree:
        """A top-level statement, without the name of a function or class."""
        tree = self._node(node)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            tree = [part for part in tree if part[0] != "name"]
        return tree

    def write(self, value: Any) -> Any:
        if isinstance(value, ast.AST):
            return self._node(value)
        if isinstance(value, list):
            return [self.write(item) for item in value]
        return _constant(value)

    def _node(self, node: ast.AST) -> Tree:
        if isinstance(node, ast.Name):
            reference = self._reference(self._module, node.id)
            if reference is None:
                return ["Name", node.id]
            return self._whole(reference[1]) if reference[0] == "module" else reference
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            return self._import(node)
        if isinstance(node, ast.JoinedStr):
            return ["JoinedStr", *self._pieces(node.values)]
        tree: Tree = [type(node).__name__]
        for name, value in ast.iter_fields(node):
            if name in ("ctx", "type_comment", "kind") or value is None or value == []:
                # Absent fields are not written, because newer versions of Python add fields.
                continue
            if name == "body" and isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                tree.append([name, [self.write(part) for part in value if not _is_docstring(part)]])
            else:
                tree.append([name, self.write(value)])
        return tree

    def _attribute(self, node: ast.Attribute) -> Tree:
        """`a.b` of a module is written as its reference, however the module was imported."""
        owner = self._as_module(node.value)
        if owner is None:
            return ["Attribute", self.write(node.value), node.attr]
        reference = self._attribute_of(owner, node.attr)
        return self._whole(reference[1]) if reference[0] == "module" else reference

    def _as_module(self, node: ast.expr) -> str | None:
        """The module that an expression names; None if it names no module."""
        if isinstance(node, ast.Name):
            reference = self._reference(self._module, node.id)
        elif isinstance(node, ast.Attribute) and (owner := self._as_module(node.value)) is not None:
            if self._attribute_of(owner, node.attr)[0] == "other":
                return None
            reference = self._attribute_of(owner, node.attr)
        else:
            return None
        return reference[1] if reference is not None and reference[0] == "module" else None

    def _import(self, node: ast.Import | ast.ImportFrom) -> Tree:
        """An import within a function or a condition: the names that it binds and their references."""
        bound = []
        for alias in node.names:
            target = ["module", alias.name]
            if isinstance(node, ast.ImportFrom):
                target = self._attribute_of(self._sources.origin(self._module, node), alias.name)
            if target[0] == "module":
                target = self._whole(target[1])
            bound.append([alias.asname or alias.name, target])
        return ["Import", *bound]

    def _pieces(self, values: list[ast.expr]) -> Iterator[Any]:
        """Parts of an f-string with adjacent text joined, because Python versions split it differently."""
        text = ""
        for value in values:
            if isinstance(value, ast.Constant):
                text += str(value.value)
                continue
            if text:
                yield _constant(text)
            text = ""
            yield self.write(value)
        if text:
            yield _constant(text)


def _constant(value: Any) -> Any:
    """A constant with its type, in the same form for every version of Python."""
    if isinstance(value, str):
        return ["str", value.encode("utf-8", "surrogatepass").hex() if not value.isascii() else value]
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, complex):
        return ["complex", value.real.hex(), value.imag.hex()]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    return [type(value).__name__, str(value)]


# Statements that do more than bind names on import.
_COMPOUND = (ast.If, ast.Try, ast.TryStar, ast.For, ast.While, ast.With, ast.Match, ast.AugAssign)
# Nodes that bind names only in their own scope.
_SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


def _bound_names(node: ast.AST) -> Iterator[str]:
    """Names that a top-level statement binds, including names within a condition or a `try`."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            yield node.id
    elif not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _bound_names(child)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_for_type_checkers(node: ast.AST) -> bool:
    """Whether a statement is a block that is never executed: `if TYPE_CHECKING:`."""
    test = getattr(node, "test", None) if isinstance(node, ast.If) and not node.orelse else None
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"
