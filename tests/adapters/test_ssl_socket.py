"""Sockets: blocking, with time limits, non-blocking, listening, to be connected, and TLS within TLS."""

from __future__ import annotations

import contextlib
import copy
import http.client
import http.server
import os
import pickle
import select
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import identities
from bothways import (
    ConfigError,
    Credentials,
    PeerAlert,
    PeerFault,
    Truncated,
    TrustStore,
    UsageError,
    failure_of,
)
from bothways.adapters import bare_socket
from bothways.adapters.refusing import NoOpenSSL, Refusing
from bothways.net import connect, pipe, wrap
from bothways.ssl import SSLContext, SSLSocket
from bothways.trust import CRLStore, Revocation
from ssl_pair import client_context, server_context
from ssl_server import Server, echo

pytestmark = pytest.mark.network
AGAIN = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers of these tests that stay after a refusal need not be waited for as long as real ones."""
    monkeypatch.setattr(pipe, "LINGER_SECONDS", 0.3)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(server_context()) as serving:
        yield serving


def dial(server: Server, context: ssl.SSLContext | None = None, **options: Any) -> Any:
    timeout = options.pop("timeout", 60)
    name = options.pop("server_hostname", "localhost")
    return (context or client_context()).wrap_socket(server.connect(timeout), server_hostname=name, **options)


def stranger() -> SSLContext:
    """One that trusts another CA than the servers here are of."""
    return client_context(anchors=TrustStore.from_pem(identities.root("Another Root").pem))


def test_a_socket_is_one_of_ssl_and_talks(server: Server) -> None:
    with dial(server) as sock:
        assert isinstance(sock, ssl.SSLSocket)
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
        assert sock.peer.names.dns == ("localhost",)
        assert (sock.server_hostname, sock.server_side) == ("localhost", False)
        assert sock.gettimeout() == 60
    with pytest.raises(TypeError, match="does not have a public constructor"):
        SSLSocket()


def test_unread_data_leaves_the_socket_readable(server: Server) -> None:
    """One record is taken at a time: who waits by `select` alone misses nothing."""
    with dial(server) as sock:
        sock.sendall(b"x" * 16384)
        sock.sendall(b"y" * 16384)
        time.sleep(0.1)
        came = b""
        while len(came) < 32768:
            assert sock.pending() or select.select([sock], [], [], 5)[0]
            came += sock.recv(65536)
        assert (sock._sslobj.selected_alpn_protocol(), sock._sslobj.version()) == (None, "TLSv1.3")


def test_openssl_talks_to_us_on_either_side(tmp_path: Path) -> None:
    for name, issued in (("client", identities.client()), ("server", identities.server())):
        (tmp_path / name).write_bytes(issued.chain_pem + issued.key_pem)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.load_verify_locations(cadata=identities.root().pem.decode())
    theirs.load_cert_chain(tmp_path / "client")
    with Server(server_context()) as server, dial(server, theirs) as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "server")
    with (
        Server(serving, lambda sock: sock.sendall(sock.recv(5)) or sock.unwrap()) as server,
        dial(server) as sock,
    ):
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
        sock.unwrap().close()


def test_much_passes_both_ways_at_once(server: Server) -> None:
    """One thread receives while another sends; the content is compared."""
    data = os.urandom(1 << 16) * 128
    with dial(server) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        came = bytearray()
        while len(came) < len(data):
            came += sock.recv(1 << 20)
        sender.join()
        assert bytes(came) == data


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_each_side_sends_all_and_ends_its_own_direction(version: str) -> None:
    """A half-close: what the other side still sends is read to its end, which is b"" and nothing else."""
    theirs, ours = os.urandom(1 << 20), os.urandom(1 << 20)

    def everything(sock: Any, data: bytes) -> bytes:
        def send() -> None:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        came = b"".join(iter(lambda: sock.recv(65536), b""))
        sender.join()
        assert sock.recv(1) == b""
        return came

    came: list[bytes] = []
    context = server_context(versions=(version,))
    with Server(context, lambda sock: came.append(everything(sock, theirs))) as server, dial(server) as sock:
        assert everything(sock, ours) == theirs
    assert came == [ours]


@pytest.mark.parametrize("end", ["close", "shutdown"])
def test_closing_does_not_wait_for_a_sending_thread(end: str) -> None:
    """The peer takes nothing more: the other thread is woken, and both are done in a bounded time."""
    done = threading.Event()
    with Server(server_context(), lambda sock: done.wait(60)) as server:
        sock = dial(server, timeout=None)
        raised: list[BaseException] = []

        def send() -> None:
            try:
                sock.sendall(bytes(16 << 20))
            except OSError as error:
                raised.append(error)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        time.sleep(0.1)
        calls = {"close": sock.close, "shutdown": lambda: sock.shutdown(socket.SHUT_RDWR)}
        ender = threading.Thread(target=calls[end], daemon=True)
        ender.start()
        ender.join(60)
        sender.join(60)
        assert not ender.is_alive()
        assert not sender.is_alive()
        assert len(raised) == 1
        done.set()
        sock.close()


def test_files_over_a_socket_keep_it_open(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content" * 1000)
    with dial(server) as sock:
        with sock.makefile("rwb") as file:
            file.write(b"a line\n")
            file.flush()
            assert file.readline() == b"a line\n"
        with (tmp_path / "file").open("rb") as file:
            assert sock.sendfile(file) == 7000
        buffer = bytearray(7000)
        view, done = memoryview(buffer), 0
        while done < 7000:
            done += sock.recv_into(view[done:])
        assert buffer == b"content" * 1000


# -- beginning ---------------------------------------------------------------------------------------------


def test_a_socket_may_be_connected_afterwards(server: Server) -> None:
    with client_context().wrap_socket(socket.socket(), server_hostname="localhost") as sock:
        assert sock.version() is None
        for call in (lambda: sock.recv(1), lambda: sock.send(b"x"), sock.do_handshake, sock.unwrap):
            with pytest.raises(OSError, match="not connected"):
                call()
        sock.connect(("127.0.0.1", server.port))
        assert sock.version() == "TLSv1.3"
        with pytest.raises(ValueError, match="already-connected"):
            sock.connect(("127.0.0.1", server.port))
        assert sock.peer is not None
    with client_context().wrap_socket(socket.socket(), server_hostname="localhost") as sock:
        assert sock.connect_ex(("127.0.0.1", server.port)) == 0
        assert sock.peer is not None
    with client_context().wrap_socket(socket.socket(), server_hostname="localhost") as sock:
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        assert sock.connect_ex(("127.0.0.1", port)) != 0
        assert sock.peer is None


def test_a_server_is_not_connected_from_its_side() -> None:
    sock = server_context().wrap_socket(socket.socket(), server_side=True)
    with sock, pytest.raises(ValueError, match="server-side mode"):
        sock.connect(("127.0.0.1", 1))


def test_the_handshake_may_be_left_to_the_caller_or_to_the_first_data(server: Server) -> None:
    with dial(server, do_handshake_on_connect=False) as sock:
        assert sock.cipher() is None
        with pytest.raises(ValueError, match="handshake not done yet"):
            sock.getpeercert()
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"
        sock.do_handshake()
        assert sock.getpeercert()["subject"] == ((("commonName", "server"),),)


def test_other_kinds_of_socket_are_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(NotImplementedError, match="stream"):
            client_context().wrap_socket(sock, server_hostname="localhost")
        assert sock.fileno() >= 0


def test_data_of_a_peer_that_closed_before_the_handshake_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in the buffer was never protected (CVE-2023-40217)."""
    one, two = socket.socketpair()
    with one, two:
        two.sendall(b"not protected")
        monkeypatch.setattr(socket.socket, "getpeername", _not_connected)
        with pytest.raises(ssl.SSLError, match="Closed before TLS handshake with data"):
            bare_socket.is_connected(one)


def _not_connected(sock: socket.socket) -> object:
    import errno

    raise OSError(errno.ENOTCONN, "not connected")


# -- refusals ----------------------------------------------------------------------------------------------


def test_a_server_that_is_not_who_it_should_be_is_refused_and_the_socket_closed(server: Server) -> None:
    bare = server.connect()
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        stranger().wrap_socket(bare, server_hostname="localhost")
    assert refused.value.verify_code == 20
    assert isinstance(failure_of(refused.value), PeerFault)
    assert bare.fileno() == -1
    with pytest.raises(ssl.SSLCertVerificationError):
        dial(server, server_hostname="other.example")
    server.close()
    assert all(isinstance(failure_of(each), PeerAlert) for each in server.outcomes)
    assert len(server.outcomes) == 2


@pytest.mark.parametrize("call", ["recv", "send"])
def test_every_call_of_a_refused_client_raises_the_refusal(server: Server, call: str) -> None:
    """In TLS 1.3 it finished before the server has judged it."""
    with dial(server, client_context(who=False)) as sock:
        if call == "send":
            select.select([sock], [], [], 5)
        with pytest.raises(ssl.SSLError, match="we sent no certificate") as late:
            sock.recv(1) if call == "recv" else sock.send(b"x")
    assert late.value.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    server.close()
    assert isinstance(failure_of(server.outcomes[0]), PeerFault)  # type: ignore[arg-type]


def test_a_listening_socket_continues_after_a_refused_client(server: Server) -> None:
    with contextlib.suppress(ssl.SSLError), dial(server, client_context(who=False)) as sock:
        sock.recv(1)
    with dial(server) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"


# -- waiting -----------------------------------------------------------------------------------------------


def silent(sock: Any) -> None:
    sock.recv(1)


def test_a_time_limit_leaves_the_connection_usable() -> None:
    def slow(sock: Any) -> None:
        sock.recv(1)
        sock.sendall(b"answer")
        echo(sock)

    with Server(server_context(), slow) as server, dial(server, timeout=60) as sock:
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError, match="The read operation timed out"):
            sock.recv(10)
        sock.settimeout(60)
        sock.sendall(b"x")
        assert sock.recv(10) == b"answer"


def test_a_handshake_without_a_peer_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        bare = socket.create_connection(mute.getsockname(), 0.05)
        with pytest.raises(TimeoutError, match="The handshake operation timed out"):
            client_context().wrap_socket(bare, server_hostname="localhost")
        bare = socket.create_connection(mute.getsockname())
        with pytest.raises(ssl.SSLError, match=r"within 0\.05 seconds"):
            client_context(handshake_timeout=0.05).wrap_socket(bare, server_hostname="localhost")


def wait(sock: Any, error: ssl.SSLError) -> None:
    reads = isinstance(error, ssl.SSLWantReadError)
    ready = select.select([sock] if reads else [], [] if reads else [sock], [], 5)
    assert any(ready), "nothing happens"


def persist(sock: Any, call: Callable[[], Any]) -> Any:
    """Call again as often as a non-blocking socket asks for it, each time when it says that it is ready."""
    while True:
        try:
            return call()
        except AGAIN as error:
            wait(sock, error)


def test_a_socket_that_does_not_block_asks_to_be_called_again(server: Server) -> None:
    """redis and paho work so."""
    bare = server.connect()
    bare.setblocking(False)
    with pytest.raises(ValueError, match="non-blocking"):
        client_context().wrap_socket(bare, server_hostname="localhost")
    bare = server.connect()
    bare.setblocking(False)
    sock = client_context().wrap_socket(bare, server_hostname="localhost", do_handshake_on_connect=False)
    with sock:
        persist(sock, sock.do_handshake)
        with pytest.raises(ssl.SSLWantReadError):
            sock.recv(1)
        assert persist(sock, lambda: sock.send(b"hello")) == 5
        assert persist(sock, lambda: sock.recv(10)) == b"hello"
        assert sock.gettimeout() == 0


def trickle(sock: socket.socket, done: threading.Event) -> None:
    """Send the header of a long record, and then one byte after the other."""
    with contextlib.suppress(OSError):
        sock.sendall(b"\x16\x03\x01\x3f\xff")
        while not done.wait(0.02):
            sock.sendall(b"\0")


@pytest.mark.parametrize("limit", ["the configuration's", "the socket's"])
def test_a_record_in_single_bytes_does_not_extend_the_time_limit(limit: str) -> None:
    """Each byte would else begin the time anew: a client could hold a thread for days."""
    ours, theirs = socket.socketpair()
    done = threading.Event()
    slow = threading.Thread(target=trickle, args=(theirs, done), daemon=True)
    slow.start()
    options = {"handshake_timeout": 0.3} if limit == "the configuration's" else {}
    ours.settimeout(None if options else 0.3)
    raised: list[BaseException] = []

    def accept() -> None:
        try:
            server_context(**options).wrap_socket(ours, server_side=True)
        except OSError as error:
            raised.append(error)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    accepting.join(4)
    done.set()
    slow.join(60)
    theirs.close()
    assert isinstance(raised[0], ssl.SSLError if options else TimeoutError)


def test_a_non_blocking_handshake_raises_want_read_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        bare = socket.create_connection(mute.getsockname())
        bare.setblocking(False)
        with client_context().wrap_socket(
            bare, server_hostname="localhost", do_handshake_on_connect=False
        ) as sock:
            for _ in range(2):
                with pytest.raises(ssl.SSLWantReadError):
                    sock.do_handshake()


def test_a_handshake_may_block_on_a_socket_that_does_not(server: Server) -> None:
    bare = server.connect()
    bare.setblocking(False)
    with client_context().wrap_socket(
        bare, server_hostname="localhost", do_handshake_on_connect=False
    ) as sock:
        sock.do_handshake(block=True)
        assert sock.peer is not None
        assert sock.gettimeout() == 0


def test_data_sent_in_pieces_arrives_once(server: Server) -> None:
    """A send that is to be repeated has taken its data once, as OpenSSL has it."""
    data = os.urandom(1 << 20) * 6
    bare = server.connect()
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    bare.setblocking(False)
    sock = client_context().wrap_socket(bare, server_hostname="localhost", do_handshake_on_connect=False)
    with sock:
        persist(sock, sock.do_handshake)
        came, sent, waits = bytearray(), 0, 0
        while len(came) < len(data):
            if sent < len(data):
                try:
                    sent += sock.send(data[sent : sent + 200_000])
                except ssl.SSLWantWriteError:
                    waits += 1
                    if waits == 1:
                        with pytest.raises(ssl.SSLError, match="bad write retry"):
                            sock.send(b"other data")
            with contextlib.suppress(ssl.SSLWantReadError):
                came += sock.recv(1 << 20)
        assert waits > 0
        assert bytes(came) == data


def test_a_refusal_does_not_block_a_non_blocking_socket(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alert goes out, and the socket is its owner's to close."""
    monkeypatch.setattr(pipe, "LINGER_SECONDS", 90.0)
    bare = server.connect()
    bare.setblocking(False)
    sock = stranger().wrap_socket(bare, server_hostname="localhost", do_handshake_on_connect=False)
    with sock:
        began = time.monotonic()
        with pytest.raises(ssl.SSLCertVerificationError):
            persist(sock, sock.do_handshake)
        assert time.monotonic() - began < 60
        assert sock.fileno() >= 0
    server.close()
    assert isinstance(failure_of(server.outcomes[0]), PeerAlert)  # type: ignore[arg-type]


# -- the end -----------------------------------------------------------------------------------------------


def test_close_notify_differs_from_a_truncation() -> None:
    """Whatever `suppress_ragged_eofs` says, which is True unless somebody thinks of it."""

    def cut(sock: Any) -> None:
        sock.sendall(b"half")
        os.close(sock.detach())

    with Server(server_context(), cut) as server, dial(server) as sock:
        assert sock.recv(10) == b"half"
        with pytest.raises(ssl.SSLEOFError) as ended:
            sock.recv(10)
        assert isinstance(failure_of(ended.value), Truncated)
    with Server(server_context(), lambda sock: sock.sendall(b"all")) as server, dial(server) as sock:
        assert (sock.recv(10), sock.recv(10)) == (b"all", b"")
    context = client_context(insecure_ignore_truncation=True)
    with Server(server_context(), cut) as server, dial(server, context) as sock:
        assert (sock.recv(10), sock.recv(10)) == (b"half", b"")


def test_closing_and_shutting_down_say_goodbye() -> None:
    ends: list[bytes] = []

    def listen(sock: Any) -> None:
        while data := sock.recv(100):
            ends.append(data)
        ends.append(b"end")
        sock.sendall(b"bye")

    with Server(server_context(), listen) as server:
        sock = dial(server)
        sock.sendall(b"one")
        sock.close()
        with dial(server) as sock:
            sock.sendall(b"two")
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(10) == b"bye"  # protected still
            with pytest.raises(ssl.SSLError):
                sock.send(b"more")
    assert ends == [b"one", b"end", b"two", b"end"]


def test_nothing_passes_unprotected_after_the_end(server: Server) -> None:
    """ssl's own socket falls back to the bare one after `shutdown`."""
    with dial(server) as sock:
        sock.shutdown(socket.SHUT_RDWR)
        for call in (lambda: sock.send(b"x"), lambda: sock.sendall(b"x"), lambda: sock.write(b"x")):
            with pytest.raises(OSError):
                call()
        with pytest.raises(NotImplementedError):
            sock.sendmsg([b"x"])
    for call in (lambda: sock.send(b"x"), lambda: sock.recv(1), sock.do_handshake):
        with pytest.raises((OSError, ValueError)):
            call()


@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_RDWR])
def test_after_its_own_end_of_reading_a_socket_reads_what_is_there_and_then_nothing(
    server: Server, how: int
) -> None:
    """The server has not ended the connection, and is not blamed for that."""
    with dial(server) as sock:
        sock.sendall(b"hello")
        assert sock.recv(2) == b"he"
        sock.shutdown(how)
        assert (sock.recv(10), sock.recv(10), sock.read(10)) == (b"llo", b"", b"")


def test_a_buffer_that_cannot_be_written_to_takes_nothing_away(server: Server) -> None:
    with dial(server) as sock:
        sock.sendall(b"hello")
        for attempt in (sock.recv_into, lambda buffer: sock.read(5, buffer)):
            with pytest.raises(TypeError, match="can be written to"):
                attempt(b"12345")
        assert sock.recv(10) == b"hello"


def test_a_size_is_read_as_ssl_reads_it(server: Server) -> None:
    """Never more than asked for; 0, None or less than 0 with a buffer is all of it; without one that is wrong use."""
    with dial(server) as sock:
        sock.sendall(b"hello world")
        assert sock.recv(0) == b""
        with pytest.raises(ValueError, match="negative buffersize"):
            sock.recv(-1)
        buffer = bytearray(5)
        assert (sock.read(2, buffer), bytes(buffer)) == (2, b"he\0\0\0")
        assert (sock.recv_into(buffer, 3), bytes(buffer)) == (3, b"llo\0\0")
        assert (sock.read(0, buffer), bytes(buffer)) == (5, b" worl")
        assert sock.recv_into(buffer, -1) == 1


def test_a_connection_is_neither_copied_nor_pickled(server: Server) -> None:
    with dial(server) as sock:
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="cannot (copy or )?pickle"):
                attempt(sock)
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


def unfit(wanted: object) -> bytes:
    raise RuntimeError("no token")


@pytest.mark.parametrize(
    "signer", [unfit, None, lambda wanted: b"no signature"], ids=["fails", "none", "unfit"]
)
@pytest.mark.parametrize("timeout", [5, None])
def test_a_signer_that_fails_ends_the_handshake_for_both(server: Server, signer: Any, timeout: Any) -> None:
    """What is raised is of `ssl`, again at each call, and the server learns that the client gave up."""
    config = identities.client_config(credentials=Credentials.external(identities.client().chain_pem))
    context = SSLContext(config, signer=signer)
    with dial(server, context, do_handshake_on_connect=False, timeout=timeout) as sock:
        for _ in range(2):
            with pytest.raises(ssl.SSLError) as raised:
                sock.do_handshake()
            assert isinstance(raised.value.__cause__, UsageError)
    server.close()
    assert isinstance(server.outcomes[0], ssl.SSLError)


# -- within ------------------------------------------------------------------------------------------------


def test_tls_runs_within_tls_through_a_proxy() -> None:
    """Over a socket of ours, over one of OpenSSL's, and over a channel: none of it goes past the outer one."""

    def inner(sock: Any) -> None:
        with server_context().wrap_socket(sock, server_side=True) as within:
            echo(within)

    with Server(server_context(), inner) as server:
        outer = dial(server)
        with client_context().wrap_socket(outer, server_hostname="localhost") as sock:
            for size in (5, 100_000):
                data = os.urandom(size)
                sender = threading.Thread(target=sock.sendall, args=(data,))
                sender.start()
                came = b""
                while len(came) < size:
                    came += sock.recv(size)
                sender.join()
                assert came == data
            assert sock.peer is not None
            assert outer.gettimeout() == 0, (
                "threads that read and write at once would undo each other's limits"
            )
        assert outer.fileno() == -1


def test_tls_within_openssls_tls(tmp_path: Path) -> None:
    (tmp_path / "server").write_bytes(identities.server().chain_pem + identities.server().key_pem)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "server")

    def inner(sock: Any) -> None:
        with server_context().wrap_socket(sock, server_side=True) as within:
            echo(within)

    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.load_verify_locations(cadata=identities.root().pem.decode())
    with Server(serving, inner) as server:
        outer = dial(server, theirs)
        with client_context().wrap_socket(outer, server_hostname="localhost") as sock:
            sock.sendall(b"within")
            assert sock.recv(100) == b"within"
            sock.settimeout(0)
            with pytest.raises(ssl.SSLWantReadError):
                sock.recv(1)
            sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                sock.recv(1)
        assert outer.fileno() == -1


# -- judging again -----------------------------------------------------------------------------------------


def test_a_revoked_peer_of_an_idle_connection_is_refused() -> None:
    """Whoever waits in a call is woken; `judge_again` looks once a second."""
    lists = CRLStore(identities.crls())
    context = server_context(revocation=Revocation(crls=lists), judge_again="change")
    with Server(context) as server, dial(server) as sock:
        sock.sendall(b"hello")
        assert sock.recv(10) == b"hello"
        for each in identities.crls(identities.client(), number=2):
            lists.add(each)
        with pytest.raises(ssl.SSLError, match="revoked"):
            sock.recv(10)
    assert isinstance(server.outcomes[0], ssl.SSLCertVerificationError)


# -- programs of the standard library ----------------------------------------------------------------------


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.connection.peer.names.common_name.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[int]:
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    served.socket = server_context().wrap_socket(served.socket, server_side=True)
    thread = threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield served.server_port
    served.shutdown()
    thread.join()
    served.server_close()


def test_http_of_the_standard_library_knows_its_client(web: int) -> None:
    connection = http.client.HTTPSConnection("localhost", web, context=client_context(), timeout=60)
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"Ada"
    connection.close()
    with urllib.request.urlopen(f"https://localhost:{web}/", context=client_context(), timeout=60) as answer:
        assert answer.read() == b"Ada"
    with pytest.raises(OSError) as refused:
        urllib.request.urlopen(f"https://localhost:{web}/", context=stranger(), timeout=60)
    assert isinstance(failure_of(refused.value), PeerFault)


def test_channels_and_sockets_of_ours_meet(server: Server) -> None:
    with connect(
        "127.0.0.1", server.port, identities.client_config(identities.client()), "localhost"
    ) as channel:
        channel.sendall(b"hello")
        assert channel.recv(10) == b"hello"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bare = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()

        def serve() -> None:
            with wrap(ours, identities.server_config()) as channel:
                echo(channel)

        done = threading.Thread(target=serve)
        done.start()
        with client_context().wrap_socket(bare, server_hostname="localhost") as sock:
            sock.sendall(b"hello")
            assert sock.recv(10) == b"hello"
        done.join()


# -- what is refused ---------------------------------------------------------------------------------------


OF_SOCKETS = {
    # what has nothing to do with data
    *("_accept", "_closed", "_io_refs", "_decref_socketios", "_check_sendfile_params", "bind", "listen"),
    *(
        "family",
        "type",
        "proto",
        "timeout",
        "fileno",
        "getblocking",
        "gettimeout",
        "settimeout",
        "setblocking",
    ),
    *(
        "getpeername",
        "getsockname",
        "getsockopt",
        "setsockopt",
        "get_inheritable",
        "set_inheritable",
        "makefile",
    ),
    *("ioctl", "share"),
    # what asks ours
    *("close", "_sendfile_use_send"),
    # what objects have
    *("__slots__", "__del__", "__enter__", "__exit__"),
}


@pytest.mark.parametrize("kind", [ssl.SSLSocket, ssl.SSLObject])
def test_whatever_sockets_and_objects_of_ssl_do_is_overridden(kind: type) -> None:
    """A method that a newer Python adds is not inherited unseen."""
    from bothways.ssl import SSLObject

    mine: type = SSLSocket if kind is ssl.SSLSocket else SSLObject
    plain = set(dir(object)) | {"__dict__", "__module__", "__weakref__", "__init__"}
    own = {name for each in mine.__mro__[: mine.__mro__.index(kind)] for name in vars(each)}
    assert set(dir(kind)) - plain - own - OF_SOCKETS == set()


def test_calls_that_would_bypass_tls_are_refused(server: Server) -> None:
    with dial(server) as sock:
        for name in (
            *("recvfrom", "recvfrom_into", "sendto", "recvmsg", "recvmsg_into", "sendmsg", "sendmsg_afalg"),
            *("dup", "_sendfile_use_sendfile"),
        ):
            with pytest.raises((NotImplementedError, ValueError)):
                getattr(sock, name)()
        for name in ("recv", "recv_into", "send", "sendall"):
            argument: Any = 10 if name == "recv" else bytearray(10)
            with pytest.raises(ValueError, match="flags"):
                getattr(sock, name)(argument, flags=socket.MSG_PEEK)
        beneath = sock._sslobj
        with pytest.raises(ConfigError, match="OpenSSL has no part"):
            beneath.read(1)
        assert [hasattr(beneath, name) for name in ("read", "ech_status", "cipher")] == [False, False, True]
        with pytest.raises(ConfigError, match="context"):
            sock.context = ssl.create_default_context()
        sock.context = sock.context
        with pytest.raises(ConfigError, match="session"):
            sock.session = object()
        assert (sock.session, sock.session_reused, sock._checkClosed()) == (None, False, None)
        assert sock._check_connected() is None
    assert issubclass(SSLSocket, Refusing)
    assert isinstance(beneath, NoOpenSSL)


def test_a_context_for_loading_makes_sockets_too(server: Server, tmp_path: Path) -> None:
    (tmp_path / "me").write_bytes(identities.client().chain_pem + identities.client().key_pem)
    context = SSLContext.for_client()
    context.load_cert_chain(tmp_path / "me")
    context.load_verify_locations(cadata=identities.root().pem.decode())
    with dial(server, context) as sock:
        sock.sendall(b"hello")
        assert sock.recv(10) == b"hello"
