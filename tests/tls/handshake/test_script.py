"""The words of a script, and what both roles share: what waits, what passes, what is a defect of ours."""

from __future__ import annotations

from typing import Any

import pytest

from blaming import blames
from bothways import SignatureWanted
from bothways.faults import Blame, Fault
from bothways.roles import Role, Version
from bothways.tls.crypto.suites import SUITES13
from bothways.tls.defaults import DRAWS
from bothways.tls.events import Judged, Note, Peer, Proved
from bothways.tls.handshake.authentication13 import (
    check_context,
    check_finished,
    check_proof,
    prove,
    send_finished,
)
from bothways.tls.handshake.message_io import Inbox, Outbox
from bothways.tls.handshake.script import Enter, Handshake, Wait, expect, judge, sign_with
from bothways.tls.handshake.steps import Step
from bothways.tls.keys.transcript import Transcript
from bothways.tls.wire.tls13 import Certificate, CertificateEntry, CertificateVerify, Finished
from bothways.trust.request import VerificationRequest
from bothways.trust.verdict import Purpose
from pair import FrozenClock
from tls.handshake.conversations import anchors, credentials, external

SUITE = SUITES13[0x1301]
ECDSA = 0x0403


def handshake(role: Role, notes: list[Note] | None = None) -> Handshake:
    """What a script works with, in the middle of a conversation of which both sides have the same transcript."""
    transcript = Transcript()
    transcript.choose(SUITE.hash)
    transcript.add(b"\x01\x00\x00\x01x")
    observer = None if notes is None else notes.append
    out = Outbox(role, transcript, observer, 0)
    return Handshake(role, DRAWS, FrozenClock(), transcript, out, Inbox(observer, 2**16), observer)


def finish(script: Any) -> Any:
    """Run a script that waits for nothing."""
    try:
        step = next(script)
        while isinstance(step, Enter):
            step = script.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError(f"it waits at {step}")


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
    hs = handshake(Role.SERVER)
    script = sign_with(hs, credentials("localhost"), ECDSA, b"data")
    assert next(script) == Enter(Step.SIGNING)
    with pytest.raises(StopIteration) as done:
        script.send(None)
    assert len(done.value.value) > 64


def test_signature_of_a_key_elsewhere_is_waited_for() -> None:
    """With what to sign, and by which scheme."""
    script = sign_with(handshake(Role.SERVER), external("localhost"), ECDSA, b"data")
    wait = next(script)
    assert isinstance(wait, Wait) and wait.step is Step.SIGNING
    assert isinstance(wait.request, SignatureWanted)
    assert (wait.request.scheme, wait.request.data) == (ECDSA, b"data")
    with pytest.raises(StopIteration) as done:
        script.send(b"signature")
    assert done.value.value == b"signature"


def asked(chain: tuple[bytes, ...], name: str) -> VerificationRequest:
    return VerificationRequest(chain=chain, anchors=anchors(), purpose=Purpose.SERVER, name=name)


def test_judging_gives_a_peer_or_every_reason() -> None:
    """A Peer can only be had from a verdict that trusts it."""
    notes: list[Note] = []
    hs = handshake(Role.CLIENT, notes)
    chain = credentials("localhost").chain
    peer = finish(judge(hs, asked(chain, "localhost")))
    assert isinstance(peer, Peer) and peer.names.dns == ("localhost",)
    assert peer.certificate == peer.path[0] and len(peer.path) == 3
    with pytest.raises(Blame) as caught:
        finish(judge(hs, asked(chain[:1], "a.example")))
    assert [reason.fault for reason in caught.value.reasons] == [Fault.NO_PATH, Fault.NAME_MISMATCH]
    assert [note.step for note in notes if isinstance(note, Judged)] == ["2.3", "2.3"]


def both_sides() -> tuple[Handshake, Handshake, Certificate, CertificateVerify]:
    """A server that has proved itself, and a client that has got everything but its CertificateVerify."""
    server, client = handshake(Role.SERVER), handshake(Role.CLIENT, [])
    finish(prove(server, credentials("localhost"), ECDSA, with_status=False))
    entries = tuple(CertificateEntry(der, ()) for der in credentials("localhost").chain)
    raw = bytes(server.out._messages)
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
    server, client = handshake(Role.SERVER), handshake(Role.CLIENT)
    send_finished(server, SUITE, secret)
    raw = bytes(server.out._messages)
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


def test_handshake_that_forgets_keeps_what_was_chosen() -> None:
    """Secrets go; version, suite and group may still be asked for."""
    hs = handshake(Role.CLIENT)
    hs.suite, hs.group, hs.version = SUITE, 29, Version.TLS13
    hs.forget()
    assert (hs.suite, hs.group, hs.version) == (SUITE, 29, Version.TLS13)
    with pytest.raises(ValueError, match="not chosen"):
        hs.transcript.digest()
