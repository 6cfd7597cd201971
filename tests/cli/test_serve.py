"""`bothways serve` as a process: page, forward, half-close, signals, limits."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import skins
from bothways import PeerAlert, Truncated
from bothways.net import Channel, connect
from cli_scripting import Background, bothways, environment

pytestmark = pytest.mark.network

IDENTITY = ["--cert", "server.pem", "--key", "server.key"]


@pytest.fixture
def start(folder: Path) -> Iterator:
    servers: list[Background] = []

    def begin(*words: str, host: str = "127.0.0.1") -> Background:
        servers.append(Background(["serve", f"{host}:0", *IDENTITY, *words], folder))
        return servers[-1]

    yield begin
    for server in servers:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


def ada(server: Background, host: str = "127.0.0.1", **options) -> Channel:
    channel = connect(host, int(server.port), skins.client_config(skins.client()), **options)
    channel.settimeout(20)
    return channel


def read_all(channel: Channel | socket.socket) -> bytes:
    parts = []
    while part := channel.recv(65536):
        parts.append(part)
    return b"".join(parts)


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


# -- listening -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(start, number):
    """DESIGN 8: status 0 and nothing but its own words."""
    server = start("--echo")
    with connect("127.0.0.1", int(server.port), skins.client_config()) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
        assert server.end(number) == 0
    assert server.said.count("\n") == 2


def test_server_listens_on_ipv6_too(start):
    """[::1]:0 is bound and told in brackets."""
    server = start("--echo", host="[::1]")
    assert server.said.startswith("listening on [::1]:")
    with ada(server, "::1") as channel:
        channel.sendall(b"over six")
        assert channel.recv(100) == b"over six"


def test_a_port_that_is_taken_is_told(start, folder):
    """Status 1: the network refused."""
    server = start("--echo")
    done = subprocess.run(
        bothways("serve", f"127.0.0.1:{server.port}", *IDENTITY, "--echo"),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "bothways: Address already in use\n"


def test_newcomers_wait_while_all_places_are_taken(start):
    """`--connections` bounds the threads: the next one is served when a place is free."""
    server = start("--echo", "--connections", "1")
    config = skins.client_config()
    first = connect("127.0.0.1", int(server.port), config)
    with pytest.raises(TimeoutError):
        connect("127.0.0.1", int(server.port), config, timeout=0.3)
    first.close()
    with connect("127.0.0.1", int(server.port), config) as second:
        second.sendall(b"x")
        assert second.recv(1) == b"x"


def test_silent_connections_are_ended(start):
    """`--idle-timeout`."""
    server = start("--echo", "--idle-timeout", "0.2")
    with connect("127.0.0.1", int(server.port), skins.client_config()) as channel:
        assert channel.recv(1) == b""
    deadline = time.monotonic() + 10
    while "timed out" not in server.said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "ended: the connection timed out" in server.said


def test_client_auth_request_lets_the_anonymous_in_and_refuses_the_bad(start):
    """ "request" still refuses a bad certificate."""
    server = start("--client-ca", "ca.pem", "--client-auth", "request", "--echo")
    with connect("127.0.0.1", int(server.port), skins.client_config()) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
    stranger = connect("127.0.0.1", int(server.port), skins.client_config(skins.stranger()))
    with stranger, pytest.raises(PeerAlert):
        stranger.recv(1)


# -- page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\n\n",
        b"GET /any/where?x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_page_greets_the_client_in_one_record_and_closes(start, request_text):
    """Issue 2 a.4: any HTTP request; one record, then close_notify."""
    server = start("--client-ca", "ca.pem", "--page")
    notes = []
    with ada(server, observer=notes.append) as channel:
        for byte in request_text:
            channel.sendall(bytes((byte,)))
        reply = read_all(channel)
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"<h1>Hello, Ada</h1>" in body
    records = [note for note in notes if type(note).__name__ == "RecordSeen" and not note.sent]
    assert [note.content_type for note in records][-2:] == [23, 21]
    assert [note.content_type for note in records].count(23) == 1


def test_page_answers_head_without_a_body_and_a_silent_client_not_at_all(start):
    """RFC 9110 9.3.2."""
    server = start("--client-ca", "ca.pem", "--page")
    with ada(server) as channel:
        channel.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
        assert read_all(channel).endswith(b"Connection: close\r\n\r\n")
    with ada(server) as channel:
        channel.shutdown()
        assert read_all(channel) == b""


# -- forward ---------------------------------------------------------------------------------------------


def upper(sock: socket.socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(data.upper())


def test_forward_relays_many_at_once(start, backend):
    """Issue 2 a.4: many connections at once, each with its own bytes."""
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


def test_a_service_that_is_not_there_is_told_in_the_log(start):
    """The client is closed in order; the operator learns why."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    server = start("--client-ca", "ca.pem", "--forward", f"127.0.0.1:{free}")
    with ada(server) as channel:
        assert channel.recv(1) == b""
    assert server.end() == 0
    assert "ended: connection refused: nothing listens there" in server.said
