"""What a connection's events add up to, and who answers what it waits for: one status for every skin."""

from __future__ import annotations

from typing import Any

import pytest

from bothways import (
    Caution,
    Connection,
    PeerAlert,
    PeerFault,
    ServerConfig,
    SignatureWanted,
    Truncated,
    UsageError,
)
from bothways.errors import TLSError
from bothways.iana import Alert, SignatureScheme
from bothways.roles import StepId
from bothways.tls.crypto.signing import sign
from bothways.tls.driver import LINGER_BYTES, SLICE, Answers, ConnectionStatus, Driver
from bothways.tls.events import Data, Established, EvidenceWanted, Failed, PeerClosed, Warned
from bothways.tls.handshake import message_io
from bothways.tls.handshake.message_io import RECORDS_A_TURN
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.tls13 import CertificateRequest
from bothways.trust.evidence.fetch_policy import Fetch
from inside import machinery
from pair import NOON, FrozenClock, Pair
from tls.handshake.conversations import (
    CONVERSATIONS,
    Conversation,
    client_config,
    credentials,
    external,
    identity,
    server_config,
)

REQUEST = SignatureWanted(SignatureScheme.ed25519, b"data", credentials("localhost").certificate)

WANTED = EvidenceWanted((), Fetch(by_caller=True), NOON, 1.0)


def alert(step: StepId) -> PeerAlert:
    return PeerAlert(Alert.UNKNOWN_CA, step=step, peer="server", state="", meaning="", hint="")


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_the_status_of_a_connection_has_everything_from_its_events(conversation: Conversation) -> None:
    """Data in order, the peer, and the peer's end."""
    talk: Pair = conversation.pair()
    talk.exchange()
    talk.client.send(b"one")
    talk.client.send(b"two")
    talk.client.close()
    talk.exchange()
    came: list[bytes] = []
    status = ConnectionStatus(came.append)
    assert status.take(talk.server_events) == []
    assert status.established and status.peer_closed and status.failure is None
    assert b"".join(came) == b"onetwo"
    assert status.peer == talk.server.peer


def test_requests_among_events_are_handed_back_and_nothing_beside_them_is_lost() -> None:
    """A connection may wait for several answers at once."""
    status = ConnectionStatus(list[bytes]().append)
    events = [Warned(Caution.NO_CREDENTIALS), REQUEST, Established(None), WANTED]
    assert status.take(events) == [REQUEST, WANTED]
    assert status.established and status.warnings == [Caution.NO_CREDENTIALS]
    assert status.take([PeerClosed()]) == []
    assert status.peer_closed


@pytest.mark.parametrize(
    ("error", "ended_by_peer", "refused"),
    [
        (alert(StepId("3")), True, True),
        (alert(StepId("2.1")), True, False),
        (Truncated("server", step=StepId("3")), True, True),
        (Truncated("server", step=StepId("4.3")), True, False),
        (UsageError("ours"), False, False),
    ],
)
def test_the_status_says_who_ended_the_connection_and_whether_we_were_refused(
    error: TLSError, ended_by_peer: bool, refused: bool
) -> None:
    """In TLS 1.3 a client learns at step 3 whether it is accepted."""
    status = ConnectionStatus(list[bytes]().append)
    status.raise_failure()
    status.take([Data(b"kept"), Failed(error)])
    assert (status.ended_by_peer, status.refused) == (ended_by_peer, refused)
    with pytest.raises(type(error)):
        status.raise_failure()


def test_each_request_goes_to_the_function_for_its_type() -> None:
    """A signer for signatures, a finder for evidence."""
    answers: Answers[bytes, None] = Answers(lambda asked: asked.data, lambda _: b"evidence")
    assert answers.answer(REQUEST) == b"data"
    assert answers.answer(WANTED) == b"evidence"


@pytest.mark.parametrize(("request_", "missing"), [(REQUEST, "signer"), (WANTED, "finder")])
def test_a_request_without_a_function_is_a_usage_error(
    request_: SignatureWanted | EvidenceWanted, missing: str
) -> None:
    """Said in words, before anything hangs."""
    with pytest.raises(UsageError, match=missing):
        Answers[bytes, None]().answer(request_)


# -- driving a connection ------------------------------------------------------------------------------------


def driven(config: ServerConfig | None = None, **client: Any) -> tuple[Driver, Connection, list[bytes]]:
    """A server's driver, the client that talks to it, and what was delivered."""
    came: list[bytes] = []
    engine = client_config(**client).connection("localhost")
    return Driver((config or server_config()).connection(), came.append), engine, came


def established(**options: Any) -> tuple[Driver, Connection, list[bytes]]:
    driver, engine, came = driven(**options)
    while not driver.status.established:
        driver.receive(engine.data_to_send())
        engine.receive(driver.data_to_send())
    return driver, engine, came


def test_data_of_an_unverified_peer_is_processed_in_slices_and_its_end_after_the_last() -> None:
    """Others have their turn between; nothing is read meanwhile."""
    driver, engine, _ = driven()
    hello = engine.data_to_send()
    rest = bytes(3 * SLICE)
    assert driver.receive_slice(hello + rest) == [] and driver.may_feed
    assert not driver.wants_data and driver.receive_end() == []
    turns = 0
    while driver.may_feed:
        driver.feed()
        turns += 1
    assert turns >= 1 and driver.status.failure is not None
    driver, engine, _ = established()
    engine.send(bytes(5 * SLICE))
    driver.receive_slice(engine.data_to_send())
    assert not driver.may_feed and driver.wants_data


@pytest.mark.parametrize("has_ended", [False, True])
def test_what_follows_the_end_of_data_is_dropped_and_reading_goes_on(has_ended: bool) -> None:
    """RFC 9846 6.1: it is ignored. Else nobody would read on, and learn that the peer is gone."""
    driver, engine, came = driven()
    while not engine.established:
        driver.receive(engine.data_to_send())
        engine.receive(driver.data_to_send())
    engine.send(b"question")
    engine.close()
    assert driver.receive_slice(engine.data_to_send() + bytes(3 * SLICE)) == []
    if has_ended:
        driver.receive_end()
    while driver.may_feed:
        driver.feed()
    assert came == [b"question"] and driver.status.peer_closed and driver.status.failure is None
    assert driver.wants_data and not driver.end_follows and not driver.unfed


def short_records(engine: Connection, data: bytes) -> bytes:
    """Data as records of one byte each."""
    for at in range(len(data)):
        engine.send(data[at : at + 1])
    return engine.data_to_send()


def in_turns(**options: Any) -> tuple[Driver, Connection, list[bytes]]:
    """As `established`, for an event loop."""
    driver, engine, came = established(**options)
    driver.connection.limit_calls()
    return driver, engine, came


MANY = bytes(range(256)) * (3 * RECORDS_A_TURN // 256)


def test_no_more_records_are_processed_in_a_turn_than_it_has_room_for() -> None:
    """However short the peer makes them; nothing more is read meanwhile."""
    driver, engine, came = in_turns()
    driver.receive_slice(short_records(engine, MANY))
    turns = [len(came)]
    while driver.may_feed:
        assert not driver.wants_data
        driver.feed()
        turns.append(len(came) - sum(turns))
    assert b"".join(came) == MANY and driver.wants_data
    assert max(turns) <= RECORDS_A_TURN


def test_a_record_of_data_overtakes_nothing_that_waits() -> None:
    """In the order in which it came."""
    driver, engine, came = in_turns()
    engine.send(b"x")
    assert driver.receive_data(engine.data_to_send()) == b"x"
    driver.receive_slice(short_records(engine, MANY))
    engine.send(b"y")
    record = engine.data_to_send()
    assert driver.receive_data(record) is None
    driver.receive_slice(record)
    while driver.may_feed:
        driver.feed()
    assert b"".join(came) == MANY + b"y"


def test_data_before_the_end_of_file_is_delivered_before_the_truncation() -> None:
    """In the order in which it came."""
    driver, engine, came = in_turns()
    assert driver.receive_slice(short_records(engine, MANY)) == []
    assert driver.receive_end() == [] and driver.end_follows and driver.status.failure is None
    while driver.may_feed:
        driver.feed()
    assert b"".join(came) == MANY
    assert isinstance(driver.status.failure, Truncated)


def test_an_end_of_file_that_came_while_an_answer_was_awaited_is_processed_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the last turn had no room left, so that it was not known whether more input waits."""
    monkeypatch.setattr(message_io, "RECORDS_A_TURN", 2)
    engine = client_config().connection("localhost")
    driver = Driver(server_config(credentials=external("localhost")).connection(), list[bytes]().append)
    driver.connection.limit_calls()
    (wanted,) = driver.receive_slice(engine.data_to_send())
    assert isinstance(wanted, SignatureWanted) and driver.connection.is_behind
    assert driver.receive_end() == [] and driver.end_follows and not driver.may_feed
    driver.provide(wanted, sign(wanted.scheme, identity("localhost").key, wanted.data))
    assert driver.may_feed and not driver.connection.is_behind
    driver.feed()
    assert isinstance(driver.status.failure, Truncated) and not driver.may_feed


def test_one_more_slice_of_a_lost_handshake_is_processed() -> None:
    """What the peer said last may be why."""
    driver, engine, _ = driven()
    driver.receive_slice(engine.data_to_send() + bytes(2 * SLICE))
    driver.transport_closed()
    assert isinstance(driver.status.failure, PeerFault) and not driver.may_feed
    driver, _, _ = established()
    driver.transport_closed()
    assert isinstance(driver.status.failure, Truncated)


def test_after_the_end_a_limited_amount_is_dropped() -> None:
    """A peer that goes on and on is cut."""
    driver, _, _ = established()
    pieces = 0
    while driver.discard(bytes(65536)):
        pieces += 1
    assert pieces == LINGER_BYTES // 65536 - 1


def test_an_open_connection_continues_without_an_answer_and_a_handshake_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of evidence nothing was found, of ours no certificate is shown: the log says so."""
    driver, engine, _ = driven(server_config(credentials=external("localhost")))
    (wanted,) = driver.receive(engine.data_to_send())
    assert isinstance(wanted, SignatureWanted) and driver.is_awaited(wanted) and not driver.wants_data
    assert driver.continue_without_answer(wanted, OSError("the token is gone")) == []
    assert "failed: OSError('the token is gone')" in str(driver.status.failure)
    assert driver.data_to_send() != b"" and driver.provide(wanted, None) == []
    server = server_config(client_auth="none").connection()
    config = client_config(credentials=external("client.example"), post_handshake_auth=True)
    driver = Driver(config.connection("localhost"), list[bytes]().append)
    while not server.established:
        server.receive(driver.data_to_send())
        driver.receive(server.data_to_send())
    schemes = ext.SignatureAlgorithms((SignatureScheme.ecdsa_secp256r1_sha256,))
    machinery(server).out.send_after_handshake(CertificateRequest(b"later", (schemes,)))
    (wanted,) = driver.receive(server.data_to_send())
    assert driver.continue_without_answer(wanted, OSError("the token is gone")) == []
    assert driver.status.failure is None and driver.data_to_send() != b""
    assert "the signer failed, so that our certificate is not sent: OSError" in caplog.text


def test_warnings_of_an_open_connection_are_logged_with_the_peer(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a handshake warns of is its user's to tell."""
    connection = established()[0].connection
    driver = Driver(connection, print, address=lambda: "somebody")
    driver.status.established = True
    monkeypatch.setattr(connection, "judge_again", lambda: [Warned(Caution.REVOCATION_UNKNOWN)])
    assert driver.judge_again() == []
    assert f"connection with somebody: {Caution.REVOCATION_UNKNOWN}" in caplog.text


def test_a_look_ends_what_took_too_long_and_needs_nothing_more_after_the_end() -> None:
    """The deadline is the engine's."""
    driver, _, _ = driven()
    clock = machinery(driver.connection).clock
    assert isinstance(clock, FrozenClock) and driver.deadline() == clock.monotonic() + 30
    clock.pass_time(31)
    assert driver.check_if_due() == [] and isinstance(driver.status.failure, PeerFault)
    assert driver.must_linger and driver.deadline() is None and not driver.has_new_evidence
    assert driver.check_if_due() == driver.judge_again() == []
    with pytest.raises(PeerFault):
        driver.send(b"x")


def test_sending_returns_all_waiting_bytes_too() -> None:
    """Data before the handshake is complete is kept for later; a record that waits goes first."""
    driver = Driver(client_config().connection("localhost"), list[bytes]().append)
    server, came = server_config().connection(), bytearray()
    server.receive(driver.send(b"early "))
    while not driver.status.established:
        driver.receive(server.data_to_send())
    driver.connection.send(b"waits ")
    for wire in (driver.send(b"and "), driver.send(b""), driver.send(b"more")):
        came += b"".join(each.data for each in server.receive(wire) if isinstance(each, Data))
    assert came == b"early waits and more"
    assert driver.data_to_send() == b""


def test_confirmation_says_whether_the_peer_has_accepted_us() -> None:
    """RFC 9846 4.5.3: a client of TLS 1.3 has to wait for a word of the server."""
    server = server_config().connection()
    driver = Driver(client_config().connection("localhost"), list[bytes]().append)
    while not driver.status.established:
        server.receive(driver.data_to_send())
        driver.receive(server.data_to_send())
    assert driver.confirmation == "unknown" and driver.may_be_refused()
    server.receive(driver.data_to_send())
    server.send(b"x")
    driver.receive(server.data_to_send())
    assert driver.confirmation == "accepted" and not driver.may_be_refused()
    driver.close()
    assert driver.data_to_send() != b""
