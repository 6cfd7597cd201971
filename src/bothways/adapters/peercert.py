"""Certificates as the dicts of `ssl.SSLSocket.getpeercert()`: the same keys, names and texts, in the same order.

The data comes from verified certificates; this module has OpenSSL's names of attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from bothways.describe.openssl_text import serial_text, time_text
from bothways.oids import ATTRIBUTES
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.names.distinguished import attributes, dotted, string
from bothways.trust.names.general import GeneralName, GeneralNameKind, other_name

REMEMBERED = 256

# OpenSSL's long names of attributes, where they differ from those in `oids`.
LONG_NAMES = {
    "2.5.4.3": "commonName",
    "2.5.4.4": "surname",
    "2.5.4.6": "countryName",
    "2.5.4.7": "localityName",
    "2.5.4.8": "stateOrProvinceName",
    "2.5.4.9": "streetAddress",
    "2.5.4.10": "organizationName",
    "2.5.4.11": "organizationalUnitName",
    "2.5.4.42": "givenName",
    "2.5.4.98": "countryCode3c",
    "2.5.4.99": "countryCode3n",
    "0.9.2342.19200300.100.1.1": "userId",
    "0.9.2342.19200300.100.1.3": "rfc822Mailbox",
    "0.9.2342.19200300.100.1.25": "domainComponent",
    "1.2.840.113549.1.9.14": "Extension Request",
    "1.2.840.113549.1.9.15": "S/MIME Capabilities",
    "1.3.6.1.4.1.311.2.1.14": "Microsoft Extension Request",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionLocalityName",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionStateOrProvinceName",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountryName",
}
# Attributes in `oids` that OpenSSL does not know.
UNNAMED = frozenset(
    (
        "2.5.4.83",
        "1.2.643.100.4",
        "1.3.6.1.4.1.311.13.2.1",
        "1.3.6.1.4.1.311.13.2.2",
        "1.3.6.1.4.1.311.13.2.3",
        "1.3.6.1.4.1.311.21.20",
    )
)
_NAMED_VALUES = {
    "1.3.6.1.5.5.7.8.9": "SmtpUTF8Mailbox:",
    "1.3.6.1.5.5.7.8.5": "XmppAddr:",
    "1.3.6.1.5.5.7.8.7": "SRVName:",
    "1.3.6.1.4.1.311.20.2.3": "UPN:",
    "1.3.6.1.5.5.7.8.8": "NAIRealm:",
}
_TEXT_KINDS = {GeneralNameKind.EMAIL: "email", GeneralNameKind.DNS: "DNS", GeneralNameKind.URI: "URI"}
_STRING_TAGS = frozenset((0x0C, 0x16))

PeerCert = Mapping[str, Any]


def peer_cert(der: bytes) -> dict[str, Any]:
    """Return the dict of `ssl` for a certificate in DER. Raises ValueError if it cannot be decoded."""
    return dict(_peercert(der))


@lru_cache(maxsize=REMEMBERED)
def _peercert(der: bytes) -> PeerCert:
    parts = ParsedCertificate(der)
    loaded = parts.load()
    told: dict[str, Any] = {
        "subject": _name(parts.subject),
        "issuer": _name(parts.issuer),
        "version": parts.version,
        "serialNumber": serial_text(int.from_bytes(parts.serial, "big", signed=True)),
        "notBefore": time_text(loaded.not_before),
        "notAfter": time_text(loaded.not_after),
    }
    if loaded.alternative_names:
        told["subjectAltName"] = tuple(map(_general_name, loaded.alternative_names))
    access = parts.extension(x509.AuthorityInformationAccess)
    if access is not None:
        for key, method in (
            ("OCSP", AuthorityInformationAccessOID.OCSP),
            ("caIssuers", AuthorityInformationAccessOID.CA_ISSUERS),
        ):
            found = _uris(each.access_location for each in access if each.access_method == method)
            if found:
                told[key] = found
    points = parts.extension(x509.CRLDistributionPoints)
    if points is not None:
        found = _uris(name for point in points for name in point.full_name or ())
        if found:
            told["crlDistributionPoints"] = found
    return told


def is_ca(der: bytes) -> bool:
    """Whether a certificate is that of a CA, or of a version without this information."""
    parts = ParsedCertificate(der)
    constraints = parts.extension(x509.BasicConstraints)
    return parts.version < 3 if constraints is None else constraints.ca


def _uris(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    return tuple(each.value for each in names if isinstance(each, x509.UniformResourceIdentifier))


def _name(der: bytes) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(
        tuple((_attribute(kind), string(tag, value)) for kind, tag, value in relative)
        for relative in attributes(der)
    )


def _attribute(kind: bytes) -> str:
    number = dotted(kind)
    if number in UNNAMED:
        return number
    return LONG_NAMES.get(number) or ATTRIBUTES.get(number, number)


def _general_name(name: GeneralName) -> tuple[str, Any]:
    """Return an alternative name in the form of OpenSSL."""
    if name.kind in _TEXT_KINDS:
        return _TEXT_KINDS[name.kind], name.value.decode("utf-8", "replace")
    if name.kind is GeneralNameKind.IP:
        return "IP Address", _address(name.value)
    if name.kind is GeneralNameKind.DIRECTORY:
        return "DirName", _name(name.value)
    if name.kind is GeneralNameKind.REGISTERED_ID:
        return "Registered ID", _attribute(name.value)
    if name.kind is GeneralNameKind.OTHER:
        return "othername", _other(name.value)
    return {GeneralNameKind.X400: "X400Name", GeneralNameKind.EDI: "EdiPartyName"}[name.kind], "<unsupported>"


def _other(content: bytes) -> str:
    kind, value = other_name(content)
    label = _NAMED_VALUES.get(dotted(kind))
    if label is None or len(value) < 2 or value[0] not in _STRING_TAGS or value[1] >= 0x80:
        return "<unsupported>"
    return label + value[2:].decode("utf-8", "replace")


def _address(value: bytes) -> str:
    if len(value) == 4:
        return ".".join(map(str, value))
    return ":".join(f"{int.from_bytes(value[at : at + 2], 'big'):X}" for at in range(0, 16, 2))
