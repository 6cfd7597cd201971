"""What lies in Valkey or Redis of revocation news: an index, and each CRL or OCSP response under its digest.

All of it is sealed under the secret of the gateways, so that nobody without it has them read anything; what is read
is verified nevertheless, as evidence from anywhere is. Nothing in it is secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256

from bothways.ticket_keys.wrapping import Wrapping
from bothways.tls.crypto.aead import NONCE_SIZE, TAG_SIZE
from bothways.tls.crypto.hkdf import expand, extract
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.http_exchange import Evidence
from bothways.trust.ocsp.response import OCSPResponse

PREFIX = "bothways:news:"
LARGEST_NEWS = 4 * 1024 * 1024  # a CRL that is longer is not published
MOST_LISTED = 512
_LABEL = b"bothways revocation news 1"
_FORMAT, _CRL, _RESPONSE = b"\x01", b"\x01", b"\x02"
_ENTRY = Struct("!16s16sQQQ")
SEALED = 1 + NONCE_SIZE + TAG_SIZE  # what a sealed value is longer by
LARGEST_INDEX = SEALED + MOST_LISTED * _ENTRY.size
HEAD = NONCE_SIZE  # by which octets of an index it is seen whether it has changed


class Listed(NamedTuple):
    """An entry of the index. series: equal for CRLs of one CA and scope, and for OCSP responses about the same.

    digest: of the evidence.  made: thisUpdate of a CRL, in seconds since 1970.  number: that of a CRL. Both are 0
    for an OCSP response: what it revokes is revoked for ever, and a later one is no news.  published: when, in
    milliseconds since 1970.
    """

    series: bytes
    digest: bytes
    made: int
    number: int
    published: int

    @property
    def age(self) -> tuple[int, int]:
        """The sort key within a series, the newest last."""
        return self.made, self.number


class BadNews(ValueError):
    """News cannot be used; the text says why."""


class NewsBox:
    """Seals and opens what lies there. secret: the same for all gateways. Attribute: `index`, its name."""

    def __init__(self, secret: bytes) -> None:
        space = expand(SHA256(), extract(SHA256(), b"", secret), _LABEL + b" names", 8).hex()
        self._secret = secret
        self._space = f"{PREFIX}{space}:"
        self.index = f"{self._space}index"

    def item(self, digest: bytes) -> str:
        """Return under which name evidence lies."""
        return self._space + digest.hex()

    def sealed_index(self, entries: Iterable[Listed]) -> bytes:
        """Return what is stored as the index: those that were published last, if there are too many."""
        newest = sorted(entries, key=lambda each: each.published)[-MOST_LISTED:]
        return self.seal(self.index, _FORMAT + b"".join(_ENTRY.pack(*each) for each in newest))

    def opened_index(self, stored: bytes) -> list[Listed]:
        """Return the entries of an index. Raises BadNews."""
        if len(stored) > LARGEST_INDEX:
            raise BadNews("its index is too long")
        plain = self.open(self.index, stored)
        if plain[:1] != _FORMAT or (len(plain) - 1) % _ENTRY.size:
            raise BadNews("its index is of another version, or none")
        return [Listed(*each) for each in _ENTRY.iter_unpack(plain[1:])]

    def sealed_item(self, evidence: Evidence) -> bytes:
        """Return what is stored as a CRL or an OCSP response."""
        kind = _CRL if isinstance(evidence, CRL) else _RESPONSE
        return self.seal(self.item(digest_of(evidence)), kind + evidence.der)

    def opened_item(self, stored: bytes, digest: bytes) -> Evidence:
        """Return the evidence that lies under a digest, not verified yet. Raises BadNews."""
        if len(stored) > LARGEST_NEWS + SEALED:
            raise BadNews(f"it is longer than {LARGEST_NEWS} bytes")
        plain = self.open(self.item(digest), stored)
        kind, der = plain[:1], plain[1:]
        if _digest(der) != digest:
            raise BadNews("it has another digest than it should have")
        try:
            if kind == _CRL:
                return CRL(der)
            if kind == _RESPONSE:
                return OCSPResponse(der)
        except ValueError as error:
            raise BadNews(f"it cannot be read: {error}") from None
        raise BadNews("it is of an unknown kind")

    def seal(self, name: str, plain: bytes) -> bytes:
        """Return what is stored under a name."""
        return Wrapping(self._secret, name, _LABEL).wrap(plain, os.urandom)

    def open(self, name: str, stored: bytes) -> bytes:
        """Return what was sealed for a name. Raises BadNews."""
        try:
            return Wrapping(self._secret, name, _LABEL).unwrap(stored)
        except ValueError as error:
            raise BadNews(str(error)) from None


def listed(evidence: Evidence, published: int = 0) -> Listed:
    """Return the entry of evidence. published: in milliseconds since 1970."""
    made = number = 0
    if isinstance(evidence, CRL):
        made = max(int(evidence.this_update.timestamp()), 0)
        number = min(max(evidence.number or 0, 0), (1 << 64) - 1)
    return Listed(_series(evidence), digest_of(evidence), made, number, published)


def digest_of(evidence: Evidence) -> bytes:
    """Return the digest under which evidence lies."""
    return _digest(evidence.der)


def _digest(der: bytes) -> bytes:
    return sha256(der).digest()[:16]


def _series(evidence: Evidence) -> bytes:
    if isinstance(evidence, CRL):
        parts = [b"crl", *evidence.scope_key, evidence.authority_key or b""]
        parts.append(b"complete" if evidence.base is None else b"delta")
    else:
        parts = [b"ocsp", *sorted(repr(each).encode() for each in evidence.named)]
    return sha256(b"".join(len(each).to_bytes(4, "big") + each for each in parts)).digest()[:16]
