"""Describes the names in certificates: distinguished names and the kinds of GeneralName."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from bothways.describe.documents.asn1 import (
    OID,
    SEQUENCE,
    SET,
    Element,
    Fields,
    named,
    oid,
    outline,
    quoted,
    short_hex,
    whole,
)
from bothways.describe.documents.document import ITEMS_SHOWN
from bothways.describe.escape import visible
from bothways.oids import OTHER_NAMES
from bothways.trust.der import encoded
from bothways.trust.names.distinguished import common_name, dn_text

NAME_SHOWN = 1000
_SEPARATORS = frozenset(' ,"')


def name_text(der: bytes) -> str:
    """Return a distinguished name as RFC 4514 writes it, the last relative distinguished name first."""
    return visible(dn_text(der), NAME_SHOWN) or "(empty)"


def title_of(der: bytes) -> str:
    """Return a short name for a distinguished name: its common name if it has one."""
    common = common_name(der)
    return visible(common) if common else visible(dn_text(der)) or "(empty)"


def relative_text(found: Element) -> str:
    """Return a relative distinguished name as text; the tag of its set is not checked."""
    return name_text(encoded(SEQUENCE, encoded(SET, found.content)))


def general_names(found: Element) -> list[str]:
    """Return each of GeneralNames as text; one that cannot be decoded is reported in its place."""
    return [general_name(each) for each in found.children()] or ["none"]


def alternative_names(found: Element) -> list[str]:
    """Return the same for a list that may be long: the names after the first ones are empty."""
    names = [general_name(each) if place < ITEMS_SHOWN else "" for place, each in enumerate(found.children())]
    return names or ["none"]


def general_name(found: Element) -> str:
    """Return a name of any of the nine kinds as text (RFC 5280 4.2.1.6)."""
    reader = _KINDS.get(found.tag)
    if reader is None:
        return f"a name of no known kind at byte {found.at}: {short_hex(found.encoded)}"
    try:
        return reader(found)
    except ValueError as error:
        return f"a name that cannot be read: {error}"


def directory_name(found: Element) -> str:
    """Return the distinguished name in a directoryName, tag [4], as text."""
    return name_text(found.only(SEQUENCE, "name").encoded)


def subtree_name(found: Element) -> str:
    """Return the base of a subtree of name constraints; addresses have a mask there (RFC 5280 4.2.1.10)."""
    if found.tag == 0x87 and len(found.content) in (8, 32):
        return f"IP {_network(found.content)}"
    if found.tag in (0x81, 0x82, 0x86) and not found.content:
        return f"{_TEXTS[found.tag]} (every one)"
    return general_name(found)


def _network(content: bytes) -> str:
    half = len(content) // 2
    address, mask = ipaddress.ip_address(content[:half]), ipaddress.ip_address(content[half:])
    ones = bin(int(mask)).count("1")
    is_prefix = int(mask) == (2 ** (8 * half) - 1) ^ (2 ** (8 * half - ones) - 1)
    return f"{address}/{ones}" if is_prefix else f"{address}/{mask} (whose mask is not a prefix)"


def _text(found: Element) -> str:
    text = found.content.decode("utf-8", "backslashreplace")
    return f"{_TEXTS[found.tag]} {_quoted_if_ambiguous(text)}"


def _quoted_if_ambiguous(text: str) -> str:
    """Return text that cannot be mistaken for two names: one with a comma or a space is quoted."""
    return quoted(text) if not text or _SEPARATORS & set(text) else visible(text, NAME_SHOWN)


def _other(found: Element) -> str:
    fields = Fields(found)
    kind = oid(fields.take(OID, "type of another name"))
    value = fields.take(0xA0, "value of another name")
    name = OTHER_NAMES.get(kind, f"other name {kind}")
    return f"{name} {outline(value.content)}"


def _address(found: Element) -> str:
    if len(found.content) not in (4, 16):
        return f"IP address of {len(found.content)} bytes: {short_hex(found.content)}"
    return f"IP {ipaddress.ip_address(found.content)}"


def _registered(found: Element) -> str:
    return f"registered identifier {named(oid(whole(encoded(OID, found.content), 'identifier', OID)))}"


def _edi_party(found: Element) -> str:
    parts = []
    for each in found.children():
        what = {0xA0: "assigned by ", 0xA1: ""}.get(each.tag, "")
        parts.append(what + outline(each.content))
    return f"EDI party {' '.join(reversed(parts))}"


_TEXTS = {0x81: "email", 0x82: "DNS", 0x86: "URI"}
_KINDS: dict[int, Callable[[Element], str]] = {
    0xA0: _other,
    0x81: _text,
    0x82: _text,
    0xA3: lambda found: f"X.400 address {outline(b'0' + found.encoded[1:])}",
    0xA4: lambda found: f"name {directory_name(found)}",
    0xA5: _edi_party,
    0x86: _text,
    0x87: _address,
    0x88: _registered,
}
