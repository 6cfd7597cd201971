"""Proofs can be had from their checks alone."""

from __future__ import annotations

import pytest

from bothways.faults import Fault
from bothways.iana import SignatureScheme
from bothways.roles import Version
from bothways.tls.crypto.signing import sign
from bothways.tls.handshake.proofs import Bound, Finish, Signed
from faults import blames
from tls.handshake.conversations import anchors, credentials

ECDSA = SignatureScheme.ecdsa_secp256r1_sha256
LOCALHOST = credentials("localhost")
DATA = b"what was said"


def signed(signature: bytes, data: bytes = DATA, offered: tuple[int, ...] = (ECDSA,)) -> Signed:
    return Signed(LOCALHOST.chain, ECDSA, signature, data, Version.TLS13, offered=offered, anchors=anchors())


def test_a_peer_signed_what_its_signature_verifies_for() -> None:
    """RFC 9846 4.5.2: the certificate is the one whose key signed."""
    proof = signed(sign(ECDSA, LOCALHOST.key, DATA))
    assert (proof.chain, proof.scheme, proof.staples) == (LOCALHOST.chain, ECDSA, ())
    assert proof.leaf.der == LOCALHOST.chain[0]


@pytest.mark.parametrize(
    ("signature", "data"),
    [(sign(ECDSA, LOCALHOST.key, DATA), b"something else"), (b"", DATA), (bytes(71), DATA)],
)
def test_no_proof_can_be_made_by_a_signature_that_does_not_verify(signature: bytes, data: bytes) -> None:
    """RFC 9846 4.5.2: nothing but the check makes one."""
    with blames(Fault.BAD_CERTIFICATE_VERIFY):
        signed(signature, data)


def test_no_proof_can_be_made_by_a_scheme_that_was_not_offered() -> None:
    """RFC 9846 4.5.2: however well it verifies."""
    with blames(Fault.UNOFFERED_SCHEME):
        signed(sign(ECDSA, LOCALHOST.key, DATA), offered=(SignatureScheme.ed25519,))


def test_a_finish_is_made_by_the_right_mac_alone() -> None:
    """RFC 9846 4.5.3: of any other nothing is made."""
    assert Finish(b"mac", b"mac").verify_data == b"mac"
    for wrong in (b"", b"ma", b"mad"):
        with blames(Fault.BAD_FINISHED):
            Finish(wrong, b"mac")


def test_a_session_is_bound_by_the_right_binder_alone() -> None:
    """RFC 9846 4.3.11: of any other nothing is made."""
    assert Bound(b"mac", b"mac").binder == b"mac"
    for wrong in (b"", b"ma", b"mad"):
        with blames(Fault.BAD_BINDER):
            Bound(wrong, b"mac")
