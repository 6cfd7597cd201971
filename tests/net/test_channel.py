"""bothways.net over real sockets: the manners of a socket, late refusal, cuts and ends."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import identities
from bothways import (
    Alert,
    AuthenticationUnavailable,
    Caution,
    ConfigError,
    Credentials,
    Fault,
    PeerAlert,
    PeerFault,
    SignatureWanted,
    TLSError,
    Truncated,
    UsageError,
)
from bothways.net import Channel, connect, wrap
from bothways.net import pipe as source
from bothways.net.carrier import SocketCarrier
from bothways.net.pipe import Pipe

pytestmark = pytest.mark.network


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers of these tests that stay after a refusal need not be waited for as long as real ones."""
    monkeypatch.setattr(source, "LINGER_SECONDS", 0.3)


Talk = Callable[[Channel], None]


class Server:
    """One thread that serves one connection after another; `outcomes` has what each ended with."""

    def __init__(self, config, talk: Talk, **options) -> None:
        self._config, self._talk, self._options = config, talk, options
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.outcomes: list[object] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                try:
                    with wrap(sock, self._config, **self._options) as channel:
                        channel.settimeout(60)
                        self._talk(channel)
                        self.outcomes.append(channel.peer)
                except (TLSError, OSError) as error:
                    self.outcomes.append(error)

    def outcome(self) -> object:
        for _ in range(500):
            if self.outcomes:
                return self.outcomes[-1]
            time.sleep(0.01)
        raise AssertionError("the server did not end")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(talk: Talk, **options) -> Server:
        servers.append(Server(options.pop("config", None) or identities.server_config(), talk, **options))
        return servers[-1]

    yield start
    for each in servers:
        each.close()


def echo(channel: Channel) -> None:
    while data := channel.recv(65536):
        channel.sendall(data)
    channel.shutdown()


def silent(channel: Channel) -> None:
    while channel.recv(65536):
        pass


def ada(**options):
    return identities.client_config(identities.client(), **options)


def open_to(server: Server, config=None, **options) -> Channel:
    return connect("127.0.0.1", server.port, config or ada(), **options)


def read_all(channel: Channel) -> bytes:
    parts = []
    while part := channel.recv(65536):
        parts.append(part)
    return b"".join(parts)


# -- both prove who they are -------------------------------------------------------------------------------


def test_both_peers_know_each_other_and_what_they_agreed_on(serve):
    """Peer, version, suite, group, alpn."""
    server = serve(echo, config=identities.server_config(alpn=("echo/1",)))
    with open_to(server, ada(alpn=("echo/1",)), server_name="localhost") as channel:
        assert channel.peer.names.common_name == "server"
        assert (channel.version, channel.suite) == ("1.3", "TLS_AES_128_GCM_SHA256")
        assert (channel.group, channel.alpn, channel.resumed) == ("x25519", "echo/1", False)
        assert channel.warnings == []
        channel.shutdown()
        assert channel.recv(1) == b""
    assert server.outcome().names.common_name == "Ada"


def test_client_may_be_anonymous_without_a_certificate_request(serve):
    """One-way authentication."""
    server = serve(echo, config=identities.server_config(client_anchors=None))
    with open_to(server, identities.client_config()) as channel:
        channel.shutdown()
        assert channel.recv(1) == b""
    assert server.outcome() is None


def test_client_without_a_fitting_authority_is_warned(serve):
    """The only certificate there is, is sent with a warning; the server then refuses it."""
    server = serve(silent)
    with open_to(server, identities.client_config(identities.stranger())) as channel:
        assert channel.warnings == [Caution.NO_MATCHING_AUTHORITY]


def test_an_observer_can_be_stopped(serve):
    """It hears of the handshake, and of nothing after."""
    heard = []
    with open_to(serve(echo), server_name="localhost", observer=heard.append) as channel:
        channel.stop_observing()
        count = len(heard)
        channel.sendall(b"there and back")
        assert channel.recv(100) == b"there and back"
        assert len(heard) == count > 0


def test_server_name_is_checked_before_anything_is_connected():
    """A name that is none is a ConfigError."""
    with pytest.raises(ConfigError):
        connect("127.0.0.1", 1, ada(), server_name="not a name")


def test_client_refuses_a_server_of_another_name(serve):
    """RFC 9525 6.3: the client blames the server, and the server is told."""
    server = serve(echo)
    with pytest.raises(PeerFault) as refused:
        open_to(server, server_name="elsewhere.example")
    assert refused.value.fault is Fault.NAME_MISMATCH
    assert refused.value.step == "2.3a"
    assert isinstance(server.outcome(), PeerAlert)
    assert server.outcome().alert == Alert.BAD_CERTIFICATE


def test_a_closed_port_is_an_os_error():
    """`connect` raises what the network raises."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        connect("127.0.0.1", port, ada())


# -- data --------------------------------------------------------------------------------------------------


def test_bytes_come_back_as_they_went(serve):
    """Several megabytes both ways at once: one thread sends, one receives."""
    server = serve(echo)
    sent = bytes(range(256)) * 16384
    with open_to(server) as channel:
        sender = threading.Thread(target=lambda: (channel.sendall(sent), channel.shutdown()))
        sender.start()
        assert read_all(channel) == sent
        sender.join()


def test_recv_returns_at_most_what_was_asked_for(serve):
    """As a socket does; the rest is pending."""
    server = serve(lambda channel: channel.sendall(b"abcdef"))
    with open_to(server) as channel:
        assert channel.recv(0) == b""
        assert channel.recv(2) == b"ab"
        assert channel.pending() == 4
        buffer = bytearray(8)
        with pytest.raises(TypeError, match="can be written to"):
            channel.recv_into(memoryview(b"constant"))  # and nothing is lost
        with pytest.raises(TypeError):
            channel.recv(2.5)
        small = bytearray(1)
        assert channel.recv_into(small, 9) == 1
        assert small == b"c"
        assert channel.recv_into(buffer, 2) == 2
        assert channel.recv_into(buffer) == 1
        assert bytes(buffer[:2]) == b"fe"
        assert channel.recv(10) == b""


def test_send_takes_any_buffer_and_says_how_long_it_is(serve):
    """As a socket does, but all at once."""
    server = serve(echo)
    with open_to(server) as channel:
        assert channel.send(memoryview(b"ab")) == 2
        assert channel.send(bytearray(b"c")) == 1
        assert channel.send(b"") == 0
        channel.shutdown()
        assert read_all(channel) == b"abc"


def test_one_side_may_close_while_the_other_continues(serve):
    """RFC 9846 6.1: close_notify ends one direction."""

    def answer_late(channel: Channel) -> None:
        assert read_all(channel) == b"question"
        channel.sendall(b"answer")

    server = serve(answer_late)
    with open_to(server) as channel:
        channel.sendall(b"question")
        channel.shutdown(socket.SHUT_WR)
        assert read_all(channel) == b"answer"
        with pytest.raises(UsageError):
            channel.sendall(b"more")


def test_flags_and_ways_that_mean_nothing_are_refused(serve):
    """UsageError: the caller's mistake."""
    server = serve(echo)
    with open_to(server) as channel:
        for wrong in (
            lambda: channel.recv(1, socket.MSG_PEEK),
            lambda: channel.sendall(b"", socket.MSG_OOB),
            lambda: channel.shutdown(socket.SHUT_RD),
            lambda: channel.settimeout(0),
            lambda: channel.makefile("x"),
        ):
            with pytest.raises(UsageError):
                wrong()


def test_channel_tells_of_the_socket_below(serve):
    """fileno, names, options, time limit."""
    server = serve(echo)
    with open_to(server) as channel:
        assert channel.fileno() > 0
        assert channel.getpeername() == ("127.0.0.1", server.port)
        assert channel.getsockname()[0] == "127.0.0.1"
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        channel.settimeout(3)
        assert channel.gettimeout() == 3
    assert channel.fileno() == -1
    channel.settimeout(4)
    assert channel.gettimeout() == 4


# -- time --------------------------------------------------------------------------------------------------


def test_a_time_limit_on_reading_leaves_the_channel_usable(serve):
    """As on a socket: TimeoutError, then go on."""
    server = serve(echo)
    with open_to(server) as channel:
        channel.settimeout(0.05)
        with pytest.raises(TimeoutError):
            channel.recv(1)
        channel.settimeout(60)
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"


def test_a_time_limit_on_sending_loses_nothing(serve):
    """What a limit interrupts is sent later, in order."""
    go = threading.Event()
    got: list[bytes] = []

    def slow(channel: Channel) -> None:
        go.wait(60)
        got.append(read_all(channel))

    server = serve(slow)
    with open_to(server) as channel:
        channel.settimeout(0.2)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                channel.sendall(bytes([sent % 256]) * 65536)
                sent += 1
        channel.settimeout(60)
        go.set()
        channel.sendall(b"end")
        channel.shutdown()
        channel.confirmed(0)
        server.outcome()
    assert got[0].endswith(b"end")
    assert got[0][:-3] == b"".join(bytes([number % 256]) * 65536 for number in range(sent + 1))


# -- the end -----------------------------------------------------------------------------------------------


def test_truncation_differs_from_a_close(serve):
    """RFC 9846 6.1: all that came first, then Truncated, and never an empty read."""

    def cut(channel: Channel) -> None:
        channel.sendall(b"half a sent")
        channel.abort()

    server = serve(cut)
    with open_to(server) as channel:
        assert channel.recv(5) == b"half "
        assert channel.recv(100) == b"a sent"
        for _ in range(2):
            with pytest.raises(Truncated):
                channel.recv(1)


def test_truncation_is_an_end_for_those_who_insist(serve):
    """`insecure_ignore_truncation`."""
    server = serve(lambda channel: (channel.sendall(b"x"), channel.abort()))
    with open_to(server, ada(insecure_ignore_truncation=True)) as channel:
        assert read_all(channel) == b"x"


def test_a_closed_channel_is_not_used_again(serve):
    """Calls after close are our caller's mistake; a second close is none."""
    server = serve(echo)
    channel = open_to(server)
    channel.close()
    channel.close()
    channel.abort()
    for call in (lambda: channel.recv(1), lambda: channel.sendall(b"x"), channel.shutdown, channel.makefile):
        with pytest.raises(UsageError):
            call()
    assert channel.confirmed(0) in ("unknown", "accepted")


def test_abort_wakes_a_thread_that_waits(serve):
    """From another thread: the reader ends with Truncated."""
    server = serve(silent)
    channel = open_to(server)
    ended: list[Exception] = []

    def read() -> None:
        try:
            channel.recv(1)
        except (TLSError, OSError) as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.05)
    channel.abort()
    reader.join(60)
    assert isinstance(ended[0], Truncated)
    channel.close()


def test_close_lets_the_last_words_arrive_though_the_peer_still_talks(serve):
    """Closing with unread data would reset the connection and destroy the answer."""

    def answer(channel: Channel) -> None:
        channel.recv(1)
        channel.sendall(b"short answer")
        channel.close(linger=5)

    server = serve(answer)
    with open_to(server) as channel:
        channel.sendall(bytes(300_000))
        channel.shutdown()
        assert read_all(channel) == b"short answer"


def test_a_refused_peer_that_keeps_sending_small_pieces_gets_the_alert():
    """RFC 9846 6.2: what is thrown away is counted in bytes, however many reads they take."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # each piece is a read of its own
    sent: list[int] = []

    def babble() -> None:
        for _ in range(100):
            sent.append(theirs.send(b"GET / HTTP/1.1\r\n"))
        theirs.shutdown(socket.SHUT_WR)

    peer = threading.Thread(target=babble)
    peer.start()
    with ours, pytest.raises(PeerFault) as refused:
        wrap(ours, identities.server_config())
    peer.join(60)
    assert refused.value.fault is Fault.NOT_TLS
    assert len(sent) == 100
    with theirs:
        assert theirs.recv(100) == b"\x15\x03\x03\0\2\2" + bytes([Alert.UNEXPECTED_MESSAGE])
        assert theirs.recv(100) == b""


# -- late refusal --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["recv", "send", "shutdown then recv"])
def test_a_late_refusal_is_the_handshakes_failure_in_any_call(serve, call):
    """The server refuses after our Finished; whichever call meets it raises it at step 3."""
    server = serve(silent)
    channel = open_to(server, identities.client_config())
    assert isinstance(server.outcome(), PeerFault)
    with pytest.raises(PeerAlert) as refused:
        if call == "send":
            for _ in range(100):
                channel.sendall(bytes(100_000))
        if call == "shutdown then recv":
            channel.shutdown()
        channel.recv(1)
    assert refused.value.alert == Alert.CERTIFICATE_REQUIRED
    assert refused.value.step == "3.1"
    with pytest.raises(PeerAlert):
        channel.sendall(b"x")
    with pytest.raises(PeerAlert):
        channel.shutdown()
    channel.close()


def test_a_broken_pipe_is_explained_by_what_was_said_before_it(serve, monkeypatch):
    """On a broken pipe read what is buffered before raising."""
    server = serve(silent)
    channel = open_to(server, identities.client_config())
    server.outcome()
    monkeypatch.setattr(Pipe, "process_received_alert", lambda pipe: None)
    with pytest.raises(PeerAlert) as refused:
        for _ in range(100):
            channel.sendall(bytes(100_000))
    assert refused.value.alert == Alert.CERTIFICATE_REQUIRED
    channel.close()


@pytest.mark.parametrize("ends", ["by an alert", "without one"])
def test_a_peer_that_leaves_while_we_answer_it_in_the_handshake_is_explained_by_what_it_sent(
    monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """The pipe breaks while bytes that came are processed: what came after them is read there."""
    ours, theirs = socket.socketpair()
    alert = b"\x15\x03\x03\x00\x02\x02" + bytes([Alert.BAD_CERTIFICATE]) if ends == "by an alert" else b""

    def send(carrier: SocketCarrier, data: memoryview, seconds: float | None) -> int:
        theirs.sendall(alert)
        theirs.close()
        raise BrokenPipeError("broken pipe")

    theirs.sendall(identities.client_config().connection("localhost").data_to_send())
    monkeypatch.setattr(SocketCarrier, "send", send)
    with pytest.raises(PeerAlert if alert else Truncated):
        wrap(ours, identities.server_config())


def test_a_broken_pipe_after_a_clean_end_is_just_that(serve):
    """The peer said goodbye and left: there is no more to tell than that the way is gone."""
    server = serve(lambda channel: None)
    channel = open_to(server)
    server.outcome()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(100):
            channel.sendall(bytes(100_000))
    channel.close()


def test_confirmed_answers_refused(serve):
    """`confirmed` tells; it does not raise. Every other call does."""
    server = serve(silent)
    with open_to(server, identities.client_config(identities.stranger())) as channel:
        assert channel.confirmed(10) == "refused"
        with pytest.raises(PeerAlert) as refused:
            channel.recv(1)
    assert refused.value.step == "3.3a"
    assert isinstance(server.outcome(), PeerFault)


def test_confirmed_answers_unknown_until_the_server_speaks(serve):
    """The first protected record after the server's Finished is the answer (RFC 9846 4.5.3): here no ticket is."""
    server = serve(echo, config=identities.server_config(tickets=None))
    with open_to(server) as channel:
        assert channel.confirmed(0.02) == "unknown"
        channel.sendall(b"x")
        assert channel.confirmed() == "accepted"
        assert channel.recv(1) == b"x"


def test_a_ticket_tells_the_client_that_it_is_accepted(serve):
    """The server sends one at once when it has judged, so that nobody waits for its first data."""
    server = serve(echo)
    with open_to(server) as channel:
        assert channel.confirmed(10) == "accepted"


def test_server_is_confirmed_at_once(serve):
    """A server has judged by the time that it is established."""
    answers: list[str] = []
    server = serve(lambda channel: answers.append(channel.confirmed()))
    with open_to(server) as channel:
        channel.recv(1)
    server.outcome()
    assert answers == ["accepted"]


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_before_the_first_word_fails_the_handshake(reset):
    """Reset or end of file before the first protected record is a failure of step 3."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve_and_cut() -> None:
            sock, _ = listener.accept()
            channel = wrap(sock, identities.server_config(tickets=None))
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
            else:
                channel.abort()
                sock.close()
            done.set()

        threading.Thread(target=serve_and_cut, daemon=True).start()
        with connect("127.0.0.1", listener.getsockname()[1], ada()) as channel:
            assert done.wait(60)
            with pytest.raises(Truncated) as cut:
                channel.recv(1)
            assert cut.value.step == "3"


# -- our own refusal -----------------------------------------------------------------------------------------


def test_our_alert_reaches_a_peer_that_is_still_sending():
    """Alert, then the write side is shut, then what comes is drained: the alert survives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refused: list[Exception] = []

        def refuse() -> None:
            sock, _ = listener.accept()
            try:
                wrap(sock, identities.server_config())
            except (TLSError, OSError) as error:
                refused.append(error)

        thread = threading.Thread(target=refuse)
        thread.start()
        with socket.create_connection(listener.getsockname()) as peer:
            peer.sendall(b"\x17\x03\x03\x00\x10" + bytes(16) + bytes(200_000))
            peer.shutdown(socket.SHUT_WR)
            alert = b""
            while data := peer.recv(100):
                alert += data
        thread.join(60)
    assert alert == bytes((21, 3, 3, 0, 2, 2, Alert.UNEXPECTED_MESSAGE))
    assert isinstance(refused[0], PeerFault)


def test_plain_http_is_recognized():
    """Fault.NOT_TLS guesses what it was."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"GET / HTTP/1.0\r\n\r\n")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(PeerFault) as refused:
            wrap(ours, identities.server_config())
    assert refused.value.fault is Fault.NOT_TLS
    assert "HTTP" in refused.value.hint


def test_draining_is_bounded_in_time(monkeypatch):
    """A peer that neither reads nor closes does not hold us for long."""
    monkeypatch.setattr(source, "LINGER_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"not tls at all, and I stay")
        with pytest.raises(PeerFault):
            wrap(ours, identities.server_config())
        assert ours.fileno() == -1


# -- keys elsewhere ------------------------------------------------------------------------------------------


def sign_elsewhere(request: SignatureWanted) -> bytes:
    return identities.client().key.sign(request.data, ec.ECDSA(hashes.SHA256()))


def test_a_signer_answers_for_a_key_that_is_elsewhere(serve):
    """SignatureWanted is answered by `signer`."""
    server = serve(echo)
    config = ada(credentials=Credentials.external(identities.client().chain_pem))
    with open_to(server, config, signer=sign_elsewhere) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
    assert server.outcome().names.common_name == "Ada"


def test_a_missing_or_failing_signer_is_raised_and_the_socket_closed(serve):
    """Our own side's mistake: the server is told that we gave up."""
    server = serve(echo)
    config = ada(credentials=Credentials.external(identities.client().chain_pem))
    with pytest.raises(UsageError, match="signer"):
        open_to(server, config)
    with pytest.raises(ZeroDivisionError):
        open_to(server, config, signer=lambda request: 1 // 0)


# -- files ---------------------------------------------------------------------------------------------------


def test_files_over_a_channel_read_and_write_as_sockets_files_do(serve):
    """makefile: text and bytes, lines, and the channel outlives close() until the file is closed."""
    server = serve(echo)
    channel = open_to(server)
    lines = channel.makefile("rw", encoding="utf-8", newline="\n")
    raw = channel.makefile("rb", buffering=0)
    writer = channel.makefile("wb")
    channel.close()
    lines.write("one\ntwo\n")
    lines.flush()
    assert lines.readline() == "one\n"
    writer.write(b"three\n")
    writer.flush()
    assert lines.readline() == "two\n"
    assert lines.readline() == "three\n"
    assert raw.readable()
    assert not raw.writable()
    for file in (lines, raw, writer):
        file.close()
    assert channel.fileno() == -1


def test_the_standard_http_client_speaks_through_a_channel(serve):
    """http.client asks for no more than a socket's manners."""

    class Greeter(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"hello over both ways"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = serve(lambda channel: Greeter(channel, ("127.0.0.1", 0), None))
    link = http.client.HTTPConnection("127.0.0.1", server.port)
    link.sock = open_to(server)
    link.request("GET", "/")
    with contextlib.closing(link):
        assert link.getresponse().read() == b"hello over both ways"


def test_data_received_before_a_failure_still_has_its_sender():
    """A client's data is not an anonymous one's because of what came behind it in the same read."""
    ours, theirs = socket.socketpair()
    client = threading.Thread(target=identities.say_and_break, args=(theirs,))
    client.start()
    channel = wrap(ours, identities.server_config(), timeout=20)
    client.join()
    theirs.close()
    assert channel.peer.names.common_name == "Ada"
    assert channel.recv(100) == b"last words"
    with pytest.raises(PeerFault) as caught:
        channel.recv(100)
    assert caught.value.fault is Fault.BAD_RECORD
    assert channel.peer.names.common_name == "Ada"


def test_client_is_asked_for_its_certificate_after_the_handshake(serve):
    """RFC 9846 4.7.2: the answer, and what came before it; a client that did not offer it is left connected."""
    answers: list[object] = []

    def talk(channel: Channel) -> None:
        assert channel.peer is None and channel.recv(3) == b"get"
        try:
            answer = channel.authenticate_client()
        except AuthenticationUnavailable as error:
            answers.append(error)
            channel.sendall(b"403")
            return
        assert answer.peer is channel.peer
        answers.append((answer.peer.names.common_name, channel.recv(answer.unread)))
        channel.sendall(b"200")

    server = serve(talk, config=identities.server_config(client_auth="later"))
    for config, said in ((ada(post_handshake_auth=True), b"200"), (ada(), b"403")):
        with open_to(server, config) as channel:
            channel.sendall(b"get, early")
            assert channel.recv(3) == said
    assert answers[0] == ("Ada", b", early")
    assert isinstance(answers[1], AuthenticationUnavailable)


def test_client_that_answers_with_a_bad_certificate_or_not_at_all_is_refused(serve):
    """The caller gets the error, and the client its alert."""
    errors: list[Fault] = []

    def talk(channel: Channel) -> None:
        try:
            channel.authenticate_client(seconds=0.2)
        except PeerFault as error:
            errors.append(error.fault)
            raise

    def slow(wanted: SignatureWanted) -> bytes:
        time.sleep(0.6)
        return b""

    server = serve(talk, config=identities.server_config(client_auth="later", name_authorities=False))
    external = Credentials.external(identities.client().chain_pem)
    stranger = identities.client_config(identities.stranger(), post_handshake_auth=True)
    for config, alert in (
        (stranger, Alert.UNKNOWN_CA),
        (ada(post_handshake_auth=True, credentials=external), Alert.CERTIFICATE_REQUIRED),
    ):
        with open_to(server, config, signer=slow) as channel:
            with pytest.raises(PeerAlert) as refused:
                read_all(channel)
            assert refused.value.alert == alert
    server.close()
    assert errors == [Fault.NO_PATH, Fault.NO_ANSWER_TO_REQUEST]


def test_nobody_else_may_receive_while_a_client_is_asked(serve):
    """The answer is read by the thread that asks."""

    def talk(channel: Channel) -> None:
        with pytest.raises(UsageError, match="another thread is receiving"):
            channel.authenticate_client()

    def receiving(channel: Channel) -> None:
        reader = threading.Thread(target=lambda: channel.recv(1), daemon=True)
        reader.start()
        time.sleep(0.2)
        talk(channel)
        channel.sendall(b"x")
        reader.join(60)

    server = serve(receiving, config=identities.server_config(client_auth="later"))
    with open_to(server, ada(post_handshake_auth=True)) as channel:
        assert channel.recv(1) == b"x"
        channel.sendall(b"y")
    assert server.outcome() is None
