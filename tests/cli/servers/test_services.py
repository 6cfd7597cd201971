"""`serve --forward`: many at once, half-closes, back-pressure, cuts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import identities
from aio.written import Turns, Written
from aio_talk import Clock, TurnClock, run
from bothways import Truncated
from bothways.addresses import TCPAddress
from bothways.aio.protocol import TLSProtocol
from bothways.aio.turns import TURN_SECONDS
from bothways.aio.watch import Watch
from bothways.cli.servers.admission import ServeAdmission, ServedClient
from bothways.cli.servers.services import Echo, ServedProtocol
from cli_scripting import until_printed
from cli_talk import ada, read_all

pytestmark = pytest.mark.network


class Backend:
    """A plain TCP service that `talk` describes."""

    def __init__(self, talk) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._talk = talk
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._one, args=(sock,), daemon=True).start()
        except OSError:
            pass

    def _one(self, sock: socket.socket) -> None:
        with sock:
            self._talk(sock)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def backend() -> Iterator:
    backends: list[Backend] = []

    def begin(talk) -> Backend:
        backends.append(Backend(talk))
        return backends[-1]

    yield begin
    for each in backends:
        each.close()


def upper(sock: socket.socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(data.upper())


def test_forward_relays_many_at_once(start, backend):
    """Many connections at once, each with its own bytes."""
    server = start("--client-ca", "ca.pem", "--forward", backend(upper).address)
    problems: list[object] = []

    def one(number: int) -> None:
        text = f"client {number} ".encode() * 2000
        try:
            with ada(server) as channel:
                sender = threading.Thread(target=lambda: (channel.sendall(text), channel.shutdown()))
                sender.start()
                if read_all(channel) != text.upper():
                    problems.append(number)
                sender.join()
        except Exception as error:  # noqa: BLE001
            problems.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_forward_keeps_half_closes_both_ways(start, backend):
    """The end of one direction is passed on, and the other goes on."""

    def answer_after_the_end(sock: socket.socket) -> None:
        sock.sendall(b"hello, ")
        sock.sendall(read_all(sock) + b" is what you said")

    def end_first(sock: socket.socket) -> None:
        sock.sendall(b"that was all")
        sock.shutdown(socket.SHUT_WR)
        heard.append(read_all(sock))
        done.set()

    heard: list[bytes] = []
    done = threading.Event()
    server = start("--client-ca", "ca.pem", "--forward", backend(answer_after_the_end).address)
    with ada(server) as channel:
        assert channel.recv(100) == b"hello, "
        channel.sendall(b"question")
        channel.shutdown()
        assert read_all(channel) == b"question is what you said"
    server = start("--client-ca", "ca.pem", "--forward", backend(end_first).address)
    with ada(server) as channel:
        assert read_all(channel) == b"that was all"
        channel.sendall(b"but I go on")
        channel.shutdown()
        assert done.wait(20)
    assert heard == [b"but I go on"]


def test_forward_passes_back_pressure_on(start, backend):
    """A service that does not read stops the client, and nothing is lost or piles up in the relay."""
    go = threading.Event()
    sizes: list[int] = []

    def slow(sock: socket.socket) -> None:
        go.wait(20)
        sizes.append(len(read_all(sock)))
        sock.sendall(b"done")

    server = start("--client-ca", "ca.pem", "--forward", backend(slow).address)
    with ada(server) as channel:
        channel.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 512 * 1024 * 1024:
                channel.sendall(bytes(65536))
                sent += 65536
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0]) * 1024
        assert resident < 120 * 1024 * 1024
        go.set()
        channel.settimeout(20)
        channel.shutdown()
        assert read_all(channel) == b"done"
    assert sizes == [sent + 65536]


def test_a_cut_on_one_side_is_a_cut_on_the_other(start, backend):
    """Nobody takes a part for the whole: Truncated for the client, a reset for the service."""

    def cut(sock: socket.socket) -> None:
        sock.sendall(b"half a sent")
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    ends: list[object] = []
    done = threading.Event()

    def listens(sock: socket.socket) -> None:
        try:
            ends.append(read_all(sock))
        except OSError as error:
            ends.append(error)
        done.set()

    server = start("--client-ca", "ca.pem", "--forward", backend(cut).address)
    with ada(server) as channel:
        assert channel.recv(100) == b"half a sent"
        channel.sendall(b"x")
        with pytest.raises(Truncated):
            channel.recv(1)
    server = start("--client-ca", "ca.pem", "--forward", backend(listens).address)
    channel = ada(server)
    channel.sendall(b"half a questi")
    time.sleep(0.1)
    channel.abort()
    channel.close()
    assert done.wait(20)
    assert isinstance(ends[0], ConnectionResetError)


def test_a_service_that_is_not_there_is_reported_in_the_log(start):
    """The client is closed in order; the operator learns which service, and nothing is said of the client's address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    server = start("--client-ca", "ca.pem", "--forward", f"127.0.0.1:{free}")
    with ada(server) as channel:
        assert channel.recv(1) == b""
    until_printed(server, "ended")
    assert server.end() == 0
    assert f"ended: the backend 127.0.0.1:{free} cannot be reached: connection refused" in server.printed
    printed = " ".join(server.printed.split())
    assert f"we forward connections, and the service behind us, 127.0.0.1:{free}, does not answer" in printed
    assert f"a firewall rejects connections to 127.0.0.1:{free}" in printed


def test_a_service_that_resets_is_reported_and_not_the_client(start, backend):
    """What the client refuses has nothing to do with it: no cause speaks of our certificate."""

    def reset(sock: socket.socket) -> None:
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    where = backend(reset).address
    server = start("--client-ca", "ca.pem", "--forward", where)
    with ada(server) as channel:
        channel.sendall(b"x")
        with pytest.raises(Truncated):
            channel.recv(1)
    until_printed(server, "Likely causes")
    assert server.end() == 0
    printed = " ".join(server.printed.split())
    assert f"ended: the backend {where}: the connection was reset" in printed
    assert "the service behind us was stopped, crashed" in printed
    assert f"the connection to {where} was established" in printed
    told = printed.partition("ended:")[2]
    assert "certificate" not in told and "client's" not in told


def silent(sock: socket.socket) -> None:
    """Reads what comes, says nothing, and never ends by itself."""
    time.sleep(60)


@pytest.mark.parametrize("half_closed", [False, True])
def test_a_relay_that_is_silent_both_ways_is_cut(start, backend, half_closed):
    """Half closed or not; neither side takes it for a good end."""
    server = start("--client-ca", "ca.pem", "--forward", backend(silent).address, "--idle-timeout", "0.3")
    with ada(server) as channel:
        channel.sendall(b"question")
        if half_closed:
            channel.shutdown()
        with pytest.raises((Truncated, ConnectionError)):
            channel.recv(1)
    until_printed(server, "ended: the connection timed out: no data was sent or received for 0.3 seconds")


def test_a_relay_lives_as_long_as_one_way_does(start, backend):
    """A client that only downloads is not silent."""

    def trickle(sock: socket.socket) -> None:
        for number in range(10):
            time.sleep(0.35)
            sock.sendall(str(number).encode())

    server = start("--client-ca", "ca.pem", "--forward", backend(trickle).address, "--idle-timeout", "2.5")
    with ada(server) as channel:
        assert read_all(channel) == b"0123456789"


def test_a_client_that_takes_nothing_is_no_reason_to_wait_for_ever(start, backend):
    """The other way of the relay: the answers go nowhere."""

    def pour(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(bytes(65536))

    server = start("--client-ca", "ca.pem", "--forward", backend(pour).address, "--idle-timeout", "0.5")
    with ada(server) as channel:
        channel.sendall(b"give")
        until_printed(server, "ended: the connection timed out: no data was sent or received for 0.5 seconds")


@run
async def test_only_bytes_that_complete_a_message_are_progress_of_a_handshake() -> None:
    """A piece of a ClientHello is none, and what is received after the handshake is none."""
    counted: list[int] = []

    class Counting(ServedClient):
        def note_progress(self, octets: int) -> None:
            counted.append(octets)

    client = Counting(ServeAdmission(8), TCPAddress("192.0.2.1", 443), lambda: None)
    config = identities.server_config()
    tls = Echo(None).begin(config.connection(), Watch(config.settings), None, client)
    other = identities.client_config(identities.client()).connection("localhost")
    tls.connection_made(sent := Taken())
    hello = other.data_to_send()
    for at in range(0, len(hello), 100):
        assert counted == []
        tls.data_received(hello[at : at + 100])
    await processed(tls)
    assert counted == [len(hello)]
    other.receive(sent.taken())
    flight = other.data_to_send()
    tls.data_received(flight)
    await processed(tls)
    assert tls.driver.status.established and counted == [len(hello), len(flight)]
    other.send(b"hello")
    tls.data_received(other.data_to_send())
    await processed(tls)
    assert len(counted) == 2


async def processed(tls: TLSProtocol) -> None:
    """Wait for what had no room in this turn of the loop."""
    while tls.driver.may_feed:
        await asyncio.sleep(0)


class Taken(Written):
    """The same, whose reading may be paused, and all of whose bytes are taken at once."""

    def taken(self) -> bytes:
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""


@run
async def test_clients_that_fall_silent_at_once_are_ended_in_as_many_turns_as_that_takes():
    """Each end is a record that is encrypted and written."""
    hands, clock, turn, price = Clock(), TurnClock(), 0, 0.0
    ended: list[int] = []

    class Timed(Written):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            super().write(data)
            clock.now += price

        def close(self) -> None:
            super().close()
            ended.append(turn)

    with clock.running():
        client = ServedClient(ServeAdmission(8), TCPAddress("192.0.2.1", 443), lambda: None)
        for _ in range(3):
            served = Turns(below=Timed(), kind=partial(ServedProtocol, client=client))
            await served.begin()
            served.tls.limit_silence(10)
        await hands.advance(9)
        assert not ended
        price = TURN_SECONDS
        hands.set_forward(2)
        while len(ended) < 3 and turn < 20:
            turn += 1
            await asyncio.sleep(0)
    assert len(set(ended)) == 3
