"""After Finished: new keys both ways, by wish and by need, and tickets, which are taken and not used."""

from __future__ import annotations

import pytest

from bothways import Established, Fault, PeerClosed, PeerFault, UsageError
from bothways.iana import HandshakeType
from bothways.tls.events import Epoch, KeysChanged, MessageSeen, Note, RecordSeen
from bothways.tls.handshake.message_io import Inbox
from bothways.tls.lifecycle import Lifecycle
from bothways.tls.post_handshake.messages import IDLE_MESSAGE_LIMIT, AfterHandshake
from bothways.tls.wire.tls13 import Finished, KeyUpdate
from inside import machinery
from pair import Pair, received
from tls.handshake.conversations import CONVERSATIONS, EXAMPLES


def established(**notes: list[Note]) -> Pair:
    talk = CONVERSATIONS["mutual"].pair(**notes)
    talk.exchange()
    assert isinstance(talk.client_events[-1], Established)
    return talk


def updates(notes: list[Note], *, sent: bool) -> list[int]:
    """The KeyUpdates that somebody sent or got: what each asks for."""
    seen = [note for note in notes if isinstance(note, MessageSeen) and note.sent is sent]
    return [note.message.request_update for note in seen if isinstance(note.message, KeyUpdate)]


@pytest.mark.parametrize("side", ["client", "server"])
def test_either_side_may_go_on_under_new_keys(side: str) -> None:
    """RFC 9846 4.7.3: each direction has its own keys, and nobody has to follow."""
    notes: list[Note] = []
    talk = established(**{f"{side}_notes": notes})
    end = getattr(talk, side)
    before = machinery(end).out.keys, machinery(end).inbox.keys
    for _ in range(3):
        end.update_keys()
        end.send(b"x")
    talk.exchange()
    assert machinery(end).out.keys is not before[0] and machinery(end).inbox.keys is before[1]
    assert updates(notes, sent=True) == [0, 0, 0] and updates(notes, sent=False) == []
    assert received(talk.server_events if side == "client" else talk.client_events) == b"xxx"
    changed = [note for note in notes if isinstance(note, KeysChanged)]
    assert [note.sent for note in changed[-3:]] == [True] * 3
    assert all(note.epoch is Epoch.APPLICATION for note in changed[-3:])


@pytest.mark.parametrize("side", ["client", "server"])
def test_peer_answers_a_wish_for_new_keys_at_once(side: str) -> None:
    """RFC 9846 4.7.3: before its next data, and without asking back."""
    notes: list[Note] = []
    talk = established(**{f"{side}_notes": notes})
    getattr(talk, side).update_keys(ask=True)
    talk.exchange()
    assert updates(notes, sent=True) == [1]
    assert updates(notes, sent=False) == [0]
    talk.client.send(b"up")
    talk.server.send(b"down")
    talk.exchange()
    assert received(talk.server_events) == b"up" and received(talk.client_events) == b"down"


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_peer_that_asks_and_asks_gets_one_answer_until_data_goes_out(side: str) -> None:
    """Memory: data between its wishes, and nothing read, would else pile up answers without end."""
    talk = established()
    asking, asked = getattr(talk, side), talk.server if side == "client" else talk.client
    answers = []
    for _ in range(100):
        asking.send(b"x")
        asking.update_keys(ask=True)
        asked.receive(asking.data_to_send())
        answers.append(asked.data_to_send())
    assert [bool(each) for each in answers] == [True] + [False] * 99
    keys = machinery(asked).out.keys
    asked.send(b"under new keys")
    assert machinery(asked).out.keys is not keys
    events = asking.receive(answers[0] + asked.data_to_send())
    assert received(events) == b"under new keys"


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_key_update_request_after_our_close_is_not_answered(side: str) -> None:
    """RFC 9846 4.7.3, 6.1: no answer is owed by whoever sends no more, and both have closed in order."""
    talk = established()
    asking, asked = (talk.client, talk.server) if side == "client" else (talk.server, talk.client)
    asking.update_keys(ask=True)
    talk.exchange()
    asked.close()
    asking.update_keys(ask=True)
    asking.close()
    talk.exchange()
    for events in (talk.client_events, talk.server_events):
        assert isinstance(events[-1], PeerClosed)
    assert asked.failure is None


def test_both_sides_may_ask_at_the_same_time() -> None:
    """RFC 9846 4.7.3: messages that cross each other are answered, each once."""
    client_notes: list[Note] = []
    server_notes: list[Note] = []
    talk = established(client_notes=client_notes, server_notes=server_notes)
    talk.client.update_keys(ask=True)
    talk.server.update_keys(ask=True)
    talk.exchange()
    assert updates(client_notes, sent=True) == [1, 0] and updates(server_notes, sent=True) == [1, 0]
    talk.client.send(b"up")
    talk.exchange()
    assert received(talk.server_events) == b"up"


def test_answer_goes_out_before_the_next_data() -> None:
    """RFC 9846 4.7.3: data that is sent in answer is under the new keys already."""
    notes: list[Note] = []
    talk = established(client_notes=notes)
    talk.server.update_keys(ask=True)
    talk.client.receive(talk.server.data_to_send())
    talk.client.send(b"x")
    sent = [note for note in notes if isinstance(note, RecordSeen) and note.sent]
    assert [note.content_type for note in sent[-2:]] == [22, 23]


@pytest.mark.parametrize("side", ["client", "server"])
def test_keys_change_by_themselves_before_they_are_used_up(side: str) -> None:
    """RFC 9846 5.5: half of what one key may protect is left when the next takes over."""
    notes: list[Note] = []
    talk = established(**{f"{side}_notes": notes})
    end = getattr(talk, side)
    first = machinery(end).out.keys
    other = machinery(talk.server if side == "client" else talk.client)
    first.sequence = other.inbox.keys.sequence = first.suite.record_limit // 2 - 5
    for _ in range(5):
        end.send(b"x")
        assert updates(notes, sent=True) == []
    assert machinery(end).out.keys is first
    end.send(b"x")
    assert updates(notes, sent=True) == [0]
    assert machinery(end).out.keys is not first and machinery(end).out.keys.sequence == 1
    talk.exchange()
    assert received(talk.server_events if side == "client" else talk.client_events) == b"x" * 6


def test_key_that_is_used_up_seals_nothing_more() -> None:
    """RFC 9846 5.5: the limit is held even against ourselves, and the connection does not go on."""
    talk = established()
    keys = machinery(talk.client).out.keys
    keys.sequence = keys.suite.record_limit - 1
    keys.seal(23, b"the last")
    with pytest.raises(OverflowError):
        keys.seal(23, b"one too many")


def test_ticket_is_taken_and_nothing_follows() -> None:
    """RFC 9846 4.7.1: a client that does not resume ignores tickets."""
    talk = established()
    for _ in range(2):
        machinery(talk.server).out.send_after_handshake(EXAMPLES[HandshakeType.new_session_ticket])
    talk.exchange()
    assert talk.client.established and talk.client.confirmed
    assert talk.client_events[1:] == [] and talk.client.data_to_send() == b""
    assert not talk.client.resumed


def test_messages_without_data_are_counted_from_the_last_data_on() -> None:
    """RFC 9846 4.7.3: 32 in a row are enough for anybody."""
    talk = established()
    for _ in range(IDLE_MESSAGE_LIMIT):
        talk.server.update_keys()
    talk.server.send(b"x")
    for _ in range(IDLE_MESSAGE_LIMIT):
        talk.server.update_keys()
    talk.exchange()
    assert talk.client.established
    talk.server.update_keys()
    talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.TOO_MANY_KEY_UPDATES
    assert talk.client.failure.facts == {"count": IDLE_MESSAGE_LIMIT + 1}


def test_keys_cannot_be_renewed_before_the_handshake_is_done() -> None:
    """RFC 9846 4.7.3: a KeyUpdate before Finished would be refused."""
    talk = CONVERSATIONS["mutual"].pair()
    with pytest.raises(UsageError, match="established"):
        talk.client.update_keys()


def test_an_unhandled_message_that_the_table_allows_is_an_internal_error() -> None:
    """Such an error is no fault of the peer."""
    talk = established()
    after = AfterHandshake(Inbox(None, 1024), machinery(talk.client).out, Lifecycle())
    with pytest.raises(TypeError, match="table of steps"):
        after.take(Finished(b""))
    with pytest.raises(TypeError, match="no keys to renew"):
        after.take(KeyUpdate(0))


def test_application_data_resets_the_counts() -> None:
    """RFC 9846 4.7.3, 5.1: one record a call, as bulk data comes, between empty records and new keys."""
    talk = established()
    for _ in range(3 * IDLE_MESSAGE_LIMIT):
        talk.server.update_keys()
        machinery(talk.server).out.data(b"")
        talk.exchange()
        talk.server.send(b"x")
        talk.exchange()
    assert talk.client.established
    assert received(talk.client_events) == b"x" * 3 * IDLE_MESSAGE_LIMIT
