"""Roles, versions and ids of steps are values (`bothways.roles`): no code reads the letters of their text."""

from __future__ import annotations

import ast
import re

from architecture.sources import modules, nodes

ID = re.compile(r"[1-4]\.[1-5][abc]?")
BEGINNING = re.compile(r"[1-4](\.([1-5][abc]?)?)?")
SLICED = {"startswith", "removeprefix"}


def test_no_step_id_is_compared_as_text() -> None:
    """A step is asked for its phase, or is one of the named ones."""
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        if name != "bothways.roles"
        for node in nodes(tree)
        if _compares_text(node) or _reads_letters(node)
    ]
    assert not wrong


def test_no_parameter_says_by_itself_whether_it_is_one_version() -> None:
    """Two versions may become three: functions are asked by Version."""
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        for node in nodes(tree)
        if isinstance(node, ast.arg) and node.arg in {"tls12", "tls13", "is_12", "is_13"}
    ]
    assert not wrong


def _compares_text(node: ast.AST) -> bool:
    """Whether a text like an id is compared with anything but a version, which is told as text too ("1.2")."""
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    is_of_version = any(_called(side) == "version" for side in sides)
    form = (
        ID
        if all(isinstance(each, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for each in node.ops)
        else BEGINNING
    )
    return any(_is_text_of(form, side) for side in sides) and not is_of_version


def _reads_letters(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and _called(node.func) in SLICED
        and any(_is_text_of(BEGINNING, argument) for argument in node.args)
    )


def _called(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_text_of(form: re.Pattern[str], node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and form.fullmatch(node.value) is not None
    )
