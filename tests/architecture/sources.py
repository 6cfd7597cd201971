"""The sources as the architecture tests see them: modules by dotted name, and what each imports and calls."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"


class Import(NamedTuple):
    """One imported module and the line that imports it; `lazy` if the import stands inside a function."""

    module: str
    line: int
    lazy: bool


@cache
def modules(room: str = "") -> dict[str, ast.Module]:
    """Every source module's syntax tree by its dotted name, or those of one room; a package is named as the package."""
    trees = {}
    with _kept():
        for path in sorted((SOURCE / "bothways" / room).rglob("*.py")):
            parts = path.relative_to(SOURCE).with_suffix("").parts
            dotted = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            trees[dotted] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return trees


@contextmanager
def _kept() -> Iterator[None]:
    """Keep the garbage collector from a million objects that are made here and stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@cache
def nodes(tree: ast.Module) -> list[ast.AST]:
    """All nodes of a module's tree, walked once for all who look for something in it."""
    return list(ast.walk(tree))


@cache
def imports(tree: ast.Module) -> list[Import]:
    """Every import in a module; `from a import b` names a.b where that is a module of ours, else a.

    A call of `import_module` counts for a module of ours, as far as its name is written there: f"a.b_{c}" names a.
    """
    return [*_imports(tree), *_imports_by_calls(tree)]


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node, lazy in _walk(tree, lazy=False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, lazy)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield Import(inner if is_ours(inner) else module, node.lineno, lazy)


def _imports_by_calls(tree: ast.Module) -> Iterator[Import]:
    for node in nodes(tree):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "import_module" and (name := _written(node.args[0])).startswith("bothways."):
                yield Import(name, node.lineno, lazy=True)


def _written(name: ast.expr) -> str:
    if isinstance(name, ast.JoinedStr):
        first = name.values[0]
        return _written(first).rpartition(".")[0] if isinstance(first, ast.Constant) else ""
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ""


@cache
def is_ours(dotted: str) -> bool:
    """Whether a dotted name is a module or a package in the source tree."""
    path = SOURCE.joinpath(*dotted.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The dotted end of every call, such as `datetime.now`, with its line."""
    for node in nodes(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            prefix = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            yield f"{prefix}.{node.func.attr}", node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node.lineno


def _walk(node: ast.AST, *, lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every statement, and whether it stands in a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue  # no statement is in an expression, and they are most of a tree
        yield child, lazy
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from _walk(child, lazy=lazy or inside)
