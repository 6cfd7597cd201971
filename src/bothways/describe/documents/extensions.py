"""Describes extensions of certificates, requests, CRLs and OCSP messages, each on its own.

One that cannot be decoded, occurs twice or is unknown is described as such, and does not hide the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bothways.describe.documents.asn1 import (
    BOOLEAN,
    OCTET_STRING,
    OID,
    SEQUENCE,
    Element,
    Fields,
    boolean,
    oid,
    outline,
    short_hex,
    whole,
)
from bothways.describe.documents.document import Facts, first_of, packed, wrapped

EXTENSIONS_SHOWN = 64


class ExtensionFormat(NamedTuple):
    """How an extension's value is described: its name, a function, the expected tag, whether each item is a row."""

    name: str
    describe: Callable[[Element], Sequence[str]]
    tag: int = SEQUENCE
    row_per_item: bool = False


Table = Mapping[str, ExtensionFormat]


class DescribedExtension(NamedTuple):
    """The description of one extension. `identifier` is empty where it cannot be decoded.

    is_read: whether the value could be decoded as its definition says.
    """

    identifier: str
    critical: bool
    facts: Facts
    is_read: bool = False


def describe_extensions(extensions: Element, *tables: Table) -> list[DescribedExtension]:
    """Describe the extensions of a sequence, in their order.

    tables: the formats of the known extensions, by object identifier.
    """
    found: list[DescribedExtension] = []
    known = {key: format_ for table in tables for key, format_ in table.items()}
    seen: set[str] = set()
    number = 0
    for number, each in enumerate(_decodable(extensions, found), 1):
        if number <= EXTENSIONS_SHOWN:
            described = _describe(each, number, known)
            repeated = described.identifier and described.identifier in seen
            found.append(
                _with_mark(described, " (a second time, which is forbidden)") if repeated else described
            )
            seen.add(described.identifier)
    if number > EXTENSIONS_SHOWN:
        found.append(
            DescribedExtension("", False, [("extensions", f"and {number - EXTENSIONS_SHOWN:,} more")])
        )
    return found


def facts_of(extensions: Sequence[DescribedExtension]) -> Facts:
    """Return the facts of all extensions."""
    return [fact for each in extensions for fact in each.facts]


def parted_facts(extensions: Sequence[DescribedExtension], main: Sequence[str]) -> tuple[Facts, Facts]:
    """Return the facts of the main extensions, in the order of their identifiers, and those of all others."""
    of_main = [each for identifier in main for each in extensions if each.identifier == identifier]
    return facts_of(of_main), facts_of([each for each in extensions if each.identifier not in main])


def _decodable(extensions: Element, found: list[DescribedExtension]) -> Iterator[Element]:
    """Yield the extensions of a sequence as far as it can be decoded; add to `found` where that ends."""
    try:
        yield from extensions.children()
    except ValueError as error:
        found.append(
            DescribedExtension("", False, [("extensions", f"cannot be read from there on: {error}")])
        )


def _describe(extension: Element, number: int, known: Table) -> DescribedExtension:
    try:
        fields = Fields(extension.expect(SEQUENCE, "extension"))
        identifier = oid(fields.take(OID, "identifier of an extension"))
        flag = fields.optional(BOOLEAN)
        critical = flag is not None and boolean(flag)
        value = fields.take(OCTET_STRING, "value of an extension").content
        fields.end()
    except ValueError as error:
        return DescribedExtension("", False, [(f"extension no. {number}", f"cannot be read: {error}")])
    described = _with_value(DescribedExtension(identifier, critical, []), value, known)
    return _with_mark(described, " (critical)") if critical else described


def _with_value(described: DescribedExtension, value: bytes, known: Table) -> DescribedExtension:
    """Return an extension with the description of its value."""
    format_ = known.get(described.identifier)
    if format_ is None:
        text = f"{counted_bytes(len(value))}: {unknown(value)}"
        return described._replace(facts=[(f"extension {described.identifier}", text)])
    try:
        items = first_of(format_.describe(whole(value, "value", format_.tag)))
    except ValueError as error:
        return described._replace(facts=[(format_.name, f"cannot be read ({error}): {short_hex(value)}")])
    rows = wrapped if format_.row_per_item else packed
    return described._replace(facts=rows(format_.name, items or ["empty"]), is_read=True)


def unknown(value: bytes) -> str:
    """Return a value of unknown meaning in hexadecimal, and what can be decoded of it."""
    outlined, plain = outline(value), short_hex(value)
    return plain if outlined == plain else f"{plain}, which is {outlined}"


def counted_bytes(size: int) -> str:
    """Return a number of bytes as text."""
    return "1 byte" if size == 1 else f"{size:,} bytes"


def _with_mark(described: DescribedExtension, mark: str) -> DescribedExtension:
    *before, (name, text) = described.facts
    return described._replace(facts=[*before, (name, text + mark)])
