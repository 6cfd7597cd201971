"""Tests reach what they test by public names; where there is no public way, the reason stands here, and how often."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from architecture.sources import ROOT

TESTS = ROOT / "tests"
# Public in spite of their names: those of named tuples, and of modules of the standard library.
PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_exit", "_ssl"}
# What stands in every text that has such a use: most files have none, and are not taken apart.
TRACE = re.compile(
    r"(?<!\bself)(?<!\bcls)(?<!super\(\))\._(?!_)\w"  # an attribute
    r"|[\"']_(?!_)\w"  # a name as text
    r"|^ *from bothways.* import .*\b_(?!_)\w"  # an import
    r"|^ +_(?!_)\w+(?: as \w+)?,",  # a line of one
    re.MULTILINE,
)
# How often a file uses a private name of another object or module, and why it cannot do without.
USED = {
    "adapters/test_context.py": (12, "the ways beneath `ssl`'s public ones, each of which must be closed"),
    "adapters/test_peercert.py": (1, "OpenSSL's own decoding of a certificate, through `ssl`'s test hook"),
    "adapters/test_ssl_object.py": (
        2,
        "a key update, for which `ssl` has no call, and the short way, which shows nowhere",
    ),
    "adapters/test_ssl_socket.py": (5, "names of `ssl.SSLSocket` that the standard library calls itself"),
    "bench/amplification.py": (1, "a step that is repeated without the results of the first time"),
    "helpers/engine/inside.py": (7, "there, one by one"),
    "interop/test_authentication_on_request.py": (
        2,
        "an option of OpenSSL for which pyOpenSSL has no method",
    ),
    "helpers/services/library_services.py": (1, "the port of grpclib's server"),
    "helpers/services/standard_library.py": (
        2,
        "versions are set on a context of the standard library's tests after it was made",
    ),
    "vectors/test_rfc8448.py": (1, "the trace has the main secret, which nobody else may have"),
}


def test_private_names_are_used_where_there_is_no_public_way_and_no_more_often() -> None:
    """A use that is gone lowers its number here; a new one needs a reason that convinces."""
    used = {
        path.relative_to(TESTS).as_posix(): found
        for path in sorted(TESTS.rglob("*.py"))
        if TRACE.search(text := path.read_text(encoding="utf-8"))
        and (found := list(privates(ast.parse(text))))
    }
    assert {name: len(found) for name, found in used.items()} == {
        name: count for name, (count, _) in USED.items()
    }, used


def privates(tree: ast.Module) -> Iterator[str]:
    """Every use of a private name that is not the test's own: attributes, imports, and names given as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_own(node.value):
            yield f"{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bothways"):
            yield from (f"{node.lineno}: {each.name}" for each in node.names if is_private(each.name))
        elif isinstance(node, ast.Call) and name_of(node.func).endswith(("setattr", "getattr")):
            names = (each.value for each in node.args[1:2] if isinstance(each, ast.Constant))
            yield from (f"{node.lineno}: {name}" for name in names if is_private(str(name)))


def name_of(function: ast.expr) -> str:
    """The last name of what is called."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def is_own(owner: ast.expr) -> bool:
    return ast.unparse(owner) in ("self", "cls", "super()")


def test_uses_of_private_names_are_found() -> None:
    """As attributes, in imports, and as text."""
    used = """
from bothways.tls import _a, b
x._b = y.z._c(self._d)
patch.setattr(thing, "_e", 1)
named._replace(f=os._exit)
"""
    assert len(list(privates(ast.parse(used)))) == 4
    for line in used.strip().splitlines():
        assert TRACE.search(line)
    assert TRACE.search("from bothways.tls import (\n    a,\n    _b,\n)\n")
    assert not TRACE.search("self._a = cls._b(super()._c, __name__)")
