"""Certificates that no builder makes: sound ones of `pki`, edited in their DER and signed anew.

A part of the signed content is named by `PARTS`; `edited(issued, serial=b"...")` puts other bytes in its place,
`without(...)` leaves parts away. Extensions are given by identifier and the bytes of their value.
"""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from warnings import catch_warnings, simplefilter

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from pki import Issued, der, parts

PARTS = ("version", "serial", "algorithm", "issuer", "validity", "subject", "key", "extensions")
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")

ALTERNATIVE_NAMES, NAME_CONSTRAINTS = "2.5.29.17", "2.5.29.30"
BASIC_CONSTRAINTS, POLICIES = "2.5.29.19", "2.5.29.32"


@dataclass(frozen=True)
class Raw:
    """Bytes in the place of a certificate, with its key and the certificates above it."""

    der: bytes
    key: PrivateKeyTypes
    above: tuple[Issued, ...] = ()

    @property
    def certificate(self) -> x509.Certificate:
        with catch_warnings():
            simplefilter("ignore")  # of a serial number that is not positive
            return x509.load_der_x509_certificate(self.der)

    @property
    def pem(self) -> bytes:
        body = encodebytes(self.der)
        return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


def signature_of(signer: PrivateKeyTypes, data: bytes) -> bytes:
    """A signature with SHA-256, PKCS#1 v1.5 for RSA."""
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        return signer.sign(data, ec.ECDSA(hashes.SHA256()))
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return signer.sign(data)
    assert isinstance(signer, rsa.RSAPrivateKey)
    return signer.sign(data, padding.PKCS1v15(), hashes.SHA256())


Sign = Callable[[PrivateKeyTypes, bytes], bytes]


def edited(
    issued: Issued | Raw,
    *leave_out: str,
    signer: PrivateKeyTypes | None = None,
    sign: Sign = signature_of,
    **changes: bytes,
) -> Raw:
    """The same certificate with other parts, or without some, signed anew by its issuer's key.

    `uids` stand before the extensions. signer: a key that is not the issuer's. sign: how it signs.
    """
    start, end = parts(issued.der)[0]
    tbs = issued.der[start:end]
    found = dict(zip(PARTS, (tbs[at:stop] for at, stop in parts(tbs)), strict=False))
    extensions = found.pop("extensions", b"")
    found |= {"uids": b"", "extensions": extensions} | changes
    for each in leave_out:
        found[each] = b""
    content = der(0x30, b"".join(found.values()))
    by = signer or (issued.above[0].key if issued.above else issued.key)
    signature = der(0x03, b"\0" + sign(by, content))
    return Raw(der(0x30, content + found["algorithm"] + signature), issued.key, issued.above)


def with_extensions(edit: Callable[[list[bytes]], list[bytes]]) -> Callable[[Issued], Raw]:
    """Return what edits the list of encoded extensions."""

    def change(issued: Issued) -> Raw:
        tbs = issued.certificate.tbs_certificate_bytes
        whole = tbs[slice(*parts(tbs)[7])]
        inner = whole[slice(*parts(whole)[0])]
        each = [inner[at:end] for at, end in parts(inner)]
        return edited(issued, extensions=der(0xA3, der(0x30, b"".join(edit(each)))))

    return change


def raw(identifier: str, value: bytes, critical: bool = False) -> tuple[x509.UnrecognizedExtension, bool]:
    """An extension with any value, ready for `extra`."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(identifier), value), critical


def sequence(*items: bytes) -> bytes:
    return der(0x30, b"".join(items))


GENERAL_NAMES: Mapping[str, int] = {"EMAIL": 0x81, "DNS": 0x82, "URI": 0x86, "IP": 0x87, "RID": 0x88}


def general_name(kind: str, value: bytes) -> bytes:
    """One GeneralName with any bytes: EMAIL, DNS, URI, IP, RID; OTHER, X400, DN and EDI take whole elements."""
    constructed = {"OTHER": 0xA0, "X400": 0xA3, "DN": 0xA4, "EDI": 0xA5}
    return der(constructed.get(kind) or GENERAL_NAMES[kind], value)


def alternatives(*names: bytes, critical: bool = False) -> tuple[x509.UnrecognizedExtension, bool]:
    """A subjectAltName extension of encoded names."""
    return raw(ALTERNATIVE_NAMES, sequence(*names), critical)


def smtp_utf8_mailbox(address: str) -> bytes:
    """An otherName SmtpUTF8Mailbox (RFC 9598 3)."""
    identifier = der(0x06, bytes.fromhex("2b06010505070809"))
    return general_name("OTHER", identifier + der(0xA0, der(0x0C, address.encode())))
