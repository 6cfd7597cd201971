"""The engine as its users hold it: bytes in, events and bytes out, closing, time, answers that come later."""

from __future__ import annotations

from array import array
from collections.abc import Callable

import pytest

from bothways import (
    ConfigError,
    Data,
    Established,
    Failed,
    Fault,
    InternalError,
    PeerAlert,
    PeerClosed,
    PeerFault,
    SignatureWanted,
    Truncated,
    UsageError,
)
from bothways.iana import Alert
from bothways.tls.connection import Connection
from bothways.tls.crypto.signing import sign
from bothways.tls.events import EvidenceWanted
from bothways.tls.handshake.steps import Step
from bothways.trust.evidence.fetch_policy import Fetch
from inside import machinery
from pair import NOON, FrozenClock, Pair, pair, received
from tls.handshake.conversations import (
    CONVERSATIONS,
    Conversation,
    Resumed,
    client_config,
    credentials,
    external,
    identity,
    reported,
    server_config,
)


def mutual(**server: object) -> Pair:
    talk = pair(client_config(), server_config(**server))
    talk.exchange()
    return talk


# -- a whole conversation --------------------------------------------------------------------------------


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_both_sides_establish_and_talk(conversation: Conversation) -> None:
    """RFC 9846 2: after the handshake data flows both ways, and both know who the other is."""
    talk = conversation.pair()
    talk.exchange()
    assert talk.client.established and talk.server.established
    assert talk.client.peer is not None
    peer, kind = talk.client.peer, "raw public key" if "pins" in conversation.client else "certificate"
    if "psk_peers" in conversation.client and "unknown" not in conversation.name:
        kind = "pre-shared key"
    assert peer.kind == kind
    names = {"certificate": peer.names.dns, "raw public key": (peer.pin_name,)}
    assert names.get(kind, (peer.psk_name,)) == ("localhost",)
    asked = conversation.server.get("client_auth") != "none" and "credentials" not in conversation.client
    assert (talk.server.peer is not None) == (asked or kind == "pre-shared key")
    talk.client.send(b"ping")
    talk.server.send(b"pong")
    talk.exchange()
    assert received(talk.server_events) == b"ping"
    assert received(talk.client_events) == b"pong"


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_both_sides_tell_the_same_choices(conversation: Conversation) -> None:
    """RFC 9846 4.2: version, suite, group and application protocol are agreed."""
    talk = conversation.pair()
    assert (talk.client.version, talk.client.suite, talk.client.group, talk.client.alpn) == (None,) * 4
    talk.exchange()
    for ask in ("version", "suite", "group", "alpn", "resumed"):
        assert getattr(talk.client, ask) == getattr(talk.server, ask)
    assert talk.client.version == "1.3"
    assert talk.client.resumed is isinstance(conversation, Resumed)
    assert talk.client.alpn == ("http/1.1" if conversation.name == "with ALPN" else None)


def test_client_hello_is_ready_at_once() -> None:
    """A client's connection starts by itself, a server's waits."""
    client, server = client_config().connection("localhost"), server_config().connection()
    assert client.data_to_send()[:1] == b"\x16"
    assert client.data_to_send() == b""
    assert server.data_to_send() == b""
    assert (client.step, server.step) == (Step.WAIT_SH, Step.WAIT_CH)


def test_client_without_a_server_name_is_a_config_error() -> None:
    """A client that does not say whom it wants cannot be told whom it got."""
    with pytest.raises(ConfigError, match="server_name"):
        client_config().connection(None)


@pytest.mark.parametrize("size", [0, 1, 2**14, 2**14 + 1, 100_000])
def test_data_of_any_size_arrives_whole(size: int) -> None:
    """RFC 9846 5.1: what is longer than a record travels in several."""
    talk = mutual()
    data = bytes(each % 251 for each in range(size))
    talk.client.send(data)
    talk.server.send(memoryview(data))
    talk.exchange()
    assert received(talk.server_events) == data
    assert received(talk.client_events) == data
    assert all(event.data for event in talk.client_events if isinstance(event, Data))


# -- queued until established ----------------------------------------------------------------------------


def test_data_sent_early_waits_until_the_peer_is_judged() -> None:
    """No application data before both sides hold what they need."""
    talk = pair(client_config(), server_config())
    talk.client.send(b"from the client")
    talk.server.send(b"from ")
    talk.server.send(b"the server")
    assert len(talk.client.data_to_send()) > 0
    talk = pair(client_config(), server_config())
    talk.client.send(b"from the client")
    talk.server.send(b"from the server")
    talk.exchange()
    assert reported(talk.client_events) == ["Established CN=localhost", "Data  " + b"from the server".hex()]
    assert reported(talk.server_events) == [
        "Established CN=client.example",
        "Data  " + b"from the client".hex(),
    ]


def test_server_hands_out_nothing_of_a_client_that_it_refuses() -> None:
    """Data that comes with a client's last flight is not handed out if the client is refused."""
    talk = pair(client_config(credentials=None), server_config())
    talk.client.send(b"let me in")
    talk.server.send(b"secret")
    talk.exchange()
    assert received(talk.server_events) == b""
    assert received(talk.client_events) == b""
    assert isinstance(talk.server.failure, PeerFault)
    assert isinstance(talk.client.failure, PeerAlert)
    assert talk.server.peer is None and not talk.server.established


# -- whether the peer accepted us ------------------------------------------------------------------------


def test_client_is_confirmed_by_the_first_word_of_the_server() -> None:
    """RFC 9846 4.5.3: a client is done before it knows whether the server accepts it."""
    talk = mutual()
    assert talk.server.confirmed
    assert not talk.client.confirmed
    talk.server.send(b"welcome")
    talk.exchange()
    assert talk.client.confirmed


def test_client_that_was_refused_is_not_confirmed() -> None:
    """An alert that refuses us comes under application keys, and confirms nothing."""
    talk = pair(client_config(credentials=None), server_config())
    talk.exchange()
    assert Established in map(type, talk.client_events)
    assert isinstance(talk.client.failure, PeerAlert)
    assert talk.client.failure.alert == Alert.CERTIFICATE_REQUIRED
    assert talk.client.failure.step == "3.1"
    assert not talk.client.confirmed


def test_server_that_never_says_a_word_leaves_the_client_unconfirmed() -> None:
    """An end of file before any word of the server belongs to step 3."""
    talk = mutual()
    (event,) = talk.client.receive_eof()
    assert isinstance(event, Failed) and isinstance(event.error, Truncated)
    assert event.error.step == "3"
    assert not talk.client.confirmed


# -- closing ---------------------------------------------------------------------------------------------


def test_each_side_may_close_alone() -> None:
    """RFC 9846 6.1: close_notify ends one direction; the other goes on."""
    talk = mutual()
    talk.client.send(b"last")
    talk.client.close()
    talk.exchange()
    assert received(talk.server_events) == b"last"
    assert isinstance(talk.server_events[-1], PeerClosed)
    assert not talk.server.wants_data and talk.client.wants_data
    talk.server.send(b"still here")
    talk.exchange()
    assert received(talk.client_events) == b"still here"
    talk.server.close()
    talk.exchange()
    assert isinstance(talk.client_events[-1], PeerClosed)
    assert talk.client.failure is None and talk.server.failure is None


def test_a_side_that_closed_sends_nothing_more() -> None:
    """RFC 9846 6.1: after close_notify nothing follows, however often one closes."""
    talk = mutual()
    talk.client.close()
    assert len(talk.client.data_to_send()) > 0
    talk.client.close()
    with pytest.raises(UsageError, match="closed"):
        talk.client.send(b"x")
    with pytest.raises(UsageError, match="open"):
        talk.client.update_keys()
    assert talk.client.data_to_send() == b""


def test_closed_side_does_not_answer_a_wish_for_new_keys() -> None:
    """RFC 9846 4.7.3 and 6.1: an update is owed only by who still sends."""
    talk = mutual()
    talk.client.close()
    talk.exchange()
    talk.server.update_keys(ask=True)
    talk.server.send(b"x")
    assert received(talk.client.receive(talk.server.data_to_send())) == b"x"
    assert talk.client.data_to_send() == b""


def test_closed_side_that_finds_a_fault_sends_no_alert() -> None:
    """RFC 9846 6.1: close_notify is the last that is sent."""
    talk = mutual()
    talk.client.close()
    talk.exchange()
    (event,) = talk.client.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert isinstance(event, Failed) and isinstance(event.error, PeerFault)
    assert event.error.fault is Fault.BAD_RECORD
    assert talk.client.data_to_send() == b""


def test_data_after_close_notify_is_ignored() -> None:
    """RFC 9846 6.1: data after a closure alert must be ignored."""
    talk = mutual()
    talk.client.close()
    closing = talk.client.data_to_send()
    assert reported(talk.server.receive(closing + b"more")) == ["PeerClosed"]
    assert talk.server.receive(b"and more") == []
    assert talk.server.receive_eof() == []
    assert talk.server.failure is None


@pytest.mark.parametrize("closer", ["client", "server"])
def test_closing_in_mid_handshake_ends_it_for_both(closer: str) -> None:
    """RFC 9846 6.1: who cancels says user_canceled and close_notify, and takes no further part."""
    talk = pair(client_config(), server_config())
    hello = talk.client.data_to_send()
    if closer == "server":
        talk.server.close()
        assert talk.server.receive(hello) == []
        bye = talk.server.data_to_send()
        talk.client_events += talk.client.receive(bye)
        other, mine = talk.client, talk.server
    else:
        talk.client.close()
        bye = talk.client.data_to_send()
        answer = talk.server.receive(hello + bye)
        assert isinstance(answer[-1], Failed)
        assert talk.client.receive(talk.server.data_to_send()) == []
        other, mine = talk.server, talk.client
    assert bye == bytes.fromhex("15030300 02015a 15030300 020100")
    assert isinstance(other.failure, PeerAlert) and other.failure.alert == Alert.CLOSE_NOTIFY
    assert mine.data_to_send() == b""
    assert not mine.wants_data and not mine.established and mine.failure is None
    assert mine.next_deadline() is None and mine.tick() == [] and mine.receive_eof() == []


def test_close_drops_what_was_queued() -> None:
    """RFC 9846 6.1: a canceled handshake delivers nothing."""
    talk = pair(client_config(), server_config())
    talk.client.send(b"never")
    talk.client.close()
    talk.exchange()
    assert received(talk.server_events) == b""


# -- truncation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["client", "server"])
def test_end_of_file_without_close_notify_is_a_truncation(side: str) -> None:
    """RFC 9846 6.1: without close_notify nobody knows whether all has come."""
    talk = mutual()
    talk.client.send(b"half")
    talk.server.send(b"half")
    talk.exchange()
    end = getattr(talk, side)
    (event,) = end.receive_eof()
    assert isinstance(event, Failed) and isinstance(event.error, Truncated)
    assert event.error.peer == ("server" if side == "client" else "client")
    assert event.error.step == "4.3"
    assert end.receive_eof() == [] and end.receive(b"x") == []
    assert end.data_to_send() == b""
    assert end.failure is event.error


def test_truncation_can_be_ignored_by_those_who_must() -> None:
    """`insecure_ignore_truncation` takes the end of file for an end of data."""
    talk = pair(client_config(insecure_ignore_truncation=True), server_config())
    (event,) = talk.client.receive_eof()
    assert isinstance(event, Failed), "in a handshake nothing is ignored"
    talk = pair(client_config(insecure_ignore_truncation=True), server_config())
    talk.exchange()
    assert reported(talk.client.receive_eof()) == ["PeerClosed"]
    assert talk.client.failure is None


def test_end_of_file_in_the_handshake_names_the_step() -> None:
    """RFC 9846 6.1: the step that was cut is told."""
    talk = pair(client_config(), server_config())
    (event,) = talk.client.receive_eof()
    assert isinstance(event, Failed) and isinstance(event.error, Truncated)
    assert event.error.step == "1.2"
    assert "ended the connection at step 1.2" in str(event.error)


def test_record_cut_by_the_end_of_file_is_a_truncation() -> None:
    """RFC 9846 6.1: half a record is no data."""
    talk = mutual()
    talk.server.send(b"all or nothing")
    assert talk.client.receive(talk.server.data_to_send()[:-1]) == []
    assert isinstance(talk.client.receive_eof()[-1], Failed)


# -- failures --------------------------------------------------------------------------------------------


def test_failed_connection_takes_and_gives_nothing_more() -> None:
    """The last event is Failed; the alert is ready, once."""
    server = server_config().connection()
    events = server.receive(b"GET / HTTP/1.1\r\n\r\n")
    assert [type(event) for event in events] == [Failed]
    assert isinstance(server.failure, PeerFault) and server.failure.fault is Fault.NOT_TLS
    assert server.data_to_send() == bytes.fromhex("15030300 02020a")
    assert server.receive(b"more") == [] and server.receive_eof() == []
    assert server.data_to_send() == b"" and not server.wants_data
    assert server.next_deadline() is None and server.tick() == []
    with pytest.raises(UsageError):
        server.send(b"x")
    with pytest.raises(UsageError):
        server.update_keys()
    server.close()
    assert server.data_to_send() == b""


def test_peer_is_forgotten_when_the_connection_fails() -> None:
    """`peer` is set only while everything holds."""
    talk = mutual()
    assert talk.server.peer is not None
    talk.server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert talk.server.peer is None and not talk.server.established


def test_defect_in_the_engine_is_no_fault_of_the_peer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever escapes the gate is InternalError; the log tells where, and no value."""

    def broken(*_: object) -> None:
        raise RuntimeError("a secret value")

    talk = pair(client_config(), server_config())
    monkeypatch.setattr("bothways.tls.handshake.client.script13.check_finished", broken)
    talk.exchange()
    assert isinstance(talk.client.failure, InternalError)
    assert "not the peer's fault" in str(talk.client.failure)
    assert isinstance(talk.server.failure, PeerAlert)
    assert talk.server.failure.alert == Alert.INTERNAL_ERROR
    assert "RuntimeError in _run" in caplog.text and "broken" in caplog.text
    assert "a secret value" not in caplog.text


def test_observer_that_raises_is_not_called_again_and_the_connection_continues(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An observer is the caller's code; the connection goes on without it."""
    heard: list[object] = []

    def curious(note: object) -> None:
        heard.append(note)
        raise LookupError("a bug of the observer")

    server = server_config().connection(observer=curious)
    talk = Pair(client_config().connection("localhost", observer=curious), server)
    talk.exchange()
    assert talk.client.established and talk.server.established
    assert len(heard) == 2
    assert caplog.text.count("gets no more notes") == 2


def test_observer_gets_no_notes_after_stop_observing() -> None:
    """What follows passes as if nobody had watched."""
    heard: list[object] = []
    client = client_config().connection("localhost", observer=heard.append)
    talk = Pair(client, server_config().connection())
    talk.exchange()
    assert heard
    talk.client.stop_observing()
    heard.clear()
    for _ in range(3):
        talk.client.send(b"out")
        talk.server.send(b"in")
        talk.exchange()
    talk.client.update_keys()
    talk.client.close()
    talk.exchange()
    assert heard == []
    assert received(talk.client_events) == b"in" * 3 and received(talk.server_events) == b"out" * 3


# -- a signature that comes later ------------------------------------------------------------------------


def signature(request: SignatureWanted, name: str) -> bytes:
    return sign(request.scheme, identity(name).key, request.data)


def test_server_waits_for_a_signer_elsewhere() -> None:
    """The handshake pauses until the signature is provided."""
    talk = pair(client_config(), server_config(credentials=external("localhost")))
    (request,) = talk.server.receive(talk.client.data_to_send())
    assert isinstance(request, SignatureWanted)
    assert talk.server.step is Step.SIGNING
    assert request.certificate == identity("localhost").certificate
    assert not talk.server.wants_data
    first = talk.server.data_to_send()
    assert talk.server.provide(request, signature(request, "localhost")) == []
    assert talk.server.wants_data
    talk.client_events += talk.client.receive(first)
    talk.exchange()
    assert talk.client.established and talk.server.established


def test_client_waits_for_a_signer_elsewhere() -> None:
    """So does a client, which opens nothing in the meantime."""
    talk = pair(client_config(credentials=external("client.example")), server_config())
    talk.exchange()
    (request,) = talk.client_events
    assert isinstance(request, SignatureWanted) and talk.client.step is Step.SIGNING
    assert talk.client.data_to_send() == b"", "its last flight goes out in one piece"
    talk.client_events += talk.client.provide(request, signature(request, "client.example"))
    talk.exchange()
    assert reported(talk.client_events)[1:] == ["Established CN=localhost"]
    assert reported(talk.server_events) == ["Established CN=client.example"]


def test_wrong_signature_is_refused_and_the_handshake_waits_on() -> None:
    """A wrong answer is our caller's error, and never reaches the peer."""
    talk = pair(client_config(), server_config(credentials=external("localhost")))
    (request,) = talk.server.receive(talk.client.data_to_send())
    assert isinstance(request, SignatureWanted)
    sent = talk.server.data_to_send()
    for wrong in (b"", b"x" * 70, signature(request, "client.example")):
        with pytest.raises(UsageError, match="not made by the private key"):
            talk.server.provide(request, wrong)
    assert talk.server.data_to_send() == b"" and talk.server.step is Step.SIGNING
    talk.server.provide(request, signature(request, "localhost"))
    talk.client_events += talk.client.receive(sent)
    talk.exchange()
    assert talk.server.established


def test_answer_that_is_not_awaited_is_a_usage_error() -> None:
    """Each request is answered once, by its own connection."""
    talk = pair(client_config(), server_config(credentials=external("localhost")))
    other = pair(client_config(), server_config(credentials=external("localhost")))
    (request,) = talk.server.receive(talk.client.data_to_send())
    (others,) = other.server.receive(other.client.data_to_send())
    assert isinstance(request, SignatureWanted) and isinstance(others, SignatureWanted)
    for wrong in (others, EvidenceWanted((), Fetch(), NOON, 1.0)):
        with pytest.raises(UsageError, match="provide: this answer is not awaited"):
            talk.server.provide(wrong, b"")
    talk.server.provide(request, signature(request, "localhost"))
    with pytest.raises(UsageError, match="provide: this answer is not awaited"):
        talk.server.provide(request, signature(request, "localhost"))
    with pytest.raises(UsageError, match="provide: this answer is not awaited"):
        talk.client.provide(request, b"")


def test_input_stays_unopened_while_an_answer_is_awaited() -> None:
    """What arrives meanwhile is kept, up to a bound, and opened afterwards."""
    talk = pair(client_config(credentials=external("client.example")), server_config(client_auth="request"))
    talk.exchange()
    (request,) = talk.client_events
    assert isinstance(request, SignatureWanted)
    assert talk.client.receive(b"\x17\x03\x03\x00\x20" + bytes(32)) == []
    with pytest.raises(UsageError, match="wants_data"):
        talk.client.receive(bytes(1024 * 1024))
    events = talk.client.provide(request, signature(request, "client.example"))
    assert isinstance(events[-1], Failed) and isinstance(events[-1].error, PeerFault)
    assert events[-1].error.fault is Fault.BAD_RECORD


# -- time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["client", "server"])
def test_handshake_that_takes_too_long_is_given_up(side: str) -> None:
    """Time limits without a clock of its own."""
    clock = FrozenClock()
    config = {"clock": clock, "handshake_timeout": 5.0}
    talk = pair(
        client_config(**config if side == "client" else {}),
        server_config(**config if side == "server" else {}),
    )
    end, other = (talk.client, talk.server) if side == "client" else (talk.server, talk.client)
    assert end.next_deadline() == 1005.0
    assert end.tick() == []
    clock.pass_time(4.9)
    assert end.tick() == []
    clock.pass_time(0.2)
    (event,) = end.tick()
    assert isinstance(event, Failed) and isinstance(event.error, PeerFault)
    assert event.error.fault is Fault.HANDSHAKE_TIMEOUT
    assert "did not finish the handshake within 5 seconds" in str(event.error)
    assert end.next_deadline() is None and end.tick() == []
    talk.exchange()
    assert isinstance(other.failure, PeerAlert)


def test_established_connection_has_no_deadline() -> None:
    """The limit is for the handshake; idleness is the I/O layer's matter."""
    clock = FrozenClock()
    talk = pair(client_config(clock=clock), server_config(clock=clock))
    talk.exchange()
    assert talk.client.next_deadline() is None and talk.server.next_deadline() is None
    clock.pass_time(10_000)
    assert talk.client.tick() == [] and talk.client.established


# -- several servers behind one address ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("a.example", "a.example"),
        ("b.example", "b.example"),
        ("x.wild.example", "*.wild.example"),
    ],
)
def test_server_shows_the_certificate_of_the_name_asked_for(asked: str, given: str) -> None:
    """RFC 6066 3: the server name chooses among credentials, wildcards included."""
    several = [credentials(name) for name in ("a.example", "b.example", "*.wild.example")]
    talk = pair(client_config(), server_config(credentials=several), asked)
    talk.exchange()
    assert talk.client.peer is not None and talk.client.peer.names.dns == (given,)


def test_client_that_asks_for_no_known_name_gets_the_first_credentials() -> None:
    """Then it is the client who refuses, and can say why."""
    several = [credentials("a.example"), credentials("b.example")]
    talk = pair(client_config(), server_config(credentials=several), "c.example")
    talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.NAME_MISMATCH
    assert isinstance(talk.server.failure, PeerAlert)


def test_client_may_want_an_ip_address() -> None:
    """RFC 6066 3: an address is checked against the certificate and not sent as a server name."""
    talk = pair(client_config(), server_config(), "127.0.0.1")
    talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.NAME_MISMATCH


@pytest.mark.parametrize("versions", [("1.3",), ("1.2",)])
def test_keys_for_another_protocol_live_from_established_to_the_end(versions: tuple[str, ...]) -> None:
    """RFC 9846 7.5, RFC 5705: both ends make the same; label, context and length make the difference."""
    talk = pair(client_config(versions=versions), server_config(versions=versions))
    for end in (talk.client, talk.server):
        with pytest.raises(UsageError, match="only on an established connection"):
            end.export("EXPORTER-test", None, 32)
    talk.exchange()
    asked = [("EXPORTER-test", None, 32), ("EXPORTER-other", None, 32), ("EXPORTER-test", b"x", 32)]
    made = [[end.export(*each) for each in asked] for end in (talk.client, talk.server)]
    assert made[0] == made[1] and len(set(made[0])) == 3
    assert len(talk.client.export("EXPORTER-test", None, 8160)) == 8160
    assert (talk.client.export("EXPORTER-test", b"", 32) == made[0][0]) is (versions == ("1.3",))
    with pytest.raises(UsageError, match="TLS itself uses the label"):
        talk.client.export("key expansion", None, 32)
    talk.client.close()
    talk.exchange()
    assert talk.server.export(*asked[0]) == talk.client.export(*asked[0]) == made[0][0]
    talk.server.close()
    talk.exchange()
    for end in (talk.client, talk.server):
        with pytest.raises(UsageError, match="only on an established connection"):
            end.export(*asked[0])


def test_keys_for_another_protocol_die_with_the_connection() -> None:
    """Of a failure nothing is left to make them of."""
    talk = mutual()
    talk.exchange()
    talk.client.receive_eof()
    with pytest.raises(UsageError, match="only on an established connection"):
        talk.client.export("EXPORTER-test", None, 32)


def test_data_after_close_notify_is_ignored_though_it_opens() -> None:
    """RFC 9846 6.1: who said that nothing follows is believed, in one piece and in several."""
    talk = mutual()
    talk.client.close()
    talk.exchange()
    for data in (b"one record", b"x" * 40_000):
        machinery(talk.client).out.data(data)
        assert talk.server.receive(talk.client.data_to_send()) == []
    assert talk.server.failure is None and received(talk.server_events) == b""


def test_nothing_is_no_end_of_file() -> None:
    """The end is said by `receive_eof`; an empty piece changes nothing."""
    talk = pair(client_config(), server_config())
    assert talk.client.receive(b"") == [] and talk.server.receive(b"") == []
    talk.exchange()
    assert talk.client.receive(b"") == [] and talk.client.established


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_pieces_may_be_any_kind_of_bytes(kind: type) -> None:
    """What a socket fills is taken as it is, and kept no longer."""
    talk = mutual()
    talk.server.send(b"data")
    piece = kind(talk.server.data_to_send())
    assert received(talk.client.receive(piece)) == b"data"
    if kind is bytearray:
        piece.clear()


def test_receive_data_takes_one_record_of_data_and_nothing_else() -> None:
    """What it does not take changes nothing, and goes to `receive` as ever, or to `receive_other`."""
    talk = pair(client_config(), server_config())
    hello = talk.client.data_to_send()
    assert talk.server.receive_data(hello) is None
    talk.server.receive(hello)
    talk.exchange()
    talk.server.send(b"data")
    record = talk.server.data_to_send()
    assert talk.client.receive_data(record) == b"data" and talk.client.confirmed
    assert talk.client.receive_data(record) is None, "no record is taken twice"
    talk.server.send(b"one")
    talk.server.send(b"two")
    records = talk.server.data_to_send()
    assert talk.client.receive_data(records) is None
    assert received(talk.client.receive(records[:9])) == b"" and talk.client.receive_data(records[9:]) is None
    assert received(talk.client.receive(records[9:])) == b"onetwo"
    talk.server.send(b"three")
    talk.server.send(b"four")
    records = talk.server.data_to_send()
    assert talk.client.receive_data(records) is None
    assert received(talk.client.receive_other(records)) == b"threefour"
    talk.server.close()
    end = talk.server.data_to_send()
    assert talk.client.receive_data(end) is None
    assert talk.client.receive(end) == [PeerClosed()]
    assert talk.client.receive_data(record) is None and talk.client.receive_other(record) == []


def test_data_may_be_sent_and_taken_out_in_one_call() -> None:
    """The same bytes as by `send` and `data_to_send`, after what waits; nothing before the handshake is complete."""
    talk = pair(client_config(), server_config())
    assert talk.client.send_data(b"early ")[5:6] == b"\x01", "the ClientHello, and no data"
    talk = mutual()
    assert received(talk.client.receive(talk.server.send_data(b"one"))) == b"one"
    talk.server.send(b"two ")
    assert received(talk.client.receive(talk.server.send_data(b"three"))) == b"two three"
    large = bytes(3 * 2**14)
    assert received(talk.client.receive(talk.server.send_data(large))) == large
    assert talk.server.send_data(b"") == b""
    talk.server.close()
    with pytest.raises(UsageError, match="closed"):
        talk.server.send_data(b"more")


def test_data_may_be_sent_record_by_record() -> None:
    """The same bytes, after what waits; before the handshake is complete it waits, and after the end it is refused."""
    sent = bytearray()
    talk = pair(client_config(), server_config())
    talk.client.write_data(memoryview(b"early "), sent.extend)
    assert sent[5:6] == b"\x01", "the ClientHello, and no data"
    talk = mutual()
    talk.server.send(b"one ")
    numbers = array("I", range(20000))
    sent.clear()
    for data in (b"", b"two ", numbers):
        talk.server.write_data(memoryview(data), sent.extend)
    assert received(talk.client.receive(bytes(sent))) == b"one two " + numbers.tobytes()
    talk.server.close()
    with pytest.raises(UsageError, match="closed"):
        talk.server.write_data(memoryview(b"more"), sent.extend)


def by_records(connection: Connection, data: bytes) -> bytes:
    sent = bytearray()
    connection.write_data(memoryview(data), sent.extend)
    return bytes(sent)


def in_parts(connection: Connection, data: bytes) -> bytes:
    return b"".join(connection.send_parts(memoryview(data)))


@pytest.mark.parametrize("send", [Connection.send_data, by_records, in_parts])
def test_key_update_that_the_peer_requests_comes_before_data(
    send: Callable[[Connection, bytes], bytes],
) -> None:
    """RFC 9846 4.7.3: the next data is sent under the next keys."""
    talk = mutual()
    for _ in range(2):  # the second is answered only with the next data
        talk.client.update_keys(ask=True)
        talk.server.receive(talk.client.data_to_send())
        answer = talk.server.data_to_send()
        talk.client.receive(answer)
    assert not answer
    records = send(talk.server, b"x")
    assert len(records) > 5 + int.from_bytes(records[3:5], "big"), "a KeyUpdate, and then the data"
    assert received(talk.client.receive(records)) == b"x"


@pytest.mark.parametrize("count", [10, 5000, 40000])
@pytest.mark.parametrize("together", [False, True])
def test_view_of_items_of_four_bytes_is_sent_as_its_bytes(count: int, together: bool) -> None:
    """RFC 9846 5.1: records are split by bytes, however the buffer counts them."""
    talk = mutual()
    numbers = array("I", range(count))
    if together:
        records = talk.server.send_data(memoryview(numbers))
    else:
        talk.server.send(memoryview(numbers))
        records = talk.server.data_to_send()
    assert received(talk.client.receive(records)) == numbers.tobytes()


@pytest.mark.parametrize("versions", [("1.3",), ("1.2",)])
@pytest.mark.parametrize("wrong", ["text", ["text"], None, 5, {}, memoryview(b"every other")[::2]])
def test_what_is_no_bytes_is_refused_and_the_connection_goes_on(
    versions: tuple[str, ...], wrong: object
) -> None:
    """A record that was begun with it would have taken a sequence number, without which no other is decrypted."""
    talk = pair(client_config(versions=versions), server_config(versions=versions))
    talk.exchange()
    for send in (talk.client.send, talk.client.send_data):
        with pytest.raises(TypeError):
            send(wrong)  # type: ignore[arg-type]
    talk.client.send(b"data")
    talk.exchange()
    assert received(talk.server_events) == b"data"


def test_items_of_several_bytes_are_sent_as_their_bytes() -> None:
    """More of them than a record has bytes, where each is counted once."""
    numbers = array("I", range(10_000))
    talk = pair(client_config(), server_config())
    talk.exchange()
    talk.client.send(numbers)  # type: ignore[arg-type]
    talk.exchange()
    assert received(talk.server_events) == numbers.tobytes()
