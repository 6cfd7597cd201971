"""Failures are told apart by their types, and a command hands a configuration values that have types."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from architecture.sources import modules

# Where the words of a library are all there is, and turned into one of our types; nobody reads them after that.
GATES = {
    "bothways.http.exchange._ended": "`httpcore` hands an event of `h2` on as an argument: its code is a number",
    "bothways.trust.decoding.parsing._is_about_the_password": "`cryptography` tells a wrong password by words alone",
    "bothways.trust.decoding.parsing._problem_of": "puts what a parser says into words for people",
}
COMMANDS = "bothways.cli"
# what click hands a command, given to who makes a typed value of it
GATHERED = "bothways.cli.options.gathering.gathered"
CLICK = "bothways.cli.commands.Commands.__init__"  # the arguments of click's own class, handed on

Function = ast.FunctionDef | ast.AsyncFunctionDef
UNTYPED = ("dict[str, Any]", "Mapping[str, Any]")


def test_no_condition_is_on_the_text_of_an_exception() -> None:
    """A text is for people: who changes its words changes nothing that a program does."""
    found = {
        f"{name}:{line}": function
        for name, tree in modules().items()
        for function, line in conditions_on_texts(name, tree)
    }
    assert not {place: function for place, function in found.items() if function not in GATES}
    assert set(found.values()) == set(GATES), "an exemption that nobody needs"


def test_commands_give_configurations_values_with_types() -> None:
    """No `**options` and no `dict[str, Any]`: a misspelt option is an error of mypy, not of whoever runs it."""
    wrong = [
        f"{name}:{line}"
        for name, tree in modules().items()
        if name.startswith(COMMANDS)
        for function, line in untyped_options(name, tree)
        if function not in (GATHERED, CLICK)
    ]
    assert not wrong


@pytest.mark.parametrize(
    "statement",
    [
        "if 'password' in str(error): pass",
        "if str(error) == 'locked': pass",
        "if error.args[0] == 1: pass",
        "if str(error).startswith('no'): pass",
        "if f'{error}'.endswith('no'): pass",
        "text = str(error)\n    if 'no' in text.lower(): pass",
        "return 1 if 'no' in repr(error) else 2",
        "if re.search('no', str(error)): pass",
        "found = re.search('no', str(error))\n    if found: pass",
        "match str(error):\n        case 'no': pass",
        "while 'no' in str(error.orig): pass",
        "return [1 for each in () if each in str(error)]",
    ],
    ids=lambda _: "",
)
def test_each_kind_of_condition_on_a_text_is_found(statement: str) -> None:
    tree = ast.parse(f"try: pass\nexcept ValueError as error:\n    {statement}\n")
    assert list(conditions_on_texts("module", tree))


@pytest.mark.parametrize(
    "statement",
    [
        "text = str(error)\n    print(text)",
        "if isinstance(error, OSError): pass",
        "if error.errno == 2: pass",
        "if isinstance(error.args, tuple): pass",
        "reason = str(error) or type(error).__name__",
        "if name in str(other): pass",
        "problem = f'{error}'\n    if problem: pass",
    ],
    ids=lambda _: "",
)
def test_a_text_that_is_only_shown_is_no_condition(statement: str) -> None:
    tree = ast.parse(f"try: pass\nexcept ValueError as error:\n    {statement}\n")
    assert not list(conditions_on_texts("module", tree))


def test_untyped_options_are_found() -> None:
    tree = ast.parse("def f(a: dict[str, Any]): g(**a)\ndef h(**given): ...\n")
    assert [line for _, line in untyped_options("m", tree)] == [1, 1, 2]


def conditions_on_texts(name: str, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The function and the line of each condition that depends on what an exception says."""
    for function, scope in scopes(name, tree):
        exceptions = set(exceptions_in(scope))
        texts: set[str] = set()
        decided: set[str] = set()  # of them those that say whether something was found in one
        for node in own_nodes(scope):
            if isinstance(node, ast.Assign | ast.NamedExpr) and reads_text(node.value, exceptions, texts):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                named = {each.id for each in targets if isinstance(each, ast.Name)}
                texts |= named
                decided |= set() if is_only_reported(node.value) else named
        for node in own_nodes(scope):
            for condition in conditions_of(node):
                reported = texts if not isinstance(condition, ast.Name) else decided
                if reads_text(condition, exceptions, reported):
                    yield function, node.lineno


def conditions_of(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
            yield node.test
        case ast.Match():
            yield node.subject
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from (test for generator in node.generators for test in generator.ifs)
        case ast.Return(value=ast.Compare() | ast.BoolOp() as value):
            yield from (part for part in ast.walk(value) if isinstance(part, ast.Compare))


def reads_text(node: ast.AST, exceptions: set[str], texts: set[str]) -> bool:
    """Whether an expression has the text of an exception in it."""
    return any(is_text(part, exceptions) or is_one_of(part, texts) for part in parts_of(node))


def parts_of(node: ast.AST) -> Iterator[ast.AST]:
    """An expression and what it is made of, but for what is only asked for its type."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from parts_of(child)


def is_only_reported(value: ast.expr) -> bool:
    """Whether what is assigned is a text as it is: that there is one may be asked."""
    reported = ("str", "repr", "ascii", "visible", "shown")
    return isinstance(value, ast.JoinedStr) or (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in reported
    )


def is_text(node: ast.AST, exceptions: set[str]) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="str" | "repr" | "ascii" | "visible" | "shown"), args=[reported, *_]):
            return root_of(reported) in exceptions
        case ast.FormattedValue(value=reported):
            return root_of(reported) in exceptions
        case ast.Attribute(
            value=reported, attr="args" | "msg" | "message" | "problem" | "strerror" | "sentence"
        ):
            return root_of(reported) in exceptions
    return False


def is_one_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def root_of(node: ast.AST) -> str:
    """The name that an attribute, or an attribute of one, is of."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def exceptions_in(scope: ast.AST) -> Iterator[str]:
    """Names that stand for exceptions: caught, or parameters whose type says so."""
    if isinstance(scope, Function):
        for each in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs):
            if each.annotation is not None and is_exception(ast.unparse(each.annotation)):
                yield each.arg
    for node in own_nodes(scope):
        if isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def is_exception(annotation: str) -> bool:
    kinds = ("Error", "Exception", "PeerFault", "PeerAlert", "Truncated")
    return annotation.removesuffix(" | None").endswith(kinds)


def untyped_options(name: str, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The function and the line of each value without types among those that a command hands on."""
    for function, scope in scopes(name, tree):
        if isinstance(scope, Function) and scope.args.kwarg is not None:
            yield function, scope.lineno
        for node in ast.walk(scope.args) if isinstance(scope, Function) else ():
            if isinstance(node, ast.Subscript) and ast.unparse(node) in UNTYPED:
                yield function, node.lineno
        for node in own_nodes(scope):
            if isinstance(node, ast.Subscript) and ast.unparse(node) in UNTYPED:
                yield function, node.lineno
            if isinstance(node, ast.Call) and any(each.arg is None for each in node.keywords):
                yield function, node.lineno


def scopes(name: str, tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The module and every function in it, each by its dotted name; functions within functions count to them."""
    yield name, tree
    stack: list[tuple[str, ast.AST]] = [(name, tree)]
    while stack:
        path, node = stack.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield f"{path}.{child.name}", child
            elif isinstance(child, ast.ClassDef):
                stack.append((f"{path}.{child.name}", child))
            else:
                stack.append((path, child))


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a function; of a module those that stand in none."""
    if isinstance(scope, Function):
        yield from (node for each in scope.body for node in ast.walk(each))
        return
    stack = list(ast.iter_child_nodes(scope))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda):
            stack += ast.iter_child_nodes(node)
