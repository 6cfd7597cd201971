"""Ladders as JSON and back, by the fields of the classes in `model`.

A file is untrusted input: what is unknown, missing, of another type or too large is refused with its place.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from bothways.describe.documents import Unreadable
from bothways.describe.escape import visible
from bothways.describe.steps import STEPS
from bothways.ladder.json_version1 import upgraded
from bothways.ladder.model import Ladder, Message
from bothways.roles import StepId

SIZE_LIMIT = 16 * 1024 * 1024
TEXT_LIMIT = 512 * 1024  # the bytes of a message of 128 KiB in hex, twice
ITEM_LIMIT = 10_000
ISLAND = '<script type="application/json" id="handshake">'


def as_json(ladder: Ladder, indent: int | None = 1) -> str:
    """Return a ladder in its documented form; it is ASCII, whatever peers sent."""
    return json.dumps(asdict(ladder), indent=indent, allow_nan=False)


def from_json(text: str | bytes) -> Ladder:
    """Return the ladder in `text`.

    Versions 1 and 2 are read. Raises `Unreadable`, which names the place, for what is not a ladder.
    """
    if len(text) > SIZE_LIMIT:
        raise Unreadable(f"a recorded handshake has at most {SIZE_LIMIT} bytes")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not a recorded handshake: {visible(str(error))}") from None
    if not isinstance(value, dict) or value.get("format") != "bothways-handshake":
        raise Unreadable('not a recorded handshake: "format" is not "bothways-handshake"')
    version = value.get("version")
    if type(version) is not int or version not in (1, 2):
        raise Unreadable(f"a recorded handshake of version {_spelled(version)}; known are 1 and 2")
    ladder: Ladder = _read(Ladder, upgraded(value) if version == 1 else value, "")
    _check_names(ladder)
    for place, event in enumerate(ladder.events):
        if isinstance(event, Message) and not all(
            0 <= each < len(ladder.certificates) for each in event.certificates
        ):
            _refuse(f"events[{place}].certificates", "indices of existing certificates", event.certificates)
    return ladder


def _check_names(ladder: Ladder) -> None:
    for at, step in enumerate(ladder.steps):
        if step.name != step.id.name.lower():
            _refuse(f"steps[{at}].name", f'"{step.id.name.lower()}"', step.name)


def from_page(text: str) -> Ladder:
    """Return the ladder that is embedded in a page. Raises `Unreadable` where there is none."""
    _, island, rest = text.partition(ISLAND)
    if not island:
        raise Unreadable("a page without a recorded handshake")
    return from_json(rest.partition("</script>")[0])


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} occurs twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


# -- by type ---------------------------------------------------------------------------------------------


def _read(form: Any, value: Any, place: str) -> Any:
    if is_dataclass(form):
        return _read_class(form, value, place)
    origin, arguments = get_origin(form), get_args(form)
    if isinstance(form, type) and issubclass(form, StrEnum):
        return _read_member(form, STEPS if form is StepId else tuple(form), value, place)
    if origin is Annotated:
        return _read_marked(arguments[0], arguments[1], value, place)
    if origin is Literal:
        if not any(value == each and type(value) is type(each) for each in arguments):
            _refuse(place, " or ".join(json.dumps(each) for each in arguments), value)
        return value
    if origin is tuple:
        return _read_list(arguments, value, place)
    if origin in (Union, types.UnionType):
        return _read_union(arguments, value, place)
    return _read_plain(form, value, place)


def _read_class(cls: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        _refuse(place, "an object", value)
    hints = _type_hints(cls)
    missing = [name for name in hints if name not in value]
    unknown = [name for name in value if name not in hints]
    if missing:
        raise Unreadable(f"{_at(place)} lacks {_spelled(missing[0])}")
    if unknown:
        raise Unreadable(f"{_at(place)} has {_spelled(unknown[0])}, which is not known there")
    return cls(**{name: _read(form, value[name], f"{place}.{name}") for name, form in hints.items()})


def _read_list(arguments: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        _refuse(place, "a list", value)
    if len(value) > ITEM_LIMIT:
        raise Unreadable(f"{_at(place)} has more than {ITEM_LIMIT} items")
    if arguments[-1] is Ellipsis:
        return tuple(_read(arguments[0], each, f"{place}[{at}]") for at, each in enumerate(value))
    if len(value) != len(arguments):
        _refuse(place, f"a list of {len(arguments)}", value)
    pairs = zip(arguments, value, strict=True)
    return tuple(_read(form, each, f"{place}[{at}]") for at, (form, each) in enumerate(pairs))


def _read_member(form: type[StrEnum], known: Collection[object], value: Any, place: str) -> StrEnum:
    if type(value) is not str or value not in known:
        _refuse(
            place, "the id of a step" if form is StepId else " or ".join(f'"{each}"' for each in known), value
        )
    return form(value)


def _read_union(arguments: tuple[Any, ...], value: Any, place: str) -> Any:
    if StepId in arguments:  # of a failure, which may have no step, or an unknown one
        return "" if value == "" else _read_member(StepId, tuple(StepId), value, place)
    if type(None) in arguments:
        return None if value is None else _read(arguments[0], value, place)
    kinds = {get_args(_type_hints(each)["kind"])[0]: each for each in arguments}
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        _refuse(f"{place}.kind", " or ".join(map(json.dumps, kinds)), kind)
    return _read(kinds[kind], value, place)


def _read_plain(form: Any, value: Any, place: str) -> Any:
    if form is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    if type(value) is not form:
        _refuse(place, names[form], value)
    if form is str and len(value) > TEXT_LIMIT:
        raise Unreadable(f"{_at(place)} is longer than {TEXT_LIMIT} characters")
    if form in (int, float) and not 0 <= value < 2**53:
        _refuse(place, "a number of at least 0", value)
    return value


def _read_marked(form: Any, mark: str, value: Any, place: str) -> Any:
    text: str = _read(form, value, place)
    expected, holds = MARKS[mark]
    if not holds(text):
        _refuse(place, expected, text)
    return text


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


MARKS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "hex": ("bytes in hex", lambda text: re.fullmatch("([0-9a-f]{2})*", text) is not None),
    "moment": ("a date and time with a time zone", _is_moment),
}


@cache
def _type_hints(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {each.name: hints[each.name] for each in fields(cls)}


def _refuse(place: str, expected: str, value: Any) -> NoReturn:
    raise Unreadable(f"{_at(place)}: expected {expected}, found {_spelled(value)}")


def _at(place: str) -> str:
    return "recorded handshake" + (f", {place.removeprefix('.')}" if place else "")


def _spelled(value: Any) -> str:
    if isinstance(value, (dict, list, tuple)):
        return "an object" if isinstance(value, dict) else "a list"
    return visible(json.dumps(value), 60)
