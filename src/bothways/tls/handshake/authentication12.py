"""Signatures and Finished of TLS 1.2: what both roles have in common (RFC 5246 7.4.3, 7.4.8, 7.4.9)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from bothways.faults import Fault, blame
from bothways.iana import SignatureScheme
from bothways.iana import name as spelled
from bothways.roles import Role, StepId, Version
from bothways.tls.crypto.suites import Suite
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.proofs import Finish, Signed, check_offered
from bothways.tls.keys.schedule12 import MainSecret
from bothways.tls.record.protection import Protection12
from bothways.tls.wire.flight import Encoded, encoded
from bothways.tls.wire.tls12 import Certificate, ServerKeyExchange, signed_params
from bothways.tls.wire.tls13 import CertificateVerify, Finished
from bothways.trust.anchors import TrustStore


def exchange_input(client_random: bytes, server_random: bytes, group: int, public: bytes) -> bytes:
    """Return what the server signs in its ServerKeyExchange (RFC 8422 5.4)."""
    return client_random + server_random + signed_params(group, public)


def check_exchange(
    hs: HandshakeContext,
    suite: Suite,
    chain: tuple[bytes, ...],
    exchange: ServerKeyExchange,
    randoms: tuple[bytes, bytes],
    offered: Sequence[int],
    anchors: TrustStore,
) -> Signed:
    """Check the server's signature over both randoms and its key share (step 2.2; RFC 8422 5.4).

    randoms: of client and server.  offered: our signature schemes.  anchors: used to verify the certificate later.
    """
    check_offered(exchange.algorithm, offered)
    if not suite.is_signed_by(exchange.algorithm):
        blame(
            Fault.SCHEME_DOES_NOT_FIT_SUITE,
            got=spelled(SignatureScheme, exchange.algorithm),
            suite=suite.name,
        )
    data = exchange_input(*randoms, exchange.named_curve, exchange.public)
    signed = Signed(
        chain, exchange.algorithm, exchange.signature, data, Version.TLS12, offered=offered, anchors=anchors
    )
    hs.note_signature(StepId.SERVER_SIGNATURE, signed.scheme)
    return signed


def check_client_proof(
    hs: HandshakeContext,
    chain: tuple[bytes, ...],
    proof: CertificateVerify,
    offered: Sequence[int],
    anchors: TrustStore,
) -> Signed:
    """Check the client's signature over all handshake messages before it (step 3.4; RFC 5246 7.4.8).

    offered: our signature schemes.  anchors: used to verify the certificate later.
    """
    data = hs.transcript.messages_before()
    signed = Signed(
        chain, proof.algorithm, proof.signature, data, Version.TLS12, offered=offered, anchors=anchors
    )
    hs.note_signature(StepId.CLIENT_SIGNATURE_CHECK, signed.scheme)
    return signed


@lru_cache(maxsize=64)
def own_certificate_12(chain: tuple[bytes, ...]) -> Encoded:
    """Return the Certificate message for our chain (RFC 5246 7.4.2)."""
    return encoded(Certificate(chain))


def protection(secret: MainSecret, sender: Role) -> Protection12:
    """Return the record protection for the records of `sender` (step 2.5; RFC 5246 6.3)."""
    keys = secret.client_keys if sender is Role.CLIENT else secret.server_keys
    return Protection12(secret.suite, keys.key, keys.iv)


def send_finished_12(hs: HandshakeContext, secret: MainSecret) -> None:
    """Send our Finished, computed from the main secret and all messages so far (RFC 5246 7.4.9)."""
    hs.send(Finished(secret.verify_data(hs.role.value, hs.transcript.digest())))


def check_finished_12(hs: HandshakeContext, secret: MainSecret, finished: Finished) -> Finish:
    """Compare the peer's verify_data with the value that we compute from the messages before it (RFC 5246 7.4.9)."""
    finish = Finish(finished.verify_data, secret.verify_data(hs.role.peer, hs.transcript.before()))
    hs.note_finished()
    return finish
