"""Describes the content of a file: recognises PEM, DER and BER, and describes each document by its own module.

It verifies nothing; `trust` does that.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from bothways.describe.documents.asn1 import (
    BIT_STRING,
    ENUMERATED,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    TIMES,
    Element,
    first,
    integer,
)
from bothways.describe.documents.certificate import certificate_document
from bothways.describe.documents.containers import pkcs7_documents, pkcs12_documents
from bothways.describe.documents.crl import crl_document
from bothways.describe.documents.document import Document, Unreadable, damaged
from bothways.describe.documents.keys import private_key_document, public_key_document
from bothways.describe.documents.ocsp import request_document as ocsp_request_document
from bothways.describe.documents.ocsp import response_documents
from bothways.describe.documents.other_formats import by_label, other_format
from bothways.describe.documents.pem_text import altered
from bothways.describe.documents.request import request_document
from bothways.trust.decoding.parsing import PassphraseNeeded

Passphrase = bytes | Callable[[], bytes | None] | None

_LINE = re.compile(rb"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 #]{0,63})-----")
_PARTS = 8
_PKCS12_VERSION = bytes((INTEGER, 1, 3))
_KINDS = {
    "CERTIFICATE": "certificate",
    "X509 CERTIFICATE": "certificate",
    "TRUSTED CERTIFICATE": "certificate",
    "CERTIFICATE REQUEST": "certificate request",
    "NEW CERTIFICATE REQUEST": "certificate request",
    "X509 CRL": "CRL",
    "OCSP RESPONSE": "OCSP response",
    "PKCS12": "PKCS#12",
    "PKCS7": "PKCS#7",
    "PKCS #7 SIGNED DATA": "PKCS#7",
    "CMS": "PKCS#7",
}


# The labels that OpenSSL writes (RFC 7468).
_LABELS = {
    "certificate": "CERTIFICATE",
    "certificate request": "CERTIFICATE REQUEST",
    "CRL": "X509 CRL",
    "public key": "PUBLIC KEY",
    "PKCS#7": "PKCS7",
    "PKCS#12": "PKCS12",
}


class _Block(NamedTuple):
    """A PEM block: its label, its text, and its data in DER. `problem` says why it is malformed."""

    label: str
    whole: bytes
    der: bytes
    problem: str = ""


def documents(data: bytes, now: datetime, password: Passphrase = None) -> Iterator[Document]:
    """Describe all documents in `data`, PEM or DER, in their order.

    now: the time.  password: of private keys and PKCS#12, or a function that asks for it, called at most once. Raises
    Unreadable for a file of another kind, and `PassphraseNeeded` after the other documents of the file.
    """
    reader = _Reader(now, password)
    if data[:1] != b"\x30" and (unreadable := altered(data)) is not None:
        raise unreadable
    if _LINE.search(data) is not None and b"-----BEGIN " not in data:
        raise other_format(data)
    if (
        data[: len(_FIRST_LINE)] == _FIRST_LINE
    ):  # of a dump; in DER it would be a sequence longer than what it is in
        raise other_format(data)
    if _LINE.search(data) is None:
        yield from reader.from_der(data)
        return
    for block in _blocks(data):
        yield from reader.from_pem(block)
    if reader.locked is not None:
        raise reader.locked


_FIRST_LINE = b"0000"


class _Reader:
    """Describes the documents of one file, and asks for its passphrase once."""

    def __init__(self, now: datetime, password: Passphrase) -> None:
        self._now = now
        self._ask = password if callable(password) else None
        self._password = None if callable(password) else password
        self.locked: Exception | None = None

    def from_pem(self, block: _Block) -> Iterator[Document]:
        """Describe the content of a PEM block; if that fails, the other blocks are still described."""
        kind = _KINDS.get(block.label, "private key" if "PRIVATE KEY" in block.label else block.label.lower())
        if block.problem:
            yield damaged(kind, block.problem)
            return
        try:
            found = list(self._by_label(block))
        except PassphraseNeeded as error:
            self.locked = error
            return
        except ValueError as error:
            found = [damaged(kind, error)]
        if found and found[0].damaged and (other := self._mislabelled(block)) is not None:
            found = [damaged(kind, other)]
        yield from found

    def _mislabelled(self, block: _Block) -> Unreadable | None:
        """Return that a block has a label of something else, by what its fields show it to be.

        A key of a TPM begins with an object identifier too, as PKCS#7 does.
        """
        if block.label == "TSS2 PRIVATE KEY":
            return None
        try:
            parts = _first_fields(first(block.der, "document"))
            found = next(self._by_shape(parts, block.der) or iter(()), None)
        except (ValueError, PassphraseNeeded):
            return None
        if found is None or found.damaged:
            return None
        label = _label_of_key(parts) if found.kind == "private key" else _LABELS.get(found.kind)
        if label is None or label == block.label:
            return None
        article = "" if found.kind == "PKCS#7" else "a "
        command = f"sed -E 's/(BEGIN|END) {block.label}-----/\\1 {label}-----/' FILE > FILE.pem"
        return Unreadable(f"this is {article}{found.kind} under the label {block.label}", command)

    def from_der(self, data: bytes) -> Iterator[Document]:
        """Describe a DER file; its fields decide what it is."""
        if data[:1] != b"\x30":
            raise other_format(data)
        if data[1:2] == b"\x80":
            yield from self._from_ber(data)
            return
        size = _size(data)
        if size is not None and size > len(data):
            text = f"the DER is cut off: it has {len(data)} of {size} bytes"
            raise Unreadable(text, "copy it again, whole and as binary")
        try:
            parts = _first_fields(first(data, "document"))
        except ValueError as error:
            raise Unreadable(
                f"DER that cannot be read: {error}", "check whether the file is truncated", known=False
            ) from None
        read = self._by_shape(parts, data)
        if read is None:
            raise Unreadable(
                "DER, but no certificate, key, request, CRL, OCSP response or PKCS#12", known=False
            )
        yield from read

    def _from_ber(self, data: bytes) -> Iterator[Document]:
        """Describe a BER file with indefinite lengths, as some programs write PKCS#12 and PKCS#7."""
        if data[2:5] == _PKCS12_VERSION:
            yield from self._decrypted(lambda password: pkcs12_documents(data, self._now, password))
        elif data[2:3] == bytes((OID,)):
            yield from pkcs7_documents(data, self._now, "DER")
        else:
            raise Unreadable("BER, but neither PKCS#12 nor PKCS#7", known=False)

    def _by_label(self, block: _Block) -> Iterator[Document]:
        label, der = block.label, block.der
        kind = _KINDS.get(label, "")
        if kind == "certificate":
            yield certificate_document(der, self._now)
        elif kind == "certificate request":
            yield request_document(der)
        elif kind == "CRL":
            yield crl_document(der, self._now)
        elif kind == "OCSP response":
            yield from response_documents(der, self._now)
        elif label == "PUBLIC KEY":
            yield public_key_document(der)
        elif kind == "PKCS#12":
            yield from self._decrypted(lambda password: pkcs12_documents(der, self._now, password))
        elif kind == "PKCS#7":
            yield from pkcs7_documents(der, self._now, "PEM")
        elif (unreadable := by_label(label)) is not None:
            raise unreadable
        elif label.endswith("PRIVATE KEY"):
            yield from self._private_key(block.whole)
        elif label not in ("EC PARAMETERS", "DSA PARAMETERS"):
            yield Document(label.lower(), f"{len(der)} bytes that are not explained here", ())

    def _by_shape(self, parts: list[Element], data: bytes) -> Iterator[Document] | None:
        """Return the description of a document with the outer fields `parts`, or None for an unknown one."""
        match [each.tag for each in parts[:3]]:
            case [tag, *_] if tag == ENUMERATED:
                return iter(response_documents(data, self._now))
            case [tag, *_] if tag == OID:
                return pkcs7_documents(data, self._now, "DER")
            case [tag, second, *_] if tag == INTEGER and second == SEQUENCE and integer(parts[0]) == 3:
                return self._decrypted(lambda password: pkcs12_documents(data, self._now, password))
            case [tag, *_] if tag == INTEGER:
                return self._private_key(data)
            case [tag, second] if (tag, second) == (SEQUENCE, OCTET_STRING):
                return self._private_key(data)
            case [tag, second] if (tag, second) == (SEQUENCE, BIT_STRING):
                return iter([public_key_document(data)])
            case [tag, second, third] if (tag, second, third) == (SEQUENCE, SEQUENCE, BIT_STRING):
                return iter([_signed(parts[0], data, self._now)])
            case [tag] | [tag, 0xA0] if tag == SEQUENCE:
                return iter([ocsp_request_document(data)])
        return None

    def _private_key(self, data: bytes) -> Iterator[Document]:
        yield from self._decrypted(lambda password: iter([private_key_document(data, password)]))

    def _decrypted(self, read: Callable[[bytes | None], Iterator[Document]]) -> Iterator[Document]:
        """Describe data that may be encrypted; ask for the passphrase only if it is."""
        try:
            found = list(read(self._password))
        except PassphraseNeeded:
            if self._ask is None:
                raise
            self._password, self._ask = self._ask(), None
            if self._password is None:
                raise
            found = list(read(self._password))
        yield from found


def _label_of_key(parts: list[Element]) -> str | None:
    """Return the label of a private key by its structure: PKCS#8, PKCS#1, or SEC 1 (RFC 7468 10, 13)."""
    match [each.tag for each in parts[:2]]:
        case [tag, second] if (tag, second) == (INTEGER, SEQUENCE):
            return "PRIVATE KEY"
        case [tag, second] if (tag, second) == (INTEGER, OCTET_STRING):
            return "EC PRIVATE KEY"
        case [tag, second] if (tag, second) == (INTEGER, INTEGER):
            return "RSA PRIVATE KEY"
    return None


def _size(data: bytes) -> int | None:
    """Return how long the element is that `data` begins with, by its header; None where that tells none."""
    if len(data) < 2 or not data[1] & 0x80:
        return data[1] + 2 if len(data) > 1 else None
    count = data[1] & 0x7F
    if not 1 <= count <= 4 or len(data) < 2 + count:
        return None
    return int.from_bytes(data[2 : 2 + count], "big") + 2 + count


def _first_fields(outer: Element) -> list[Element]:
    found = []
    for each in outer.children():
        found.append(each)
        if len(found) == _PARTS:
            break
    return found


def _tags(inner: Element) -> list[int]:
    """Return the tags of the first fields, as far as they can be decoded."""
    tags: list[int] = []
    try:
        for each in inner.children():
            tags.append(each.tag)
            if len(tags) == _PARTS:
                break
    except ValueError:
        pass
    return tags


def _signed(inner: Element, data: bytes, now: datetime) -> Document:
    """Describe a signed document, whose kind is recognised by the fields of the signed part."""
    tags = _tags(inner)
    if any(tag in TIMES for tag in tags):
        return crl_document(data, now)
    if tags[:1] == [0xA0] or tags[:4].count(SEQUENCE) >= 3:
        return certificate_document(data, now)
    return request_document(data)


def _blocks(data: bytes) -> Iterator[_Block]:
    """Yield the PEM blocks; one without its end is malformed, and does not hide the others."""
    begin: re.Match[bytes] | None = None
    for line in _LINE.finditer(data):
        if line[1] == b"BEGIN":
            if begin is not None:
                yield _Block(begin[2].decode(), b"", b"", "the block has a BEGIN line and no END line")
            begin = line
        elif begin is not None and begin[2] == line[2]:
            yield _block(data, begin, line)
            begin = None
    if begin is not None:
        yield _Block(begin[2].decode(), b"", b"", "the block has a BEGIN line and no END line")


def _block(data: bytes, begin: re.Match[bytes], end: re.Match[bytes]) -> _Block:
    whole = data[begin.start() : end.end()] + b"\n"
    lines = [line for line in data[begin.end() : end.start()].split(b"\n") if b":" not in line]
    try:
        der = base64.b64decode(b"".join(lines))
    except binascii.Error as error:
        return _Block(begin[2].decode(), whole, b"", f"its base64 is broken: {str(error).lower()}")
    return _Block(begin[2].decode(), whole, der)
