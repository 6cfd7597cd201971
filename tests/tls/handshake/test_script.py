"""The words of a script, and what both roles share: what waits, what passes, what is a defect of ours."""

from __future__ import annotations

import pytest

from bothways import SignatureWanted
from bothways.faults import Fault
from bothways.roles import Role
from bothways.tls.events import Note, Proved
from bothways.tls.handshake.authentication13 import (
    check_context,
    check_finished,
    check_proof,
    prove,
    send_finished,
)
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.script import Enter, Wait, expect, sign_with
from bothways.tls.handshake.settings import OwnIdentity
from bothways.tls.handshake.steps import Step
from bothways.tls.wire.tls13 import Certificate, CertificateEntry, CertificateVerify, Finished
from faults import blames
from tls.handshake.contexts import SUITE, context, finish
from tls.handshake.conversations import anchors, credentials, external

ECDSA = 0x0403


def test_expect_waits_at_its_step_and_hands_over_the_message() -> None:
    """The position in the code is the state."""
    script = expect(Step.WAIT_FINISHED, Finished)
    assert next(script) == Wait(Step.WAIT_FINISHED)
    with pytest.raises(StopIteration) as done:
        script.send(Finished(b"x"))
    assert done.value.value == Finished(b"x")


def test_message_that_the_script_does_not_expect_is_our_own_defect() -> None:
    """The table has let it pass, so table and script disagree."""
    script = expect(Step.WAIT_FINISHED, Finished)
    next(script)
    with pytest.raises(TypeError, match="WAIT_FINISHED accepts a message"):
        script.send(CertificateVerify(1, b""))


def test_signature_of_our_own_key_is_made_at_once() -> None:
    """The step is entered, so that what fails there is named by it."""
    hs = context(Role.SERVER)
    script = sign_with(hs, credentials("localhost"), ECDSA, b"data")
    assert next(script) == Enter(Step.SIGNING)
    with pytest.raises(StopIteration) as done:
        script.send(None)
    assert len(done.value.value) > 64


def test_signature_of_a_key_elsewhere_is_waited_for() -> None:
    """With what to sign, and by which scheme."""
    script = sign_with(context(Role.SERVER), external("localhost"), ECDSA, b"data")
    wait = next(script)
    assert isinstance(wait, Wait) and wait.step is Step.SIGNING
    assert isinstance(wait.request, SignatureWanted)
    assert (wait.request.scheme, wait.request.data) == (ECDSA, b"data")
    with pytest.raises(StopIteration) as done:
        script.send(b"signature")
    assert done.value.value == b"signature"


def sent(hs: HandshakeContext) -> bytes:
    """The messages that went out, which one record holds."""
    hs.out.flush()
    return hs.out.take()[5:]


def both_sides() -> tuple[HandshakeContext, HandshakeContext, Certificate, CertificateVerify]:
    """A server that has proved itself, and a client that has got everything but its CertificateVerify."""
    server, client = context(Role.SERVER), context(Role.CLIENT, [])
    own = credentials("localhost")
    finish(prove(server, OwnIdentity((own,)), own, ECDSA, ()))
    entries = tuple(CertificateEntry(der, ()) for der in credentials("localhost").chain)
    raw = sent(server)
    size = 4 + int.from_bytes(raw[1:4], "big")
    client.transcript.receive(raw[:size])
    client.transcript.receive(raw[size:])
    length = int.from_bytes(raw[size + 6 : size + 8], "big")
    proof = CertificateVerify(ECDSA, raw[size + 8 : size + 8 + length])
    return server, client, Certificate(b"", entries), proof


def test_proof_is_checked_against_the_conversation_before_it() -> None:
    """RFC 9846 4.5.2: checked first, then added."""
    notes: list[Note] = []
    _, client, certificate, proof = both_sides()
    client.observer = notes.append
    signed = check_proof(client, certificate, proof, (ECDSA,), anchors())
    assert signed.chain == credentials("localhost").chain and signed.scheme == ECDSA
    assert [note.step for note in notes if isinstance(note, Proved)] == ["2.2"]
    client.transcript.add(b"more")
    with blames(Fault.BAD_CERTIFICATE_VERIFY):
        check_proof(client, certificate, proof, (ECDSA,), anchors())


def test_proof_is_refused_by_scheme_before_it_is_checked() -> None:
    """RFC 9846 4.5.2: what we did not offer, and what does not fit the key."""
    _, client, certificate, proof = both_sides()
    with blames(Fault.UNOFFERED_SCHEME, got="ecdsa_secp256r1_sha256"):
        check_proof(client, certificate, proof, (0x0804,), anchors())
    wrong = CertificateVerify(0x0804, proof.signature)
    with blames(Fault.SCHEME_DOES_NOT_FIT_KEY, got="rsa_pss_rsae_sha256", key="secp256r1"):
        check_proof(client, certificate, wrong, (0x0804,), anchors())
    garbage = Certificate(b"", (CertificateEntry(b"garbage", ()),))
    with blames(Fault.BAD_ENCODING):
        check_proof(client, garbage, proof, (ECDSA,), anchors())


def test_finished_covers_the_conversation_before_it() -> None:
    """RFC 9846 4.5.3: the same secret and the same messages, or no connection."""
    secret = bytes(32)
    server, client = context(Role.SERVER), context(Role.CLIENT)
    send_finished(server, SUITE, secret)
    raw = sent(server)
    client.transcript.receive(raw)
    client.inbox.ignores_change_cipher_spec = True
    finish_ = check_finished(client, SUITE, secret, Finished(raw[4:]))
    assert finish_.verify_data == raw[4:]
    assert not client.inbox.ignores_change_cipher_spec
    for wrong_secret, mac in ((b"\1" * 32, raw[4:]), (secret, bytes(32))):
        with blames(Fault.BAD_FINISHED):
            check_finished(client, SUITE, wrong_secret, Finished(mac))
    with blames(Fault.UNDECODABLE, place="Finished.verify_data", problem="31 bytes stand where 32 must"):
        check_finished(client, SUITE, secret, Finished(bytes(31)))


def test_certificate_answers_the_request_that_was_made() -> None:
    """RFC 9846 4.5.1: by its context, which in the handshake is empty."""
    check_context(Certificate(b"", ()), b"")
    with blames(Fault.WRONG_REQUEST_CONTEXT):
        check_context(Certificate(b"x", ()), b"")
