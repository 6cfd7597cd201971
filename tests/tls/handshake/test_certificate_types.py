"""Raw public keys (RFC 7250): which side asks for what, what is refused, and what a peer without a certificate is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pki
import raw_keys
from bothways import (
    ClientConfig,
    Fault,
    PeerAlert,
    PeerFault,
    PeerRule,
    PinnedKeys,
    RawKeyCredentials,
    ServerConfig,
    SessionStore,
    TicketKeys,
)
from bothways.errors import AuthenticationUnavailable
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.events import Caution, Judged, MessageSeen, Note, Warned
from bothways.tls.handshake.certificate_types import RAW, X509
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello
from bothways.tls.wire.tls13 import Certificate, CertificateEntry, CertificateRequest, EncryptedExtensions
from bothways.trust import files, watched
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from pair import Pair, pair
from tamper import Refusal, altering, both, changing, editing, extending, refused, without
from tls.handshake.conversations import (
    CONVERSATIONS,
    RAW_CLIENT,
    RAW_SERVER,
    client_config,
    identity,
    pinned,
    raw_key,
    server_config,
)

CLIENT, SERVER = Role.CLIENT, Role.SERVER


def entry(der: bytes, *extensions: Any) -> CertificateEntry:
    return CertificateEntry(der, extensions)


def entries(*those: CertificateEntry):
    return changing(Certificate, certificate_list=those)


def spki(name: str) -> bytes:
    return raw_key(name).public.spki


WEAK = pki.key("RSA-1024")
REFUSALS = (
    *(
        Refusal(
            f"by a {liar.value}",
            liar,
            Fault.RAW_KEY_NOT_PINNED,
            Alert.CERTIFICATE_UNKNOWN,
            client={"raw_key": raw_key("other.example")} if liar is CLIENT else {},
            server={"raw_key": raw_key("other.example")} if liar is SERVER else {},
            step="3.3a" if liar is CLIENT else "2.3a",
        )
        for liar in Role
    ),
    *(
        Refusal(
            f"{what}, by a {liar.value}",
            liar,
            Fault.BAD_RAW_KEY,
            Alert.BAD_CERTIFICATE,
            entries(entry(data)),
        )
        for liar in Role
        for what, data in (
            ("a certificate", identity("client.example").der),
            ("with a byte behind it", spki("client.example") + b"\0"),
            ("an empty sequence", b"\x30\x00"),
            ("too weak", raw_keys.public_key(WEAK)),
        )
    ),
    *(
        Refusal(
            f"{what}, by a {liar.value}",
            liar,
            Fault.SEVERAL_RAW_KEYS,
            Alert.ILLEGAL_PARAMETER,
            entries(*(entry(spki(name)) for name in names)),
        )
        for liar in Role
        for what, names in (("two", ("localhost", "client.example")), ("the same twice", ("localhost",) * 2))
    ),
    Refusal(
        "with an OCSP response",
        SERVER,
        Fault.SEVERAL_RAW_KEYS,
        Alert.ILLEGAL_PARAMETER,
        entries(entry(spki("localhost"), ext.CertificateStatus(b"ocsp"))),
        client={"revocation": Revocation(crls=CRLStore(), staples="use")},
    ),
    Refusal(
        "a raw key of the server",
        CLIENT,
        Fault.NO_SHARED_CERTIFICATE_TYPE,
        Alert.UNSUPPORTED_CERTIFICATE,
        editing(ClientHello, ext.ServerCertificateTypes, types=(1,)),
        step="1.2",
    ),
    Refusal(
        "no raw key of the server, which has nothing else",
        CLIENT,
        Fault.NO_SHARED_CERTIFICATE_TYPE,
        Alert.UNSUPPORTED_CERTIFICATE,
        without(ClientHello, ext.ServerCertificateTypes),
        server={"credentials": ()},
    ),
    Refusal(
        "a raw key of its own, which we need",
        CLIENT,
        Fault.NO_SHARED_CERTIFICATE_TYPE,
        Alert.UNSUPPORTED_CERTIFICATE,
        without(ClientHello, ext.ClientCertificateTypes),
        server={"client_anchors": None},
    ),
    Refusal(
        "twice the same, of the client",
        CLIENT,
        Fault.DUPLICATE_ENTRY,
        Alert.ILLEGAL_PARAMETER,
        editing(ClientHello, ext.ClientCertificateTypes, types=(RAW, RAW)),
    ),
    Refusal(
        "twice the same, of the server",
        CLIENT,
        Fault.DUPLICATE_ENTRY,
        Alert.ILLEGAL_PARAMETER,
        editing(ClientHello, ext.ServerCertificateTypes, types=(X509, X509)),
    ),
    Refusal(
        "of the server, OpenPGP",
        SERVER,
        Fault.UNOFFERED_CERTIFICATE_TYPE,
        Alert.ILLEGAL_PARAMETER,
        editing(EncryptedExtensions, ext.ServerCertificateType, type=1),
        step="1.2",
    ),
    Refusal(
        "of the client, a certificate that it has not",
        SERVER,
        Fault.UNOFFERED_CERTIFICATE_TYPE,
        Alert.ILLEGAL_PARAMETER,
        editing(EncryptedExtensions, ext.ClientCertificateType, type=X509),
        client={"credentials": None},
    ),
    Refusal(
        "of the server, a certificate by silence, where we verify none",
        SERVER,
        Fault.UNOFFERED_CERTIFICATE_TYPE,
        Alert.ILLEGAL_PARAMETER,
        without(EncryptedExtensions, ext.ServerCertificateType),
        client={"anchors": ClientConfig.__dataclass_fields__["anchors"].default},
    ),
    Refusal(
        "of raw keys, where none was offered",
        SERVER,
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, ext.ServerCertificateType(RAW)),
        client={"pins": None, "raw_key": None},
        server={"client_pins": None, "raw_key": None},
    ),
    Refusal(
        "for a certificate, after a raw key was agreed on",
        SERVER,
        Fault.BAD_RAW_KEY,
        Alert.BAD_CERTIFICATE,
        entries(entry(identity("localhost").der)),
        client={"credentials": None},
    ),
    Refusal(
        "although a raw key is required",
        CLIENT,
        Fault.NO_CERTIFICATE,
        Alert.CERTIFICATE_REQUIRED,
        entries(),
    ),
    Refusal(
        "by a rule about names",
        CLIENT,
        Fault.ACCESS_REFUSED,
        Alert.ACCESS_DENIED,
        server={"allow": PeerRule(cn="client.example")},
    ),
)


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_lie_about_raw_public_keys_is_refused(case: Refusal) -> None:
    """RFC 7250 4.2, RFC 9846 4.5.1."""
    client = client_config(**RAW_CLIENT | case.client)
    refused(case, client, server_config(**RAW_SERVER | case.server))


def test_a_peer_with_a_raw_key_has_nothing_of_a_certificate() -> None:
    notes: list[Note] = []
    talk = CONVERSATIONS["raw public keys"].pair(server_notes=notes)
    talk.exchange()
    for ours, theirs in ((talk.client, "localhost"), (talk.server, "client.example")):
        peer = ours.peer
        assert peer is not None and peer.kind == "raw public key"
        assert peer.raw_key == raw_key(theirs).public and peer.pin_name == theirs
        assert peer.certificate is None and peer.path == () and peer.names.count == 0
    judged = next(note.verdict for note in notes if isinstance(note, Judged))
    assert [each.letter for each in judged.findings] == ["a", "b", "c"]


def test_a_peer_with_a_certificate_says_so_beside_pins() -> None:
    """Where both are accepted, either does; the client's order of types counts (RFC 7250 4.2)."""
    talk = pair(client_config(pins=pinned("localhost")), server_config(client_pins=pinned("client.example")))
    talk.exchange()
    for each in (talk.client.peer, talk.server.peer):
        assert (
            each is not None and each.kind == "certificate" and each.raw_key is None and each.pin_name == ""
        )
    talk = pair(client_config(**RAW_CLIENT), server_config(**RAW_SERVER))
    talk.exchange()
    assert talk.client.peer is not None and talk.client.peer.kind == "raw public key"


def messages(notes: list[Note], kind: type, *, sent: bool) -> list[Any]:
    return [
        note.message
        for note in notes
        if isinstance(note, MessageSeen) and note.sent is sent and isinstance(note.message, kind)
    ]


def test_only_who_has_or_pins_a_raw_key_offers_it() -> None:
    """RFC 7250 4.1: what a client cannot do it does not offer; a hello without raw keys is as it was."""
    for fields, own, accepted in (
        ({}, None, None),
        ({"raw_key": raw_key("client.example")}, (RAW, X509), None),
        ({"raw_key": raw_key("client.example"), "credentials": None}, (RAW,), None),
        ({"pins": pinned("localhost")}, None, (RAW, X509)),
    ):
        hello = client_config(**fields).settings.negotiation.hello
        client, server = (
            ext.find(hello, ext.ClientCertificateTypes),
            ext.find(hello, ext.ServerCertificateTypes),
        )
        assert (client and client.types, server and server.types) == (own, accepted)
    alone = ClientConfig(pins=pinned("localhost"))
    assert ext.find(
        alone.settings.negotiation.hello, ext.ServerCertificateTypes
    ) == ext.ServerCertificateTypes((RAW,))
    assert alone.settings.negotiation.versions == (0x0304,)


def test_a_server_answers_only_what_was_offered_and_names_no_authorities_for_a_key() -> None:
    """RFC 7250 4.2; certificate_authorities and status_request are about certificates."""
    notes: list[Note] = []
    CONVERSATIONS["raw public keys"].pair(client_notes=notes).exchange()
    [answers] = messages(notes, EncryptedExtensions, sent=False)
    assert ext.find(answers.extensions, ext.ClientCertificateType) == ext.ClientCertificateType(RAW)
    assert ext.find(answers.extensions, ext.ServerCertificateType) == ext.ServerCertificateType(RAW)
    [request] = messages(notes, CertificateRequest, sent=False)
    assert ext.find(request.extensions, ext.CertificateAuthorities) is None
    [own] = messages(notes, Certificate, sent=True)
    assert own == Certificate(b"", (entry(spki("client.example")),))
    notes.clear()
    CONVERSATIONS["mutual"].pair(client_notes=notes).exchange()
    [answers] = messages(notes, EncryptedExtensions, sent=False)
    assert not [each for each in answers.extensions if "CertificateType" in type(each).__name__]


def test_a_client_without_a_raw_key_may_stay_anonymous_where_that_is_allowed() -> None:
    """With pins alone there is nothing that a client of certificates could be asked for."""
    notes: list[Note] = []
    server = server_config(client_anchors=None, client_pins=pinned("client.example"), client_auth="request")
    talk = pair(client_config(), server, client_notes=notes)
    talk.exchange()
    assert talk.client.established and talk.server.established and talk.server.peer is None
    assert not messages(notes, CertificateRequest, sent=False)


def test_a_client_with_nothing_that_fits_says_so() -> None:
    """The server asks for a raw key by a scheme that ours cannot use, or for a certificate that we have not."""
    own = RawKeyCredentials(pki.key("Ed25519"))
    client = client_config(raw_key=own, credentials=None)
    server = server_config(
        client_pins=pinned("client.example"), schemes=("ecdsa_secp256r1_sha256",), client_auth="request"
    )
    talk = pair(client, server)
    talk.exchange()
    assert Warned(Caution.NO_FITTING_SCHEME) in talk.client_events and talk.server.peer is None


def test_a_client_of_raw_keys_is_asked_for_what_the_server_accepts() -> None:
    """It prefers its raw key; a server that pins nothing asks for its certificate."""
    talk = pair(client_config(raw_key=raw_key("client.example")), server_config())
    talk.exchange()
    assert talk.server.peer is not None and talk.server.peer.kind == "certificate"


@pytest.mark.parametrize("kind", ["P-384", "P-521", "RSA-2048", "Ed25519", "Ed448", "ML-DSA-44"])
def test_every_kind_of_key_proves_itself(kind: str) -> None:
    own = RawKeyCredentials(pki.key(kind))
    pins = PinnedKeys.from_keys([own.public.spki])
    talk = pair(client_config(raw_key=own, pins=pins), server_config(raw_key=own, client_pins=pins))
    talk.exchange()
    assert talk.client.established and talk.server.peer is not None and talk.server.peer.raw_key == own.public


def test_types_that_nobody_knows_are_passed_over() -> None:
    """RFC 7250 4.2: the server takes the first of the client's that it has or accepts."""
    edit = both(
        editing(ClientHello, ext.ClientCertificateTypes, types=(3, 0x0A, RAW)),
        editing(ClientHello, ext.ServerCertificateTypes, types=(0xFF, RAW, X509)),
    )
    with altering(CLIENT, edit):
        talk = CONVERSATIONS["raw public keys"].pair()
        talk.exchange()
    assert talk.server.established and talk.server.peer is not None and talk.server.peer.raw_key is not None


def test_a_client_with_a_raw_key_is_not_asked_later() -> None:
    """What a Certificate contains is agreed on in the handshake (RFC 9846 4.5.1), where it was requested already."""
    talk = CONVERSATIONS["raw public keys"].pair({"post_handshake_auth": True})
    talk.exchange()
    with pytest.raises(AuthenticationUnavailable, match="requested in the handshake only"):
        talk.server.authenticate_client(required=True)
    assert talk.server.established


# -- sessions and changes -----------------------------------------------------------------------------------


@pytest.fixture
def pins_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of pins that is looked at with each use."""
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    file = tmp_path / "pins"
    file.write_text(
        "".join(f"{raw_key(each).public.fingerprint} {each}\n" for each in ("client.example", "localhost"))
    )
    return file


def without_pins(file: Path) -> None:
    file.with_suffix(".new").write_text("# nobody\n")
    file.with_suffix(".new").replace(file)


def both_watching(file: Path) -> tuple[ClientConfig, ServerConfig]:
    client = client_config(
        **RAW_CLIENT | {"pins": PinnedKeys.watched(file), "judge_again": "change", "sessions": SessionStore()}
    )
    server = server_config(
        **RAW_SERVER
        | {"client_pins": PinnedKeys.watched(file), "judge_again": "change", "tickets": TicketKeys()}
    )
    return client, server


def started(client: ClientConfig, server: ServerConfig) -> Pair:
    talk = pair(client, server)
    talk.exchange()
    return talk


@pytest.mark.parametrize("role", Role)
def test_an_open_connection_ends_when_the_pin_is_removed(role: Role, pins_file: Path) -> None:
    """The removal of a pin is the revocation of its key."""
    talk = started(*both_watching(pins_file))
    ours, theirs = (talk.client, talk.server) if role is CLIENT else (talk.server, talk.client)
    assert ours.established and not ours.evidence_changed and ours.next_deadline() is not None
    assert ours.judge_again() == [] and ours.established
    without_pins(pins_file)
    assert ours.evidence_changed
    ours.judge_again()
    error = ours.failure
    assert isinstance(error, PeerFault) and error.fault is Fault.RAW_KEY_NOT_PINNED
    talk.exchange()
    assert isinstance(theirs.failure, PeerAlert) and theirs.failure.alert == Alert.CERTIFICATE_UNKNOWN


def test_an_open_connection_is_judged_by_the_pins_of_another_configuration(pins_file: Path) -> None:
    client, server = both_watching(pins_file)
    for other, survives in ((server_config(**RAW_SERVER), True), (server_config(), False)):
        talk = started(client, server)
        talk.server.judge_by(other.settings)
        talk.server.judge_again()
        assert talk.server.established is survives


def test_a_session_is_not_resumed_after_the_pins_changed(pins_file: Path) -> None:
    """The ticket is bound to the pins, and the key of the session is looked up in them again."""
    client, server = both_watching(pins_file)
    assert not started(client, server).server.resumed
    assert started(client, server).server.resumed
    without_pins(pins_file)
    talk = started(client, server)
    assert isinstance(talk.client.failure, PeerFault | PeerAlert) and not talk.server.established


def test_a_session_of_a_raw_key_is_not_one_of_a_certificate() -> None:
    """Neither by the client's store nor by the ticket: the kind of either side is bound."""
    store, keys = SessionStore(), TicketKeys()
    with_keys = (
        client_config(**RAW_CLIENT | {"sessions": store}),
        server_config(**RAW_SERVER | {"tickets": keys}),
    )
    with_certificates = client_config(sessions=store), server_config(tickets=keys)
    started(*with_keys)
    talk = started(*with_certificates)
    assert talk.server.established and not talk.server.resumed
    talk = started(*with_keys)
    assert talk.server.resumed and talk.server.peer is not None and talk.server.peer.kind == "raw public key"
    assert talk.server.peer.proved_at is not None
