"""How a server confirms that it decrypted a ClientHello: eight bytes that only it can compute (RFC 9849 7.2)."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.hashes import HashAlgorithm

from bothways.tls.crypto.hkdf import expand_label, extract
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import ServerHello, is_retry

SIZE = 8
UNCONFIRMED = ext.RetryConfirmation(bytes(SIZE))  # what a server puts into a HelloRetryRequest first


def confirmation(
    algorithm: HashAlgorithm, inner_random: bytes, transcript_hash: bytes, *, retry: bool
) -> bytes:
    """Return the confirmation in a ServerHello, or in a HelloRetryRequest.

    transcript_hash: of ClientHelloInner...this message, with `unconfirmed` in its place.
    """
    label = "hrr ech accept confirmation" if retry else "ech accept confirmation"
    secret = extract(algorithm, bytes(algorithm.digest_size), inner_random)
    return expand_label(algorithm, secret, label, transcript_hash, SIZE)


def unconfirmed(answer: ServerHello) -> bytes:
    """Return the encoding of a ServerHello or HelloRetryRequest with zeros where the confirmation stands."""
    return encode_message(with_confirmation(answer, bytes(SIZE)))


def with_confirmation(answer: ServerHello, value: bytes) -> ServerHello:
    """Return a ServerHello, or a HelloRetryRequest with the extension for it, with this confirmation."""
    if not is_retry(answer):
        return replace(answer, random=answer.random[:-SIZE] + value)
    extensions = [
        ext.RetryConfirmation(value) if isinstance(each, ext.RetryConfirmation) else each
        for each in answer.extensions or ()
    ]
    return replace(answer, extensions=tuple(extensions))


def confirmation_in(answer: ServerHello) -> bytes | None:
    """Return the bytes where a confirmation would stand; None for a HelloRetryRequest without the extension."""
    if not is_retry(answer):
        return answer.random[-SIZE:]
    found = ext.find(answer.extensions or (), ext.RetryConfirmation)
    return None if found is None else found.confirmation
