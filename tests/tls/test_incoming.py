"""What comes from the peer, one thing at a time, and what is passed over."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bothways.faults import Fault
from bothways.iana import Alert, AlertLevel, HandshakeType
from bothways.roles import Role, Version
from bothways.tls.events import AlertSeen, MessageSeen, Note
from bothways.tls.handshake.message_io import EMPTY_RECORD_LIMIT
from bothways.tls.handshake.outcome import Negotiated
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.script import Agreed, ChangeCipherSpec, Wait
from bothways.tls.handshake.steps import Step
from bothways.tls.incoming import Incoming
from bothways.tls.wire.alert import AlertMessage
from faults import blames
from tls.handshake.contexts import context

FATAL, WARNING = AlertLevel.fatal, AlertLevel.warning
FINISHED = bytes((HandshakeType.finished, 0, 0, 12)) + bytes(12)
HELLO_REQUEST = bytes(4)


def record(content_type: int, content: bytes) -> bytes:
    return bytes((content_type, 3, 3)) + len(content).to_bytes(2, "big") + content


def alert(level: int, description: int) -> bytes:
    return record(21, bytes((level, description)))


def incoming(
    version: Version, *steps: Step, role: Role = Role.CLIENT, notes: list[Note] | None = None
) -> Callable[[bytes], list[object]]:
    """What is handed out of bytes that come at the last of these steps."""
    hs = context(role, notes)
    position = Position(hs)
    hs.inbox.version = version
    for step in steps:
        position.apply(Wait(step))
        if step in (Step.WAIT_SH, Step.WAIT_CH):
            position.apply(Agreed(Negotiated(version)))
    source = Incoming(hs, position, speaks_12=True)

    def take(data: bytes) -> list[object]:
        hs.inbox.feed(data)
        return list(iter(source.take, None))

    return take


IN_12 = (Step.WAIT_SH, Step.WAIT_SERVER_CERT, Step.WAIT_SKE, Step.WAIT_CR_SHD, Step.JUDGING)
AT_THE_CHANGE = (*IN_12, Step.WAIT_SERVER_CCS)


def test_messages_in_one_record_come_one_by_one_and_a_part_of_one_waits() -> None:
    """RFC 9846 5.1: records are no bounds of messages."""
    take = incoming(Version.TLS12, *AT_THE_CHANGE, Step.WAIT_SERVER_FINISHED)
    assert len(take(record(22, FINISHED + FINISHED + FINISHED[:5]))) == 2
    assert len(take(record(22, FINISHED[5:]))) == 1


def test_a_message_that_is_not_allowed_is_refused_before_it_is_decoded() -> None:
    """RFC 9846 4: with what may come instead."""
    take = incoming(Version.TLS13, Step.WAIT_SH, Step.WAIT_EE)
    with blames(Fault.UNEXPECTED_MESSAGE, got="finished", expected="encrypted_extensions"):
        take(record(22, FINISHED))
    with blames(Fault.UNEXPECTED_MESSAGE, got="application data"):
        incoming(Version.TLS12, *IN_12)(record(23, b"data"))
    with blames(Fault.UNEXPECTED_RECORD):
        incoming(Version.TLS12, *IN_12)(
            record(21, bytes((WARNING, Alert.NO_RENEGOTIATION))) + record(24, b"data")
        )


def test_a_change_of_ciphers_comes_when_it_is_awaited() -> None:
    """RFC 5246 7.1."""
    assert incoming(Version.TLS12, *AT_THE_CHANGE)(record(20, b"\1")) == [ChangeCipherSpec()]
    with blames(Fault.UNEXPECTED_MESSAGE, got="change_cipher_spec"):
        incoming(Version.TLS12, *IN_12)(record(20, b"\1"))


@pytest.mark.parametrize(
    ("version", "steps", "level", "description", "passes"),
    [
        (Version.TLS13, (Step.WAIT_SH, Step.WAIT_EE), FATAL, Alert.USER_CANCELED, True),
        (Version.TLS13, (Step.WAIT_SH, Step.WAIT_EE), WARNING, Alert.INTERNAL_ERROR, False),
        (Version.TLS13, (Step.WAIT_SH, Step.WAIT_EE), WARNING, Alert.CLOSE_NOTIFY, False),
        (Version.TLS12, IN_12, WARNING, Alert.NO_RENEGOTIATION, True),
        (Version.TLS12, IN_12, WARNING, Alert.CLOSE_NOTIFY, False),
        (Version.TLS12, IN_12, FATAL, Alert.USER_CANCELED, False),
    ],
)
def test_alerts_that_mean_nothing_are_passed_over(
    version: Version, steps: tuple[Step, ...], level: int, description: int, passes: bool
) -> None:
    """RFC 9846 6: the level says nothing; RFC 5246 7.2.2: a warning is no more than that."""
    notes: list[Note] = []
    came = incoming(version, *steps, notes=notes)(alert(level, description))
    assert came == ([] if passes else [AlertMessage(level, description)])
    assert [type(note) for note in notes if isinstance(note, AlertSeen)] == [AlertSeen]


def test_a_server_may_warn_of_the_name_before_it_has_chosen() -> None:
    """RFC 6066 3; only of a client that speaks TLS 1.2 too."""
    hs = context(Role.CLIENT)
    for speaks_12, passes in ((True, True), (False, False)):
        position = Position(hs)
        position.apply(Wait(Step.WAIT_SH))
        hs.inbox.feed(alert(WARNING, Alert.UNRECOGNIZED_NAME))
        assert (Incoming(hs, position, speaks_12=speaks_12).take() is None) is passes


def test_hello_requests_in_the_handshake_are_noted_and_ignored_up_to_a_limit() -> None:
    """RFC 5246 7.4.1.1: a client may ignore it; a server has no such message."""
    notes: list[Note] = []
    take = incoming(Version.TLS12, *IN_12, notes=notes)
    assert take(record(22, HELLO_REQUEST * EMPTY_RECORD_LIMIT)) == []
    assert sum(isinstance(note, MessageSeen) for note in notes) == EMPTY_RECORD_LIMIT
    with blames(Fault.TOO_MANY_EMPTY_RECORDS):
        take(record(22, HELLO_REQUEST))
    with blames(Fault.UNEXPECTED_MESSAGE, got="hello_request"):
        incoming(Version.TLS12, Step.WAIT_CH, Step.WAIT_CKE, role=Role.SERVER)(record(22, HELLO_REQUEST))
