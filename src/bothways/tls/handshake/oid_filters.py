"""Which of our certificates match the oid_filters of a server (RFC 9846 4.3.5).

Key usage and extended key usage are supported; filters for other extensions are ignored, as the RFC demands.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509

from bothways.faults import Fault, blame
from bothways.tls.wire.extensions import OidFilter
from bothways.trust.decoding.extensions import extension_of
from bothways.trust.der import BIT_STRING, SEQUENCE, elements, expect_element

KEY_USAGE = bytes.fromhex("0603551d0f")
EXTENDED_KEY_USAGE = bytes.fromhex("0603551d25")
_USAGE_OCTETS = 2  # nine usages are defined (RFC 5280 4.2.1.3)
_KNOWN: dict[bytes, type[x509.ExtensionType]] = {
    KEY_USAGE: x509.KeyUsage,
    EXTENDED_KEY_USAGE: x509.ExtendedKeyUsage,
}


def holds(certificate: x509.Certificate, filters: Iterable[OidFilter]) -> bool:
    """Whether a certificate has each of the requested extensions that we know, with all of the values.

    Blames the server for a filter that occurs twice or cannot be decoded.
    """
    seen = set()
    held = True
    for each in filters:
        if each.oid in seen:
            blame(Fault.DUPLICATE_EXTENSION, extension=each.oid.hex(), message="oid_filters")
        seen.add(each.oid)
        if each.oid in _KNOWN:
            requested, own = _requested(each), _own(certificate, each.oid)
            held = held and own is not None and requested <= own
    return held


def _own(certificate: x509.Certificate, oid: bytes) -> frozenset[int | bytes] | None:
    found = extension_of(certificate, _KNOWN[oid])
    return None if found is None else _parts(oid, found.public_bytes())


def _requested(requested: OidFilter) -> frozenset[int | bytes]:
    if not requested.values:
        return frozenset()
    try:
        return _parts(requested.oid, requested.values)
    except ValueError as error:
        blame(Fault.UNDECODABLE, place=f"oid_filters.{requested.oid.hex()}", problem=str(error))


def _parts(oid: bytes, value: bytes) -> frozenset[int | bytes]:
    """Split a value: into the numbers of the bits that are set, or into the purposes."""
    tag, what = (BIT_STRING, "BIT STRING") if oid == KEY_USAGE else (SEQUENCE, "SEQUENCE")
    start, end = expect_element(value, 0, len(value), tag, what)
    if end != len(value):
        raise ValueError(f"{len(value) - end} bytes follow the value")
    if tag == BIT_STRING:
        return _bits_set(value[start + 1 : end])
    return frozenset(value[first:stop] for _, first, _, stop in elements(value, start, end))


def _bits_set(bits: bytes) -> frozenset[int | bytes]:
    """Return the numbers of the bits that are set; undefined bits count as one number, which no certificate has."""
    known, others = bits[:_USAGE_OCTETS], bits[_USAGE_OCTETS:]
    found = {at for at in range(8 * len(known)) if known[at // 8] >> (7 - at % 8) & 1}
    return frozenset(found | {8 * _USAGE_OCTETS} if any(others) else found)
