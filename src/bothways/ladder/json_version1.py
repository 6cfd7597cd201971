"""Ladders in version 1 of the JSON format: the same values under older names.

A name of version 2 in a file of version 1 is refused, as any unknown name is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bothways.describe.documents import Unreadable
from bothways.describe.escape import visible
from bothways.roles import StepId

WHOLE = {"rungs": "events"}
CERTIFICATE = {"place": "depth"}
CAUSE = {"cause": "code", "whose": "party"}
STEP = {"standing": "status"}


def upgraded(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object of version 1 as one of version 2; unexpected values are kept, and the reader refuses them.

    Raises `Unreadable` for a name of version 2.
    """
    whole = _renamed(value, WHOLE, "")
    whole["version"] = 2
    for key, names in (("certificates", CERTIFICATE), ("steps", STEP)):
        if isinstance(whole.get(key), list):
            whole[key] = [_part(each, names, f"{key}[{at}]") for at, each in enumerate(whole[key])]
    for at, step in _objects(whole.get("steps")):
        _absent("name", step, f"steps[{at}]")
        step["name"] = _name_of(step.get("id"))
    for at, failure in _objects(whole.get("failures")):
        if isinstance(failure.get("causes"), list):
            place = f"failures[{at}].causes"
            failure["causes"] = [
                _part(each, CAUSE, f"{place}[{number}]") for number, each in enumerate(failure["causes"])
            ]
    return whole


def _objects(values: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for at, each in enumerate(values if isinstance(values, list) else ()):
        if isinstance(each, dict):
            yield at, each


def _part(value: Any, names: Mapping[str, str], place: str) -> Any:
    return _renamed(value, names, place) if isinstance(value, dict) else value


def _renamed(value: Mapping[str, Any], names: Mapping[str, str], place: str) -> dict[str, Any]:
    for new in names.values():
        _absent(new, value, place)
    return {names.get(key, key): each for key, each in value.items()}


def _absent(name: str, value: Mapping[str, Any], place: str) -> None:
    if name in value:
        where = "recorded handshake" + (f", {place}" if place else "")
        raise Unreadable(f'{where} has "{visible(name)}", which version 1 does not have')


def _name_of(id_: Any) -> str:
    return StepId(id_).name.lower() if isinstance(id_, str) and id_ in set(StepId) else ""
