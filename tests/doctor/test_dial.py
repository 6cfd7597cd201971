"""The one who calls: counted, one after the other, bounded in time and bytes, closed."""

from __future__ import annotations

import socket
import threading
import time

import pytest

import identities
from bothways.doctor.dial import CLOSE_NOTIFY, ConnectionsUsedUp, Dialer
from bothways.doctor.probes import GOOD_SUITES_12, SUITES_13, ProbeOffer
from bothways.doctor.replies import HelloReply
from doctor_talk import dialer_to, listening, ours, saying, target

pytestmark = pytest.mark.network

EITHER = ProbeOffer((0x0304, 0x0303), (*SUITES_13, *GOOD_SUITES_12))


def test_the_number_of_connections_is_counted_and_limited():
    """Also those that are refused at the door."""
    with listening(ours(identities.server_config())) as server:
        dialer = dialer_to(server.port, limit=2)
        assert dialer.ask(EITHER).kind == "choice"
        assert dialer.ask(EITHER).kind == "choice"
        with pytest.raises(ConnectionsUsedUp):
            dialer.ask(EITHER)
        assert (dialer.connections, server.accepted) == (2, 2)


def test_all_connections_together_have_a_time_limit():
    """Of each connection no more is left than of all."""
    with listening(ours(identities.server_config())) as server:
        dialer = Dialer(target(server.port), timeout=10, limit=9, seconds=60)
        with dialer.connected() as (_, deadline):
            assert deadline - time.monotonic() <= 10
        dialer.end = time.monotonic() + 5
        with dialer.connected() as (_, deadline):
            assert deadline == dialer.end
        dialer.end = time.monotonic()
        with pytest.raises(ConnectionsUsedUp):
            dialer.ask(EITHER)
    assert dialer.connections == 2


def test_a_name_is_resolved_once():
    """All further connections go where the first one came to: never more than one host."""
    with listening(ours(identities.server_config())) as server:
        dialer = dialer_to(server.port)
        dialer.ask(EITHER)
        assert dialer.address == ("127.0.0.1", server.port)
        assert dialer.seconds >= 0
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            dialer_to(gone.getsockname()[1]).ask(EITHER)


def test_a_server_gets_a_close_notify_after_its_choice():
    """And the connection is closed at once."""
    heard: list[bytes] = []
    done = threading.Event()

    def talk(sock: socket.socket) -> None:
        config = identities.server_config().connection()
        config.receive(sock.recv(65536))
        sock.sendall(config.data_to_send())
        while data := sock.recv(65536):
            heard.append(data)
        done.set()

    with listening(talk) as server:
        assert dialer_to(server.port).ask(EITHER).kind == "choice"
        assert done.wait(20)
    assert b"".join(heard) == CLOSE_NOTIFY


@pytest.mark.parametrize(
    ("parts", "kind"),
    [((), "closed"), ((b"SSH-2.0-x\r\n",), "foreign"), ((bytes.fromhex("15030300020246"),), "alert")],
)
def test_the_reply_of_a_server_is_returned(parts: tuple[bytes, ...], kind: str):
    """Whether it ends the connection or not."""
    with listening(saying(*parts)) as server:
        assert dialer_to(server.port).ask(EITHER).kind == kind


def test_a_reset_counts_as_closed():
    """Some devices answer a hello that they do not like so."""

    def talk(sock: socket.socket) -> None:
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    with listening(talk) as server:
        assert dialer_to(server.port).ask(EITHER) == HelloReply("closed")


def test_a_silent_or_slow_server_is_left_after_the_time_limit():
    """The time is for a whole connection, not for each piece."""
    stop = threading.Event()

    def trickle(sock: socket.socket) -> None:
        for byte in bytes.fromhex("1603034000") + bytes(1000):
            sock.sendall(bytes((byte,)))
            if stop.wait(0.02):
                return

    for talk, kind in ((lambda sock: stop.wait(20), "silence"), (trickle, "garbled")):
        with listening(talk) as server:
            began = time.monotonic()
            assert dialer_to(server.port, timeout=0.3).ask(EITHER).kind == kind
            assert time.monotonic() - began < 15
            stop.set()
        stop.clear()


def test_an_endless_banner_is_read_up_to_the_limit():
    """What is sent after that is not read."""
    sent = 0

    def endless(sock: socket.socket) -> None:
        nonlocal sent
        while True:
            sock.sendall(b"220-" + b"welcome " * 1000)
            sent += 8004

    with listening(endless) as server:
        answer = dialer_to(server.port).ask(EITHER)
    assert answer.speaks.startswith("SMTP or FTP")
    assert sent < 32 * 1024 * 1024


def test_a_target_is_written_as_an_address():
    """IPv6 in brackets."""
    assert str(target(443)) == "127.0.0.1:443"
    assert str(target(443, host="::1")) == "[::1]:443"
