"""`bothways connect` as a process: standard input and output, ends, cuts."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import identities
import report_schema
from bothways import TLSError
from bothways.net import Channel, wrap
from command_line import bothways, environment, run_command, start_command

pytestmark = pytest.mark.network

IDENTITY = ["--ca", "ca.pem", "--cert", "ada.pem", "--key", "ada.key"]


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Channel], None]], int]]:
    listeners: list[socket.socket] = []

    def begin(talk: Callable[[Channel], None], **settings: object) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            with contextlib.suppress(OSError, TLSError):
                sock, _ = listener.accept()
                with wrap(sock, identities.server_config(**settings)) as channel:
                    channel.settimeout(20)
                    talk(channel)

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    yield begin
    for listener in listeners:
        listener.close()


def command(port: int, *more: str) -> list[str]:
    return bothways("connect", f"127.0.0.1:{port}", *IDENTITY, *more)


def run(port: int, folder: Path, *more: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return run_command(
        command(port, *more),
        cwd=folder,
        env=environment(),
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


def read_all(channel: Channel) -> bytes:
    parts = []
    while part := channel.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_the_end_of_input_is_reported_at_once_and_the_answer_is_awaited(serve, folder):
    """Close_notify when the input ends, then read until the peer closes."""
    sent = bytes(range(256)) * 4000

    def answer(channel: Channel) -> None:
        channel.sendall(read_all(channel)[::-1])

    done = run(serve(answer), folder, stdin=sent)
    assert done.returncode == 0
    assert done.stdout == sent[::-1]


def test_the_anchors_of_the_system_are_trusted_where_no_file_is_named(serve, folder):
    """Here those that SSL_CERT_FILE names."""
    port = serve(lambda channel: channel.sendall(b"hello"))
    words = bothways("connect", f"127.0.0.1:{port}", "--cert", "ada.pem", "--key", "ada.key")
    done = run_command(
        words, cwd=folder, env=environment(SSL_CERT_FILE="ca.pem"), input=b"", capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, b"hello"), done.stderr


def test_the_servers_end_ends_the_command_though_input_goes_on(serve, folder):
    """The peer closed: nothing is left to wait for."""
    port = serve(lambda channel: channel.sendall(b"bye\n"))
    with start_command(
        command(port), cwd=folder, env=environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout.read() == b"bye\n"
        assert process.wait(20) == 0


def test_a_cut_is_reported_after_what_came_before_it(serve, folder):
    """Status 1: the connection was cut."""

    def cut(channel: Channel) -> None:
        channel.sendall(b"half")
        channel.recv(1)
        channel.abort()

    done = run(serve(cut), folder, stdin=b"x")
    assert (done.returncode, done.stdout) == (1, b"half")
    assert b"ended the connection" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_cut_is_reported_to_programs(serve, folder):
    """--json: one object, with the handshake and how it ended."""

    def cut(channel: Channel) -> None:
        channel.sendall(b"half")
        channel.abort()

    done = run(serve(cut), folder, "--json")
    report = report_schema.report("connect", done.stderr)
    assert report["peer"]["common_name"] == "server"
    assert report["peer"]["dns"] == ["localhost"]
    assert {check["id"] for check in report["checks"]} == {"2.2", "2.3a", "2.3b", "2.3c", "4.2"}
    assert report["own_certificate"] == "sent"
    assert report["error"]["kind"] == "Truncated"
    assert report["error"]["step"] == "4.3"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_standard_output_is_no_failure_of_the_server(serve, folder):
    """Nor of our configuration: its name is told, and no cause."""
    port = serve(lambda channel: channel.sendall(b"hello"))
    with (
        open("/dev/full", "wb") as full,
        start_command(
            command(port), cwd=folder, env=environment(),
            stdin=subprocess.PIPE, stdout=full, stderr=subprocess.PIPE,
        ) as process,
    ):  # fmt: skip
        printed = process.stderr.read()
        assert process.wait(20) == 2
    assert printed.splitlines()[-1] == b"bothways: standard output: No space left on device"


def test_closed_standard_output_ends_connect_without_an_error_message(serve, folder):
    """As with any filter: no traceback, no words."""
    port = serve(lambda channel: channel.sendall(bytes(10_000_000)))
    with start_command(
        command(port), cwd=folder, env=environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.read(10)
        process.stdout.close()
        printed = process.stderr.read()
        assert process.wait(20) == 1
    assert printed.splitlines()[-1].startswith(b"  4.2")


def test_a_server_that_stays_silent_is_given_up(folder):
    """--timeout, status 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = run(listener.getsockname()[1], folder, "--timeout", "0.2")
    assert done.returncode == 1
    assert b": no TLS connection within 0.2 seconds\nLikely causes" in done.stderr
    assert b"seen: it received our hello and sent nothing" in done.stderr


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_server_that_closes_without_a_word_while_the_input_is_open_has_failed(version, serve, folder):
    """As a load balancer that reaches no service; the end of our own input ends a connection in order."""
    closed = start_command(
        command(serve(lambda channel: channel.shutdown() or channel.recv(1)), "--json", "--tls", version),
        cwd=folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert closed.wait(30) == 1
    error = report_schema.report("connect", closed.communicate()[1])["error"]
    assert error["explanation"]["happened"] == "the server sent nothing, and closed the connection"
    assert "BACKEND_DOWN" in [each["cause"] for each in error["explanation"]["causes"]]


def answers_nothing(channel: Channel) -> None:
    channel.recv(9)
    channel.shutdown()
    read_all(channel)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_server_that_takes_what_it_is_sent_and_closes_without_a_word_has_failed(version, serve, folder):
    """Unless it is known to answer nothing, as syslog does."""
    answered = run(serve(answers_nothing), folder, "--tls", version, stdin=b"hello")
    assert answered.returncode == 1
    assert b"the server answered nothing, and closed the connection." in answered.stderr
    assert b"give --one-way" in answered.stderr
    taken = run(serve(read_all), folder, "--tls", version, "--one-way", stdin=b"hello")
    assert taken.returncode == 0
    assert b"nothing" not in taken.stderr


def answers_before_the_end(channel: Channel) -> None:
    """As services do that take the end of our direction for the end of the connection."""
    channel.recv(5)
    time.sleep(0.2)
    channel.settimeout(0.01)
    with contextlib.suppress(TimeoutError):
        if channel.recv(1) == b"":
            return
    channel.sendall(b"an answer")


def test_the_end_of_the_input_waits_for_the_answer(serve, folder):
    done = run(serve(answers_before_the_end), folder, stdin=b"hello")
    assert (done.returncode, done.stdout) == (0, b"an answer")


def test_a_service_that_closes_after_us_has_not_failed_though_it_answers_nothing(serve, folder):
    """As syslog does."""
    done = run(serve(read_all), folder, stdin=b"hello")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"the service answered nothing, and closed after we did" in done.stderr


def test_an_input_without_a_byte_shows_no_service(serve, folder):
    done = run(serve(lambda channel: channel.recv(1) or channel.shutdown()), folder)
    assert done.returncode == 0
    assert b"asked nothing and said nothing" in done.stderr


def test_network_errors_are_reported_to_programs(folder):
    """--json without a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = run(port, folder, "--json")
    assert done.returncode == 1
    error = report_schema.report("connect", done.stderr)["error"]
    assert error["kind"] == "ConnectionRefusedError"
    assert error["explanation"]["causes"][0]["cause"] == "NOTHING_LISTENS"


def test_an_interrupt_ends_connect_with_one_word(serve, folder):
    """Status 1: it was stopped."""
    ready = threading.Event()

    def wait(channel: Channel) -> None:
        ready.set()
        channel.recv(1)

    port = serve(wait)
    with start_command(
        command(port), cwd=folder, env=environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert ready.wait(20)
        while b"4.2" not in process.stderr.readline():
            pass
        process.send_signal(2)
        assert process.wait(20) == 1
        assert process.stderr.read().strip() == b"stopped"


def http(status: bytes, body: bytes = b"") -> Callable[[Channel], None]:
    """A service that answers once, in two records."""

    def answer(channel: Channel) -> None:
        channel.recv(100)
        channel.sendall(b"HTTP/1.1 " + status + b"\r\nServer: x\r\n\r\n")
        channel.sendall(body)

    return answer


@pytest.mark.parametrize(
    ("status", "body", "code", "cause"),
    [
        (b"403 Forbidden", b"", 1, "NOT_LET_IN"),
        (b"421 Misdirected Request", b"", 1, "NO_NAME_SENT"),
        (b"431 Request Header Fields Too Large", b"", 0, "REQUEST_TOO_LARGE"),
        (b"400 Bad Request", b"<h1>The SSL certificate error</h1>", 1, "REVOKED"),
        (b"400 Bad Request", b"no such field", 0, None),
        (b"502 Bad Gateway", b"", 0, "BACKEND_DOWN"),
        (b"404 Not Found", b"", 0, None),
        (b"200 OK", b"hello", 0, None),
    ],
)
def test_a_refusal_by_the_service_fails_the_command_and_passes_unaltered(
    status: bytes, body: bytes, code: int, cause: str | None, serve, folder
):
    """Its statuses are RFC 9110's, and those of nginx; --json is one object in any case."""
    done = run(serve(http(status, body)), folder, "--json", stdin=b"GET / HTTP/1.0\r\n\r\n")
    assert done.returncode == code
    assert done.stdout == b"HTTP/1.1 " + status + b"\r\nServer: x\r\n\r\n" + body
    report = report_schema.report("connect", done.stderr)
    assert report["version"] == "1.3"
    reported = report["error"]["explanation"] if code else report.get("reply")
    assert (reported["causes"][0]["cause"] if reported else None) == cause


@pytest.mark.parametrize(
    ("answer", "code", "cause"),
    [
        (b"220 mx\r\n421 4.3.2 too many connections\r\n", 1, "SERVICE_BUSY"),
        (b"550 HELO name is not acceptable\r\n", 1, "LETS_NOT_IN"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", 1, "OTHER_SERVICE"),
        (b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", 1, "WANTS_LOGIN"),
        (b"* BYE Disconnected for inactivity.\r\n", 0, "NO_REQUEST"),
        (b"$31\r\n-NOAUTH Authentication required\r\n", 0, None),
    ],
)
def test_a_refusal_in_any_other_protocol_fails_the_command_too(
    answer: bytes, code: int, cause: str | None, serve, folder
):
    done = run(serve(lambda channel: channel.sendall(answer)), folder, "--json", stdin=b"HELLO\r\n")
    assert (done.returncode, done.stdout) == (code, answer)
    report = report_schema.report("connect", done.stderr)
    reported = report["error"]["explanation"] if code else report.get("reply")
    assert (reported["causes"][0]["cause"] if reported else None) == cause


@pytest.mark.parametrize(
    ("status", "body", "kind", "cause"),
    [
        (b"400 Bad Request", b"<title>400 The SSL certificate error</title>", "ServiceRefusal", "REVOKED"),
        (b"401 Unauthorized", b"", "ServiceRefusal", "WANTS_LOGIN"),
        (b"503 Service Unavailable", b"", "Truncated", "BACKEND_DOWN"),
        (b"429 Too Many Requests", b"", "Truncated", "SERVICE_BUSY"),
        (b"500 Internal Server Error", b"", "Truncated", "REFUSED_BY_SERVICE"),
        (b"200 OK", b"hello", "Truncated", "PEER_STOPPED"),
    ],
)
@pytest.mark.parametrize("reset", [False, True], ids=["ends", "resets"])
def test_an_answer_is_explained_however_the_connection_ends(
    status: bytes, body: bytes, kind: str, cause: str, reset: bool, serve, folder
):
    """Neither an end without close_notify nor a reset unsays what was answered (RFC 9846 6.1)."""

    def answer(channel: Channel) -> None:
        http(status, body)(channel)
        with socket.socket(fileno=os.dup(channel.fileno())) as sock:
            if reset:
                threading.Event().wait(0.1)  # a reset destroys what was not read yet
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.shutdown(socket.SHUT_WR)
            channel.abort()

    done = run(serve(answer), folder, "--json", stdin=b"GET / HTTP/1.0\r\n\r\n")
    error = report_schema.report("connect", done.stderr)["error"]
    assert (done.returncode, error["kind"]) == (1, kind)
    assert error["explanation"]["causes"][0]["cause"] == cause
    assert b"without close_notify" in done.stderr


@pytest.mark.parametrize(
    ("said", "code"), [(b"", 0), (b"GET / HTTP/1.0\r\n\r\n", 1)], ids=["nothing", "a request"]
)
def test_a_server_that_ends_without_close_notify_has_failed_only_who_asked_it(said, code, serve, folder):
    """nginx ends so after a client's close_notify; its session ticket shows that it had accepted us."""

    def leave(channel: Channel) -> None:
        channel.recv(100)
        with socket.socket(fileno=os.dup(channel.fileno())) as sock:
            sock.shutdown(socket.SHUT_WR)
        channel.abort()

    done = run(serve(leave), folder, stdin=said)
    assert done.returncode == code, done.stderr
    assert (b"without close_notify" in done.stderr) is bool(code)


def test_a_service_that_turns_us_away_in_its_own_words_is_explained_and_drawn(serve, folder):
    """HTTP 403 inside a channel that stands; the ladder is titled by it."""
    port = serve(http(b"403 Forbidden"))
    done = run(port, folder, "--ladder", "refused.txt", stdin=b"GET / HTTP/1.0\r\n\r\n")
    assert b"the server answered: HTTP/1.1 403 Forbidden." in done.stderr
    assert b"the holder of our certificate is not authorized" in done.stderr
    assert "A handshake that succeeded, and a service that refused" in (folder / "refused.txt").read_text()


def test_a_url_is_taken_for_the_server_that_it_names(serve, folder):
    """As people paste it."""
    port = serve(lambda channel: channel.sendall(b"hello"))
    words = command(port)
    words = [each.replace(f"127.0.0.1:{port}", f"https://127.0.0.1:{port}/status?x=1") for each in words]
    done = run_command(words, cwd=folder, env=environment(), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"hello")


@pytest.mark.parametrize(
    "words",
    [
        ["connect", "127.0.0.1:1", "--ca", "missing.pem"],
        ["connect", "nowhere"],
        ["connect", "127.0.0.1:1", "--ca", "ca.pem", "--key", "ada.key"],
        ["connect", "127.0.0.1:1", "--ca", "ca.pem", "--suites", "TLS_NONE"],
        ["get", "https://127.0.0.1:1/", "--ca", "missing.pem"],
        ["get", "http://127.0.0.1:1/"],
        ["doctor"],
        ["doctor", "127.0.0.1:1", "--ca", "missing.pem"],
        ["verify", "missing.pem", "--ca", "ca.pem"],
    ],
)
def test_wrong_use_is_one_json_object_too(words: list[str], folder):
    """Where the report would stand: of connect on standard error, of the others on standard output."""
    done = run_command(
        bothways(*words, "--json"),
        cwd=folder,
        env=environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    report = report_schema.report(words[0], done.stderr if words[0] in ("connect", "get") else done.stdout)
    assert report["error"]["kind"] == "Misuse" and report["error"]["text"]
    assert report["error"]["code"] == ("UNREADABLE" if "missing.pem" in words else "MISUSE")


def test_a_server_that_says_nothing_after_the_handshake_is_not_awaited_for_ever(serve, folder):
    """After the end of the input, --timeout is how long data is waited for; in TLS 1.3 it also has to close."""
    over = threading.Event()
    port = serve(lambda _: over.wait(20) and None)
    done = run(port, folder, "--timeout", "3", stdin=b"a question")
    over.set()
    assert done.returncode == 1
    assert b"nothing was received within 3 seconds after the end of the input" in done.stderr
    assert b"the server hangs or is overloaded, or waits for more than was sent" in done.stderr


def test_a_hint_of_connect_leaves_out_what_offered_too_little_and_keeps_the_rest(serve, folder):
    """--tls 1.3 was the reason, and --timeout was not."""
    port = serve(lambda channel: channel.recv(1), versions=("1.2",))
    words = [*command(port), "--tls", "1.3", "--timeout", "9", "--json"]
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, timeout=60, check=False)
    causes = json.loads(done.stderr)["error"]["explanation"]["causes"]
    assert causes[0]["cause"] == "NO_SHARED_VERSION"
    assert "--timeout 9" in causes[0]["command"] and "--tls" not in causes[0]["command"]
