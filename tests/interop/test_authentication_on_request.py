"""We ask other people's clients for their certificate after the handshake (RFC 9846 4.7.2)."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from bothways import (
    AuthenticationUnavailable,
    ClientAuthenticated,
    ClientDeclined,
    Fault,
    PeerFault,
    ServerConfig,
)
from bothways.net import Channel
from interop import identities
from interop.identities import Identity, client, server
from interop.in_process import Meeting, PyOpenSSL, StandardSSL
from interop.peers import find
from interop.programs import heard_line, running, serving

pytestmark = [pytest.mark.interop, pytest.mark.network]


def our_server(**fields: Any) -> ServerConfig:
    fields = {"client_anchors": identities.anchors(), "client_auth": "later"} | fields
    return ServerConfig(credentials=server().credentials, **fields)


def answer(channel: Channel) -> None:
    """Read a line, ask who says it, and say it back with the name."""
    line = heard_line(channel)
    told = channel.authenticate_client(required=False)
    name = told.peer.names.common_name if told.peer else "nobody"
    channel.sendall(f"{name}: ".encode() + line)
    while channel.recv(1024):
        pass


# -- in one process: this machine's OpenSSL, and that of the wheel of `cryptography` ------------------------------


def openssl_client(folder: Path, who: Identity | None, **attributes: Any) -> StandardSSL:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(identities.root_file(folder))
    if who is not None:
        context.load_cert_chain(*who.files(folder))
    for name, value in ({"post_handshake_auth": True} | attributes).items():
        setattr(context, name, value)
    return StandardSSL(context, server=False, name="localhost")


def meeting(folder: Path, who: Identity | None, config: ServerConfig, **attributes: Any) -> Meeting:
    return Meeting(config.connection(), openssl_client(folder, who, **attributes)).carry()


@pytest.mark.parametrize("kind", ["P-256", "RSA", "Ed25519"])
def test_openssl_answers_with_its_certificate(kind: str, folder: Path) -> None:
    """Twice, and under keys that were renewed between request and answer."""
    both = meeting(folder, client(kind), our_server())
    both.talk()
    for _ in range(2):
        both.ours.authenticate_client()
        both.ours.update_keys(ask=True)
        both.ours.send(b"x")
        both.carry()
        both.theirs.send(b"y")
        both.carry()
        assert both.failure is None
        assert both.ours.peer is not None and client(kind).credentials.names == both.ours.peer.names
    assert [type(each) for each in both.events].count(ClientAuthenticated) == 2


@pytest.mark.parametrize("required", [True, False])
def test_openssl_without_a_certificate_declines(required: bool, folder: Path) -> None:
    """An empty Certificate and a Finished."""
    both = meeting(folder, None, our_server())
    both.ours.authenticate_client(required=required)
    both.ours.send(b"x")
    both.carry()
    if required:
        assert isinstance(both.failure, PeerFault) and both.failure.fault is Fault.NO_CERTIFICATE
    else:
        assert ClientDeclined() in both.events and both.ours.peer is None


def test_openssl_that_shows_a_certificate_of_another_ca_is_refused(folder: Path) -> None:
    """It reads the alert."""
    both = meeting(folder, client(state="unknown"), our_server(name_authorities=False))
    both.ours.authenticate_client()
    both.carry()
    assert isinstance(both.failure, PeerFault) and both.failure.fault is Fault.NO_PATH
    assert "unknown ca" in str(both.theirs.failure).lower()


@pytest.mark.parametrize(
    "attributes",
    [{"post_handshake_auth": False}, {"maximum_version": ssl.TLSVersion.TLSv1_2}],
    ids=["no offer", "TLS 1.2"],
)
def test_openssl_without_post_handshake_authentication_gets_no_request(
    attributes: dict[str, Any], folder: Path
) -> None:
    """And the connection goes on."""
    both = meeting(folder, client(), our_server(), **attributes)
    with pytest.raises(AuthenticationUnavailable):
        both.ours.authenticate_client()
    both.talk()


def test_openssl_of_the_wheel_answers_too(folder: Path) -> None:
    """OpenSSL 4, by pyOpenSSL: it offers to answer by a call that pyOpenSSL itself does not have."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    offers = getattr(SSL._lib, "SSL_CTX_set_post_handshake_auth", None)
    if offers is None:
        pytest.skip("this cryptography has no binding for SSL_CTX_set_post_handshake_auth")
    offers(context._context, 1)
    chain, key = client().files(folder)
    context.use_certificate_chain_file(chain)
    context.use_privatekey_file(key)
    context.load_verify_locations(identities.root_file(folder))
    both = Meeting(our_server().connection(), PyOpenSSL(context, server=False, name="localhost")).carry()
    both.talk()
    both.ours.authenticate_client()
    both.carry()
    assert both.failure is None and both.ours.peer is not None


# -- programs ------------------------------------------------------------------------------------------------------


def test_s_client_answers(folder: Path) -> None:
    """`openssl s_client -enable_pha`."""
    chain, key = client().files(folder)
    command = [
        find("openssl"),
        "s_client",
        "-enable_pha",
        "-quiet",
        "-verify_quiet",
        "-servername",
        "localhost",
    ]
    command += ["-CAfile", identities.root_file(folder), "-cert", chain, "-key", key, "-cert_chain", chain]
    with (
        serving(our_server(), answer) as ours,
        running(*command, "-connect", f"127.0.0.1:{ours.port}") as theirs,
    ):
        theirs.say("who am I\n")
        theirs.until("sound client P-256: who am I")


def test_gnutls_cli_answers(folder: Path) -> None:
    """`gnutls-cli --post-handshake-auth`."""
    chain, key = client().files(folder)
    command = [
        find("gnutls-cli"),
        "127.0.0.1",
        "--post-handshake-auth",
        "--priority",
        "NORMAL:-VERS-ALL:+VERS-TLS1.3",
    ]
    command += ["--x509cafile", identities.root_file(folder), "--sni-hostname", "localhost"]
    command += ["--verify-hostname", "localhost", "--x509certfile", chain, "--x509keyfile", key]
    with serving(our_server(), answer) as ours, running(*command, "--port", str(ours.port)) as theirs:
        theirs.until("Simple Client Mode")
        theirs.say("who am I\n")
        theirs.until("sound client P-256: who am I")


def page(channel: Channel) -> None:
    """Read a request of HTTP/1.1, ask, and answer with the name."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += heard_line(channel)
    told = channel.authenticate_client()
    assert told.peer is not None
    body = f"hello {told.peer.names.common_name}\n".encode()
    channel.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)


def test_curl_answers_between_its_request_and_our_response(folder: Path) -> None:
    """curl over OpenSSL offers it whenever it has a certificate."""
    chain, key = client().files(folder)
    command = [find("curl"), "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--http1.1"]
    command += ["--cacert", identities.root_file(folder), "--cert", chain, "--key", key]
    with serving(our_server(), page) as ours:
        fetched = subprocess.run(
            [*command, f"https://localhost:{ours.port}/"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert fetched.stdout == "hello sound client P-256\n", fetched.stderr
