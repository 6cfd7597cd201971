"""Established connections of TLS 1.2: warnings, the wish to negotiate anew, the end, and what is used up."""

from __future__ import annotations

import pytest

from bothways import Connection, Data, Fault, PeerAlert, PeerClosed, PeerFault, Truncated, UsageError
from bothways.iana import Alert, AlertLevel, HandshakeType
from bothways.roles import Role
from bothways.tls.events import AlertSeen, Note
from bothways.tls.handshake.message_io import EMPTY_RECORD_LIMIT
from bothways.tls.post_handshake.messages import IDLE_MESSAGE_LIMIT
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import ServerHello
from bothways.tls.wire.tls12 import ServerHelloDone
from inside import machinery
from pair import Pair, pair, received
from tamper import Act, altering, before, sealed, wire
from tls.handshake.conversations12 import CONVERSATIONS, EXAMPLES, client_config, server_config

WARNING, FATAL = AlertLevel.warning, AlertLevel.fatal
ASKS_ANEW = {
    Role.CLIENT: encode_message(EXAMPLES[HandshakeType.client_hello]),
    Role.SERVER: encode_message(EXAMPLES[HandshakeType.hello_request]),
}
BOTH_ROLES = pytest.mark.parametrize("role", Role)


def mutual(**notes: list[Note]) -> Pair:
    talk = CONVERSATIONS["mutual"].pair(**notes)
    talk.exchange()
    assert talk.client.established and talk.server.established
    return talk


def ends(talk: Pair, role: Role) -> tuple[Connection, Connection]:
    """The end in `role`, and the other."""
    return (talk.client, talk.server) if role is Role.CLIENT else (talk.server, talk.client)


def alerts(notes: list[Note]) -> list[tuple[int, int]]:
    return [(n.level, n.description) for n in notes if isinstance(n, AlertSeen) and not n.sent]


# -- no renegotiation ----------------------------------------------------------------------------------------


@BOTH_ROLES
def test_request_for_renegotiation_is_refused_and_the_connection_continues(role: Role) -> None:
    """RFC 5246 7.2.2: no_renegotiation is a warning, and whoever asked may go on without."""
    notes: list[Note] = []
    talk = mutual(**{f"{role.value}_notes": notes})
    asking, other = ends(talk, role)
    sealed(22, ASKS_ANEW[role])(machinery(asking))
    talk.exchange()
    assert alerts(notes) == [(WARNING, Alert.NO_RENEGOTIATION)]
    assert asking.established and other.established
    talk.client.send(b"and on")
    talk.server.send(b"it goes")
    talk.exchange()
    assert received(talk.server_events) == b"and on"
    assert received(talk.client_events) == b"it goes"


@BOTH_ROLES
def test_requests_for_renegotiation_between_data_are_answered_a_limited_number_of_times(role: Role) -> None:
    """Memory: who asks on and reads nothing shall not pile up answers."""
    talk = mutual()
    asking, other = ends(talk, role)
    answers = []
    for _ in range(IDLE_MESSAGE_LIMIT + 5):
        asking.send(b"x")
        sealed(22, ASKS_ANEW[role])(machinery(asking))
        other.receive(asking.data_to_send())
        answers.append(bool(other.data_to_send()))
    assert answers == [True] * IDLE_MESSAGE_LIMIT + [False] * 5
    assert other.established


@BOTH_ROLES
def test_wishes_without_an_end_are_refused(role: Role) -> None:
    """A peer that asks and asks, and never talks, costs an answer each time: only so many."""
    talk = mutual()
    asking, other = ends(talk, role)
    sealed(22, ASKS_ANEW[role], times=IDLE_MESSAGE_LIMIT)(machinery(asking))
    talk.exchange()
    assert other.established
    asking.send(b"data between")
    other.send(b"in both directions")
    talk.exchange()
    sealed(22, ASKS_ANEW[role], times=IDLE_MESSAGE_LIMIT)(machinery(asking))
    talk.exchange()
    assert other.established
    sealed(22, ASKS_ANEW[role])(machinery(asking))
    talk.exchange()
    assert isinstance(other.failure, PeerFault)
    assert other.failure.fault is Fault.TOO_MANY_KEY_UPDATES
    assert other.failure.alert == Alert.UNEXPECTED_MESSAGE


@BOTH_ROLES
def test_nothing_follows_our_close_notify(role: Role) -> None:
    """RFC 5246 7.2.1: not even the answer to a wish that comes after it."""
    talk = mutual()
    asking, closed = ends(talk, role)
    closed.close()
    asking.receive(closed.data_to_send())
    sealed(22, ASKS_ANEW[role])(machinery(asking))
    closed.receive(asking.data_to_send())
    assert closed.data_to_send() == b""
    assert closed.failure is None


@BOTH_ROLES
def test_hello_that_cannot_be_decoded_is_refused_whatever_it_wishes(role: Role) -> None:
    """RFC 5246 7.4.1: the answer is for those who ask properly."""
    talk = mutual()
    asking, other = ends(talk, role)
    sealed(22, ASKS_ANEW[role][:1] + b"\0\0\5abcde")(machinery(asking))
    talk.exchange()
    assert isinstance(other.failure, PeerFault) and other.failure.fault is Fault.UNDECODABLE


@BOTH_ROLES
def test_keys_of_12_cannot_be_renewed(role: Role) -> None:
    """RFC 5246 has no KeyUpdate: our caller is told, before anything is sent under used-up keys."""
    talk = mutual()
    end, _ = ends(talk, role)
    with pytest.raises(UsageError, match="connect again"):
        end.update_keys()
    machinery(end).out.keys.sequence = machinery(end).out.keys.suite.record_limit // 2
    with pytest.raises(UsageError, match="used up"):
        end.send(b"one too many")
    assert end.data_to_send() == b""
    end.close()
    assert end.data_to_send() != b""


# -- alerts ------------------------------------------------------------------------------------------------


@BOTH_ROLES
@pytest.mark.parametrize("alert", [Alert.NO_RENEGOTIATION, Alert.USER_CANCELED, Alert.UNRECOGNIZED_NAME])
def test_warning_is_no_more_than_that(role: Role, alert: Alert) -> None:
    """RFC 5246 7.2.2: generally the receiver can go on."""
    talk = mutual()
    warning, other = ends(talk, role)
    machinery(warning).out.alert(WARNING, alert)
    warning.send(b"still here")
    talk.exchange()
    assert other.established
    events = talk.server_events if role is Role.CLIENT else talk.client_events
    assert received(events) == b"still here"


@BOTH_ROLES
@pytest.mark.parametrize("level", [FATAL, 3, 0])
@pytest.mark.parametrize("alert", [Alert.USER_CANCELED, Alert.INTERNAL_ERROR, Alert.NO_RENEGOTIATION, 200])
def test_alert_that_is_no_warning_ends_the_connection(role: Role, level: int, alert: int) -> None:
    """RFC 5246 7.2.2: a fatal alert ends it, whatever it says; of another level nobody can be sure."""
    talk = mutual()
    failing, other = ends(talk, role)
    machinery(failing).out.alert(level, alert)
    talk.exchange()
    assert isinstance(other.failure, PeerAlert)
    assert other.failure.alert == alert
    assert not other.established and other.peer is None


@BOTH_ROLES
def test_warnings_without_an_end_are_refused(role: Role) -> None:
    """CVE-2016-8610: only so many may follow each other, and data starts the count anew."""
    talk = mutual()
    warning, other = ends(talk, role)
    for _ in range(2):
        sealed(21, bytes([WARNING, Alert.NO_RENEGOTIATION]), times=EMPTY_RECORD_LIMIT)(machinery(warning))
        warning.send(b"x")
        talk.exchange()
        assert other.established
    sealed(21, bytes([WARNING, Alert.NO_RENEGOTIATION]), times=EMPTY_RECORD_LIMIT + 1)(machinery(warning))
    talk.exchange()
    assert isinstance(other.failure, PeerFault)
    assert other.failure.fault is Fault.TOO_MANY_EMPTY_RECORDS


FLOODS: dict[str, Act] = {
    "warnings": wire(b"\x15\x03\x03\0\2\1\x70" * (EMPTY_RECORD_LIMIT + 1)),
    "HelloRequests": wire((b"\x16\x03\x03\0\4" + bytes(4)) * (EMPTY_RECORD_LIMIT + 1)),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_floods_in_the_handshake_are_refused(flood: str) -> None:
    """RFC 5246 7.2.2, 7.4.1.1: what is passed over is counted."""
    with altering(Role.SERVER, before(ServerHelloDone, FLOODS[flood])):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.TOO_MANY_EMPTY_RECORDS


@pytest.mark.parametrize("versions", [("1.2",), ("1.3", "1.2")])
def test_client_ignores_a_warning_about_the_server_name(versions: tuple[str, ...]) -> None:
    """RFC 6066 3: unrecognized_name may come as a warning before the ServerHello, when no version is chosen."""
    notes: list[Note] = []
    warns = wire(bytes([21, 3, 3, 0, 2, WARNING, Alert.UNRECOGNIZED_NAME]))
    with altering(Role.SERVER, before(ServerHello, warns)):
        talk = pair(client_config(versions=versions), server_config(), client_notes=notes)
        talk.exchange()
    assert alerts(notes) == [(WARNING, Alert.UNRECOGNIZED_NAME)]
    assert talk.client.established and talk.server.established


@pytest.mark.parametrize(
    ("versions", "level", "alert"),
    [
        (("1.3",), WARNING, Alert.UNRECOGNIZED_NAME),
        (("1.3", "1.2"), FATAL, Alert.UNRECOGNIZED_NAME),
        (("1.3", "1.2"), WARNING, Alert.HANDSHAKE_FAILURE),
    ],
)
def test_other_alerts_before_the_server_hello_end_the_handshake(
    versions: tuple[str, ...], level: int, alert: Alert
) -> None:
    """RFC 9846 6: in TLS 1.3 the level says nothing, and which version it is nobody knows yet."""
    talk = pair(client_config(versions=versions), server_config())
    talk.client_events += talk.client.receive(bytes([21, 3, 3, 0, 2, level, alert]))
    assert isinstance(talk.client.failure, PeerAlert) and talk.client.failure.alert == alert


def test_server_takes_no_warning_before_the_hello() -> None:
    """RFC 6066 3 speaks of servers: a client that begins with an alert has nothing to warn of."""
    talk = pair(client_config(), server_config())
    talk.server.receive(bytes([21, 3, 3, 0, 2, WARNING, Alert.UNRECOGNIZED_NAME]))
    assert isinstance(talk.server.failure, PeerAlert)


# -- the end ---------------------------------------------------------------------------------------------


@BOTH_ROLES
def test_data_before_the_close_is_delivered_and_the_close_is_reported(role: Role) -> None:
    """RFC 5246 7.2.1."""
    talk = mutual()
    closing, other = ends(talk, role)
    closing.send(b"last")
    closing.close()
    assert other.receive(closing.data_to_send()) == [Data(b"last"), PeerClosed()]
    other.close()
    assert closing.receive(other.data_to_send()) == [PeerClosed()]
    assert closing.failure is None and other.failure is None


@BOTH_ROLES
def test_end_of_file_without_close_notify_is_truncation(role: Role) -> None:
    """RFC 5246 7.2.1: it could be an attack."""
    talk = mutual()
    _, other = ends(talk, role)
    other.receive_eof()
    assert isinstance(other.failure, Truncated)
    assert other.failure.step == "4.3"


def test_client_reports_the_step_at_which_the_server_closed() -> None:
    """The step at which the end of file came."""
    talk = CONVERSATIONS["mutual"].pair()
    talk.server.receive(talk.client.data_to_send())
    hello = talk.server.data_to_send()
    talk.client.receive(hello[: 5 + int.from_bytes(hello[3:5], "big")])
    talk.client.receive_eof()
    assert isinstance(talk.client.failure, Truncated)
    assert talk.client.failure.step == "4.2"


def test_record_that_is_lost_repeated_or_moved_does_not_open() -> None:
    """RFC 5246 6.2.3.3: the sequence number is authenticated, and is the nonce's explicit part."""
    for order in ([1, 0], [0, 0], [1]):
        talk = mutual()
        records = []
        for word in (b"first", b"second"):
            talk.client.send(word)
            records.append(talk.client.data_to_send())
        talk.server.receive(b"".join(records[at] for at in order))
        assert isinstance(talk.server.failure, PeerFault)
        assert talk.server.failure.fault is Fault.BAD_RECORD
