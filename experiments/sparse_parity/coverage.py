"""Finds arrays that a traced solve uses without the tracer.

The modules of the processes are compiled again so that the value of every expression is looked at: names,
attributes, elements, calls and operators. An array among them is traced or it is not; the share of elements
that are is the share of the array work of a solve that its trace records.
"""

from __future__ import annotations

import ast
import inspect
import types
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.sparse_parity.tracing import TracedArray

_LOOK = "__look_at__"


@dataclass
class Coverage:
    """Elements of all arrays in the expressions of a solve, and of those that are not traced.

    `untraced` are the lines of these, as `module:line`.
    """

    elements: int = 0
    untraced_elements: int = 0
    untraced: set[str] = field(default_factory=set)

    @property
    def traced_share(self) -> float:
        """Share of the elements that are traced; 1 without arrays."""
        return 1 - self.untraced_elements / self.elements if self.elements else 1.0

    def watch(self, module: types.ModuleType) -> dict[str, Any]:
        """The contents of a module, compiled so that every array in an expression of it is counted."""
        name = module.__name__.rpartition(".")[2]

        def look_at(value: Any, line: int) -> Any:
            for each in value if isinstance(value, tuple | list) else (value,):
                if isinstance(each, np.ndarray):
                    self.elements += each.size
                    if not isinstance(each, TracedArray):
                        self.untraced_elements += each.size
                        self.untraced.add(f"{name}:{line}")
            return value

        tree = ast.fix_missing_locations(_Watched().visit(ast.parse(inspect.getsource(module))))
        # A dataclass asks its module for the names in its annotations.
        contents = {**vars(module), _LOOK: look_at}
        exec(compile(tree, f"<{name}, watched>", "exec"), contents)
        return contents


class _Watched(ast.NodeTransformer):
    """Passes the value of every expression that is read to the function `_LOOK`."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.arguments):
            # Annotations are no work.
            return node
        visited = super().generic_visit(node)
        is_read = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        if not isinstance(visited, _KINDS) or not is_read:
            return visited
        called = ast.Name(_LOOK, ast.Load())
        return ast.copy_location(ast.Call(called, [visited, ast.Constant(visited.lineno)], []), visited)


_KINDS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare)
