"""Who comes to `serve`: addresses, signals, bounded numbers, first records."""

from __future__ import annotations

import resource
import signal
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

import identities
from bothways import TLSError
from bothways.net import Channel, connect
from cli_scripting import until_printed
from cli_talk import IDENTITY, ada
from command_line import bothways, environment, run_command
from http_callers import until
from loopback import NEEDS_127_8, NEEDS_IPV6

pytestmark = pytest.mark.network

ESTABLISHED, KEEPALIVE = "01", "02"  # a state and a kind of timer in /proc/net/tcp


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(start, number):
    """Status 0 and nothing but its own words."""
    server = start("--echo")
    with connect("127.0.0.1", int(server.port), identities.client_config()) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
        assert server.end(number) == 0
    assert server.printed.count("\n") == 2


@NEEDS_IPV6
def test_server_listens_on_ipv6_too(start):
    """[::1]:0 is bound and told in brackets."""
    server = start("--echo", host="[::1]")
    assert server.printed.startswith("listening on [::1]:")
    with ada(server, "::1") as channel:
        channel.sendall(b"over six")
        assert channel.recv(100) == b"over six"


GATEWAY = """
[identity]
certificate = "server.pem"
key = "server.key"
client_ca = "ca.pem"
[[listener]]
port = PORT
[[route]]
backend = "127.0.0.1:1"
[[route.allow]]
cn = "Ada"
"""


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "WHERE", *IDENTITY, "--echo"],
        ["serve", "WHERE", *IDENTITY, "--echo", "--workers", "2"],
        ["run", "app:app", "--listen", "WHERE", *IDENTITY],
        ["tunnel", "WHERE", "localhost:1", "--ca", "ca.pem", "--cert", "ada-whole.pem", "--insecure-tcp"],
        ["gateway", "-c", "gateway.toml"],
        ["ca", "serve", "ca", "--listen", "WHERE"],
    ],
    ids=lambda words: " ".join(words[:2]) + ("s" if "--workers" in words else ""),
)
def test_a_port_that_is_taken_is_named_by_every_command_that_listens(words, folder):
    """Status 1: the network refused."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (folder / "gateway.toml").write_text(GATEWAY.replace("PORT", str(port)))
        (folder / "app.py").write_text("app = print\n")
        if words[0] == "ca":
            making = bothways("ca", "init", "ca", "--name", "A", "--insecure-no-passphrase")
            run_command(making, cwd=folder, env=environment(), capture_output=True, timeout=60, check=True)
        done = run_command(
            bothways(*(each.replace("WHERE", f"127.0.0.1:{port}") for each in words)),
            cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in done.stderr


def test_newcomers_wait_while_all_places_are_taken(start):
    """`--connections` bounds them: the next one is served when a place is free."""
    server = start("--echo", "--connections", "1")
    config = identities.client_config()
    first = connect("127.0.0.1", int(server.port), config)
    with pytest.raises(TimeoutError):
        connect("127.0.0.1", int(server.port), config, timeout=0.3)
    first.close()
    with connect("127.0.0.1", int(server.port), config) as second:
        second.sendall(b"x")
        assert second.recv(1) == b"x"


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limit of another process is Linux's to set")
def test_a_flood_that_takes_every_descriptor_ends_no_server(start):
    """A client that was never judged could end the process: accept fails while no descriptor is left."""
    server = start("--echo")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (24, 24))
    flood = [socket.create_connection(("127.0.0.1", int(server.port))) for _ in range(40)]
    with pytest.raises((OSError, TLSError)):  # it waits, or is reset, as the event loop does it
        ada(server, timeout=0.5)
    for each in flood:
        each.close()
    with soon(lambda: ada(server)) as channel:
        channel.sendall(b"still there")
        assert channel.recv(100) == b"still there"


def soon(connected) -> Channel:
    """What a client gets that tries again where it was reset for want of a descriptor."""
    given_up = time.monotonic() + 30
    while True:
        try:
            return connected()
        except (OSError, TLSError):
            assert time.monotonic() < given_up
            time.sleep(0.05)


BEGUN = {
    "nothing": b"",
    "a piece of a header": b"\x16\x03",
    "a piece of a hello": bytes.fromhex("1603010200010001fc0303"),
    "a hello": identities.client_config().connection("localhost").data_to_send(),
}

# In `make test` three of them, from one address and from a hundred.
FLOODS = [
    pytest.param(data, sources, id=f"{name}-{sources}", marks=[pytest.mark.full] if turn % 3 else [])
    for turn, (name, data, sources) in enumerate(
        (name, data, sources) for sources in (1, 100) for name, data in BEGUN.items()
    )
]


class Flood:
    """Connections that begin and do not go on, each renewed as soon as it is ended."""

    def __init__(self, port: int, begun: bytes, sources: int, connections: int) -> None:
        self.ended = 0
        self._address, self._begun = ("127.0.0.1", port), begun
        self._sources = [f"127.{70 + number % sources}.0.1" for number in range(connections)]
        self._over = threading.Event()
        self._full = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Flood:
        self._thread.start()
        assert self._full.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def _begin(self, source: str) -> socket.socket:
        client = socket.create_connection(self._address, 30, source_address=(source, 0))
        try:
            client.sendall(self._begun)
        except ConnectionError:  # is among those that were ended at once
            pass
        client.setblocking(False)
        return client

    def _run(self) -> None:
        clients = [self._begin(source) for source in self._sources]
        self._full.set()
        while not self._over.wait(0.01):
            for number, client in enumerate(clients):
                if self._is_over(client):
                    self.ended += 1
                    client.close()
                    clients[number] = self._begin(self._sources[number])
        for client in clients:
            client.close()

    @staticmethod
    def _is_over(client: socket.socket) -> bool:
        try:
            return not client.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True


@NEEDS_127_8
@pytest.mark.parametrize(("begun", "sources"), FLOODS)
def test_a_flood_of_begun_handshakes_keeps_out_neither_who_is_in_nor_who_comes(start, begun, sources, full):
    """More connections than there are places; how long good handshakes took is printed."""
    server = start("--echo")
    with ada(server) as friend:
        with Flood(int(server.port), begun, sources, 300) as flood:
            times = []
            for _ in range(30 if full else 6):
                began = time.perf_counter()
                with ada(server) as channel:
                    channel.sendall(b"x")
                    assert channel.recv(1) == b"x"
                times.append(time.perf_counter() - began)
            friend.sendall(b"still here")
            assert friend.recv(100) == b"still here"
        assert flood.ended > 0
    times.sort()
    print(
        f"\n{flood.ended} ended; good handshakes: p50 {times[len(times) // 2] * 1e3:.0f} ms, "
        f"the slowest {times[-1] * 1e3:.0f} ms"
    )
    assert server.end() == 0, server.printed
    assert server.printed.count(" ended: ") <= 120


PART = "only a part of a ClientHello"


def test_a_client_that_says_nothing_is_left_after_its_time(start):
    """Before anything is computed for it."""
    server = start("--echo", "--handshake-timeout", "0.2")
    with socket.create_connection(("127.0.0.1", int(server.port)), 20) as client:
        assert client.recv(1) == b""
    with socket.create_connection(("127.0.0.1", int(server.port)), 20) as client:
        client.sendall(BEGUN["a piece of a hello"])
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with ada(server) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
    assert server.end() == 0, server.printed
    nothing, a_part = (
        f"ended: the client sent {what} within 0.2 seconds\n" for what in ("no ClientHello", PART)
    )
    assert server.printed.count(nothing) == server.printed.count(a_part) == 1
    assert server.printed.count("it connected and sent nothing") == 1


@pytest.mark.parametrize(
    "printed", [b"", b"\x16", BEGUN["a piece of a hello"], b"GET / HTTP/1.0\r\n\r\n", b"\x80\x2e\x01"]
)
def test_a_client_that_leaves_early_or_speaks_no_tls_is_told_of_at_once(start, printed):
    """Nobody waits for the rest of what cannot come."""
    server = start("--echo")
    with socket.create_connection(("127.0.0.1", int(server.port)), 20) as client:
        client.sendall(printed)
        client.shutdown(socket.SHUT_WR)
        until_printed(server, " ended: ")
    assert server.end() == 0


def test_a_client_that_resets_at_once_is_told_of_too(start):
    """As health checks do: its address is not known any more when uvloop asks for it."""
    server = start("--echo")
    with socket.create_connection(("127.0.0.1", int(server.port)), 20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until_printed(server, "port scan or a health check")
    assert server.end() == 0


def test_client_hello_in_single_bytes_is_accepted(start):
    """Whole records wake us, however they come."""
    server = start("--echo")
    connection = identities.client_config().connection("localhost")
    with socket.create_connection(("127.0.0.1", int(server.port)), 20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in connection.data_to_send():
            client.sendall(bytes([byte]))
        while not connection.established:
            connection.receive(client.recv(65536))
            client.sendall(connection.data_to_send())


def test_clients_that_fail_on_purpose_fill_no_log(start):
    """So many of one address are told, and the rest are counted."""
    server = start("--client-ca", "ca.pem", "--echo")
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", int(server.port)), 20) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while client.recv(1000):
                pass
    with ada(server) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
        channel.abort()
        until_printed(server, "before this")
    assert server.end() == 0
    assert 21 <= server.printed.count(" ended: the client ") < 30
    assert " connections before this ended without a report" in server.printed


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the timers of connections are told by Linux")
def test_the_system_looks_whether_a_silent_client_is_still_there(start):
    """SO_KEEPALIVE: the connection of a client that vanished without a word ends some day."""
    server = start("--echo")
    with ada(server) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
        until(lambda: timer_of_connection(int(server.port)) == KEEPALIVE)


def timer_of_connection(port: int) -> str:
    """Return what the system waits for on the one connection of a server; at first that may be an acknowledgment."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (timer,) = [row[5] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == ESTABLISHED]
    return timer.partition(":")[0]
