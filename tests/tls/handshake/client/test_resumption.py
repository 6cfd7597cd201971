"""A client resumes: what it offers, when it does not, and what it refuses of the answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import pki
from bothways import (
    ClientConfig,
    Credentials,
    Fault,
    PeerFault,
    ServerConfig,
    SessionStore,
    TicketKeys,
    TrustStore,
)
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.events import Judged, MessageSeen, Note
from bothways.tls.handshake.client.resumption import TICKETS_KEPT
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import Certificate, CertificateRequest, EncryptedExtensions, NewSessionTicket
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from inside import machinery
from pair import NOON, FrozenClock, Pair, pair
from tamper import Refusal, after, altering, assert_reported, changing, editing, extending, without
from tls.handshake.conversations import (
    CONVERSATIONS,
    RETRY,
    anchors,
    authority,
    client_config,
    credentials,
    credentials_of,
    identity,
    server_config,
)

DAY = timedelta(days=1)


def configs(
    client: dict[str, Any] | None = None, server: dict[str, Any] | None = None
) -> tuple[ClientConfig, ServerConfig, FrozenClock]:
    """Both sides with a memory, and one clock."""
    clock = FrozenClock()
    ours = client_config(**{"sessions": SessionStore(), "clock": clock} | (client or {}))
    theirs = server_config(**{"tickets": TicketKeys(), "clock": clock} | (server or {}))
    return ours, theirs, clock


def talk(client: ClientConfig, server: ServerConfig, **notes: Any) -> Pair:
    made = pair(client, server, **notes)
    made.exchange()
    return made


def established(client: ClientConfig, server: ServerConfig, **notes: Any) -> bool:
    """Connect, and say whether a session was resumed."""
    made = talk(client, server, **notes)
    assert made.client.established and made.server.established, (made.client.failure, made.server.failure)
    assert made.client.resumed == made.server.resumed
    assert made.client.peer is not None and made.client.peer.names.common_name == "localhost"
    return made.client.resumed


def offers(client: ClientConfig, name: str = "localhost") -> ext.PreSharedKeys | None:
    """What the next ClientHello offers."""
    notes: list[Note] = []
    client.connection(name, observer=notes.append)
    (hello,) = [each.message for each in notes if isinstance(each, MessageSeen)]
    return ext.find(hello.extensions or (), ext.PreSharedKeys)


def test_sessions_are_resumed_without_certificates_or_signatures() -> None:
    """RFC 9846 2.2, figure 3; and both are who they were."""
    client, server, clock = configs()
    assert not established(client, server)
    clock.pass_time(60)
    notes: list[Note] = []
    made = talk(client, server, client_notes=notes)
    assert made.client.resumed and made.server.resumed
    names = [type(each.message).__name__ for each in notes if isinstance(each, MessageSeen)]
    assert names == [
        "ClientHello", "ServerHello", "EncryptedExtensions", "Finished", "Finished", "NewSessionTicket",
    ]  # fmt: skip
    for end, name in ((made.client, "localhost"), (made.server, "client.example")):
        assert end.peer is not None and end.peer.names.common_name == name
        assert end.peer.proved_at == NOON, "when it signed, and not when its session was resumed"
    assert made.client.confirmed, "its ticket is the server's first word under the new keys"
    assert sum(isinstance(each, Judged) for each in notes) == 1


def test_a_peer_that_signs_in_this_handshake_has_no_earlier_time_of_proof() -> None:
    client, server, _ = configs()
    made = talk(client, server)
    assert made.client.peer is not None and made.client.peer.proved_at is None


def test_resumption_of_tls_13_is_on_by_default() -> None:
    """Without a word about sessions or tickets on either side."""
    client = ClientConfig(anchors=anchors(), credentials=credentials("client.example"), clock=FrozenClock())
    server = ServerConfig(credentials=credentials("localhost"), client_anchors=anchors(), clock=FrozenClock())
    assert [established(client, server) for _ in range(4)] == [False, True, True, True]


def test_keys_differ_in_each_connection_of_a_session() -> None:
    """RFC 9846 2.2: a key agreement goes into each (psk_dhe_ke), so a ticket opens no recorded data."""
    client, server, _ = configs()
    exported = {talk(client, server).client.export("EXPORTER-test", b"", 32) for _ in range(4)}
    assert len(exported) == 4


def test_both_ends_export_the_same_of_a_resumed_session() -> None:
    client, server, _ = configs()
    talk(client, server)
    made = talk(client, server)
    assert made.client.export("EXPORTER-x", b"c", 32) == made.server.export("EXPORTER-x", b"c", 32)


def test_a_session_is_offered_once_with_its_age_masked() -> None:
    """RFC 9846 4.3.11.1, C.4."""
    client, server, clock = configs()
    notes: list[Note] = []
    talk(client, server, client_notes=notes)
    (ticket,) = [
        each.message for each in notes if isinstance(getattr(each, "message", None), NewSessionTicket)
    ]
    clock.pass_time(12.345)
    offered = offers(client)
    assert offered is not None
    (one,) = offered.identities
    assert one.identity == ticket.ticket
    assert one.obfuscated_ticket_age == (12_345 + ticket.ticket_age_add) % 2**32
    assert offers(client) is None


def test_each_connection_has_another_ticket_with_another_mask() -> None:
    client, server, _ = configs()
    seen = []
    for _ in range(3):
        notes: list[Note] = []
        talk(client, server, client_notes=notes)
        seen += [
            each.message for each in notes if isinstance(getattr(each, "message", None), NewSessionTicket)
        ]
    assert len({each.ticket[16:] for each in seen}) == len({each.ticket_age_add for each in seen}) == 3


# -- when it does not offer ----------------------------------------------------------------------------------


def renewed(name: str) -> Credentials:
    return credentials_of(pki.leaf(authority(), name))


def test_without_a_store_no_session_extension_is_sent() -> None:
    """And a server sends no ticket to who could not use it (RFC 9846 4.3.9)."""
    client, server, _ = configs({"sessions": None})
    notes: list[Note] = []
    assert not established(client, server, client_notes=notes)
    hello, *rest = [each.message for each in notes if isinstance(each, MessageSeen)]
    assert ext.find(hello.extensions, ext.PskKeyExchangeModes) is None
    assert not any(isinstance(each, NewSessionTicket) for each in rest)
    assert not established(client, server)


@pytest.mark.parametrize(
    "other",
    [
        {"credentials": renewed("client.example")},
        {"credentials": None},
        {"anchors": TrustStore.from_certificates([*anchors().certificates, pki.root("Another").certificate])},
    ],
    ids=["renewed", "anonymous", "other anchors"],
)
def test_a_shared_store_gives_no_session_to_another_identity_or_trust(other: dict[str, Any]) -> None:
    """Who has renewed its certificate never presents the old one."""
    client, server, clock = configs(server={"client_auth": "request"})
    talk(client, server)
    shared = {"sessions": client.sessions, "clock": clock}
    assert offers(client_config(**shared | other)) is None
    assert offers(client_config(**shared)) is not None, "who is the same and trusts the same gets it"


def test_two_configurations_share_nothing_by_themselves() -> None:
    client, server, clock = configs()
    talk(client, server)
    assert offers(client_config(sessions=SessionStore(), clock=clock)) is None


def test_a_session_is_for_one_name() -> None:
    """RFC 9846 4.7.1, even where the certificate has both."""
    client, server, _ = configs()
    talk(client, server)
    assert offers(client, "other.example") is None
    assert offers(client) is not None


def test_each_configuration_with_the_same_store_uses_its_own_evidence() -> None:
    """The session is judged by the evidence of whoever resumes it, not of whoever began it."""
    good, bad = CRLStore(lists()), CRLStore(lists(identity("localhost", "P-256")))
    client, server, clock = configs({"revocation": Revocation(crls=good)})
    talk(client, server)
    other = client_config(revocation=Revocation(crls=bad), sessions=client.sessions, clock=clock)
    assert offers(other) is None


def lists(*revoked: pki.Issued) -> list[CRL]:
    """The lists of both CAs, newer ones where they revoke somebody."""
    return [
        CRL(pki.crl(each, *revoked, number=1 + len(revoked))) for each in (authority(), authority().above[0])
    ]


def revoke(client: ClientConfig, clock: FrozenClock) -> None:
    assert client.revocation is not None and client.revocation.crls is not None
    for each in lists(identity("localhost", "P-256")):
        client.revocation.crls.add(each)


LATER: dict[str, Callable[[ClientConfig, FrozenClock], None]] = {
    "it has expired": lambda client, clock: clock.pass_time(400 * 86_400),
    "it is too old": lambda client, clock: clock.pass_time(86_400),
    "the clock was set back": lambda client, clock: clock.pass_time(-1),
}


@pytest.mark.parametrize("what", LATER)
def test_a_session_whose_server_is_no_longer_valid_is_not_offered(what: str) -> None:
    client, server, clock = configs()
    talk(client, server)
    LATER[what](client, clock)
    assert offers(client) is None


def test_a_server_that_was_revoked_since_is_not_offered_its_session_and_refused_in_full() -> None:
    """The full handshake says why."""
    client, server, clock = configs({"revocation": Revocation(crls=CRLStore(lists()))})
    assert not established(client, server)
    assert established(client, server)
    revoke(client, clock)
    made = talk(client, server)
    assert isinstance(made.client.failure, PeerFault) and made.client.failure.fault is Fault.REVOKED
    assert made.client.failure.state == "JUDGING"


def test_a_server_of_which_nothing_is_known_is_not_offered_its_session() -> None:
    """Though an unknown status is accepted where a server signs."""
    client, server, _ = configs({"revocation": Revocation(crls=CRLStore(), unknown="accept")})
    assert [established(client, server) for _ in range(3)] == [False] * 3


def test_chained_resumption_ends_a_day_after_the_signatures() -> None:
    """RFC 9846 4.7.1: each ticket inherits the time of the last CertificateVerify."""
    client, server, clock = configs()
    resumed = []
    for _ in range(6):
        resumed.append(established(client, server))
        clock.pass_time(6 * 3600)
    assert resumed == [False, True, True, True, False, True]


def test_max_age_of_the_client_holds_beside_the_servers() -> None:
    client, server, clock = configs({"sessions": SessionStore(max_age=timedelta(minutes=5))})
    talk(client, server)
    clock.pass_time(300)
    assert offers(client) is None


def test_a_session_is_resumed_only_with_suites_of_its_hash() -> None:
    """RFC 9846 4.3.11."""
    client, server, clock = configs()
    shared = {"sessions": client.sessions, "clock": clock}
    talk(client, server)
    assert offers(client_config(suites=("TLS_AES_256_GCM_SHA384",), **shared)) is None
    talk(client, server)
    other = client_config(suites=("TLS_CHACHA20_POLY1305_SHA256",), **shared)
    made = talk(other, server)
    assert made.client.resumed and made.client.suite == "TLS_CHACHA20_POLY1305_SHA256"


def test_a_resumed_handshake_negotiates_the_application_protocol_again() -> None:
    """RFC 9846 4.7.1: a session is not bound to one."""
    client, server, clock = configs({"alpn": ("h2",)}, {"alpn": ("h2", "http/1.1")})
    talk(client, server)
    other = client_config(alpn=("http/1.1",), sessions=client.sessions, clock=clock)
    made = talk(other, server)
    assert made.client.resumed and made.client.alpn == made.server.alpn == "http/1.1"


def test_evidence_that_changes_during_the_handshake_is_used_before_its_end() -> None:
    """The client judged before it offered, and looks at clock and generation again."""
    client, server, clock = configs({"revocation": Revocation(crls=CRLStore(lists()))})
    talk(client, server)
    made = pair(client, server)
    made.server.receive(made.client.data_to_send())
    revoke(client, clock)
    made.client.receive(made.server.data_to_send())
    assert isinstance(made.client.failure, PeerFault) and made.client.failure.fault is Fault.REVOKED
    assert not made.client.resumed and made.client.peer is None


def test_a_verdict_that_expires_during_the_handshake_is_not_used() -> None:
    client, server, clock = configs()
    ours = pki.leaf(authority(), "localhost", not_after=NOON + timedelta(minutes=10))
    server = server_config(credentials=credentials_of(ours), tickets=TicketKeys(), clock=clock)
    talk(client, server)
    clock.pass_time(590)
    made = pair(client, server)
    made.server.receive(made.client.data_to_send())
    clock.pass_time(11)
    made.client.receive(made.server.data_to_send())
    assert isinstance(made.client.failure, PeerFault)
    assert made.client.failure.fault is Fault.CERTIFICATE_EXPIRED


# -- tickets that come ---------------------------------------------------------------------------------------


def sent(*tickets: NewSessionTicket) -> ClientConfig:
    """A client to which a server has sent these."""
    client, server, _ = configs(server={"tickets": None})
    made = talk(client, server)
    machinery(made.server).out.send_after_handshake(*tickets)
    made.exchange()
    assert made.client.established
    return client


@pytest.mark.parametrize(
    ("lifetime", "later", "kept"),
    [(0, 0, False), (1, 0, True), (1, 1, False), (2**32 - 1, 86_399, True), (2**32 - 1, 7 * 86_400, False)],
)
def test_a_ticket_lives_for_as_long_as_it_says_and_seven_days_at_most(
    lifetime: int, later: int, kept: bool
) -> None:
    """RFC 9846 4.7.1: one of zero is thrown away at once; more than seven days are seven."""
    client = sent(NewSessionTicket(lifetime, 0, b"", b"t", ()))
    assert isinstance(client.clock, FrozenClock)
    client.clock.pass_time(later)
    assert (offers(client) is not None) is kept


def test_of_tickets_with_one_nonce_the_first_is_kept() -> None:
    """RFC 9846 4.7.1: they would have one key."""
    client = sent(*(NewSessionTicket(60, 0, b"n", bytes([number]), ()) for number in range(3)))
    assert client.sessions is not None and len(client.sessions) == 1


def test_a_server_that_sends_many_tickets_takes_no_more_memory() -> None:
    client = sent(*(NewSessionTicket(60, 0, bytes([number]), b"t", ()) for number in range(30)))
    assert client.sessions is not None and len(client.sessions) == 4
    assert TICKETS_KEPT < 30


# -- HelloRetryRequest ---------------------------------------------------------------------------------------


def test_a_session_is_offered_again_after_a_retry() -> None:
    """RFC 9846 4.3.11.2: with a binder over the hello, the retry and the new hello."""
    client, server, _ = configs(server=RETRY)
    assert [established(client, server) for _ in range(3)] == [False, True, True]


def test_a_session_of_another_hash_is_left_out_after_a_retry() -> None:
    """RFC 9846 4.2.2: the suite is known by then."""
    both_hashes = {"suites": ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")}
    client, server, clock = configs(both_hashes)
    talk(client, server)
    other = server_config(suites=("TLS_AES_256_GCM_SHA384",), tickets=TicketKeys(), clock=clock, **RETRY)
    notes: list[Note] = []
    assert not established(client, other, client_notes=notes)
    hellos = [each.message for each in notes if isinstance(getattr(each, "message", None), ClientHello)]
    assert [ext.find(each.extensions, ext.PreSharedKeys) is not None for each in hellos] == [True, False]


# -- answers that are refused -------------------------------------------------------------------------------

ILLEGAL = Alert.ILLEGAL_PARAMETER
_AES_256 = 0x1302
BOTH_HASHES = {"suites": ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")}


def server(what: str, fault: Fault, alert: Alert, edit: Any, **rest: Any) -> Refusal:
    return Refusal(what, Role.SERVER, fault, alert, edit, conversation="resumed", **rest)


ANSWERS = (
    server(
        "the second of one", Fault.UNOFFERED_PSK, ILLEGAL, editing(ServerHello, ext.SelectedIdentity, index=1),
        step="1.2",
    ),
    server(
        "the last that there could be", Fault.UNOFFERED_PSK, ILLEGAL,
        editing(ServerHello, ext.SelectedIdentity, index=65_535),
    ),
    server(
        "SHA-384 for a session of SHA-256", Fault.PSK_OF_OTHER_HASH, ILLEGAL,
        changing(ServerHello, cipher_suite=_AES_256),
        client=BOTH_HASHES,
    ),
    server(
        "no key share", Fault.PSK_WITHOUT_SHARE, ILLEGAL, without(ServerHello, ext.ServerShare),
    ),
    server(
        "a request for a certificate", Fault.UNEXPECTED_MESSAGE, Alert.UNEXPECTED_MESSAGE,
        after(EncryptedExtensions, CertificateRequest(b"", (ext.SignatureAlgorithms((0x0403,)),))),
        step="4.2",
    ),
    server(
        "a certificate", Fault.UNEXPECTED_MESSAGE, Alert.UNEXPECTED_MESSAGE,
        after(EncryptedExtensions, Certificate(b"", ())),
    ),
    server(
        "early data accepted that was not sent", Fault.UNSOLICITED_EXTENSION, Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, ext.EarlyDataIndication()),
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS, ids=str)
def test_an_answer_that_does_not_fit_is_refused(case: Refusal) -> None:
    """RFC 9846 4.3.11: illegal_parameter, and both sides are told."""
    notes: list[Note] = []
    with altering(case.sender, case.edit):
        made = CONVERSATIONS[case.conversation].pair(case.client, case.server, server_notes=notes)
        made.exchange()
    error = made.client.failure
    assert isinstance(error, PeerFault) and error.fault is case.fault, str(error)
    assert_reported(error, case.alert, notes, made.server)
    assert case.step in (None, error.step)
