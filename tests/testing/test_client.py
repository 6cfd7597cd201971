"""What an attempt tells of servers that are not ours: refusals, cuts, silence."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from bothways.testing.mutual import MutualTLS

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with MutualTLS(tmp_path_factory.mktemp("clients")) as made:
        yield made


@contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that takes one connection, and ends it when the body is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError), listener.accept()[0] as sock:
                serve(sock)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(60)


def of_python(both: MutualTLS, version: ssl.TLSVersion) -> Callable[[socket.socket], None]:
    """A server of the standard library's, which judges clients by the files of the CA."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=both.ca)
    mine = both.identity("server")
    context.load_cert_chain(mine.cert, mine.key)
    context.load_verify_locations(both.crl)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    context.maximum_version = version

    def serve(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as stream:
            if data := stream.recv(100):
                stream.sendall(data)

    return serve


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("kind", "alert"),
    [("good", None), ("expired", "certificate_expired"), ("revoked", "certificate_revoked"),
     ("unknown_ca", "unknown_ca")],
)  # fmt: skip
def test_a_server_of_another_library_is_found_to_accept_or_refuse(both, version, kind, alert):
    with listening(of_python(both, version)) as port:
        attempt = both.client(kind).attempt("127.0.0.1", port, request=b"hello")
    assert attempt.alert == alert
    if alert is None:
        assert attempt.accepted
        assert attempt.received == b"hello"
        assert attempt.peer.names.dns == ("localhost",)
    else:
        assert attempt.refused
        assert "refused: the server refused the connection" in str(attempt)


def test_a_server_that_cuts_in_the_place_of_its_verdict_has_refused(both):
    def cut(sock: socket.socket) -> None:
        sock.recv(5)
        sock.close()

    with listening(cut) as port:
        attempt = both.client().attempt("127.0.0.1", port)
    assert not attempt.accepted
    assert attempt.alert is None
    assert attempt.explanation.causes


@pytest.mark.parametrize(
    "answer",
    [b"", b"220 mail.example ESMTP\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\x00\x7a\x02"],
)
def test_a_server_that_never_began_a_handshake_has_refused_nothing(both, answer):
    """Else a test of refusals would pass with a server that is broken, or with another service."""

    def say(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(answer)
        sock.close()

    with listening(say) as port:
        attempt = both.client().attempt("127.0.0.1", port)
    assert attempt.outcome == "failed"
    assert not attempt.refused
    assert attempt.explanation.causes


def test_a_closed_port_is_no_refusal(both):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    attempt = both.client().attempt("127.0.0.1", port)
    assert attempt.outcome == "failed"
    assert not attempt.accepted
    assert not attempt.refused


def test_a_server_that_says_nothing_leaves_it_unknown_and_waiting_ends(both):
    server = both.server(
        client_auth="require", tickets=None, respond=lambda channel: channel.recv(1) and None
    )
    attempt = both.client(versions=("1.3",)).attempt("127.0.0.1", server.port, timeout=0.3)
    assert attempt.outcome == "unknown"
    assert str(attempt) == "unknown"
