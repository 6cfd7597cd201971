"""What is waited for after the handshake, for how long, and what is said of it; with a clock that is turned."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import identities
from bothways.cli.clients import conversation
from bothways.cli.clients.conversation import DEAD_AFTER, ServerConversation
from bothways.errors import TimedOut
from bothways.net import Channel, wrap

pytestmark = pytest.mark.network


class Input:
    """Standard input: a pipe that the test writes into."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.is_open = True

    def fileno(self) -> int:
        return self.reader

    def write(self, data: bytes) -> None:
        os.write(self.writer, data)

    def end(self) -> None:
        if self.is_open:
            os.close(self.writer)
        self.is_open = False


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Input]:
    given = Input()
    monkeypatch.setattr("sys.stdin", given)
    monkeypatch.setattr(conversation, "LOOK_SECONDS", 0.01)
    yield given
    given.end()


@pytest.fixture(params=["1.2", "1.3"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Channel, Channel]]:
    """A client and a server after their handshake, by sockets."""
    near, far = socket.socketpair()
    config = identities.client_config(identities.client(), versions=(request.param,))
    serving, served = identities.server_config(), []
    server = threading.Thread(target=lambda: served.append(wrap(far, serving)))
    server.start()
    client = wrap(near, config, "localhost")
    server.join()
    yield client, served[0]
    for sock in (near, far):
        sock.close()


class Turned:
    """A clock that goes on by a second whenever it is looked at after the input has ended, or once `goes` is set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.goes = False

    def __call__(self) -> float:
        self.now += 1.0 if self.goes else 0.0
        return self.now


class Talk:
    """A conversation, what was printed of it, and its clock."""

    def __init__(self, client: Any, seconds: float = 30.0) -> None:
        self.said: list[str] = []
        self.clock = Turned()
        self.made = ServerConversation(client, "the host", seconds, self._say, ends=True, clock=self.clock)
        self.made.begin()
        self.reported = threading.Event()

    def _say(self, text: str) -> None:
        self.said.append(text)
        self.reported.set()

    def await_report(self) -> None:
        """Let the clock go on until something is printed."""
        self.clock.goes = True
        assert self.reported.wait(60)
        self.clock.goes = False
        self.reported.clear()


LIMIT = "waiting for data of the host, 30 s at most ..."


def test_an_answer_that_does_not_come_has_a_limit_after_the_end_of_the_input(
    ends: tuple[Channel, Channel], typed: Input
) -> None:
    talk = Talk(ends[0])
    typed.write(b"a question")
    assert ends[1].recv(100) == b"a question"
    typed.end()
    talk.clock.goes = True
    with pytest.raises(TimedOut, match="nothing was received within 30 seconds after the end of the input"):
        talk.made.receive()
    assert talk.said[-1] == LIMIT and talk.said.count(LIMIT) == 1


def test_each_piece_of_an_answer_begins_the_limit_anew(ends: tuple[Channel, Channel], typed: Input) -> None:
    talk = Talk(ends[0])
    typed.write(b"a question")
    typed.end()
    ends[1].sendall(b"a part")
    assert talk.made.receive() == b"a part"
    before = talk.clock.now
    talk.clock.goes = True
    with pytest.raises(TimedOut, match="nothing more was received"):
        talk.made.receive()
    assert talk.clock.now >= before + 30


def test_no_reply_in_tls_1_2_is_no_failure_if_nothing_was_sent(
    ends: tuple[Channel, Channel], typed: Input
) -> None:
    """In TLS 1.3 our close_notify is answered by a close, and its absence is a failure."""
    talk = Talk(ends[0])
    typed.end()
    talk.clock.goes = True
    if ends[0].version == "1.2":
        assert talk.made.receive() is None
        assert talk.said[-2:] == [LIMIT, "nothing was sent, and the host sent nothing within 30 seconds"]
    else:
        with pytest.raises(TimedOut):
            talk.made.receive()


def test_while_the_input_is_open_there_is_no_limit_and_what_is_awaited_is_said_once(
    ends: tuple[Channel, Channel], typed: Input
) -> None:
    talk = Talk(ends[0], seconds=5.0)
    came: list[bytes | None] = []
    reading = threading.Thread(target=lambda: came.append(talk.made.receive()))
    reading.start()
    talk.await_report()
    talk.clock.now += 1000
    typed.write(b"a question")
    assert ends[1].recv(100) == b"a question"
    talk.await_report()
    talk.clock.now += 1000
    ends[1].sendall(b"an answer")
    reading.join()
    assert came == [b"an answer"]
    assert talk.said == [
        "waiting for input, and for data of the host ...",
        "waiting for data of the host ...",
    ]


def test_data_that_the_server_does_not_read_is_reported_and_kept_complete(
    ends: tuple[Channel, Channel], typed: Input
) -> None:
    talk = Talk(ends[0])
    content = os.urandom(4 << 20)

    def write() -> None:
        for start in range(0, len(content), 1 << 16):
            typed.write(content[start : start + (1 << 16)])
        typed.end()

    threads = [threading.Thread(target=write), threading.Thread(target=talk.made.receive)]
    for thread in threads:
        thread.start()
    talk.clock.goes = True
    while not talk.said or "to take what was sent" not in talk.said[-1]:
        assert talk.reported.wait(60)
        talk.reported.clear()
    talk.clock.goes = False
    taken = bytearray()
    while len(taken) < len(content):
        taken += ends[1].recv(1 << 16)
    ends[1].sendall(b"thanks")
    for thread in threads:
        thread.join()
    assert bytes(taken) == content
    assert "waiting for the host to take what was sent ..." in talk.said


def test_the_end_that_the_server_makes_is_told_at_once(ends: tuple[Channel, Channel], typed: Input) -> None:
    talk = Talk(ends[0])
    ends[1].shutdown()
    assert talk.made.receive() == b""


def test_timeout_of_the_operating_system_is_reported_as_its_error(typed: Input) -> None:
    """Its time-out has an error number, and is no limit of ours."""

    class Vanished:
        version = "1.3"

        def __init__(self) -> None:
            self.options: list[tuple[int, int, int]] = []

        def settimeout(self, seconds: float) -> None:
            pass

        def setsockopt(self, *option: Any) -> None:
            self.options.append(option)

        def shutdown(self) -> None:
            pass

        def recv(self, size: int) -> bytes:
            raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    gone: Any = Vanished()
    with pytest.raises(TimeoutError, match="Connection timed out"):
        Talk(gone).made.receive()
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in gone.options
    assert len(gone.options) == 1 + sum(hasattr(socket, each) for each in DEAD_AFTER)
