"""Compressed Certificate messages of both directions (RFC 8879): ours once for each chain, the peer's within limits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import CertificateCompressionAlgorithm, HandshakeType
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.compression import compress, decompress
from bothways.tls.wire.flight import HEADER, Encoded, decode_message, encode_message
from bothways.tls.wire.tls13 import Certificate, CompressedCertificate

# Less than this share is not worth the peer's work: chains of ML-DSA shrink by a fiftieth.
LEAST_SAVING = 16
# Of each chain there are messages with and without OCSP responses, and those that a renewal replaces.
FORMS_PER_CHAIN = 4
# Messages of the same few peers are decompressed once.
_ALIKE_LIMIT = 4096


class Compressed(NamedTuple):
    """A Certificate message as it is sent compressed: itself, the message around it, and the encoding of that."""

    certificate: Certificate
    message: CompressedCertificate
    raw: bytes


class CompressedChains:
    """The Certificate messages of one configuration, each compressed once with each algorithm.

    algorithms: those that may be used; empty compresses nothing.  chains: the number of our chains, which bounds the
    number of messages kept.
    """

    __slots__ = ("_forms", "_most", "algorithms")

    def __init__(self, algorithms: Sequence[int], chains: int) -> None:
        self.algorithms = tuple(algorithms)
        self._most = FORMS_PER_CHAIN * len(CertificateCompressionAlgorithm) * chains
        self._forms: dict[tuple[bytes, int], Compressed | None] = {}

    def shortest(self, own: Encoded, extensions: Sequence[ext.Extension]) -> Compressed | None:
        """Return the shortest form of our Certificate that the peer accepts; None where compression saves too little.

        own: the message, without a request context.  extensions: those of the peer's ClientHello or CertificateRequest.
        """
        shared = self._shared(extensions)
        if not shared:
            return None
        forms = [self._form(own, each) for each in shared]
        return min((each for each in forms if each is not None), key=_size, default=None)

    def once(self, own: Encoded, extensions: Sequence[ext.Extension]) -> Compressed | None:
        """Return a compressed form that is not kept, since the context of the request is in it; None as above."""
        return next((_compressed(own, each) for each in self._shared(extensions)), None)

    def _shared(self, extensions: Sequence[ext.Extension]) -> Sequence[int]:
        accepted = ext.find(extensions, ext.CompressCertificate) if self.algorithms else None
        return () if accepted is None else [each for each in self.algorithms if each in accepted.algorithms]

    def _form(self, own: Encoded, algorithm: int) -> Compressed | None:
        key = own.raw, algorithm
        try:
            return self._forms[key]
        except KeyError:
            form = _compressed(own, algorithm)
        if len(self._forms) >= self._most:
            self._forms.clear()
        self._forms[key] = form
        return form


def _size(form: Compressed) -> int:
    return len(form.raw)


def _compressed(own: Encoded, algorithm: int) -> Compressed | None:
    body = own.raw[HEADER:]
    message = CompressedCertificate(algorithm, len(body), compress(algorithm, body))
    raw = encode_message(message)
    if len(raw) > len(own.raw) - len(own.raw) // LEAST_SAVING or not isinstance(own.message, Certificate):
        return None
    return Compressed(own.message, message, raw)


def certificate_in(message: CompressedCertificate, offered: Sequence[int], limit: int) -> Certificate:
    """Return the Certificate in a compressed one; blame the peer for anything else (RFC 8879 4).

    offered: the algorithms that we offered.  limit: the largest Certificate that is accepted, in bytes.
    """
    if message.algorithm not in offered:
        blame(
            Fault.UNOFFERED_CERTIFICATE_COMPRESSION,
            got=spelled(CertificateCompressionAlgorithm, message.algorithm),
            offered=all_spelled(CertificateCompressionAlgorithm, tuple(offered)),
        )
    data, size = message.compressed_certificate_message, message.uncompressed_length
    decompressed = _decompress_once if max(len(data), size) <= _ALIKE_LIMIT else decompress
    certificate = decode_message(
        HandshakeType.certificate, decompressed(message.algorithm, data, size, limit)
    )
    if not isinstance(certificate, Certificate):
        raise TypeError("a Certificate is decoded as another message")
    return certificate


_decompress_once = lru_cache(maxsize=64)(decompress)
