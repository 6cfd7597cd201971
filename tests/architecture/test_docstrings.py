"""The public face is documented: each parameter by its name, each error that a function itself raises."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import importlib
import inspect
import re
import socket
import ssl
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# What programs import from; `bothways` and `bothways.trust` say themselves what is public.
PACKAGES = ("bothways", "bothways.trust", "bothways.net", "bothways.aio", "bothways.ssl", "bothways.testing")
ERRORS = {"ConfigError", "UsageError", "PeerFault", "PeerAlert", "Truncated", "TimeoutError", "OSError"}
# Methods with the name and the parameters of the standard library's are documented there.
STANDARD = (
    socket.socket,
    ssl.SSLContext,
    ssl.SSLSocket,
    ssl.SSLObject,
    asyncio.StreamReader,
    asyncio.StreamWriter,
    asyncio.Transport,
    asyncio.AbstractServer,
)
# Objects that bothways makes and hands out; nobody calls their constructors.
HANDED_OUT = {
    "Channel", "Connection", "Credentials", "Link", "Peer", "Server", "StreamReader", "StreamWriter", "TLSTransport",
    "Finding", "Names", "Trusted", "Refused", "Warned", "SSLObject", "SSLSocket",
}  # fmt: skip
# A docstring may refer to that of another function: "the rest is as for `wrap`".
REFERENCE = re.compile(r"\bas(?:\s+for|\s+those\s+of|\s+by)?\s+`")


def documented() -> Iterator[Any]:
    """Yield a row for each public class, function and method: its name, the object and the class it belongs to."""
    seen: set[int] = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            found = getattr(module, name)
            if id(found) in seen or not (inspect.isclass(found) or inspect.isfunction(found)):
                continue
            seen.add(id(found))
            yield pytest.param(found, None, id=f"{package}.{name}")
            if inspect.isclass(found):
                for key, value in vars(found).items():
                    method = inspect.unwrap(getattr(value, "__func__", value))
                    if not key.startswith("_") and inspect.isfunction(method):
                        yield pytest.param(method, found, id=f"{package}.{name}.{key}")


ROWS = list(documented())


@pytest.mark.parametrize(("found", "owner"), ROWS)
def test_every_parameter_of_the_public_face_is_named_in_its_docstring(
    found: Callable[..., object], owner: type | None
) -> None:
    text = documentation(found)
    assert text
    if REFERENCE.search(text) or is_standard(found, owner):
        return
    names = parameters(found)
    missing = [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]
    assert not missing or (
        owner is not None and len(names) == 1
    )  # the summary of a method tells its only one


@pytest.mark.parametrize(("found", "owner"), ROWS)
def test_every_error_that_a_public_function_raises_is_named_in_its_docstring(
    found: Callable[..., object], owner: type | None
) -> None:
    text = documentation(found) + (documentation(owner) if owner is not None else "")
    assert not [name for name in sorted(raised(found)) if name not in text]


def is_standard(found: Callable[..., object], owner: type | None) -> bool:
    if inspect.isclass(found):
        return found.__name__ in HANDED_OUT or issubclass(found, STANDARD)
    return owner is not None and any(hasattr(each, found.__name__) for each in STANDARD)


def documentation(found: object) -> str:
    return inspect.getdoc(found) or ""


def parameters(found: Callable[..., object]) -> list[str]:
    """Return the names that a caller may give: of a dataclass its fields, of a class those of its constructor."""
    if inspect.isclass(found) and dataclasses.is_dataclass(found):
        return [
            field.name for field in dataclasses.fields(found) if field.init and not field.name.startswith("_")
        ]
    if inspect.isclass(found) and (issubclass(found, BaseException) or "__init__" not in vars(found)):
        return []
    kinds = inspect.signature(found).parameters.values()
    return [
        each.name
        for each in kinds
        if each.name not in ("self", "cls") and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]


def raised(found: Callable[..., object]) -> set[str]:
    if inspect.isclass(found):
        return set()
    tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    raising = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    return {
        each.func.id for each in raising if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)
    } & ERRORS
