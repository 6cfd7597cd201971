"""The client of TLS 1.2: what it proves, what it wants proved, and what it never sends to whom."""

from __future__ import annotations

from typing import Any

import pytest

import pki
from bothways import Credentials, Fault, PeerFault, SignatureWanted, TrustStore, UsageError
from bothways.iana import Alert, CipherSuite, ExtensionType
from bothways.roles import Role
from bothways.tls.crypto.signing import sign
from bothways.tls.events import Caution, Chosen, Judged, MessageSeen, Note, Proved, Warned
from bothways.tls.handshake.steps import Step
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.extension_table import codes as extension_codes
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import Certificate, CertificateRequest, ServerKeyExchange
from bothways.tls.wire.tls13 import CertificateVerify
from pair import Pair, pair, received
from tamper import altering, changing, extending, without
from tls.handshake.conversations import authority, credentials, external, identity
from tls.handshake.conversations12 import (
    CONVERSATIONS,
    ECDSA_SUITES,
    KEY_KINDS,
    RSA_SUITES,
    TRANSPORT_SUITES,
    classic,
    client_config,
    credentials_with,
    deciphering,
    kinds,
    server_config,
)


def met(client: dict[str, Any], server: dict[str, Any], **notes: list[Note]) -> Pair:
    """A conversation that both sides establish."""
    talk = pair(client_config(**client), server_config(**server), **notes)
    talk.exchange()
    assert talk.client.established and talk.server.established, (talk.client.failure, talk.server.failure)
    return talk


def sent_hello(**client: Any) -> ClientHello:
    notes: list[Note] = []
    client_config(**client).connection("localhost", observer=notes.append)
    (hello,) = [note.message for note in notes if isinstance(note, MessageSeen)]
    assert isinstance(hello, ClientHello)
    return hello


# -- what both agree on ----------------------------------------------------------------------------------

SUITES = [
    *[(suite, "P-256") for suite in ECDSA_SUITES],
    *[(suite, "RSA-2048") for suite in RSA_SUITES],
    *[(suite, "transport") for suite in TRANSPORT_SUITES],
]


@pytest.mark.parametrize(("suite", "kind"), SUITES)
def test_client_and_server_talk_by_every_suite(suite: str, kind: str) -> None:
    """RFC 5246 7.3: data flows both ways, and both make the same keys for others (RFC 5705)."""
    own = deciphering() if kind == "transport" else credentials("localhost", kind)
    allowed = {"suites": (suite,), "insecure_rsa_key_transport": kind == "transport"}
    if kind == "transport":
        allowed["suites"] = (suite, *(each for each in TRANSPORT_SUITES if each != suite))
    talk = met(allowed, allowed | {"credentials": own})
    assert talk.client.suite == talk.server.suite == suite
    assert talk.client.version == talk.server.version == "1.2"
    assert talk.client.group == talk.server.group == (None if kind == "transport" else "x25519")
    talk.client.send(b"up" * 20_000)
    talk.server.send(b"down" * 20_000)
    talk.exchange()
    assert received(talk.server_events) == b"up" * 20_000
    assert received(talk.client_events) == b"down" * 20_000
    made = [
        [end.export("EXPORTER-test", context, 32) for context in (None, b"", b"context")]
        for end in (talk.client, talk.server)
    ]
    assert made[0] == made[1]
    assert len(set(made[0])) == 3


@pytest.mark.parametrize("group", ["x25519", "secp256r1", "secp384r1", "secp521r1"])
def test_client_and_server_agree_on_every_group_but_hybrids(group: str) -> None:
    """RFC 8422 5.1.1: a hybrid comes first in both lists, and is not for TLS 1.2."""
    groups = {"groups": ("X25519MLKEM768", group)}
    talk = met(
        {
            "groups": (*groups["groups"], *(("secp256r1",) if group != "secp256r1" else ())),
            "versions": ("1.3", "1.2"),
        },
        groups,
    )
    assert talk.client.group == talk.server.group == group


@pytest.mark.parametrize("kind", KEY_KINDS)
def test_both_prove_themselves_with_every_kind_of_key(kind: str) -> None:
    """RFC 5246 7.4.3, 7.4.8, RFC 8422 5.4: the signatures of both sides, and a suite that fits them."""
    notes: list[Note] = []
    talk = met(
        {"credentials": credentials_with(kind, "client.example")},
        {"credentials": credentials_with(kind, "localhost")},
        client_notes=notes,
        server_notes=notes,
    )
    suite = talk.client.suite
    assert suite is not None
    assert suite.startswith("TLS_ECDHE_RSA" if kind.startswith("RSA") else "TLS_ECDHE_ECDSA")
    assert [note.step for note in notes if isinstance(note, Proved)] == ["2.2", "3.4", "4.1", "4.2"]
    assert [note.step for note in notes if isinstance(note, Judged)] == ["2.3", "3.3"]
    assert talk.server.peer is not None and talk.server.peer.names.common_name == "client.example"


@pytest.mark.parametrize("client_kind", ["P-384", "RSA-2048", "Ed25519"])
@pytest.mark.parametrize("server_kind", ["P-521", "RSA-PSS"])
def test_suite_says_nothing_about_the_key_of_the_client(client_kind: str, server_kind: str) -> None:
    """RFC 5246 7.4.6: the client's key has to fit what the request names, not the suite."""
    talk = met(
        {"credentials": credentials_with(client_kind, "client.example")},
        {"credentials": credentials_with(server_kind, "localhost")},
    )
    assert talk.server.peer is not None


@pytest.mark.parametrize("auth", ["none", "request", "require"])
@pytest.mark.parametrize("shows", [True, False])
@pytest.mark.parametrize("transport", [True, False])
def test_client_proves_itself_where_it_is_asked_to(auth: str, shows: bool, transport: bool) -> None:
    """RFC 5246 7.4.6: nothing, an empty Certificate, or Certificate and CertificateVerify."""
    client: dict[str, Any] = {} if shows else {"credentials": None}
    server: dict[str, Any] = {"client_auth": auth}
    if transport:
        client, server = classic(**client), classic(credentials=deciphering(), **server)
    notes: list[Note] = []
    talk = pair(client_config(**client), server_config(**server), client_notes=notes)
    talk.exchange()
    sent = kinds(notes, sent=True)
    if auth == "none":
        assert sent == ["ClientHello", "ClientKeyExchange", "Finished"]
    elif shows:
        assert sent == ["ClientHello", "Certificate", "ClientKeyExchange", "CertificateVerify", "Finished"]
    else:
        assert sent == ["ClientHello", "Certificate", "ClientKeyExchange", "Finished"]
    assert (talk.server.peer is not None) == (shows and auth != "none")
    if auth == "require" and not shows:
        assert isinstance(talk.server.failure, PeerFault)
        assert talk.server.failure.fault is Fault.NO_CERTIFICATE
        assert talk.server.failure.alert == Alert.HANDSHAKE_FAILURE
        assert talk.server.failure.step == "3.1"
    else:
        assert talk.client.established and talk.server.established


def test_client_is_confirmed_at_once() -> None:
    """RFC 5246 7.3: the server's Finished comes last, so that it accepted us is known with it."""
    talk = met({}, {})
    assert talk.client.confirmed and talk.server.confirmed


def test_both_agree_on_a_protocol_by_alpn() -> None:
    """RFC 7301 3.2: the server's preference among what the client offers."""
    talk = met({"alpn": ("h2", "http/1.1")}, {"alpn": ("http/1.1", "h2")})
    assert talk.client.alpn == talk.server.alpn == "http/1.1"
    assert met({"alpn": ("h2",)}, {}).client.alpn is None
    assert met({}, {"alpn": ("h2",)}).server.alpn is None


def test_a_signature_from_elsewhere_is_awaited() -> None:
    """The key of either side may be held by somebody else."""
    talk = pair(
        client_config(credentials=external("client.example")),
        server_config(credentials=external("localhost")),
    )
    talk.exchange()
    (wanted,) = talk.server_events
    assert isinstance(wanted, SignatureWanted) and talk.server.step is Step.SIGNING
    talk.server.provide(wanted, sign(wanted.scheme, identity("localhost").key, wanted.data))
    talk.exchange()
    (asked,) = talk.client_events
    assert isinstance(asked, SignatureWanted) and talk.client.step is Step.SIGNING
    talk.client_events += talk.client.provide(
        asked, sign(asked.scheme, identity("client.example").key, asked.data)
    )
    talk.exchange()
    assert talk.client.established and talk.server.established
    assert talk.server.peer is not None


# -- the hello -------------------------------------------------------------------------------------------


def test_client_of_12_alone_offers_nothing_of_13() -> None:
    """RFC 9846 4.3.1: supported_versions would say what its absence says as well; no session is offered."""
    hello = sent_hello()
    codes = extension_codes(hello.extensions)
    assert ExtensionType.supported_versions not in codes and ExtensionType.key_share not in codes
    assert hello.legacy_session_id == b""
    assert not any(name.startswith("TLS_AES") for name in (CipherSuite(c).name for c in hello.cipher_suites))


def test_client_asks_for_what_binds_keys_and_signals_secure_renegotiation() -> None:
    """RFC 7627 5.2, RFC 5746 3.4, RFC 8422 5.1."""
    for hello in (sent_hello(), sent_hello(versions=("1.3", "1.2"))):
        assert ext.find(hello.extensions, ext.ExtendedMainSecret) is not None
        assert ext.find(hello.extensions, ext.RenegotiationInfo) == ext.RenegotiationInfo(b"")
        assert ext.find(hello.extensions, ext.EcPointFormats) == ext.EcPointFormats((0,))
        assert hello.legacy_compression_methods == b"\0"


def test_client_of_13_alone_asks_for_nothing_of_12() -> None:
    """RFC 9846 4.3: what only TLS 1.2 has is not offered where that is not spoken."""
    hello = sent_hello(versions=("1.3",))
    assert ext.find(hello.extensions, ext.ExtendedMainSecret) is None
    assert ext.find(hello.extensions, ext.RenegotiationInfo) is None


def test_key_transport_is_offered_only_where_it_is_allowed_and_last() -> None:
    """RFC 5246 F.1.1.2: without forward secrecy, so only on request and after all else."""
    codes = [CipherSuite[name] for name in TRANSPORT_SUITES]
    assert not set(codes) & set(sent_hello().cipher_suites)
    assert list(sent_hello(insecure_rsa_key_transport=True).cipher_suites[-2:]) == codes


# -- the client judges first -------------------------------------------------------------------------------


def stranger() -> TrustStore:
    return TrustStore.from_pem(pki.root("Another root").pem)


WRONG_SERVERS: list[tuple[str, dict[str, Any], dict[str, Any], Alert, str]] = [
    ("of another CA", {"anchors": stranger()}, {}, Alert.UNKNOWN_CA, "2.3a"),
    ("of another name", {}, {"credentials": credentials("elsewhere.example")}, Alert.BAD_CERTIFICATE, "2.3a"),
    (
        "that expired",
        {},
        {
            "credentials": Credentials.from_pem(
                (old := pki.leaf(authority(), "localhost", not_after=pki.NOW - pki.DAY)).chain_pem,
                old.key_pem,
            )
        },
        Alert.CERTIFICATE_EXPIRED,
        "2.3b",
    ),
    (
        "whose key may sign but not decipher",
        classic(),
        classic(credentials=deciphering("localhost", "key_encipherment")),
        Alert.UNSUPPORTED_CERTIFICATE,
        "2.3a",
    ),
]


@pytest.mark.parametrize(("what", "client", "server", "alert", "step"), WRONG_SERVERS)
def test_no_key_exchange_leaves_for_a_server_that_is_not_trusted(
    what: str, client: dict[str, Any], server: dict[str, Any], alert: Alert, step: str
) -> None:
    """In TLS 1.2 the client judges before ClientKeyExchange, and shows no certificate either."""
    notes: list[Note] = []
    talk = pair(client_config(**client), server_config(**server), client_notes=notes)
    edit = changing(
        Certificate,
        certificate_list=lambda those: (
            tuple(credentials("localhost", "RSA-2048").chain) if "decipher" in what else those
        ),
    )
    with altering(Role.SERVER, edit):
        talk.exchange()
    assert kinds(notes, sent=True) == ["ClientHello"]
    assert isinstance(talk.client.failure, PeerFault)
    assert (talk.client.failure.alert, talk.client.failure.step) == (alert, step)
    assert talk.client.failure.state == "JUDGING"
    assert talk.server.failure is not None and talk.server.peer is None
    assert talk.server.failure.step == ("2.3a" if alert == Alert.UNSUPPORTED_CERTIFICATE else step)


def test_client_sends_no_key_exchange_for_an_unsigned_share() -> None:
    """RFC 8422 5.4: the signature over the share is checked before anybody is judged."""
    notes: list[Note] = []
    with altering(Role.SERVER, changing(ServerKeyExchange, signature=lambda old: old[:-1] + b"\0\0")):
        talk = CONVERSATIONS["mutual"].pair(client_notes=notes)
        talk.exchange()
    assert kinds(notes, sent=True) == ["ClientHello"]
    assert not [note for note in notes if isinstance(note, Judged)]
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.BAD_CERTIFICATE_VERIFY
    assert talk.client.failure.step == "2.2"


# -- which certificate it shows ------------------------------------------------------------------------------


def test_client_shows_the_certificate_whose_issuer_the_server_names() -> None:
    """RFC 5246 7.4.4: certificate_authorities chooses among several."""
    strange = pki.leaf(pki.intermediate(pki.root("Other root"), "Other"), "client.example")
    other = Credentials.from_pem(strange.chain_pem, strange.key_pem)
    talk = met({"credentials": (other, credentials("client.example"))}, {})
    assert talk.server.peer is not None


def test_client_shows_a_certificate_that_fits_the_types_asked_for() -> None:
    """RFC 5246 7.4.4: rsa_sign and ecdsa_sign."""
    own = {"credentials": (credentials("client.example"), credentials("client.example", "RSA-2048"))}
    with altering(Role.SERVER, changing(CertificateRequest, certificate_types=(1,))):
        notes: list[Note] = []
        talk = pair(client_config(**own), server_config(), server_notes=notes)
        talk.exchange()
    (proof,) = [
        note.message
        for note in notes
        if isinstance(note, MessageSeen) and isinstance(note.message, CertificateVerify)
    ]
    assert proof.algorithm in (0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601)
    assert talk.server.established


def test_client_with_no_certificate_that_fits_shows_none_and_says_so() -> None:
    """RFC 5246 7.4.6: an empty list; our own side is warned."""
    with altering(Role.SERVER, changing(CertificateRequest, certificate_types=(1,))):
        talk = pair(client_config(), server_config(client_auth="request"))
        talk.exchange()
    assert talk.client.established and talk.server.peer is None
    assert Warned(Caution.NO_FITTING_SCHEME) in talk.client_events


@pytest.mark.parametrize("kind", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_client_shows_no_ml_dsa_certificate(kind: str) -> None:
    """ML-DSA is defined for TLS 1.3 alone: no certificate is shown, and our own side is warned."""
    notes: list[Note] = []
    talk = pair(
        client_config(credentials=credentials("client.example", kind), versions=("1.3", "1.2")),
        server_config(client_auth="request"),
        client_notes=notes,
    )
    talk.exchange()
    assert talk.client.established and talk.server.peer is None
    assert Warned(Caution.NO_FITTING_SCHEME) in talk.client_events
    (request,) = [n.message for n in notes if isinstance(getattr(n, "message", None), CertificateRequest)]
    assert not {0x0904, 0x0905, 0x0906} & set(request.supported_signature_algorithms)


# -- what binds keys to their handshake --------------------------------------------------------------------


def test_server_without_the_extended_main_secret_is_refused_unless_that_is_allowed() -> None:
    """RFC 7627 5.2: required; the name of the option says what it is."""
    with altering(Role.SERVER, without(ServerHello, ext.ExtendedMainSecret)):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.NO_EXTENDED_MAIN_SECRET
    allowed = {"insecure_without_extended_main_secret": True}
    with altering(Role.CLIENT, without(ClientHello, ext.ExtendedMainSecret)):
        talk = met(allowed, allowed)
    for end in (talk.client, talk.server):
        assert end.established
        with pytest.raises(UsageError, match="extended main secret"):
            end.export("EXPORTER-test", None, 32)


def test_keys_differ_when_one_side_alone_binds_them() -> None:
    """RFC 7627 5.3: whoever strips the extension on the way is found out by Finished."""
    allowed = {"insecure_without_extended_main_secret": True}
    with altering(Role.CLIENT, without(ClientHello, ext.ExtendedMainSecret), in_flight=True):
        talk = pair(client_config(**allowed), server_config(**allowed))
        talk.exchange()
    assert not talk.client.established and not talk.server.established
    assert isinstance(talk.server.failure, PeerFault)


# -- what observers are told ---------------------------------------------------------------------------------


def test_client_tells_what_the_server_chose() -> None:
    """Step 1.2: suite and compression, of what was offered."""
    notes: list[Note] = []
    met({}, {}, client_notes=notes)
    chosen = {note.what: note for note in notes if isinstance(note, Chosen)}
    assert chosen["cipher suite"].chosen == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    assert chosen["compression"].chosen == "null"


@pytest.mark.parametrize("first", ["1.3", "1.2"])
def test_client_of_both_versions_connects_to_a_server_of_either(first: str) -> None:
    """RFC 9846 4.3.1: the highest that both speak, whatever the order of the list."""
    both = {"versions": (first, "1.2" if first == "1.3" else "1.3")}
    assert met(both, both).client.version == "1.3"
    assert met(both, {}).client.version == "1.2"
    assert met({}, both).client.version == "1.2"
    assert met(both, {"versions": ("1.3",)}).client.version == "1.3"


def test_unrequested_extension_in_a_server_hello_is_refused() -> None:
    """RFC 5246 7.4.1.4: session_ticket was not offered."""
    with altering(Role.SERVER, extending(ServerHello, ext.SessionTicket(b""))):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.UNSOLICITED_EXTENSION
