"""The extensions authorityKeyIdentifier and subjectKeyIdentifier (RFC 5280 4.2.1.1 and 4.2.1.2).

They help to find an issuer and prove nothing, so one that cannot be decoded counts as absent.
"""

from __future__ import annotations

from typing import NamedTuple

from bothways.trust.der import OCTET_STRING, SEQUENCE, elements, expect_element
from bothways.trust.names.distinguished import normal
from bothways.trust.names.general import GeneralNameKind, names_between

AUTHORITY_KEY, SUBJECT_KEY = bytes.fromhex("551d23"), bytes.fromhex("551d0e")
_KEY, _ISSUER, _SERIAL = 0x80, 0xA1, 0x82


class AuthorityKey(NamedTuple):
    """Which key of the issuer signed: the key identifier, or issuer and serial number of the issuer's certificate."""

    key: bytes | None = None
    certificate: tuple[bytes, bytes] | None = None


NO_AUTHORITY_KEY = AuthorityKey()


def authority_key(value: bytes) -> AuthorityKey:
    """Decode the value of authorityKeyIdentifier; the issuer's name is returned in the form that is compared."""
    try:
        at, end = expect_element(value, 0, len(value), SEQUENCE, "key identifier")
        parts = {tag: value[start:stop] for tag, _, start, stop in elements(value, at, end)}
        return AuthorityKey(parts.get(_KEY), _certificate(parts.get(_ISSUER, b""), parts.get(_SERIAL)))
    except ValueError:
        return NO_AUTHORITY_KEY


def _certificate(names: bytes, serial: bytes | None) -> tuple[bytes, bytes] | None:
    found = [
        each.value for each in names_between(names, 0, len(names)) if each.kind is GeneralNameKind.DIRECTORY
    ]
    return (normal(found[0]), serial) if len(found) == 1 and serial is not None else None


def subject_key(value: bytes) -> bytes | None:
    """Decode the value of subjectKeyIdentifier; None where that fails."""
    try:
        start, end = expect_element(value, 0, len(value), OCTET_STRING, "key identifier")
    except ValueError:
        return None
    return value[start:end]
