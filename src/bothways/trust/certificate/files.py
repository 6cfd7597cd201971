"""The certificates in a file: PEM or DER, of CAs, of peers or of our own chain."""

from __future__ import annotations

from collections.abc import Iterable

from bothways.arguments import several
from bothways.errors import UnusableFile
from bothways.faults import shown
from bothways.trust import files
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding import pem

LABELS_SHOWN = 3  # of PEM blocks, in an error


def certificates_in(data: bytes, source: str) -> list[bytes]:
    """Return the certificates in `data`, PEM or DER, each in DER. Raises ConfigError, which names `source`."""
    found = pem.blocks(data)
    if not found:
        if data[:1] == b"\x30":
            return [bytes(data)]
        kind = ", but text without any certificate" if data and data.isascii() and b"\0" not in data else ""
        raise UnusableFile(
            f"{source}: neither PEM nor DER{kind}; expected certificates (-----BEGIN CERTIFICATE-----)"
        )
    pem.check_ended(data, pem.CERTIFICATE_LABELS, source)
    certificates = []
    for label, block in found:
        if label in pem.CERTIFICATE_LABELS:
            try:
                certificates.append(pem.body(block))
            except ValueError as error:
                raise UnusableFile(
                    f"{source}: certificate {len(certificates) + 1} cannot be read: {error}"
                ) from None
    return certificates


def exact_certificates_in(data: bytes, source: str, *, may_be_empty: bool) -> list[bytes]:
    """Return the certificates in `data`, each in DER. Raises ConfigError, which names `source`.

    may_be_empty: whether an empty file is one that trusts nobody, as a file is from which the last one was removed.
    """
    if may_be_empty and not data.strip():
        return []
    found = certificates_in(data, source)
    if not found:
        raise without_certificate(data, source, "those of peers, as PEM or DER")
    return found


def without_certificate(
    data: bytes, source: files.FilePath, expected: str = "-----BEGIN CERTIFICATE-----"
) -> UnusableFile:
    """Return the error for PEM blocks none of which is a certificate: what they are. expected: what was."""
    labels = list(dict.fromkeys(label for label, _ in pem.blocks(data)))
    instead = f", but {' and '.join(labels[:LABELS_SHOWN])}" if labels else ""
    return UnusableFile(f"{source}: it contains no certificate{instead}; expected {expected}")


def readable_by_der(certificates: Iterable[bytes], source: str) -> dict[bytes, ParsedCertificate]:
    """Return certificates parsed, each once, by their DER. Raises ConfigError, which names `source` and the number."""
    found: dict[bytes, ParsedCertificate] = {}
    for number, der in enumerate(several(source, certificates, "certificates in DER"), 1):
        what = f"{source}: certificate {number}"
        found.setdefault(der, _readable(pem.require_bytes(der, what), what))
    return found


def _readable(der: bytes, what: str) -> ParsedCertificate:
    try:
        anchor = ParsedCertificate(der)
        anchor.load()
    except ValueError as error:
        raise UnusableFile(f"{what} cannot be parsed: {shown(error)}") from None
    return anchor
