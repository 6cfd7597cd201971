"""Files of a type that is not read here, such as Java key stores, and the commands that convert them."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from itertools import islice
from typing import NamedTuple

from bothways.describe.documents import documents
from bothways.describe.documents.document import Document, Unreadable
from bothways.describe.escape import visible
from bothways.errors import ConfigError, UnusableFile
from bothways.trust import files
from bothways.trust.decoding import pem
from bothways.trust.decoding.parsing import PassphraseNeeded
from bothways.trust.der import SEQUENCE, expect_element
from bothways.trust.own_identity.credentials import is_pkcs12

AGAIN = "copy it again, whole: from its BEGIN line to its END line"
EMPTY = "write it again: the program that made it failed, or wrote to another file"
REMARKS = "put them into it, in PEM"
PKCS7, PKCS12 = "PKCS#7", "PKCS#12"
CERTIFICATE, KEY, PUBLIC_KEY, REQUEST = "certificate", "private key", "public key", "certificate request"
CRL, OCSP_RESPONSE = "CRL", "OCSP response"


class Wanted(Enum):
    """What an option accepts: its name in messages, and the types of documents."""

    IDENTITY = "a certificate", frozenset({CERTIFICATE, PKCS12})
    PRIVATE_KEY = "a private key", frozenset({KEY})
    ANCHORS = "trust anchors", frozenset({CERTIFICATE})
    PEERS = "certificates of clients", frozenset({CERTIFICATE})
    LISTS = "certificate revocation lists (CRLs)", frozenset({CRL})
    RESPONSES = "OCSP responses", frozenset({OCSP_RESPONSE})
    SIGNING_REQUEST = "a certificate request", frozenset({REQUEST})

    @property
    def words(self) -> str:
        """The name in messages."""
        return self.value[0]

    @property
    def kinds(self) -> frozenset[str]:
        """The types of documents that are accepted."""
        return self.value[1]


class _Finding(NamedTuple):
    text: str
    hint: str = ""


# What to do with a file of the wrong type; commands have FILE in the place of its name.
HINTS: Mapping[tuple[Wanted, str], str] = {
    (Wanted.ANCHORS, PKCS12): "openssl pkcs12 -in FILE -cacerts -nokeys -out FILE.pem",
    (Wanted.PRIVATE_KEY, PKCS12): "openssl pkcs12 -in FILE -nocerts -nodes -out FILE.key",
    (Wanted.IDENTITY, REQUEST): "give the certificate that the CA issued for this request",
    (Wanted.IDENTITY, PUBLIC_KEY): "give the certificate that holds this key",
    (Wanted.IDENTITY, KEY): "give the certificate here, and this file by --key",
    (Wanted.PRIVATE_KEY, CERTIFICATE): "give the private key that belongs to this certificate",
    (Wanted.PRIVATE_KEY, PUBLIC_KEY): "give the private key that this public key belongs to",
    (Wanted.PRIVATE_KEY, REQUEST): "give the private key that signed this request",
    (Wanted.ANCHORS, KEY): "give the certificates of the CAs here, and this file by --key",
    (Wanted.ANCHORS, REQUEST): "give the certificates of the CAs that are trusted",
    (Wanted.ANCHORS, PUBLIC_KEY): "give the certificate of the CA that holds this key",
    (Wanted.ANCHORS, CRL): "give the certificates of the CAs here, and this file by --crl",
    (Wanted.PEERS, PKCS12): "openssl pkcs12 -in FILE -clcerts -nokeys -out FILE.pem",
    (Wanted.PEERS, PUBLIC_KEY): "give the certificate that holds this key",
    (Wanted.PEERS, KEY): "give the certificate of the client; its key stays with it",
    (Wanted.IDENTITY, CRL): "give our certificate here, and this file by --crl",
    (Wanted.PRIVATE_KEY, CRL): "give our private key here, and this file by --crl",
    (Wanted.LISTS, CERTIFICATE): "get the CRL of its CA: `bothways show FILE` tells where, under CRL",
    (Wanted.RESPONSES, CRL): "give this file by --crl",
    (Wanted.LISTS, OCSP_RESPONSE): "give this file by --ocsp",
}
SHOW = "bothways show FILE"  # for all others
LOOKED_AT = 1000  # documents of one file


@contextlib.contextmanager
def explaining_file_kinds(*wanted: tuple[str | None, Wanted]) -> Iterator[None]:
    """If one of these files cannot be used, report its type and the command that converts it.

    Raises ConfigError, like the body.
    """
    try:
        yield
    except ConfigError:
        for path, want in wanted:
            found = None if path is None else _explained(path, want)
            if found is not None:
                raise _error(str(path), found) from None
        raise


def refuse_others(path: str, data: bytes, wanted: Wanted) -> None:
    """Raise ConfigError for a file of a known type that is not accepted here."""
    found = _explained_content(data, wanted)
    if found is not None:
        raise _error(path, found)


def _error(path: str, found: _Finding) -> ConfigError:
    where = visible(path, 600)
    hint = for_file(found.hint, where)
    return UnusableFile(f"{where}: {found.text}" + (f"\nHint: {hint}" if hint else ""))


def for_file(hint: str, path: str) -> str:
    """Return a hint with a file's name in the place of FILE; what its command writes has a name of its own."""

    def named(match: re.Match[str]) -> str:
        suffix = match[1] or ""
        stem = path.removesuffix(suffix)
        return shlex.quote(path if not suffix else f"{stem}{'' if stem == path else '-new'}{suffix}")

    return _FILE.sub(named, hint)


_FILE = re.compile(r"\bFILE(\.(?:pem|p12|key|pub|unpacked)\b)?")


def _explained(path: str, wanted: Wanted) -> _Finding | None:
    """Return the type of a file and what to do, if it is a known type."""
    try:
        return _explained_content(files.content(path), wanted)
    except ConfigError:
        return None


def _explained_content(data: bytes, wanted: Wanted) -> _Finding | None:
    if is_pkcs12(data) and PKCS12 not in wanted.kinds:
        return _wrong_kind(PKCS12, wanted)
    try:
        first = _decisive(documents(data, datetime.now(UTC)), wanted)
    except Unreadable as error:
        return _unreadable(data, error, wanted) if error.known else None
    except PassphraseNeeded:
        return _wrong_kind(PKCS12 if is_pkcs12(data) else KEY, wanted)
    if first is None:
        return None
    if first.damaged:
        return _undecodable(data, first)
    if first.kind == PKCS7:
        hint = dict(first.facts).get("for other commands", "")
        return _Finding("this is PKCS#7, which contains certificates and no private key", hint)
    if first.kind in wanted.kinds:
        return _trailing_data(data, first.kind)
    return _wrong_kind(PKCS12 if is_pkcs12(data) else first.kind, wanted)


def _unreadable(data: bytes, error: Unreadable, wanted: Wanted) -> _Finding:
    if not error.void:
        return _Finding(str(error), error.hint)
    return _Finding(f"{error}; expected {wanted.words}", REMARKS if data.strip() else EMPTY)


def _decisive(found: Iterator[Document], wanted: Wanted) -> Document | None:
    """Return the first document that is broken or of an accepted type, or else the first of all."""
    first: Document | None = None
    for each in islice(found, LOOKED_AT):
        if each.damaged or each.kind == PKCS7 or each.kind in wanted.kinds:
            return each
        first = first or each
    return first


def _undecodable(data: bytes, first: Document) -> _Finding | None:
    """Return what is wrong with a document of a known type that cannot be decoded."""
    if first.hint:
        return _Finding(first.damaged, first.hint)
    if "no END line" in first.damaged:
        return _Finding(f"the {first.kind} is cut off: {first.damaged}", AGAIN)
    return (
        None
        if pem.blocks(data) or data[:1] == b"\x30"
        else _Finding(f"a {first.kind} is broken: {first.damaged}", AGAIN)
    )


def _wrong_kind(kind: str, wanted: Wanted) -> _Finding | None:
    if kind in wanted.kinds:
        return None
    article = "" if kind == PKCS12 else "an " if kind.startswith("OCSP") else "a "
    return _Finding(f"this is {article}{kind}; expected {wanted.words}", HINTS.get((wanted, kind), SHOW))


def _trailing_data(data: bytes, kind: str) -> _Finding | None:
    """Return that there are bytes after a DER document, or that OpenSSL has appended its own.

    A file may contain only one document in DER.
    """
    if kind == CERTIFICATE and {label for label, _ in pem.blocks(data)} == {"TRUSTED CERTIFICATE"}:
        text = "this is a certificate with OpenSSL's own settings of trust (TRUSTED CERTIFICATE)"
        return _Finding(text, "openssl x509 -in FILE -out FILE.pem")
    if pem.blocks(data) or kind not in (CERTIFICATE, CRL):
        return None
    end = _end_of_first(data)
    if end is None or end == len(data):
        return None
    if data[end : end + 1] != b"\x30":
        return _Finding(f"{len(data) - end} bytes follow the {kind}", f"head -c {end} FILE > FILE.der")
    program = "x509" if kind == CERTIFICATE else "crl"
    parts = f"openssl {program} -inform DER -in FILE; tail -c +{end + 1} FILE | openssl {program} -inform DER"
    return _Finding(f"another document follows the {kind}; a file of DER holds one", f"({parts}) > FILE.pem")


def _end_of_first(data: bytes) -> int | None:
    try:
        return expect_element(data, 0, len(data), SEQUENCE, "document")[1]
    except ValueError:
        return None
