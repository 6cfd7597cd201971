"""Extensions of certificates, requests, CRLs and OCSP in words, each read by itself.

One that cannot be read, stands twice or is unknown is told as that, and hides no other.
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
from bothways.describe.documents.document import Facts, broken, first_of, packed

EXTENSIONS_SHOWN = 64


class Words(NamedTuple):
    """How the value of an extension is told: by which name, from which tag on, and whether an item fills a row."""

    name: str
    tell: Callable[[Element], Sequence[str]]
    tag: int = SEQUENCE
    a_row_each: bool = False


Table = Mapping[str, Words]


class Told(NamedTuple):
    """One extension in words. `identifier` is empty where not even that could be decoded.

    is_read: whether its value was decoded as its definition says.
    """

    identifier: str
    critical: bool
    facts: Facts
    is_read: bool = False


def told(extensions: Element, *tables: Table) -> list[Told]:
    """Return the extensions of a sequence in their order, each in words."""
    found: list[Told] = []
    known = {key: words for table in tables for key, words in table.items()}
    seen: set[str] = set()
    number = 0
    for number, each in enumerate(_within(extensions, found), 1):
        if number <= EXTENSIONS_SHOWN:
            one = _told(each, number, known)
            repeated = one.identifier and one.identifier in seen
            found.append(_marked(one, " (a second time, which is forbidden)") if repeated else one)
            seen.add(one.identifier)
    if number > EXTENSIONS_SHOWN:
        found.append(Told("", False, [("extensions", f"and {number - EXTENSIONS_SHOWN:,} more")]))
    return found


def facts_of(extensions: Sequence[Told]) -> Facts:
    """Return the facts of extensions, one after the other."""
    return [fact for each in extensions for fact in each.facts]


def _within(extensions: Element, found: list[Told]) -> Iterator[Element]:
    """Walk over a sequence of extensions as far as it can be read, and tell where that ends."""
    try:
        yield from extensions.children()
    except ValueError as error:
        found.append(Told("", False, [("extensions", f"cannot be read from there on: {error}")]))


def _told(extension: Element, number: int, known: Table) -> Told:
    try:
        fields = Fields(extension.expect(SEQUENCE, "extension"))
        identifier = oid(fields.take(OID, "identifier of an extension"))
        flag = fields.optional(BOOLEAN)
        critical = flag is not None and boolean(flag)
        value = fields.take(OCTET_STRING, "value of an extension").content
        fields.end()
    except ValueError as error:
        return Told("", False, [(f"extension no. {number}", f"cannot be read: {error}")])
    one = _told_value(Told(identifier, critical, []), value, known)
    return _marked(one, " (critical)") if critical else one


def _told_value(one: Told, value: bytes, known: Table) -> Told:
    """Return an extension with its value in words."""
    words = known.get(one.identifier)
    if words is None:
        text = f"{counted_bytes(len(value))}: {unknown(value)}"
        return one._replace(facts=[(f"extension {one.identifier}", text)])
    try:
        items = first_of(words.tell(whole(value, "value", words.tag)))
    except ValueError as error:
        return one._replace(facts=[(words.name, f"cannot be read ({error}): {short_hex(value)}")])
    rows = broken if words.a_row_each else packed
    return one._replace(facts=rows(words.name, items or ["empty"]), is_read=True)


def unknown(value: bytes) -> str:
    """Return a value of which nothing is known: in hexadecimal, and what its encoding tells."""
    told_as, plain = outline(value), short_hex(value)
    return plain if told_as == plain else f"{plain}, which is {told_as}"


def counted_bytes(size: int) -> str:
    """Return a number of bytes in words."""
    return "1 byte" if size == 1 else f"{size:,} bytes"


def _marked(one: Told, mark: str) -> Told:
    *before, (name, text) = one.facts
    return one._replace(facts=[*before, (name, text + mark)])
