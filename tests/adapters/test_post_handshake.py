"""`verify_client_post_handshake` of our objects and sockets, with each other and with OpenSSL (RFC 9846 4.7.2)."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import identities
from bothways import PeerFault
from bothways.errors import ConfigError
from bothways.ssl import SSLContext
from ssl_pair import AGAIN, Pair, client_context, server_context

LATER = {"client_auth": "later"}


def opened(client: ssl.SSLContext | None = None, **server: Any) -> Pair:
    ours = client or client_context(post_handshake_auth=True)
    return Pair(ours, server_context(**LATER | server)).shake_hands()


def answered(pair: Pair) -> Pair:
    """Carry a request and its answer; what either side meets is raised."""
    for end in (pair.client, pair.server):
        pair.carry()
        with contextlib.suppress(*AGAIN):
            end.tls.read()
    return pair


def openssl(folder: Path, *, server: bool, offers: bool = True) -> ssl.SSLContext:
    """A context of OpenSSL: of a server that asks later, or of a client that offers to answer."""
    who = identities.server() if server else identities.client()
    for name, pem in (("chain", who.chain_pem), ("key", who.key_pem), ("ca", identities.root().pem)):
        (folder / name).write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(folder / "chain", folder / "key")
    context.load_verify_locations(folder / "ca")
    context.verify_mode = ssl.CERT_REQUIRED
    context.post_handshake_auth = offers
    return context


def test_an_object_asks_and_has_the_client_then() -> None:
    """As with `ssl`: the request goes out, and one of the next reads meets the answer."""
    pair = opened()
    end = pair.server.tls
    assert end.peer is None and end.getpeercert() is None and end.get_unverified_chain() == []
    end.verify_client_post_handshake()
    answered(pair)
    assert end.peer.names.common_name == "Ada"
    assert end.getpeercert(True) == identities.client().chain[0] == end.get_unverified_chain()[0]
    assert len(end.get_verified_chain()) == 3
    assert pair.talk() == b"hello"


def test_openssl_answers_our_object(tmp_path: Path) -> None:
    pair = answered(_asked(opened(openssl(tmp_path, server=False))))
    assert pair.server.tls.peer.names.common_name == "Ada"
    assert pair.talk() == b"hello"


def test_our_object_answers_openssl(tmp_path: Path) -> None:
    pair = Pair(client_context(post_handshake_auth=True), openssl(tmp_path, server=True)).shake_hands()
    pair.server.tls.verify_client_post_handshake()
    pair.server.tls.write(b"x")
    answered(pair)
    pair.carry()
    assert pair.talk() == b"hello"
    assert pair.server.tls.getpeercert(True) == identities.client().chain[0]


def _asked(pair: Pair, **terms: Any) -> Pair:
    pair.server.tls.verify_client_post_handshake(**terms)
    return pair


def test_a_client_without_a_certificate_is_refused_unless_the_caller_accepts_it() -> None:
    """The default is that of `verify_mode`; both sides get errors of `ssl`."""
    anonymous = client_context(False, post_handshake_auth=True)
    pair = answered(_asked(opened(anonymous), required=False))
    assert pair.server.tls.peer is None and pair.talk() == b"hello"
    pair = _asked(opened(anonymous))
    with pytest.raises(ssl.SSLError) as refused:
        answered(pair)
    assert isinstance(refused.value.__cause__, PeerFault)
    with pytest.raises(ssl.SSLError, match="(?i)certificate.required"):
        pair.carry()
        pair.client.tls.read()


def test_requesting_a_certificate_where_that_is_impossible_raises_an_ssl_error() -> None:
    """The connection goes on."""
    pair = opened(client_context())
    with pytest.raises(ssl.SSLError, match="did not offer"):
        pair.server.tls.verify_client_post_handshake()
    with pytest.raises(ssl.SSLError, match="not server"):
        pair.client.tls.verify_client_post_handshake()
    assert pair.talk() == b"hello"
    pair = _asked(opened())
    with pytest.raises(ssl.SSLError, match="still awaited"):
        pair.server.tls.verify_client_post_handshake()
    with pytest.raises(ValueError, match="handshake not done yet"):
        Pair(client_context(), server_context(**LATER)).server.tls.verify_client_post_handshake()


def test_the_attributes_say_when_clients_are_asked() -> None:
    """And cannot be changed on a context that has its configuration."""
    context = server_context(**LATER)
    assert context.post_handshake_auth and context.verify_mode == ssl.CERT_REQUIRED
    assert len(context.get_ca_certs(True)) == 1
    context.post_handshake_auth = True
    with pytest.raises(ConfigError, match="client_auth"):
        context.post_handshake_auth = False
    assert not server_context().post_handshake_auth


def test_a_context_that_is_filled_takes_the_attribute(tmp_path: Path) -> None:
    """Programs that were written for `ssl` set it as there."""
    openssl(tmp_path, server=True)
    server = SSLContext.for_server()
    server.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    server.load_verify_locations(tmp_path / "ca")
    server.verify_mode = ssl.CERT_REQUIRED
    server.post_handshake_auth = True
    assert server.post_handshake_auth and server.verify_mode == ssl.CERT_REQUIRED
    client = SSLContext.for_client()
    client.load_verify_locations(tmp_path / "ca")
    who = identities.client()
    for name, pem in (("mine", who.chain_pem), ("my key", who.key_pem)):
        (tmp_path / name).write_bytes(pem)
    client.load_cert_chain(tmp_path / "mine", tmp_path / "my key")
    client.post_handshake_auth = True
    pair = Pair(client, server).shake_hands()
    assert pair.server.tls.peer is None
    assert answered(_asked(pair)).server.tls.peer is not None


@contextlib.contextmanager
def sockets(client: ssl.SSLContext, server: ssl.SSLContext) -> Iterator[tuple[Any, Callable[[], Any]]]:
    """A client's socket, and what returns that of the server."""
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    theirs.settimeout(60)
    wrapped: list[Any] = []
    thread = threading.Thread(target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    with client.wrap_socket(ours, server_hostname="localhost") as end:
        thread.join(60)
        with wrapped[0]:
            yield end, lambda: wrapped[0]


@pytest.mark.network
@pytest.mark.parametrize("whose", ["ours", "OpenSSL's"])
def test_a_socket_asks_and_has_the_client_then(whose: str, tmp_path: Path) -> None:
    client = client_context(post_handshake_auth=True) if whose == "ours" else openssl(tmp_path, server=False)
    with sockets(client, server_context(**LATER)) as (end, server_end):
        server = server_end()
        assert server.peer is None
        server.verify_client_post_handshake()
        server.sendall(b"who?")
        assert end.recv(4) == b"who?"
        end.sendall(b"me")
        assert server.recv(2) == b"me"
        assert server.peer.names.common_name == "Ada"
