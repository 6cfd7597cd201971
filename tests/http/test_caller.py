"""Who is behind a transport or a socket: told by the handshake, and by nothing that only looks so."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.http.caller import Caller, of_socket, of_transport, pem
from bothways.testing import echo
from http_callers import peer


@pytest.mark.network
def test_a_channel_tells_its_peer_its_version_and_its_suite(mutual):
    seen = []

    def look(channel):
        seen.append(of_socket(channel))
        echo(channel)

    server = mutual.server(client_auth="request", respond=look)
    for client in (mutual.client(versions=("1.2",)), mutual.client(None)):
        assert client.attempt("localhost", server.port, request=b"x").accepted
    known, anonymous = seen
    assert known.peer.names.dns == ("client.example",)
    assert (known.version, known.version_code) == ("1.2", 0x0303)
    assert known.suite_code == 0xC02B
    assert (anonymous.peer, anonymous.version_code, anonymous.suite_code) == (None, 0x0304, 0x1301)


def test_the_chain_of_a_caller_ends_below_the_anchor(mutual):
    caller = Caller(peer(mutual))
    assert len(caller.peer.path) == 3
    assert caller.chain == caller.peer.path[:2]
    assert Caller(None).chain == ()
    assert (Caller(None).version_code, Caller(None).suite_code) == (None, None)


def test_an_object_of_another_class_is_no_caller():
    assert of_socket(None) is None
    assert of_socket(object()) is None
    assert of_socket(SimpleNamespace(peer="admin")) is None
    assert of_transport(SimpleNamespace(get_extra_info=lambda name: None)) is None
    strange = of_socket(SimpleNamespace(peer=None, version=lambda: "TLSv1.3", suite="NO_SUCH_SUITE"))
    assert strange == Caller(None, "1.3", None)


def test_a_certificate_is_written_as_others_write_it(mutual):
    certificate = mutual.identity("client").credentials.certificate
    assert pem(certificate) == certificate.public_bytes(Encoding.PEM).decode()
