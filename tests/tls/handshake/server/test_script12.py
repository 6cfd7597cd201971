"""The server of TLS 1.2: what it answers to which hello, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import pki
from bothways import Fault, PeerFault, TrustStore
from bothways.iana import Alert, CipherSuite, SignatureScheme
from bothways.roles import Role
from bothways.tls.events import Caution, Chosen, MessageSeen, Note, Warned
from bothways.tls.handshake.negotiation import DOWNGRADE_TO_12
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import Certificate, CertificateRequest, ServerKeyExchange
from pair import Pair, pair
from tamper import Edit, altering, changing, extending, unaltered, without
from tls.handshake.conversations import Resumed, authority, credentials
from tls.handshake.conversations12 import (
    CONVERSATIONS,
    ECDSA_SUITES,
    RSA_SUITES,
    TRANSPORT_SUITES,
    classic,
    client_config,
    deciphering,
    kinds,
    server_config,
)


def answered(
    edit: Edit = unaltered, client: dict[str, Any] | None = None, **server: Any
) -> tuple[Pair, dict[type, Any]]:
    """The server's messages by their kind, to a client whose messages are altered."""
    notes: list[Note] = []
    with altering(Role.CLIENT, edit):
        talk = pair(client_config(**(client or {})), server_config(**server), server_notes=notes)
        talk.exchange()
    sent: list[Message] = [note.message for note in notes if isinstance(note, MessageSeen) and note.sent]
    return talk, {type(message): message for message in sent}


def refusal(talk: Pair) -> PeerFault:
    assert isinstance(talk.server.failure, PeerFault), talk.server.failure
    return talk.server.failure


# -- its hello -------------------------------------------------------------------------------------------


def test_server_answers_what_was_asked_and_no_more() -> None:
    """RFC 5246 7.4.1.4: an extension answers one of the client's."""
    talk, sent = answered()
    assert talk.server.established
    hello = sent[ServerHello]
    assert set(map(type, hello.extensions)) == {
        ext.ServerName,
        ext.RenegotiationInfo,
        ext.ExtendedMainSecret,
        ext.EcPointFormats,
        ext.RecordSizeLimit,
    }
    assert (hello.legacy_version, hello.legacy_compression_method) == (0x0303, 0)


@pytest.mark.parametrize(
    "left_out",
    [
        ext.ServerName,
        ext.RenegotiationInfo,
        ext.ExtendedMainSecret,
        ext.EcPointFormats,
        ext.ApplicationProtocols,
        ext.RecordSizeLimit,
    ],
)
def test_server_sends_only_requested_extensions(left_out: type) -> None:
    """RFC 5246 7.4.1.4: unsolicited answers would end the handshake."""
    allowed = {"insecure_without_extended_main_secret": True, "alpn": ("h2",)}
    _, sent = answered(without(ClientHello, left_out), allowed, **allowed)
    assert left_out not in set(map(type, sent[ServerHello].extensions))
    assert len(sent[ServerHello].extensions) == 5


def test_server_answers_a_hello_without_extensions_by_one_without() -> None:
    """RFC 5246 7.4.1.3: there is then no block of extensions at all."""
    both = deciphering("localhost", "key_encipherment", "digital_signature")
    talk, sent = answered(
        changing(ClientHello, extensions=None),
        classic(),
        **classic(credentials=both, client_auth="none", insecure_without_extended_main_secret=True),
    )
    assert sent[ServerHello].extensions is None
    assert talk.server.failure is not None and "NO_SECURE_RENEGOTIATION" not in str(talk.server.failure)


def test_server_signals_secure_renegotiation_for_the_signalling_suite() -> None:
    """RFC 5746 3.6: TLS_EMPTY_RENEGOTIATION_INFO_SCSV is answered by the extension."""
    scsv = int(CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV)

    def only_suite(message: Message, nth: int) -> tuple[Message, ...]:
        if not isinstance(message, ClientHello):
            return (message,)
        kept = [e for e in message.extensions or () if not isinstance(e, ext.RenegotiationInfo)]
        return (replace(message, cipher_suites=(*message.cipher_suites, scsv), extensions=tuple(kept)),)

    _, sent = answered(only_suite)
    assert ext.find(sent[ServerHello].extensions, ext.RenegotiationInfo) == ext.RenegotiationInfo(b"")


@pytest.mark.parametrize("more", [b"\x0b", b"\x0b\0\0\3\0\0\0"])
@pytest.mark.parametrize("versions", [("1.3",), ("1.2",)])
def test_a_client_that_sends_more_in_the_record_of_its_hello_is_refused(
    versions: tuple[str, ...], more: bytes
) -> None:
    """RFC 9846 5.1: a ClientHello ends its record; no client knows what to send next."""
    client = client_config(versions=versions).connection("localhost")
    server = server_config(versions=("1.3", "1.2"), groups=("secp256r1", "x25519")).connection()
    flight = client.data_to_send()
    size = len(flight) - 5 + len(more)
    server.receive(flight[:3] + size.to_bytes(2, "big") + flight[5:] + more)
    assert isinstance(server.failure, PeerFault)
    assert server.failure.fault is Fault.MESSAGE_SPANS_KEY_CHANGE
    assert server.failure.alert == Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize("wanted", [b"", bytes(range(32))])
def test_server_gives_no_session_id_where_nothing_is_resumed(wanted: bytes) -> None:
    """Step 1.2: an empty one says that the session will not be kept (RFC 5246 7.4.1.3)."""
    talk, sent = answered(changing(ClientHello, legacy_session_id=wanted))
    assert talk.server.established and talk.client.established
    assert sent[ServerHello].legacy_session_id_echo == b""


@pytest.mark.parametrize(("versions", "marked"), [(("1.3", "1.2"), True), (("1.2",), False)])
def test_random_tells_of_a_server_that_could_do_better(versions: tuple[str, ...], marked: bool) -> None:
    """RFC 9846 4.2.3: a client that has TLS 1.3 then sees that its hello was altered."""
    _, sent = answered(versions=versions)
    assert sent[ServerHello].random.endswith(DOWNGRADE_TO_12) is marked


def test_downgrade_by_an_attacker_is_seen() -> None:
    """RFC 9846 4.2.3: a client of both versions that gets TLS 1.2 with the mark gives up."""
    both = {"versions": ("1.3", "1.2")}
    with altering(Role.CLIENT, without(ClientHello, ext.SupportedVersions, ext.KeyShares), in_flight=True):
        talk = pair(client_config(**both), server_config(**both))
        talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.DOWNGRADED
    assert talk.client.failure.alert == Alert.ILLEGAL_PARAMETER


def test_needless_fallback_is_refused() -> None:
    """RFC 7507 3: a client that says it fell back is told, if we speak better; else it is served."""
    scsv = int(CipherSuite.TLS_FALLBACK_SCSV)
    falling = changing(ClientHello, cipher_suites=lambda suites: (*suites, scsv))
    talk, _ = answered(falling, versions=("1.3", "1.2"))
    assert refusal(talk).fault is Fault.NEEDLESS_FALLBACK
    assert refusal(talk).alert == Alert.INAPPROPRIATE_FALLBACK
    talk, _ = answered(falling)
    assert talk.server.established


@pytest.mark.parametrize("legacy", [0x0300, 0x0301, 0x0302, 0x0200])
def test_older_versions_are_refused_by_name(legacy: int) -> None:
    """RFC 8996, RFC 7568: protocol_version, and what was offered in the sentence."""
    talk, sent = answered(changing(ClientHello, legacy_version=legacy))
    assert sent == {}
    assert refusal(talk).fault is Fault.UNSUPPORTED_VERSION
    assert refusal(talk).alert == Alert.PROTOCOL_VERSION
    assert "we accept TLSv1_2" in str(refusal(talk))


def test_later_versions_are_answered_by_ours() -> None:
    """RFC 5246 E.1: a client that names a version to come gets the highest that we have."""
    talk, sent = answered(changing(ClientHello, legacy_version=0x0304))
    assert talk.server.version == "1.2"
    assert sent[ServerHello].legacy_version == 0x0303


@pytest.mark.parametrize("methods", [b"\1\0", b"\0\1", b"\0\1\x40\x7f"])
def test_null_compression_is_chosen_whatever_else_is_offered(methods: bytes) -> None:
    """RFC 5246 7.4.1.2: what was offered and not chosen is told to observers."""
    notes: list[Note] = []
    with altering(Role.CLIENT, changing(ClientHello, legacy_compression_methods=methods)):
        talk = pair(client_config(), server_config(), server_notes=notes)
        talk.exchange()
    assert talk.server.established
    (chosen,) = [note for note in notes if isinstance(note, Chosen) and note.what == "compression"]
    assert chosen.chosen == "null" and len(chosen.offered) == len(methods)


def test_server_that_needs_keys_bound_refuses_who_cannot() -> None:
    """RFC 7627 5.2: handshake_failure, unless it is allowed by name."""
    talk, _ = answered(without(ClientHello, ext.ExtendedMainSecret))
    assert refusal(talk).fault is Fault.NO_EXTENDED_MAIN_SECRET
    assert refusal(talk).alert == Alert.HANDSHAKE_FAILURE


# -- what it asks for --------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_request_names_types_schemes_and_authorities(named: bool) -> None:
    """RFC 5246 7.4.4: what the client needs to choose by; never ML-DSA."""
    _, sent = answered(name_authorities=named)
    request = sent[CertificateRequest]
    assert request.certificate_types == (64, 1)
    names = {SignatureScheme(code).name for code in request.supported_signature_algorithms}
    assert "ecdsa_secp256r1_sha256" in names and not any("mldsa" in name for name in names)
    root = authority().above[0].certificate.subject.public_bytes()
    assert request.certificate_authorities == ((root,) if named else ())


def test_server_that_does_not_ask_sends_no_request() -> None:
    """Step 1.2: CertificateRequest is for mutual authentication only."""
    _, sent = answered(client_auth="none")
    assert CertificateRequest not in sent


def test_bad_certificate_is_refused_though_none_would_do() -> None:
    """ "request" lets the anonymous in, not those who cannot be trusted."""
    strangers = TrustStore.from_pem(pki.root("Another").pem)
    talk, _ = answered(
        client={"credentials": credentials("client.example")}, client_auth="request", client_anchors=strangers
    )
    assert refusal(talk).alert == Alert.UNKNOWN_CA
    assert refusal(talk).step == "3.3a"
    assert talk.client.failure is not None and talk.client.failure.step == "3.3a"


def test_refused_client_gets_the_alert_before_the_servers_finished() -> None:
    """RFC 5246 7.3: no ChangeCipherSpec, no Finished, no data for a client that is not trusted."""
    notes: list[Note] = []
    talk = pair(
        client_config(),
        server_config(client_anchors=TrustStore.from_pem(pki.root("Another").pem)),
        server_notes=notes,
    )
    talk.server.send(b"secret")
    talk.exchange()
    assert "Finished" not in kinds(notes, sent=True)
    assert talk.client_events and not talk.client.established


# -- its keys --------------------------------------------------------------------------------------------


def test_server_warns_of_a_key_that_signs_and_deciphers() -> None:
    """Who can have a key decipher at will may have it sign with that: one key for both is warned of."""
    both = deciphering("localhost", "key_encipherment", "digital_signature")
    talk, _ = answered(client=classic(), **classic(credentials=both))
    assert Warned(Caution.KEY_SIGNS_AND_DECIPHERS) in talk.server_events
    talk, _ = answered(client=classic(), **classic(credentials=deciphering()))
    assert Warned(Caution.KEY_SIGNS_AND_DECIPHERS) not in talk.server_events
    assert talk.server.established


def test_server_of_several_credentials_takes_those_of_the_name_asked_for() -> None:
    """RFC 6066 3: SNI chooses, then suite and scheme; the client is told that it did."""
    own = (credentials("elsewhere.example", "RSA-2048"), credentials("localhost"))
    _, sent = answered(credentials=own)
    assert ext.find(sent[ServerHello].extensions, ext.ServerName) == ext.ServerName()
    assert sent[Certificate].certificate_list == tuple(own[1].chain)
    _, sent = answered(without(ClientHello, ext.ServerName), credentials=own)
    assert sent[Certificate].certificate_list in (tuple(own[0].chain), tuple(own[1].chain))
    assert ext.find(sent[ServerHello].extensions, ext.ServerName) is None
    _, sent = answered(credentials=own[0])
    assert ext.find(sent[ServerHello].extensions, ext.ServerName) is None


def test_server_refuses_an_unknown_name_if_configured() -> None:
    """RFC 6066 3: unrecognized_name."""
    talk, _ = answered(credentials=credentials("elsewhere.example"), unknown_server_name="refuse")
    assert refusal(talk).alert == Alert.UNRECOGNIZED_NAME


def test_key_exchange_is_of_the_kind_that_the_suite_names() -> None:
    """RFC 8422 5.4, RFC 5246 7.4.3: signed by the key of the certificate, none for key transport."""
    _, sent = answered()
    assert sent[ServerKeyExchange].algorithm == SignatureScheme.ecdsa_secp256r1_sha256
    assert sent[ServerHello].cipher_suite == CipherSuite[ECDSA_SUITES[0]]
    _, sent = answered(credentials=credentials("localhost", "RSA-2048"))
    assert sent[ServerKeyExchange].algorithm == SignatureScheme.rsa_pss_rsae_sha256
    assert sent[ServerHello].cipher_suite == CipherSuite[RSA_SUITES[0]]
    _, sent = answered(client=classic(), **classic(credentials=deciphering()))
    assert ServerKeyExchange not in sent
    assert sent[ServerHello].cipher_suite == CipherSuite[TRANSPORT_SUITES[0]]


def test_server_with_a_key_for_deciphering_prefers_what_it_may_do() -> None:
    """RFC 5280 4.2.1.3: offered both, it may not sign, so that key transport is left."""
    allowed = {"insecure_rsa_key_transport": True}
    talk, sent = answered(client=allowed, credentials=deciphering(), **allowed)
    assert sent[ServerHello].cipher_suite == CipherSuite[TRANSPORT_SUITES[0]]
    assert talk.client.established and talk.server.established


def test_unknown_extensions_are_ignored() -> None:
    """RFC 5246 7.4.1.4: and so is GREASE (RFC 8701)."""
    strange = ext.UnknownExtension(0xABCD, b"?"), ext.UnknownExtension(0x1A1A, b"")
    talk, _ = answered(extending(ClientHello, *strange))
    assert talk.server.established


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_conversation_leaves_both_sides_of_one_mind(name: str) -> None:
    """RFC 5246 7.3: version, suite, group and protocol are the same on both sides."""
    talk = CONVERSATIONS[name].pair()
    talk.exchange()
    for ask in ("version", "suite", "group", "alpn", "resumed"):
        assert getattr(talk.client, ask) == getattr(talk.server, ask)
    assert talk.client.version == "1.2"
    assert talk.client.resumed is isinstance(CONVERSATIONS[name], Resumed)
