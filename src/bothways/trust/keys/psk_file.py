"""A file of external pre-shared keys, read strictly: TOML with our name, and a table for each key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bothways.errors import UnusableFile
from bothways.faults import shown

_TEXTS = ("identity", "secret", "peer")
_OPTIONS: Mapping[str, type] = {
    "own": str,
    "hash": str,
    "context": str,
    "insecure_without_importer": bool,
}
_KINDS = {str: "a text", bool: "true or false"}


class PSKEntry(NamedTuple):
    """One key in the file. where: where it stands, for errors.  fields: those of `ExternalPSK`."""

    where: str
    fields: dict[str, Any]


def read_entries(data: bytes, source: str) -> Iterator[PSKEntry]:
    """Yield the keys in the file. Raises ConfigError, which never shows a secret. source: the path of the file."""
    try:
        content = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UnusableFile(f"{source}: not UTF-8 at byte {error.start}; TOML is written in UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise UnusableFile(f"{source}: not TOML: {shown(error)}") from None  # it never says a value
    tables = content.pop("key", [])
    own = content.pop("own", None)
    for unknown in content:
        raise UnusableFile(f"{source}: {shown(unknown)}: expected only `own` and tables [[key]]")
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise UnusableFile(f"{source}: key: expected a table [[key]] for each key")
    if own is not None and not isinstance(own, str):
        raise UnusableFile(f"{source}: own: expected a text, the name of this side")
    for number, table in enumerate(tables, 1):
        where = f"{source}, key {number}"
        yield PSKEntry(where, _fields(dict(table), own, where))


def _fields(table: dict[str, Any], own: str | None, where: str) -> dict[str, Any]:
    for key, value in table.items():
        kind = str if key in _TEXTS else _OPTIONS.get(key)
        if kind is None:
            known = ", ".join((*_TEXTS, *_OPTIONS))
            raise UnusableFile(f"{where}: {shown(key)} is not known; expected {known}")
        if not isinstance(value, kind):
            raise UnusableFile(f"{where}: {key}: expected {_KINDS[kind]}")
    for key in _TEXTS:
        if key not in table:
            raise UnusableFile(f"{where}: {key} is missing")
    if "own" not in table:
        if own is None:
            raise UnusableFile(
                f"{where}: own is missing: the name of this side, here or at the top of the file"
            )
        table["own"] = own
    table["secret"] = _octets(table["secret"], f"{where}: secret")
    if "context" in table:
        table["context"] = _octets(table["context"], f"{where}: context")
    return table


def _octets(text: str, where: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnusableFile(f"{where}: expected hexadecimal digits, two for each byte") from None
