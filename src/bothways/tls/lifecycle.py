"""The states of a connection: what may happen in each, and what follows.

The rules are in this table (RFC 9846 6.1 and 6.2, RFC 5246 7.2.1). A connection asks it before each action and keeps no
state about closing and failures elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from bothways.errors import UsageError
from bothways.iana import Alert


class State(Enum):
    """The state of a connection."""

    HANDSHAKING = "the handshake goes on"
    OPEN = "both sides may send"
    PEER_CLOSED = "the peer sends no more, and we may"
    WE_CLOSED = "we send no more, and the peer may"
    CLOSED = "both sides have closed in order"
    GIVEN_UP = "we closed before the handshake was done"
    FAILED = "a fault, a refusal or a cut has ended it"

    __hash__ = object.__hash__


class Input(Enum):
    """What may happen to a connection: calls of its user, what the peer sends, and what follows from them."""

    RECEIVE = "bytes came from the peer"
    END_OF_FILE = "the peer's end of file came"
    SEND = "the user sends"
    CLOSE = "the user closes"
    UPDATE_KEYS = "the user asks for new keys"
    EXPORT = "the user asks for keying material"
    JUDGE = "the user has the peer judged again"
    REQUEST = "the user requests the client's certificate"
    COMPLETE = "the handshake is complete"
    CLOSE_NOTIFY = "the peer closes"
    REFUSE = "we refuse the peer, or have a defect"
    LOSE = "the peer refuses us, or the connection is cut"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """What follows from an input in a state.

    to: the next state.  has_effect: whether the input has any effect.  alerts: the alert that is sent.  tells: whether
    the peer is told the reason.  refusal: the text of the `UsageError` for a call that is not allowed.  never: it
    cannot happen.
    """

    to: State
    has_effect: bool = True
    alerts: tuple[Alert, ...] = ()
    tells: bool = False
    refusal: str = ""
    never: bool = False


_S, _I = State, Input
_OVER = (_S.CLOSED, _S.GIVEN_UP, _S.FAILED)

_NO_SEND = "send: the connection is closed"
_NO_UPDATE = "update_keys: only on an established, open connection"
_NO_EXPORT = "export: only on an established connection"
_NO_REQUEST = "authenticate_client: only on an established, open connection"


def _stay(*states: State) -> dict[State, LifecycleRule]:
    return {state: LifecycleRule(state) for state in states}


def _ignored(*states: State) -> dict[State, LifecycleRule]:
    return {state: LifecycleRule(state, has_effect=False) for state in states}


def _refused(problem: str, *states: State) -> dict[State, LifecycleRule]:
    return {state: LifecycleRule(state, has_effect=False, refusal=problem) for state in states}


def _never(*states: State) -> dict[State, LifecycleRule]:
    return {state: LifecycleRule(state, has_effect=False, never=True) for state in states}


LIFE: Mapping[Input, Mapping[State, LifecycleRule]] = {
    _I.RECEIVE: {
        **_stay(_S.HANDSHAKING, _S.OPEN, _S.WE_CLOSED),
        **_ignored(_S.PEER_CLOSED, *_OVER),
    },
    _I.END_OF_FILE: {
        **_stay(_S.HANDSHAKING, _S.OPEN, _S.WE_CLOSED),
        **_ignored(_S.PEER_CLOSED, *_OVER),
    },
    _I.SEND: {
        **_stay(_S.HANDSHAKING, _S.OPEN, _S.PEER_CLOSED),
        **_refused(_NO_SEND, _S.WE_CLOSED, *_OVER),
    },
    _I.CLOSE: {
        _S.HANDSHAKING: LifecycleRule(_S.GIVEN_UP, alerts=(Alert.USER_CANCELED, Alert.CLOSE_NOTIFY)),
        _S.OPEN: LifecycleRule(_S.WE_CLOSED, alerts=(Alert.CLOSE_NOTIFY,)),
        _S.PEER_CLOSED: LifecycleRule(_S.CLOSED, alerts=(Alert.CLOSE_NOTIFY,)),
        **_ignored(_S.WE_CLOSED, *_OVER),
    },
    _I.UPDATE_KEYS: {
        **_stay(_S.OPEN, _S.PEER_CLOSED),
        **_refused(_NO_UPDATE, _S.HANDSHAKING, _S.WE_CLOSED, *_OVER),
    },
    _I.EXPORT: {
        **_stay(_S.OPEN, _S.PEER_CLOSED, _S.WE_CLOSED),
        **_refused(_NO_EXPORT, _S.HANDSHAKING, *_OVER),
    },
    _I.JUDGE: {
        **_stay(_S.OPEN, _S.PEER_CLOSED, _S.WE_CLOSED),
        **_ignored(_S.HANDSHAKING, *_OVER),
    },
    _I.REQUEST: {
        _S.OPEN: LifecycleRule(_S.OPEN),
        **_refused(_NO_REQUEST, _S.HANDSHAKING, _S.PEER_CLOSED, _S.WE_CLOSED, *_OVER),
    },
    _I.COMPLETE: {
        _S.HANDSHAKING: LifecycleRule(_S.OPEN),
        **_never(_S.OPEN, _S.PEER_CLOSED, _S.WE_CLOSED, *_OVER),
    },
    _I.CLOSE_NOTIFY: {
        _S.HANDSHAKING: LifecycleRule(_S.FAILED),
        _S.OPEN: LifecycleRule(_S.PEER_CLOSED),
        _S.WE_CLOSED: LifecycleRule(_S.CLOSED),
        **_never(_S.PEER_CLOSED, *_OVER),
    },
    _I.REFUSE: {
        _S.HANDSHAKING: LifecycleRule(_S.FAILED, tells=True),
        _S.OPEN: LifecycleRule(_S.FAILED, tells=True),
        _S.PEER_CLOSED: LifecycleRule(_S.FAILED, tells=True),
        _S.WE_CLOSED: LifecycleRule(_S.FAILED),
        **_never(*_OVER),
    },
    _I.LOSE: {
        _S.HANDSHAKING: LifecycleRule(_S.FAILED),
        _S.OPEN: LifecycleRule(_S.FAILED),
        _S.WE_CLOSED: LifecycleRule(_S.FAILED),
        **_never(_S.PEER_CLOSED, *_OVER),
    },
}

_LETS_HAPPEN = {
    state: (
        LIFE[_I.RECEIVE][state].has_effect,
        LIFE[_I.SEND][state].has_effect,
        LIFE[_I.EXPORT][state].has_effect,
    )
    for state in State
}


class Lifecycle:
    """The state of one connection.

    reads: input is processed.  writes: we have neither closed nor failed.  is_open: the handshake is complete, and at
    least one side may still send.  is_established: the handshake is complete, and nothing has failed since.  is_over:
    nothing more will happen.
    """

    __slots__ = ("is_established", "is_open", "is_over", "reads", "state", "writes")

    def __init__(self, state: State = State.HANDSHAKING) -> None:
        self._enter(state)

    def take(self, what: Input) -> LifecycleRule:
        """Apply an input and return its rule; nothing changes if the rule is not `has_effect`.

        Raises `UsageError` for a call that is not allowed now.
        """
        rule = LIFE[what][self.state]
        if rule.refusal:
            raise UsageError(rule.refusal)
        if rule.never:
            raise TypeError(f"{what.name} cannot happen when {self.state.value}")
        if rule.to is not self.state:
            self._enter(rule.to)
        return rule

    def _enter(self, state: State) -> None:
        self.state = state
        self.reads, self.writes, self.is_open = _LETS_HAPPEN[state]
        self.is_established = self.is_open or state is State.CLOSED
        self.is_over = state in _OVER
