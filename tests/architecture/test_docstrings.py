"""The public face is documented: each parameter by its name, each number with its unit, each error that is raised.

A docstring may refer to that of another function, as in "the rest is as for `wrap`": what is not in the one is then in
the other.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import dataclasses
import importlib
import inspect
import re
import socket
import ssl
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from architecture.sources import ROOT
from bothways import net
from bothways.ca.authority import Authority
from bothways.errors import ConfigError

# Packages that say by `__all__` what is public; and what a page of the documentation imports is public, too.
PACKAGES = (
    "bothways", "bothways.trust", "bothways.net", "bothways.aio", "bothways.ssl", "bothways.testing",
    "bothways.signers", "bothways.diagnosis", "bothways.starttls",
)  # fmt: skip
# Modules without `__all__` that pages name: what they define is public.
MODULES = (
    "bothways.fetch.blocking", "bothways.fetch.stapling", "bothways.http.asgi", "bothways.http.wsgi",
    "bothways.http.flask", "bothways.http.fastapi", "bothways.http.django", "bothways.http.uvicorn",
    "bothways.http.proxy", "bothways.ca.authority", "bothways.ca.crl", "bothways.ca.profiles", "bothways.errors",
)  # fmt: skip
IMPORT = re.compile(r"^ *from (bothways[\w.]*) import ([\w, ]+)", re.MULTILINE)
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
    "Channel", "Connection", "Credentials", "Link", "Server", "StreamReader", "StreamWriter", "TLSTransport",
    "SSLObject", "SSLSocket",
}  # fmt: skip
REFERENCE = re.compile(r"\b(?:as(?:\s+(?:for|by))?|see|those\s+of|like)\s+((?:(?:,?\s+and\s+)?`[\w.]+`)+)")
UNIT = re.compile(
    r"second|millisecond|microsecond|byte|octet|number|how\s+many|count|length|bits|characters|"
    r"certificates\s+in\s+a\s+path"
)
# Numbers that are names of something: they have no unit.
NAMES = {
    "port", "flags", "level", "option", "how", "alert", "config_id", "serial", "http_status", "version",
    "fileno", "detach",
}  # fmt: skip


def public_objects() -> Iterator[tuple[str, Any]]:
    """Yield every public class and function, with the name by which it is imported."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            yield f"{package}.{name}", getattr(module, name)
    for package in MODULES:
        for name, found in vars(importlib.import_module(package)).items():
            if not name.startswith("_") and getattr(found, "__module__", None) == package:
                yield f"{package}.{name}", found
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for package, names in IMPORT.findall(page.read_text(encoding="utf-8")):
            for name in (each.strip() for each in names.split(",")):
                found = getattr(importlib.import_module(package), name, None)
                if found is not None and not inspect.ismodule(found):
                    yield f"{package}.{name}", found


def documented() -> Iterator[tuple[str, Any, type | None]]:
    """Yield every public class, function and method, with its name and the class that it belongs to."""
    seen: set[object] = set()
    for path, found in public_objects():
        if not (inspect.isclass(found) or inspect.isfunction(found)) or found in seen:
            continue
        seen.add(found)
        yield path, found, None
        if not inspect.isclass(found):
            continue
        for name, method in methods(found):
            if method not in seen:
                seen.add(method)
                yield f"{path}.{name}", method, found


def methods(owner: type) -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield the public methods and properties of a class, also those of our classes that it inherits."""
    for base in inspect.getmro(owner):
        for name, value in vars(base).items() if base.__module__.startswith("bothways") else ():
            function: Any = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            method = inspect.unwrap(function)
            if not name.startswith("_") and inspect.isfunction(method):
                yield name, method


ROWS = list(documented())


def test_every_parameter_of_the_public_face_is_named_in_its_docstring() -> None:
    assert [f"{path}: {name}" for path, found, owner in ROWS for name in undocumented(found, owner)] == []


def test_every_number_of_the_public_face_has_a_unit_in_the_docstring() -> None:
    """Of seconds, bytes or something that is counted: in the sentence about the parameter, or in its name."""
    assert [f"{path}: {name}" for path, found, owner in ROWS for name in without_unit(found, owner)] == []


def test_every_error_that_a_public_function_raises_is_named_in_its_docstring() -> None:
    assert [f"{path}: {name}" for path, found, owner in ROWS for name in unnamed_errors(found, owner)] == []


def test_what_a_docstring_refers_to_is_found() -> None:
    """By the class, the module, or the name that is imported; else what it says of parameters would not be read."""
    assert "called with a `SignatureWanted`" in " ".join(full_text(net.connect, None).split())
    assert "common name" in full_text(Authority.intermediate, Authority)
    assert not has_unit("timeout", "timeout: how long to wait.  size: in bytes.")
    assert has_unit("size", "timeout: how long to wait.  size, limit: in bytes.")


def test_missing_parameters_units_and_errors_of_a_docstring_are_listed() -> None:
    def wait(path: str, timeout: float, tries: int) -> None:
        """Wait for a file at `path`. timeout: how long.  tries: the number of tries."""
        if tries > timeout:
            raise ConfigError(path)

    assert undocumented(wait, None) == []
    assert without_unit(wait, None) == ["timeout"]
    assert unnamed_errors(wait, None) == ["ConfigError"]
    wait.__doc__ = "Wait for a file. timeout: seconds. Raises `ConfigError` for a bad one."
    assert undocumented(wait, None) == ["path", "tries"]
    assert without_unit(wait, None) == ["tries"]
    assert unnamed_errors(wait, None) == []


def undocumented(found: Callable[..., object], owner: type | None) -> list[str]:
    if not documentation(found):
        return ["no docstring"]
    names = [] if is_standard(found, owner) else parameters(found)
    if len(names) == 1:  # the summary tells its only one
        return []
    text = full_text(found, owner) if names else ""
    return [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]


def without_unit(found: Callable[..., object], owner: type | None) -> list[str]:
    if is_standard(found, owner) or (inspect.isclass(found) and not parameters(found)):
        return []
    signature = inspect.signature(found)
    text = full_text(found, owner)
    numbers = [name for name, each in signature.parameters.items() if is_number(each.annotation)]
    without = [name for name in numbers if name not in NAMES and not has_unit(name, text)]
    if len(parameters(found)) == 1 and UNIT.search(text):
        without = []
    if not inspect.isclass(found) and is_number(signature.return_annotation):
        without += [] if found.__name__ in NAMES or UNIT.search(text) else ["the result"]
    return without


def unnamed_errors(found: Callable[..., object], owner: type | None) -> list[str]:
    errors = raised(found)
    text = full_text(found, owner) + documentation(owner) if errors else ""
    return [
        each.__name__
        for each in errors
        if not any(base.__name__ in text for base in inspect.getmro(each) if base not in (Exception, object))
    ]


def is_standard(found: Callable[..., object], owner: type | None) -> bool:
    if inspect.isclass(found):
        return found.__name__ in HANDED_OUT or issubclass(found, STANDARD)
    return owner is not None and any(hasattr(each, found.__name__) for each in STANDARD)


def documentation(found: object) -> str:
    """Return a docstring, of a class also that of its constructor."""
    texts = [inspect.getdoc(found)] if found is not None else []
    if inspect.isclass(found) and inspect.isfunction(vars(found).get("__init__")):
        texts.append(inspect.getdoc(vars(found)["__init__"]))
    return "\n".join(text for text in texts if text)


def full_text(found: object, owner: type | None) -> str:
    """Return the docstring, and those of ours that it refers to."""
    texts: dict[object, str] = {}
    waiting = [found]
    while waiting:
        here = waiting.pop()
        if here not in texts:
            texts[here] = documentation(here)
            names = re.findall(r"[\w.]+", " ".join(REFERENCE.findall(texts[here])))
            waiting += [each for name in names for each in named(name, here, owner)]
    return "\n".join(texts.values())


def named(name: str, beside: object, owner: type | None) -> list[object]:
    """Return what a docstring means by a name: a method beside it, a name of its module, or a public one."""
    module = vars(importlib.import_module(getattr(beside, "__module__", None) or "bothways"))
    first, *rest = name.removeprefix("bothways.").split(".")
    public = by_name().get(first, [])
    near = [each for each in public if package_of(each) == package_of(beside)]
    nearest = (getattr(owner, first, None), getattr(beside, first, None), module.get(first))
    for found in (*nearest, *near, *public):
        for part in rest:
            found = getattr(found, part, None)
        if inspect.isclass(found) or inspect.isroutine(found):
            return [inspect.unwrap(getattr(found, "__func__", found))]
    return by_name().get(rest[-1], []) if rest else []


@cache
def by_name() -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for path, each in public_objects():
        found.setdefault(path.rpartition(".")[2], []).append(each)
    return found


def package_of(found: object) -> list[str]:
    return str(getattr(found, "__module__", "")).split(".")[:2]


def parameters(found: Callable[..., object]) -> list[str]:
    """Return the names that a caller may give: of a dataclass its fields, of a class those of its constructor."""
    if inspect.isclass(found) and dataclasses.is_dataclass(found):
        return [
            field.name for field in dataclasses.fields(found) if field.init and not field.name.startswith("_")
        ]
    if inspect.isclass(found) and hasattr(found, "_fields"):
        return list(found._fields)
    if inspect.isclass(found) and (issubclass(found, BaseException) or "__init__" not in vars(found)):
        return []
    kinds = inspect.signature(found).parameters.values()
    return [
        each.name
        for each in kinds
        if each.name not in ("self", "cls") and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]


def is_number(annotation: object) -> bool:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.removesuffix(" | None") in ("int", "float")


def has_unit(name: str, text: str) -> bool:
    """Whether a parameter's name is a unit, or what is said about it up to the next one has a unit."""
    said = re.findall(rf"\b{re.escape(name)}\b`?(?:, \w+)*(?:: |\W)(?:(?!  ?\w+: )[^.])*", text)
    return UNIT.search(name) is not None or any(UNIT.search(each) for each in said)


def raised(found: Callable[..., object]) -> list[type[Exception]]:
    """Return the exceptions that a function raises itself; of a class its constructor."""
    if inspect.isclass(found):
        constructors = [vars(found)[name] for name in ("__init__", "__post_init__") if name in vars(found)]
        return [error for each in constructors if has_source(each) for error in raised(each)]
    tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    names = {each.func.id for each in calls if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)}
    scope = vars(builtins) | inspect.getmodule(found).__dict__
    classes = [scope[name] for name in sorted(names) if inspect.isclass(scope.get(name))]
    # A TypeError says what the annotations say.
    return [each for each in classes if issubclass(each, Exception) and each is not TypeError]


def has_source(found: Callable[..., object]) -> bool:
    """Whether it is ours: a dataclass makes its constructor itself."""
    return inspect.isfunction(found) and found.__code__.co_filename.endswith(".py")
