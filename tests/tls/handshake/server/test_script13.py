"""The server of TLS 1.3: what it chooses, asks and answers."""

from __future__ import annotations

from typing import Any

import pytest

from bothways import Fault, ServerConfig, TrustStore
from bothways.iana import ContentType
from bothways.tls.events import MessageSeen, Note, RecordSeen
from bothways.tls.handshake.access import Refusal
from bothways.tls.handshake.server.start import ProtocolRequired, ServiceRequest
from bothways.tls.handshake.settings import AUTHORITIES_LIMIT
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import RETRY_RANDOM, ServerHello, is_retry
from bothways.tls.wire.tls13 import CertificateRequest, EncryptedExtensions
from pair import pair
from pki import name, root
from tls.handshake.conversations import (
    CONVERSATIONS,
    anchors,
    authority,
    client_config,
    credentials,
    server_config,
)


def sent(server: dict[str, Any], client: dict[str, Any] | None = None) -> list[Any]:
    """The messages of a server, in their order."""
    notes: list[Note] = []
    talk = pair(client_config(**client or {}), server_config(**server), server_notes=notes)
    talk.exchange()
    return [note.message for note in notes if isinstance(note, MessageSeen) and note.sent]


FLIGHTS = (
    ("one-way", "ServerHello EncryptedExtensions Certificate CertificateVerify Finished"),
    ("mutual", "ServerHello EncryptedExtensions CertificateRequest Certificate CertificateVerify Finished"),
    (
        "mutual after a retry",
        "ServerHello ServerHello EncryptedExtensions CertificateRequest Certificate CertificateVerify Finished",
    ),
)


@pytest.mark.parametrize(("conversation", "flight"), FLIGHTS)
def test_server_sends_the_flight_of_the_figure(conversation: str, flight: str) -> None:
    """RFC 9846 2, figures 1 and 2."""
    options = CONVERSATIONS[conversation]
    assert " ".join(type(each).__name__ for each in sent(options.server, options.client)) == flight


@pytest.mark.parametrize("conversation", ["one-way", "mutual after a retry"])
def test_server_sends_one_change_cipher_spec_after_its_first_message(conversation: str) -> None:
    """RFC 9846 E.4: after the ServerHello, or after the HelloRetryRequest."""
    notes: list[Note] = []
    options = CONVERSATIONS[conversation]
    talk = pair(client_config(**options.client), server_config(**options.server), server_notes=notes)
    talk.exchange()
    records = [note.content_type for note in notes if isinstance(note, RecordSeen) and note.sent]
    assert records[:2] == [ContentType.handshake, ContentType.change_cipher_spec]
    assert records.count(ContentType.change_cipher_spec) == 1


def test_server_hello_says_what_was_chosen_and_echoes_the_session() -> None:
    """RFC 9846 4.2.3: the version in an extension, a share of the group, TLS 1.2 in the legacy fields."""
    hello = sent({})[0]
    assert isinstance(hello, ServerHello) and not is_retry(hello)
    assert (hello.legacy_version, hello.legacy_compression_method) == (0x0303, 0)
    assert len(hello.legacy_session_id_echo) == 32
    assert [type(each) for each in hello.extensions or ()] == [ext.SelectedVersion, ext.ServerShare]
    assert hello.random[-8:] not in (b"DOWNGRD\1", b"DOWNGRD\0")


def test_retry_names_version_group_and_cookie() -> None:
    """RFC 9846 4.2.4: and no more."""
    retry = sent({"groups": ("secp256r1",)})[0]
    assert retry.random == RETRY_RANDOM
    assert [type(each) for each in retry.extensions] == [ext.SelectedVersion, ext.RetryGroup, ext.Cookie]
    bare = sent({"groups": ("secp256r1",), "retry_cookie": False})[0]
    assert [type(each) for each in bare.extensions] == [ext.SelectedVersion, ext.RetryGroup]


def test_cookies_of_two_connections_differ() -> None:
    """RFC 9846 4.3.2: what can be foreseen proves nothing."""
    cookies = [ext.find(sent({"groups": ("secp256r1",)})[0].extensions, ext.Cookie) for _ in range(2)]
    assert cookies[0] != cookies[1]


def request(**server: Any) -> CertificateRequest:
    return next(each for each in sent(server) if isinstance(each, CertificateRequest))


def test_request_says_schemes_and_authorities() -> None:
    """RFC 9846 4.4.2: with an empty context in the handshake."""
    asked = request(schemes=("ecdsa_secp256r1_sha256", "ed25519"))
    assert asked.certificate_request_context == b""
    assert asked.extensions == (
        ext.SignatureAlgorithms((0x0403, 0x0807)),
        ext.CertificateAuthorities((authority().above[0].certificate.subject.public_bytes(),)),
    )
    assert ext.find(request(name_authorities=False).extensions, ext.CertificateAuthorities) is None
    certs = request(certificate_schemes=("rsa_pkcs1_sha256",))
    assert ext.find(certs.extensions, ext.SignatureAlgorithmsCert) == ext.SignatureAlgorithmsCert((0x0401,))


def test_server_with_very_many_anchors_names_none() -> None:
    """RFC 9846 4.3.4: a list that no client would read is left out; the handshake goes on."""
    long = [root(name(f"CA {each}", O="x" * 60, OU="y" * 60)) for each in range(AUTHORITIES_LIMIT // 150 + 1)]
    many = TrustStore.from_pem(authority().above[0].pem + b"".join(each.pem for each in long))
    assert sum(map(len, many.subjects)) > AUTHORITIES_LIMIT
    talk = pair(client_config(), server_config(client_anchors=many))
    talk.exchange()
    assert talk.server.established
    assert ext.find(request(client_anchors=many).extensions, ext.CertificateAuthorities) is None


def test_server_answers_only_what_was_agreed_in_encrypted_extensions() -> None:
    """RFC 9846 4.4.1, RFC 6066 3: that the name was used, ALPN if both speak it, and nothing else."""
    limit = ext.RecordSizeLimit(2**14 + 1)
    named = EncryptedExtensions((ext.ServerName(), limit))
    assert sent({})[1] == named
    chosen = sent({"alpn": ("b", "a")}, {"alpn": ("a", "b")})[1]
    assert chosen == EncryptedExtensions((ext.ServerName(), ext.ApplicationProtocols((b"b",)), limit))
    assert sent({"alpn": ("b",)})[1] == named
    assert sent({}, {"alpn": ("b",)})[1] == named
    assert sent({"credentials": credentials("a.example")})[1] == EncryptedExtensions((limit,))


def test_server_prefers_its_own_order_even_at_the_cost_of_a_retry() -> None:
    """RFC 9846 4.2.1: a client's guess of shares does not choose the group."""
    talk = pair(client_config(), server_config(groups=("secp256r1", "x25519")))
    talk.exchange()
    assert talk.client.group == "secp256r1"
    talk = pair(
        client_config(),
        server_config(suites=("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")),
    )
    talk.exchange()
    assert talk.client.suite == "TLS_CHACHA20_POLY1305_SHA256"


def test_server_tells_nothing_of_a_client_before_it_is_judged() -> None:
    """At the Finished of a client that is refused, nobody is the peer."""
    talk = pair(client_config(credentials=None), server_config())
    talk.exchange()
    assert talk.server.peer is None and not talk.server.established and not talk.server.confirmed
    assert anchors() is server_config().settings.trust.anchors


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_a_server_continues_with_the_configuration_for_the_clients_request(version: str) -> None:
    """RFC 6066 3, RFC 7301 3.2: the name and the protocols are known before anything is chosen or computed."""
    asked: list[ServiceRequest] = []
    refusals: list[Refusal] = []
    first = server_config(versions=(version,))
    chosen = server_config(
        versions=(version,), alpn=("b",), client_anchors=anchors(), allow=lambda _: next(iter(refusals), None)
    )

    def select(request: ServiceRequest) -> ServerConfig:
        asked.append(request)
        return chosen

    client = client_config(versions=(version,), alpn=("a", "b"), credentials=credentials("client.example"))
    for _ in range(2):
        talk = pair(client, first)
        talk.server = first.connection(select=select)
        talk.exchange()
        assert asked.pop() == ServiceRequest("localhost", (b"a", b"b"))
        if not refusals:
            assert (talk.server.alpn, talk.client.alpn) == ("b", "b")
            assert talk.server.peer.names.common_name == "client.example"
        refusals.append(Refusal("not this one"))
    assert talk.server_failure.fault is Fault.ACCESS_REFUSED
    assert talk.server_failure.situation.trust.anchors is chosen.client_anchors


@pytest.mark.parametrize("name", ["localhost", None])
def test_a_server_refuses_what_it_has_no_configuration_for_before_any_key_is_computed(
    name: str | None,
) -> None:
    """RFC 6066 3: unrecognized_name."""
    client = client_config()
    talk = pair(client, server_config(), name or "127.0.0.1")
    talk.server = server_config().connection(select=lambda _: None)
    talk.exchange()
    assert talk.server_failure.fault is Fault.UNKNOWN_SERVER_NAME
    assert talk.server_failure.facts["name"] == (name or "(none)")
    assert talk.client_failure.name == "unrecognized_name"


@pytest.mark.parametrize("offered", [(), ("a", "b")])
def test_a_server_says_which_protocol_a_client_has_to_offer(offered: tuple[str, ...]) -> None:
    """RFC 7301 3.2: no_application_protocol, and not that the name is unknown."""
    client = client_config(alpn=offered)
    talk = pair(client, server_config())
    talk.server = server_config().connection(select=lambda _: ProtocolRequired((b"c",)))
    talk.exchange()
    assert talk.server_failure.fault is Fault.NO_SHARED_APPLICATION_PROTOCOL
    assert talk.server_failure.facts == {"offered": list(offered) or ["none"], "accepted": ["c"]}
    assert talk.client_failure.name == "no_application_protocol"


def test_a_server_whose_selection_fails_refuses_the_client() -> None:
    """What the function raises is our defect, and lets nobody in."""
    talk = pair(client_config(), server_config())
    talk.server = server_config().connection(select=lambda _: 1 / 0)
    talk.exchange()
    assert talk.client_failure.name == "internal_error"
