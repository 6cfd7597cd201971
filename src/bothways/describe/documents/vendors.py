"""Describes extensions that vendors and governments have defined."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from bothways.describe.documents.asn1 import (
    BIT_STRING,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    Element,
    Fields,
    bits,
    describe_each,
    number_text,
    oid,
    outline,
    short_hex,
    string,
)
from bothways.describe.documents.extensions import ExtensionFormat, Table
from bothways.describe.documents.names import general_name
from bothways.oids import PURPOSES

_NETSCAPE_TYPES = (
    "SSL client", "SSL server", "S/MIME", "object signing", "reserved", "SSL CA", "S/MIME CA", "object signing CA",
)  # fmt: skip
_IA5_STRING, _UTF8_STRING, _BMP_STRING = 0x16, 0x0C, 0x1E
_FAMILIES = {1: (ipaddress.IPv4Address, 32), 2: (ipaddress.IPv6Address, 128)}


def _netscape_type(found: Element) -> list[str]:
    return [_NETSCAPE_TYPES[bit] if bit < 8 else f"bit {bit}" for bit in bits(found)] or ["nothing"]


def _text(found: Element) -> list[str]:
    return [string(found)]


def _number(found: Element) -> list[str]:
    return [number_text(found)]


def _hex(found: Element) -> list[str]:
    return [short_hex(found.content)]


def _template(found: Element) -> list[str]:
    fields = Fields(found)
    result = [oid(fields.take(OID, "template"))]
    for label in ("major version", "minor version"):
        version = fields.optional(INTEGER)
        if version is not None:
            result.append(f"{label} {number_text(version)}")
    fields.end()
    return result


def _application_policies(found: Element) -> list[str]:
    return describe_each(found.children(), _application_policy)


def _application_policy(found: Element) -> str:
    fields = Fields(found)
    purpose = oid(fields.take(OID, "application policy"))
    qualifiers = "".join(f"; {outline(each.encoded)}" for each in fields.rest())
    return PURPOSES.get(purpose, purpose) + qualifiers


def _outlined(found: Element) -> list[str]:
    return [outline(each.encoded) for each in found.children()]


def _proxy(found: Element) -> list[str]:
    fields = Fields(found)
    length = fields.optional(INTEGER)
    result = [
        f"at most {number_text(length)} proxies below it" if length is not None else "any number of proxies"
    ]
    policy = Fields(fields.take(SEQUENCE, "proxy policy"))
    result.append(f"policy language {_PROXY_LANGUAGES.get(name := oid(policy.take(OID, 'language')), name)}")
    text = policy.optional(OCTET_STRING)
    return result if text is None else [*result, f"policy {string(text)}"]


def _address_blocks(found: Element) -> list[str]:
    return [each for family in found.children() for each in _address_family(family)]


def _address_family(found: Element) -> Iterator[str]:
    """Yield the delegated addresses of a family (RFC 3779 2.2.3)."""
    fields = Fields(found)
    family = fields.take(OCTET_STRING, "address family").content
    number = int.from_bytes(family[:2], "big")
    name = {1: "IPv4", 2: "IPv6"}.get(number, f"family {number}")
    safi = f" (SAFI {family[2]})" if len(family) > 2 else ""
    choice = fields.any("addresses")
    if choice.tag != SEQUENCE:
        yield f"{name}{safi}: inherited"
        return
    for each in choice.children():
        if each.tag == BIT_STRING:
            yield f"{name}{safi} {_prefix(each, number)}"
        else:
            low, high = list(each.children())[:2]
            yield f"{name}{safi} {_end(low, number, fill=0)}-{_end(high, number, fill=1)}"


def _prefix(found: Element, family: int) -> str:
    length = 8 * (len(found.content) - 1) - found.content[0] if found.content else 0
    return f"{_end(found, family, fill=0)}/{length}"


def _end(found: Element, family: int, *, fill: int) -> str:
    """Return the first or the last address with the prefix in a BIT STRING."""
    if family not in _FAMILIES or not found.content:
        return short_hex(found.content)
    kind, width = _FAMILIES[family]
    unused, given = found.content[0], found.content[1:]
    length = 8 * len(given) - unused
    if not 0 <= unused <= 7 or not 0 <= length <= width:
        raise ValueError(f"no address at byte {found.at}")
    number = (int.from_bytes(given, "big") >> unused) << (width - length)
    return str(kind(number | ((1 << (width - length)) - 1 if fill else 0)))


def _system_numbers(found: Element) -> list[str]:
    result = []
    for each in found.children():
        what = {0xA0: "AS", 0xA1: "routing domain"}.get(each.tag, "number")
        for choice in each.children():
            if choice.tag != SEQUENCE:
                result.append(f"{what} inherited")
                continue
            for one in choice.children():
                ends = (
                    [number_text(end) for end in one.children()]
                    if one.tag == SEQUENCE
                    else [number_text(one)]
                )
                result.append(f"{what} {'-'.join(ends)}")
    return result


def _issuer_tool(found: Element) -> list[str]:
    words = ("signing tool", "CA tool", "its certificate", "the CA tool's certificate")
    return [f"{label} {string(each)}" for label, each in zip(words, found.children(), strict=False)]


_PROXY_LANGUAGES = {
    "1.3.6.1.5.5.7.21.0": "any language",
    "1.3.6.1.5.5.7.21.1": "inherit all",
    "1.3.6.1.5.5.7.21.2": "independent",
}


def _admissions(found: Element) -> list[str]:
    """Describe to which professions the subject is admitted, and by which authority (Common PKI 2.0, part 1, 3.1)."""
    fields, result = Fields(found), []
    authority = (
        None
        if (first := next(found.children(), None)) is None or first.tag == SEQUENCE
        else fields.any("name")
    )
    if authority is not None:
        result.append(f"admitted by {general_name(authority)}")
    for each in fields.take(SEQUENCE, "admissions").children():
        result += describe_each([each], lambda one: "; ".join(_admission(one)) or "nothing")
    return result


def _admission(found: Element) -> Iterator[str]:
    fields = Fields(found.expect(SEQUENCE, "admission"))
    authority, naming = fields.optional(0xA0), fields.optional(0xA1)
    if authority is not None:
        yield f"admitted by {general_name(Fields(authority).any('name of an authority'))}"
    if naming is not None:
        yield _naming(naming)
    for each in fields.take(SEQUENCE, "professions").children():
        yield from _profession(each)


def _naming(found: Element) -> str:
    shown = [_shown(each) for each in found.only(SEQUENCE, "naming authority").children()]
    return f"named by {', '.join(shown) or 'nobody'}"


def _profession(found: Element) -> Iterator[str]:
    fields = Fields(found)
    naming = fields.optional(0xA0)
    if naming is not None:
        yield _naming(naming)
    for each in fields.rest():
        inner = each.children() if each.tag == SEQUENCE else [each]
        yield ", ".join(_shown(one) for one in inner) or "no profession"


def _shown(found: Element) -> str:
    return oid(found) if found.tag == OID else string(found)


def _strong_extranet(found: Element) -> list[str]:
    return [f"version and zones: {outline(found.encoded)}"]


VENDORS: Table = {
    "2.16.840.1.113730.1.1": ExtensionFormat("Netscape type", _netscape_type, BIT_STRING),
    "2.16.840.1.113730.1.2": ExtensionFormat("Netscape base URL", _text, _IA5_STRING),
    "2.16.840.1.113730.1.3": ExtensionFormat("Netscape revocation URL", _text, _IA5_STRING),
    "2.16.840.1.113730.1.4": ExtensionFormat("Netscape CA revocation URL", _text, _IA5_STRING),
    "2.16.840.1.113730.1.7": ExtensionFormat("Netscape renewal URL", _text, _IA5_STRING),
    "2.16.840.1.113730.1.8": ExtensionFormat("Netscape CA policy URL", _text, _IA5_STRING),
    "2.16.840.1.113730.1.12": ExtensionFormat("Netscape server name", _text, _IA5_STRING),
    "2.16.840.1.113730.1.13": ExtensionFormat("Netscape comment", _text, _IA5_STRING),
    "1.3.6.1.4.1.311.20.2": ExtensionFormat("Microsoft template", _text, _BMP_STRING),
    "1.3.6.1.4.1.311.21.1": ExtensionFormat("Microsoft CA version", _number, INTEGER),
    "1.3.6.1.4.1.311.21.2": ExtensionFormat("Microsoft previous CA", _hex, OCTET_STRING),
    "1.3.6.1.4.1.311.21.7": ExtensionFormat("Microsoft template", _template),
    "1.3.6.1.4.1.311.21.10": ExtensionFormat("application policies", _application_policies),
    "1.3.6.1.4.1.311.25.2": ExtensionFormat("Microsoft security id", _outlined),
    "1.3.6.1.5.5.7.1.7": ExtensionFormat("delegated addresses", _address_blocks),
    "1.3.6.1.5.5.7.1.8": ExtensionFormat("delegated AS numbers", _system_numbers),
    "1.3.6.1.5.5.7.1.14": ExtensionFormat("proxy certificate", _proxy),
    "1.3.36.8.3.3": ExtensionFormat("admissions", _admissions, row_per_item=True),
    "1.3.101.1.4.1": ExtensionFormat("strong extranet", _strong_extranet),
    "1.2.643.100.111": ExtensionFormat("signing tool", _text, _UTF8_STRING),
    "1.2.643.100.112": ExtensionFormat("issuer's signing tools", _issuer_tool, row_per_item=True),
}  # fmt: skip
