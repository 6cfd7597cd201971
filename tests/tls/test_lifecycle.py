"""The life of a connection: whatever may happen to it, in each of its states, in both versions and roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest

from bothways import AuthenticationUnavailable, Connection, Data, Event, Failed, PeerClosed, UsageError
from bothways.iana import Alert, AlertLevel
from bothways.tls.lifecycle import LIFE, Input, Lifecycle, State
from inside import machinery
from pair import Pair
from tls.handshake.conversations import client_config, server_config

HANDSHAKING, OPEN, PEER_CLOSED, WE_CLOSED, CLOSED, GIVEN_UP, FAILED = State

# What becomes of each state by each input, written down once more and not derived: the state after it, and
# what is seen of it. "" is nothing at all, "-" cannot happen, anything else is the error that a user gets.
NEXT: dict[Input, dict[State, tuple[State, str]]] = {
    Input.RECEIVE: {
        HANDSHAKING: (HANDSHAKING, "taken"), OPEN: (OPEN, "taken"), PEER_CLOSED: (PEER_CLOSED, ""),
        WE_CLOSED: (WE_CLOSED, "taken"), CLOSED: (CLOSED, ""), GIVEN_UP: (GIVEN_UP, ""), FAILED: (FAILED, ""),
    },
    Input.END_OF_FILE: {
        HANDSHAKING: (FAILED, "failed"), OPEN: (FAILED, "failed"), PEER_CLOSED: (PEER_CLOSED, ""),
        WE_CLOSED: (FAILED, "failed"), CLOSED: (CLOSED, ""), GIVEN_UP: (GIVEN_UP, ""), FAILED: (FAILED, ""),
    },
    Input.SEND: {
        HANDSHAKING: (HANDSHAKING, "kept"), OPEN: (OPEN, "sent"), PEER_CLOSED: (PEER_CLOSED, "sent"),
        WE_CLOSED: (WE_CLOSED, "send: the connection is closed"),
        CLOSED: (CLOSED, "send: the connection is closed"),
        GIVEN_UP: (GIVEN_UP, "send: the connection is closed"),
        FAILED: (FAILED, "send: the connection is closed"),
    },
    Input.CLOSE: {
        HANDSHAKING: (GIVEN_UP, "sent"), OPEN: (WE_CLOSED, "sent"), PEER_CLOSED: (CLOSED, "sent"),
        WE_CLOSED: (WE_CLOSED, ""), CLOSED: (CLOSED, ""), GIVEN_UP: (GIVEN_UP, ""), FAILED: (FAILED, ""),
    },
    Input.UPDATE_KEYS: {
        HANDSHAKING: (HANDSHAKING, "only on an established"), OPEN: (OPEN, "sent"),
        PEER_CLOSED: (PEER_CLOSED, "sent"), WE_CLOSED: (WE_CLOSED, "only on an established"),
        CLOSED: (CLOSED, "only on an established"), GIVEN_UP: (GIVEN_UP, "only on an established"),
        FAILED: (FAILED, "only on an established"),
    },
    Input.EXPORT: {
        HANDSHAKING: (HANDSHAKING, "only on an established"), OPEN: (OPEN, "exported"),
        PEER_CLOSED: (PEER_CLOSED, "exported"), WE_CLOSED: (WE_CLOSED, "exported"),
        CLOSED: (CLOSED, "only on an established"), GIVEN_UP: (GIVEN_UP, "only on an established"),
        FAILED: (FAILED, "only on an established"),
    },
    Input.REQUEST: {
        HANDSHAKING: (HANDSHAKING, "only on an established"), OPEN: (OPEN, "sent"),
        PEER_CLOSED: (PEER_CLOSED, "only on an established"), WE_CLOSED: (WE_CLOSED, "only on an established"),
        CLOSED: (CLOSED, "only on an established"), GIVEN_UP: (GIVEN_UP, "only on an established"),
        FAILED: (FAILED, "only on an established"),
    },
    Input.JUDGE: dict.fromkeys(State, (None, "")) | {FAILED: (FAILED, "")},  # type: ignore[dict-item]
    Input.COMPLETE: dict.fromkeys(State, (None, "-")) | {HANDSHAKING: (OPEN, "established")},  # type: ignore[dict-item]
    Input.CLOSE_NOTIFY: {
        HANDSHAKING: (FAILED, "failed"), OPEN: (PEER_CLOSED, "closed"), PEER_CLOSED: (PEER_CLOSED, "-"),
        WE_CLOSED: (CLOSED, "closed"), CLOSED: (CLOSED, "-"), GIVEN_UP: (GIVEN_UP, "-"), FAILED: (FAILED, "-"),
    },
    Input.REFUSE: {
        HANDSHAKING: (FAILED, "failed and told"), OPEN: (FAILED, "failed and told"),
        PEER_CLOSED: (FAILED, "told if judged"), WE_CLOSED: (FAILED, "failed"), CLOSED: (CLOSED, "-"),
        GIVEN_UP: (GIVEN_UP, "-"), FAILED: (FAILED, "-"),
    },
    Input.LOSE: {
        HANDSHAKING: (FAILED, "failed"), OPEN: (FAILED, "failed"), PEER_CLOSED: (PEER_CLOSED, "-"),
        WE_CLOSED: (FAILED, "failed"), CLOSED: (CLOSED, "-"), GIVEN_UP: (GIVEN_UP, "-"), FAILED: (FAILED, "-"),
    },
}  # fmt: skip
PAIRS = list(product(State, Input))
named = lambda value: value.name  # noqa: E731


class Side:
    """One side of a conversation in a state, and its peer, that does what is asked."""

    def __init__(self, role: str, version: str, state: State) -> None:
        versions = {"versions": (version,)}
        client = client_config(**versions, post_handshake_auth=True)
        self.talk = Pair(client.connection("localhost"), server_config(**versions).connection())
        self.mine: Connection = getattr(self.talk, role)
        self.peer: Connection = self.talk.server if role == "client" else self.talk.client
        self._come_to(state)
        self.mine.data_to_send()
        assert self.mine.state is state

    def _come_to(self, state: State) -> None:
        if state is HANDSHAKING:  # the peer's next flight is on its way
            if self.mine is self.talk.server:
                self.mine.receive(self.peer.data_to_send())
            self.peer.receive(self.mine.data_to_send())
            return
        if state is GIVEN_UP:
            self.mine.close()
            return
        self.talk.exchange()
        self.talk.server.send(b"a word")  # so that a client of TLS 1.3 knows that it is accepted
        self.talk.exchange()
        if state in (PEER_CLOSED, CLOSED):
            self.peer.close()
            self.mine.receive(self.peer.data_to_send())
        if state in (WE_CLOSED, CLOSED):
            self.mine.close()
        if state is FAILED:
            self.mine.receive_eof()

    def alert(self, level: AlertLevel, alert: Alert) -> bytes:
        """An alert of the peer, under the keys that are in use; in the clear where it has got no flight of ours."""
        if self.mine.state is HANDSHAKING:
            return bytes((21, 3, 3, 0, 2, level, alert))
        machinery(self.peer).out.alert(level, alert)
        return self.peer.data_to_send()

    def data(self) -> bytes:
        """Something that the peer says in its time: a part of its flight, or data."""
        if self.mine.state is HANDSHAKING:
            return self.peer.data_to_send()[:20]
        if self.peer.state in (OPEN, State.PEER_CLOSED):
            self.peer.send(b"data")
        return self.peer.data_to_send()


def seen(events: Iterable[Event]) -> str:
    """What events say, in a word."""
    words = {Failed: "failed", PeerClosed: "closed", Data: "taken"}
    return " ".join(words[type(each)] for each in events if type(each) in words)


def receive(side: Side) -> str:
    data = side.data() or b"bytes"
    reads = side.mine.wants_data
    events = side.mine.receive(data)
    return "taken" if reads and not events else seen(events)


def complete(side: Side) -> str:
    side.talk.exchange()
    return "established" if side.mine.established else seen(side.talk.client_events)


def refuse(side: Side) -> str:
    fatal = b"\x99\x03\x03\x00\x01\x00"  # no record of TLS
    found = seen(side.mine.receive(fatal))
    return f"{found} and told" if found and side.mine.data_to_send() else found


def sent(act: Callable[[Connection], Any]) -> Callable[[Side], str]:
    def do(side: Side) -> str:
        act(side.mine)
        return "sent" if side.mine.data_to_send() else ""

    return do


def export(side: Side) -> str:
    return "exported" if side.mine.export("EXPORTER-test", None, 16) else ""


ACTS: dict[Input, Callable[[Side], str]] = {
    Input.RECEIVE: receive,
    Input.END_OF_FILE: lambda side: seen(side.mine.receive_eof()),
    Input.SEND: lambda side: sent(lambda mine: mine.send(b"x"))(side) or "kept",
    Input.CLOSE: sent(lambda mine: mine.close()),
    Input.UPDATE_KEYS: sent(lambda mine: mine.update_keys()),
    Input.EXPORT: export,
    Input.REQUEST: sent(lambda mine: mine.authenticate_client()),
    Input.JUDGE: lambda side: seen(side.mine.judge_again()),
    Input.COMPLETE: complete,
    Input.CLOSE_NOTIFY: lambda side: seen(
        side.mine.receive(side.alert(AlertLevel.warning, Alert.CLOSE_NOTIFY))
    ),
    Input.REFUSE: refuse,
    Input.LOSE: lambda side: seen(side.mine.receive(side.alert(AlertLevel.fatal, Alert.INTERNAL_ERROR))),
}


@pytest.mark.parametrize("version", ["1.3", "1.2"])
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize(("state", "what"), PAIRS, ids=named)
def test_each_input_in_each_state_has_one_outcome(state: State, what: Input, role: str, version: str) -> None:
    """RFC 9846 6.1, 6.2 and RFC 5246 7.2.1, seen from outside: the state, what is told, what is sent."""
    after, outcome = NEXT[what][state]
    after = after or state
    side = Side(role, version, state)
    if what is Input.UPDATE_KEYS and version == "1.2" and outcome == "sent":
        outcome = "TLS 1.2 cannot change its keys"
    if what is Input.REQUEST and outcome == "sent" and (role, version) != ("server", "1.3"):
        outcome = "only a server requests" if role == "client" else "TLS 1.2 has no post-handshake auth"
    if what is Input.REFUSE and state is PEER_CLOSED:
        pytest.skip("only judging again finds a fault then: see below")
    if outcome == "-" and what is Input.COMPLETE:
        side.talk.exchange()
        assert side.mine.state is after
        return
    if outcome == "-":  # what comes then is not read, so that nothing can come of it
        assert side.mine.receive(b"\x99\x03\x03\x00\x01\x00") == []
        assert side.mine.state is after
        return
    before = outcome
    try:
        outcome = ACTS[what](side)
    except (UsageError, AuthenticationUnavailable) as error:
        outcome = str(error)
    assert side.mine.state is after
    assert before in outcome if before else outcome == ""


@pytest.mark.parametrize(("state", "what"), PAIRS, ids=named)
def test_the_table_says_the_same_for_every_pair(state: State, what: Input) -> None:
    """What cannot happen is a defect of ours, should it happen."""
    rule, (after, outcome) = LIFE[what][state], NEXT[what][state]
    life = Lifecycle(state)
    if rule.never:
        assert outcome == "-"
        with pytest.raises(TypeError, match=f"{what.name} cannot happen when {state.value}"):
            life.take(what)
    elif rule.refusal:
        assert outcome in rule.refusal
        with pytest.raises(UsageError):
            life.take(what)
    else:
        assert life.take(what) is rule
    expected = state if what is Input.END_OF_FILE else after or state
    assert life.state is expected


def test_every_state_can_be_come_to_and_every_input_has_a_rule_in_each() -> None:
    """From the handshake on."""
    reached = {HANDSHAKING}
    while True:
        more = {LIFE[what][state].to for state in reached for what in Input}
        if more <= reached:
            break
        reached |= more
    assert reached == set(State)
    assert all(set(LIFE[what]) == set(State) for what in Input)


@pytest.mark.parametrize("state", State, ids=named)
def test_final_states_are_never_left(state: State) -> None:
    """Closed, given up, failed: no input changes them."""
    life = Lifecycle(state)
    moves = {LIFE[what][state].to for what in Input} - {state}
    assert life.is_over is (not moves)
    assert life.is_over is (state in (CLOSED, GIVEN_UP, FAILED))
    assert life.is_open is (state in (OPEN, PEER_CLOSED, WE_CLOSED))
    assert life.is_established is (state in (OPEN, PEER_CLOSED, WE_CLOSED, CLOSED))


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_peer_that_has_closed_may_be_refused_when_it_is_judged_again(role: str) -> None:
    """RFC 9846 6.2: it is told, as we may still write; who has closed itself tells nobody."""
    for state, tells in ((PEER_CLOSED, True), (OPEN, True), (WE_CLOSED, False)):
        side = Side(role, "1.3", state)
        machinery(side.mine).clock.pass_time(3650 * 86400)  # type: ignore[attr-defined]
        assert seen(side.mine.judge_again()) == "failed"
        assert side.mine.state is FAILED
        assert bool(side.mine.data_to_send()) is tells
