"""Each kind of server before each kind of client, and neither side alone decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways import Credentials, Fault
from bothways.testing.mutual import MutualTLS

pytestmark = pytest.mark.network

REFUSED_SERVERS = {
    "expired": Fault.CERTIFICATE_EXPIRED,
    "revoked": Fault.REVOKED,
    "wrong_name": Fault.NAME_MISMATCH,
    "unknown_ca": Fault.NO_PATH,
}
REFUSED_CLIENTS = {
    "expired": "certificate_expired",
    "revoked": "certificate_revoked",
    "unknown_ca": "unknown_ca",
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with MutualTLS(tmp_path_factory.mktemp("mutual")) as made:
        yield made


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", REFUSED_SERVERS)
def test_a_client_refuses_a_server_for_what_it_is(both, kind, version):
    server = both.server(kind)
    attempt = both.client(versions=(version,)).attempt("localhost", server.port)
    assert attempt.refused
    assert attempt.error.fault is REFUSED_SERVERS[kind]
    assert server.handshake().error.name == attempt.alert


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", REFUSED_CLIENTS)
def test_a_server_refuses_a_client_for_what_it_is(both, kind, version):
    server = both.server(client_auth="require")
    attempt = both.client(kind, versions=(version,)).attempt("localhost", server.port)
    assert attempt.refused
    assert attempt.alert == REFUSED_CLIENTS[kind]
    assert server.handshake().error.alert.name.lower() == REFUSED_CLIENTS[kind]


@pytest.mark.parametrize("kind", ["good", "expires_soon", "wrong_name"])
def test_a_client_that_is_trusted_is_let_in_whatever_its_name(both, kind):
    server = both.server("expires_soon", client_auth="require")
    attempt = both.client(kind).attempt("localhost", server.port, request=b"GET / HTTP/1.1\r\n\r\n")
    assert attempt.accepted
    assert server.handshake().peer.names == both.identity("client", kind).credentials.names


def test_a_client_without_a_certificate_is_let_in_where_none_is_required(both):
    assert (
        both.client(None).attempt("localhost", both.server().port, request=b"GET / HTTP/1.1\r\n\r\n").accepted
    )
    refused = both.client(None).attempt("localhost", both.server(client_auth="require").port)
    assert refused.alert == "certificate_required"


def test_an_identity_of_ones_own_is_taken_by_servers_and_clients(both):
    mine = both.identity("server", dns=["api.example"])
    server = both.server(mine, client_auth="request", alpn=("http/1.1",))
    client = both.client(both.identity("client", uri=["spiffe://shop.example/api"]), alpn=("http/1.1",))
    with client.connect("localhost", server.port, "api.example") as channel:
        assert channel.alpn == "http/1.1"
        assert channel.peer.names.dns == ("api.example",)
    assert server.handshake().peer.names.uri == ("spiffe://shop.example/api",)


def test_a_client_revoked_meanwhile_is_refused_by_a_server_that_runs(tmp_path: Path):
    with MutualTLS(tmp_path) as made:
        server = made.server(client_auth="require")
        client = made.client()
        assert not client.attempt("localhost", server.port, request=b"GET / HTTP/1.1\r\n\r\n").refused
        made.revoke(client.identity)
        assert client.attempt("localhost", server.port).alert == "certificate_revoked"


def test_credentials_that_a_caller_gives_take_the_place_of_the_identity(both):
    other = both.identity("server", dns=["other.example"]).credentials
    server = both.server(credentials=other)
    assert isinstance(other, Credentials)
    assert (
        both.client()
        .attempt("localhost", server.port, "other.example", request=b"GET / HTTP/1.1\r\n\r\n")
        .accepted
    )


def test_servers_end_with_what_made_them(tmp_path: Path):
    with MutualTLS(tmp_path) as made:
        port = made.server().port
    assert made.client().attempt("127.0.0.1", port).outcome == "failed"
