"""A certificate after the handshake: what is answered, over what, and who may not ask."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from bothways import Fault, PeerFault, SignatureWanted, UsageError
from bothways.iana import HandshakeType, SignatureScheme
from bothways.tls.crypto.signing import CLIENT_CONTEXT, is_signature, proof_input, sign
from bothways.tls.events import Epoch, MessageSeen, Note
from bothways.tls.handshake.certificate_compression import certificate_in
from bothways.tls.keys.schedule13 import finished_mac
from bothways.tls.post_handshake.client_auth import REQUEST_LIMIT
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    CompressedCertificate,
    Finished,
)
from inside import machinery
from pair import FrozenClock, Pair, failure, received
from tls.handshake.conversations import CONVERSATIONS, credentials, external, identity

SCHEMES = (SignatureScheme.ecdsa_secp256r1_sha256,)


def request(context: bytes = b"later", *more: ext.Extension) -> CertificateRequest:
    return CertificateRequest(context, (ext.SignatureAlgorithms(SCHEMES), *more))


def established(notes: list[Note] | None = None, *, offers: bool = True, **client) -> Pair:
    """A one-way connection with a client that has a certificate nobody asked for yet."""
    fields = {"credentials": credentials("client.example"), "post_handshake_auth": offers} | client
    talk = CONVERSATIONS["one-way"].pair(client=fields, client_notes=notes)
    talk.exchange()
    assert talk.client.peer is not None
    return talk


def ask(talk: Pair, message: CertificateRequest) -> None:
    """Our server asks; it would not take the answer, which is looked at in the client's notes."""
    machinery(talk.server).out.send_after_handshake(message)
    talk.client_events += talk.client.receive(talk.server.data_to_send())


def sent_late(notes: list[Note]) -> list[tuple[Message, bytes]]:
    return [
        (note.message, note.raw)
        for note in notes
        if isinstance(note, MessageSeen) and note.sent and note.epoch is Epoch.APPLICATION
    ]


def digest(notes: list[Note], upto: bytes) -> bytes:
    """The hash of every message up to this one, by what passed."""
    running = Hash(SHA256())
    for note in notes:
        if isinstance(note, MessageSeen):
            running.update(note.raw)
            if note.raw == upto:
                break
    return running.finalize()


def test_an_answer_is_compressed_where_the_request_accepts_it():
    """RFC 8879 3, 4: the context of the request is in it, and the transcript covers the compressed message."""
    notes: list[Note] = []
    talk = established(notes)
    ask(talk, request(b"later", ext.CompressCertificate((1,))))
    assert failure(talk.client_events) is None
    (message, raw), (proof, signed), (finished, _) = sent_late(notes)
    assert isinstance(message, CompressedCertificate) and isinstance(proof, CertificateVerify)
    certificate = certificate_in(message, (1,), 2**16)
    assert certificate.certificate_request_context == b"later"
    mine = credentials("client.example")
    assert [entry.cert_data for entry in certificate.certificate_list] == list(mine.chain)
    data = proof_input(CLIENT_CONTEXT, digest(notes, raw))
    assert is_signature(proof.algorithm, mine.certificate, data, proof.signature)
    assert isinstance(finished, Finished)
    keys = machinery(talk.server).inbox.keys
    assert finished.verify_data == finished_mac(keys.finished_key(), digest(notes, signed), keys.suite)


def test_an_answer_covers_the_handshake_the_request_and_itself():
    """RFC 9846 4.5 and 4.7.2, reckoned from the bytes that passed and the server's own keys."""
    notes: list[Note] = []
    talk = established(notes)
    ask(talk, request())
    assert failure(talk.client_events) is None
    (certificate, raw), (proof, signed), (finished, _) = sent_late(notes)
    assert isinstance(certificate, Certificate) and isinstance(proof, CertificateVerify)
    assert isinstance(finished, Finished)
    mine = credentials("client.example")
    assert certificate.certificate_request_context == b"later"
    assert [entry.cert_data for entry in certificate.certificate_list] == list(mine.chain)
    data = proof_input(CLIENT_CONTEXT, digest(notes, raw))
    assert is_signature(proof.algorithm, mine.certificate, data, proof.signature)
    keys = machinery(talk.server).inbox.keys
    assert finished.verify_data == finished_mac(keys.finished_key(), digest(notes, signed), keys.suite)


def test_a_server_that_none_of_our_certificates_suits_gets_an_empty_one():
    """No scheme that our key has, no authority of ours and several to choose from, or no credentials at all."""
    rsa = CertificateRequest(b"c", (ext.SignatureAlgorithms((SignatureScheme.rsa_pss_rsae_sha256,)),))
    for client, asked in (({}, rsa), ({"credentials": None}, request(b"c"))):
        notes: list[Note] = []
        talk = established(notes, **client)
        ask(talk, asked)
        (certificate, _), (finished, _) = sent_late(notes)
        assert certificate == Certificate(b"c", ())
        assert isinstance(finished, Finished)


def test_data_is_received_while_an_answer_is_sent():
    """What was sent before and after it arrives."""
    talk = established()
    talk.client.send(b"before ")
    talk.server_events += talk.server.receive(talk.client.data_to_send())
    ask(talk, request())
    talk.server.send(b"and data for the client")
    talk.client_events += talk.client.receive(talk.server.data_to_send())
    assert received(talk.client_events) == b"and data for the client"
    assert received(talk.server_events) == b"before "
    assert talk.client.established


@pytest.mark.parametrize("offers", [True, False])
def test_a_client_that_did_not_offer_it_may_not_be_asked(offers: bool):
    """RFC 9846 4.3.6: a server that asks all the same breaks the protocol."""
    notes: list[Note] = []
    talk = established(notes, offers=offers)
    hello = next(note.message for note in notes if isinstance(note, MessageSeen))
    assert isinstance(hello, ClientHello)
    assert (ext.find(hello.extensions, ext.PostHandshakeAuth) is not None) is offers
    ask(talk, request())
    error = failure(talk.client_events)
    if offers:
        assert error is None
        return
    assert isinstance(error, PeerFault)
    assert error.fault is Fault.UNEXPECTED_MESSAGE
    assert not any(isinstance(message, Certificate) for message, _ in sent_late(notes))


def test_a_server_may_ask_so_many_times_and_no_more():
    """Each answer costs a signature and takes memory until it is read; data between them changes nothing."""
    talk = established()
    for count in range(REQUEST_LIMIT):
        ask(talk, request(bytes([count])))
        talk.server.send(b"x")
        talk.client_events += talk.client.receive(talk.server.data_to_send())
    assert failure(talk.client_events) is None
    ask(talk, request(b"once more"))
    assert isinstance(failure(talk.client_events), PeerFault)


def test_a_client_that_has_closed_answers_no_more():
    """RFC 9846 6.1: nothing goes out after close_notify."""
    notes: list[Note] = []
    talk = established(notes)
    talk.client.close()
    talk.client.data_to_send()
    ask(talk, request())
    assert sent_late(notes) == []
    assert talk.client.data_to_send() == b""


def test_a_request_without_schemes_is_refused():
    """RFC 9846 4.4.2: signature_algorithms must be there."""
    talk = established()
    ask(talk, CertificateRequest(b"", (ext.CertificateAuthorities((b"0\x00",)),)))
    error = failure(talk.client_events)
    assert isinstance(error, PeerFault) and error.fault is Fault.MISSING_EXTENSION


def asked_of_a_signer(notes: list[Note], *contexts: bytes) -> tuple[Pair, list[SignatureWanted]]:
    """A client whose key is elsewhere, and what it wants signed, a request after the other."""
    talk = established(notes, credentials=external("client.example"))
    for each in contexts:
        ask(talk, request(each))
    wanted = [each for each in talk.client_events if isinstance(each, SignatureWanted)]
    assert len(wanted) == len(contexts) and failure(talk.client_events) is None
    return talk, wanted


def signed_by_us(wanted: SignatureWanted) -> bytes:
    return sign(wanted.scheme, identity("client.example").key, wanted.data)


def test_a_key_held_elsewhere_signs_while_data_continues():
    """RFC 9846 4.7.2: a client may take its time; nothing is sent before the signature is there."""
    notes: list[Note] = []
    talk, (wanted,) = asked_of_a_signer(notes, b"later")
    assert talk.client.wants_data and talk.client.awaits_answer and sent_late(notes) == []
    talk.server.send(b"data")
    talk.client_events += talk.client.receive(talk.server.data_to_send())
    assert received(talk.client_events) == b"data"
    assert talk.client.provide(wanted, signed_by_us(wanted)) == []
    (certificate, raw), (proof, _), (finished, _) = sent_late(notes)
    assert isinstance(certificate, Certificate) and isinstance(finished, Finished)
    assert certificate.certificate_request_context == b"later"
    assert isinstance(proof, CertificateVerify)
    data = proof_input(CLIENT_CONTEXT, digest(notes, raw))
    assert is_signature(proof.algorithm, wanted.certificate, data, proof.signature)
    assert not talk.client.awaits_answer


def test_several_requests_wait_each_for_its_own_signature():
    """RFC 9846 4.7.2: they are answered in any order, each by its context."""
    notes: list[Note] = []
    talk, (first, second) = asked_of_a_signer(notes, b"first", b"second")
    assert first.data != second.data
    with pytest.raises(UsageError, match="was not made by the private key"):
        talk.client.provide(second, signed_by_us(first))
    for each in (second, first):
        assert talk.client.is_awaited(each)
        talk.client.provide(each, signed_by_us(each))
        assert not talk.client.is_awaited(each)
    shown = [each for each, _ in sent_late(notes) if isinstance(each, Certificate)]
    assert [each.certificate_request_context for each in shown] == [b"second", b"first"]
    with pytest.raises(UsageError, match="provide: this answer is not awaited"):
        talk.client.provide(first, signed_by_us(first))


@pytest.mark.parametrize("late", [True, False], ids=["it is late", "it says so"])
def test_a_signer_that_does_not_sign_shows_no_certificate(late: bool):
    """RFC 9846 4.5.1.3: the request is declined by an empty Certificate, and the connection goes on."""
    notes: list[Note] = []
    talk, (wanted,) = asked_of_a_signer(notes, b"later")
    if late:
        deadline = talk.client.next_deadline()
        clock = machinery(talk.client).clock
        assert isinstance(clock, FrozenClock) and deadline == clock.seconds + 30
        clock.pass_time(30)
        assert talk.client.tick() == []
    else:
        assert talk.client.provide(wanted, None) == []
    (certificate, raw), (finished, _) = sent_late(notes)
    assert certificate == Certificate(b"later", ())
    keys = machinery(talk.server).inbox.keys
    assert isinstance(finished, Finished)
    assert finished.verify_data == finished_mac(keys.finished_key(), digest(notes, raw), keys.suite)
    assert talk.client.established and talk.client.next_deadline() is None


def test_a_client_that_has_closed_sends_no_signature_that_was_made_meanwhile():
    """RFC 9846 6.1."""
    notes: list[Note] = []
    talk, (wanted,) = asked_of_a_signer(notes, b"later")
    talk.client.close()
    assert talk.client.provide(wanted, signed_by_us(wanted)) == []
    assert sent_late(notes) == []


def test_a_failure_lets_go_of_what_waits_for_a_signature():
    """Nothing is awaited of a connection that is over."""
    talk, (wanted,) = asked_of_a_signer([], b"later")
    talk.client.receive_eof()
    assert not talk.client.awaits_answer and not talk.client.is_awaited(wanted)
    assert talk.client.next_deadline() is None


def test_the_table_lets_a_request_come_to_an_open_connection_of_a_client_alone():
    """RFC 9846 4.7.2."""
    from bothways.roles import Role
    from bothways.tls.handshake.steps import LEGAL, Step

    asked = {
        role for role in Role if HandshakeType.certificate_request in LEGAL[role][Step.CONNECTED].accepts
    }
    assert asked == {Role.CLIENT}
