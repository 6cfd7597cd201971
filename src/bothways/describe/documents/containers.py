"""Describes files that contain several documents: PKCS#12 (RFC 7292) and PKCS#7 (RFC 2315, RFC 5652)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bothways.counts import counted
from bothways.describe.documents.asn1 import INTEGER, OID, SEQUENCE, SET, Fields, first, oid
from bothways.describe.documents.certificate import certificate_document
from bothways.describe.documents.crl import crl_document
from bothways.describe.documents.document import Document, Unreadable, damaged
from bothways.describe.documents.keys import named_private_key
from bothways.describe.escape import visible
from bothways.oids import NAMES
from bothways.trust.decoding import parsing

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_INTO_PEM = "openssl pkcs7 -inform {} -in FILE -print_certs -out FILE.pem"


def pkcs12_documents(data: bytes, now: datetime, password: bytes | None) -> Iterator[Document]:
    """Describe the key and the certificates of a PKCS#12 file. Raises PassphraseNeeded or Unreadable."""
    try:
        contents = parsing.pkcs12_contents(data, password)
    except parsing.PassphraseNeeded:
        raise
    except parsing.WrongPassphrase:
        raise Unreadable("this is PKCS#12, and the passphrase is wrong, or the file is damaged") from None
    except parsing.EncodingError as error:
        raise Unreadable(f"this is PKCS#12, which cannot be read: {visible(str(error))}") from None
    if contents.key is not None:
        yield named_private_key(contents.key)
    for der in (contents.certificate, *contents.others):
        if der is not None:
            yield certificate_document(der, now)


def pkcs7_documents(data: bytes, now: datetime, form: str) -> Iterator[Document]:
    """Describe a PKCS#7 file, then its certificates and CRLs.

    now: the time.  form: PEM or DER, as the file is.
    """
    try:
        outer = Fields(first(data, "PKCS#7"))
        kind = oid(outer.take(OID, "type of PKCS#7"))
        if kind != _SIGNED_DATA:
            yield Document(
                "PKCS#7", NAMES.get(kind, kind), (("certificates", "none: it contains no signed data"),)
            )
            return
        inner = Fields(outer.take(0xA0, "signed data").only(SEQUENCE, "signed data"))
        inner.take(INTEGER, "version")
        inner.take(SET, "digest algorithms")
        inner.take(SEQUENCE, "content")
        certificates, lists = inner.optional(0xA0), inner.optional(0xA1)
    except ValueError as error:
        yield from _from_ber(data, now, form, error)
        return
    found = [] if certificates is None else list(certificates.children())
    crls = [] if lists is None else list(lists.children())
    what = counted(len(found), "certificate") + (f" and {counted(len(crls), 'CRL')}" if crls else "")
    yield Document("PKCS#7", what, (("for other commands", _INTO_PEM.format(form)),))
    for each in found:
        if each.tag == SEQUENCE:
            yield certificate_document(each.encoded, now)
        else:
            yield Document("certificate", f"of a kind of its own (tag {each.tag:02x})", ())
    for each in crls:
        yield crl_document(each.encoded, now)


def _from_ber(data: bytes, now: datetime, form: str, error: ValueError) -> Iterator[Document]:
    """Describe a file that is not DER by `cryptography`, which accepts BER too."""
    try:
        found = parsing.pkcs7_certificates(data)
    except parsing.EncodingError:
        yield damaged("PKCS#7", error)
        return
    yield Document(
        "PKCS#7", counted(len(found), "certificate"), (("for other commands", _INTO_PEM.format(form)),)
    )
    for each in found:
        yield certificate_document(each, now)
