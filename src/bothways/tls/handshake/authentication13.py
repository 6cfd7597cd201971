"""Certificate, CertificateVerify and Finished of TLS 1.3: what both roles have in common (RFC 9846 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from bothways.faults import Fault, blame
from bothways.roles import Role, StepId, Version
from bothways.tls.crypto.signing import CLIENT_CONTEXT, SERVER_CONTEXT, proof_input
from bothways.tls.crypto.suites import Suite
from bothways.tls.handshake.certificate_types import RAW, X509
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.credentials import Own
from bothways.tls.handshake.proofs import Finish, Signed, SignedByKey
from bothways.tls.handshake.script import Script, sign_with
from bothways.tls.handshake.settings import OwnIdentity
from bothways.tls.keys.schedule13 import finished_mac
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Encoded, encoded
from bothways.tls.wire.tls13 import Certificate, CertificateEntry, CertificateVerify, Finished
from bothways.trust.anchors import TrustStore
from bothways.trust.own_identity.credentials import Credentials

# The context string of the signature of each role, and the id of its check.
_PROOFS = {
    Role.SERVER: (SERVER_CONTEXT, StepId.SERVER_SIGNATURE),
    Role.CLIENT: (CLIENT_CONTEXT, StepId.CLIENT_SIGNATURE_CHECK),
}


def check_context(certificate: Certificate, context: bytes) -> None:
    """Check that a Certificate has the context of its request (RFC 9846 4.5.1)."""
    if certificate.certificate_request_context != context:
        blame(Fault.WRONG_REQUEST_CONTEXT)


def check_proof(
    hs: HandshakeContext,
    certificate: Certificate,
    proof: CertificateVerify,
    offered: Sequence[int],
    anchors: TrustStore,
    kind: int = X509,
) -> Signed | SignedByKey:
    """Check the peer's signature over all handshake messages before it (steps 2.2 and 3.4; RFC 9846 4.5.2).

    offered: our signature schemes.  anchors: used to verify the certificate later.  kind: the type of what the
    Certificate contains.
    """
    context, step = _PROOFS[hs.role.other]
    data = proof_input(context, hs.transcript.before())
    signed: Signed | SignedByKey
    if kind == RAW:
        spki = _single_key(certificate)
        signed = SignedByKey(spki, proof.algorithm, proof.signature, data, offered)
    else:
        signed = Signed(
            tuple([entry.cert_data for entry in certificate.certificate_list]),
            proof.algorithm,
            proof.signature,
            data,
            Version.TLS13,
            offered=offered,
            anchors=anchors,
            staples=stapled(certificate),
        )
    hs.note_signature(step, proof.algorithm)
    return signed


def _single_key(certificate: Certificate) -> bytes:
    """Return the only entry of a Certificate, a raw public key without extensions (RFC 9846 4.5.1)."""
    entries = certificate.certificate_list
    if len(entries) != 1 or entries[0].extensions:
        problem = "it has extensions" if len(entries) == 1 else "there is more than one"
        blame(Fault.SEVERAL_RAW_KEYS, count=len(entries), problem=problem)
    return entries[0].cert_data


def stapled(certificate: Certificate) -> tuple[bytes | None, ...]:
    """Return the stapled OCSP response of each certificate, or None (RFC 9846 4.5.1.1)."""
    found = [ext.find(entry.extensions, ext.CertificateStatus) for entry in certificate.certificate_list]
    return tuple([None if status is None else status.response for status in found])


def prove(
    hs: HandshakeContext,
    identity: OwnIdentity,
    credentials: Own,
    scheme: int,
    asked: Sequence[ext.Extension],
) -> Script[None]:
    """Send our certificate chain or raw public key, and sign the transcript with its key (RFC 9846 4.5.1, 4.5.2).

    asked: the extensions of the peer's ClientHello or CertificateRequest, which may request OCSP responses and accept
    a compressed Certificate.
    """
    context = CLIENT_CONTEXT if hs.role is Role.CLIENT else SERVER_CONTEXT
    certificate = own_certificate(credentials.entries, own_staples(hs, credentials, asked))
    compressed = identity.compressed.shortest(certificate, asked)
    if compressed is None:
        hs.send(*certificate)
    else:
        hs.send_compressed(compressed)
    data = proof_input(context, hs.transcript.digest())
    signature = yield from sign_with(hs, credentials, scheme, data)
    hs.send(CertificateVerify(scheme, signature))


def own_staples(
    hs: HandshakeContext, credentials: Own, asked: Sequence[ext.Extension]
) -> tuple[bytes | None, ...]:
    """Return the OCSP responses for our certificates, if the peer requested them (RFC 9846 4.5.1.1)."""
    if hs.staples is None or not isinstance(credentials, Credentials):
        return ()
    wanted = any(isinstance(each, ext.StatusRequest | ext.EmptyStatusRequest) for each in asked)
    return hs.own_staples(credentials) if wanted else ()


@lru_cache(maxsize=64)
def own_certificate(chain: tuple[bytes, ...], staples: tuple[bytes | None, ...]) -> Encoded:
    """Return the Certificate message for our chain or raw public key, without a request context."""
    return encoded(certificate_message(chain, staples, b""))


def certificate_message(
    chain: tuple[bytes, ...], staples: tuple[bytes | None, ...], context: bytes
) -> Certificate:
    """Return the Certificate message for a chain with its OCSP responses. context: that of the request."""
    entries = (
        CertificateEntry(der, () if staple is None else (ext.CertificateStatus(staple),))
        for der, staple in zip(chain, staples or (None,) * len(chain), strict=True)
    )
    return Certificate(context, tuple(entries))


def send_finished(hs: HandshakeContext, suite: Suite, key: bytes) -> None:
    """Send our Finished, a MAC over all messages so far (steps 4.1 and 4.2; RFC 9846 4.5.3)."""
    mac = finished_mac(key, hs.transcript.digest(), suite)
    hs.send(Finished(mac))


def check_finished(hs: HandshakeContext, suite: Suite, key: bytes, finished: Finished) -> Finish:
    """Compare the MAC in the peer's Finished with that of the messages before it (RFC 9846 4.5.3)."""
    if len(finished.verify_data) != suite.hash_size:
        problem = f"{len(finished.verify_data)} bytes stand where {suite.hash_size} must"
        blame(Fault.UNDECODABLE, place="Finished.verify_data", problem=problem)
    finish = Finish(finished.verify_data, finished_mac(key, hs.transcript.before(), suite))
    hs.inbox.ignores_change_cipher_spec = False
    hs.note_finished()
    return finish
