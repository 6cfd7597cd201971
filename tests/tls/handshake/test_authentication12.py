"""The proofs of TLS 1.2, made and checked: over which bytes, by which key, and what a wrong one is called."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from bothways import Fault
from bothways.iana import CipherSuite, NamedGroup, SignatureScheme
from bothways.roles import Role
from bothways.tls.crypto.signing import sign
from bothways.tls.crypto.suites import SUITES12
from bothways.tls.events import MessageSeen, Note, Proved
from bothways.tls.handshake.authentication12 import (
    check_client_proof,
    check_exchange,
    check_finished_12,
    exchange_input,
    protection,
    send_finished_12,
)
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.keys.schedule12 import MainSecret
from bothways.tls.wire.tls12 import ServerKeyExchange
from bothways.tls.wire.tls13 import CertificateVerify, Finished
from faults import blames
from inside import machinery
from tls.handshake.conversations import credentials, identity
from tls.handshake.conversations12 import (
    CONVERSATIONS,
    ECDSA_SUITES,
    RSA_SUITES,
    client_config,
    server_config,
)

S = SignatureScheme
SUITE = SUITES12[CipherSuite[ECDSA_SUITES[0]]]
RSA_SUITE = SUITES12[CipherSuite[RSA_SUITES[0]]]
RANDOMS = bytes([1]) * 32, bytes([2]) * 32
PUBLIC = bytes([9]) + bytes(31)
OFFERED = client_config(versions=("1.3", "1.2")).settings.negotiation.schemes
ANCHORS = client_config().anchors


def handshake(role: Role, notes: list[Note] | None = None) -> HandshakeContext:
    """What the scripts of one side work with, at the start of a conversation."""
    observer = None if notes is None else notes.append
    if role is Role.CLIENT:
        return machinery(client_config().connection("localhost", observer=observer))
    return machinery(server_config().connection(observer=observer))


def signed(
    kind: str, scheme: int, randoms: tuple[bytes, bytes] = RANDOMS, public: bytes = PUBLIC
) -> ServerKeyExchange:
    data = exchange_input(*randoms, NamedGroup.x25519, public)
    signature = sign(scheme, identity("localhost", kind).key, data)
    return ServerKeyExchange(NamedGroup.x25519, PUBLIC, scheme, signature)


def test_server_signs_both_randoms_and_its_share() -> None:
    """RFC 8422 5.4: client random, server random, curve type, curve, length and point."""
    data = exchange_input(*RANDOMS, NamedGroup.x25519, PUBLIC)
    assert data == RANDOMS[0] + RANDOMS[1] + bytes([3, 0, 29, 32]) + PUBLIC


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [
        ("P-256", S.ecdsa_secp256r1_sha256),
        ("P-256", S.ecdsa_secp384r1_sha384),
        ("P-521", S.ecdsa_secp256r1_sha256),
        ("Ed25519", S.ed25519),
        ("Ed448", S.ed448),
        ("RSA-2048", S.rsa_pss_rsae_sha512),
        ("RSA-2048", S.rsa_pkcs1_sha256),
        ("RSA-2048", S.rsa_pkcs1_sha512),
    ],
)
def test_client_checks_the_exchange_of_every_kind_of_key(kind: str, scheme: int) -> None:
    """RFC 5246 7.4.3, RFC 8422 5.4: hash and curve are free of each other, PKCS #1 v1.5 is still allowed."""
    notes: list[Note] = []
    hs = handshake(Role.CLIENT, notes)
    chain = credentials("localhost", kind).chain
    suite = RSA_SUITE if kind.startswith("RSA") else SUITE
    proof = check_exchange(hs, suite, chain, signed(kind, scheme), RANDOMS, OFFERED, ANCHORS)
    assert proof.chain == chain and proof.scheme == scheme
    assert [note.step for note in notes if isinstance(note, Proved)] == ["2.2"]


def test_client_refuses_an_exchange_that_is_signed_in_any_other_way() -> None:
    """RFC 5246 7.4.3: scheme offered, fit for suite and key, over these randoms and this share."""
    hs = handshake(Role.CLIENT)
    chain = credentials("localhost").chain
    good = signed("P-256", S.ecdsa_secp256r1_sha256)
    with blames(Fault.UNOFFERED_SCHEME, got="ecdsa_secp256r1_sha256"):
        check_exchange(hs, SUITE, chain, good, RANDOMS, (S.ed25519,), ANCHORS)
    with blames(Fault.SCHEME_DOES_NOT_FIT_SUITE, suite=RSA_SUITE.name):
        check_exchange(hs, RSA_SUITE, chain, good, RANDOMS, OFFERED, ANCHORS)
    with blames(Fault.SCHEME_DOES_NOT_FIT_KEY):
        check_exchange(hs, SUITE, credentials("localhost", "RSA-2048").chain, good, RANDOMS, OFFERED, ANCHORS)
    with blames(Fault.SCHEME_DOES_NOT_FIT_KEY):
        check_exchange(hs, SUITE, credentials("localhost", "Ed25519").chain, good, RANDOMS, OFFERED, ANCHORS)
    for wrong in (
        signed("P-256", S.ecdsa_secp256r1_sha256, randoms=(RANDOMS[1], RANDOMS[0])),
        signed("P-256", S.ecdsa_secp256r1_sha256, public=bytes(32)),
        signed("P-384", S.ecdsa_secp256r1_sha256),
    ):
        with blames(Fault.BAD_CERTIFICATE_VERIFY):
            check_exchange(hs, SUITE, chain, wrong, RANDOMS, OFFERED, ANCHORS)


def test_server_never_takes_ml_dsa_for_a_proof() -> None:
    """ML-DSA is for TLS 1.3 alone, though a client of both versions offers it."""
    hs = handshake(Role.SERVER)
    chain = credentials("client.example", "ML-DSA-44").chain
    with blames(Fault.SCHEME_DOES_NOT_FIT_KEY):
        check_client_proof(hs, chain, CertificateVerify(S.mldsa44, bytes(2420)), OFFERED, ANCHORS)
    with blames(Fault.SCHEME_DOES_NOT_FIT_SUITE):
        exchange = ServerKeyExchange(29, PUBLIC, S.mldsa44, bytes(2420))
        check_exchange(handshake(Role.CLIENT), SUITE, chain, exchange, RANDOMS, OFFERED, ANCHORS)


def test_client_signs_the_messages_themselves() -> None:
    """RFC 5246 7.4.8: all handshake messages from the first to this, exclusive, not their hash."""
    notes: list[Note] = []
    talk = CONVERSATIONS["mutual"].pair(server_notes=notes)
    talk.exchange()
    seen = [note for note in notes if isinstance(note, MessageSeen)]
    at = next(i for i, note in enumerate(seen) if isinstance(note.message, CertificateVerify))
    proof = seen[at].message
    assert isinstance(proof, CertificateVerify)
    key = identity("client.example").key.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(proof.signature, b"".join(note.raw for note in seen[:at]), ec.ECDSA(SHA256()))


def secret() -> MainSecret:
    return MainSecret(SUITE, bytes(32), bytes(32), *RANDOMS)


def test_each_side_seals_by_its_own_keys() -> None:
    """RFC 5246 6.3: four values, two for each direction."""
    sealed = {role: protection(secret(), role).seal(23, b"data") for role in Role}
    assert sealed[Role.CLIENT] != sealed[Role.SERVER]
    for role in Role:
        raw = sealed[role]
        assert protection(secret(), role).open(raw[:5], raw[5:]) == (23, b"data")
        with blames(Fault.BAD_RECORD):
            protection(secret(), role.other).open(raw[:5], raw[5:])


@pytest.mark.parametrize("role", Role)
def test_finished_proves_the_conversation_and_who_sends_it(role: Role) -> None:
    """RFC 5246 7.4.9: twelve bytes over all messages before it, with the label of its sender."""
    notes: list[Note] = []
    hs = handshake(role, notes)
    hs.transcript.choose(SUITE.hash)
    said = hs.transcript.digest()
    expected = secret().verify_data(role.peer, said)
    assert len(expected) == 12
    own = secret().verify_data(role.value, said)
    assert own != expected
    hs.transcript.receive(b"\x14\0\0\x0c" + expected)
    assert check_finished_12(hs, secret(), Finished(expected)).verify_data == expected
    assert [n.step for n in notes if isinstance(n, Proved)] == ["4.2" if role is Role.CLIENT else "4.1"]
    for wrong in (own, bytes(12), expected[:11] + bytes([expected[11] ^ 1])):
        with blames(Fault.BAD_FINISHED):
            check_finished_12(hs, secret(), Finished(wrong))


@pytest.mark.parametrize("role", Role)
def test_own_finished_goes_out_with_our_label(role: Role) -> None:
    """RFC 5246 7.4.9."""
    notes: list[Note] = []
    hs = handshake(role, notes)
    hs.transcript.choose(SUITE.hash)
    said = hs.transcript.digest()
    send_finished_12(hs, secret())
    (sent,) = [n.message for n in notes if isinstance(n, MessageSeen) and isinstance(n.message, Finished)]
    assert sent.verify_data == secret().verify_data(role.value, said)
