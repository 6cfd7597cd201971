"""Sessions of TLS 1.3 resumed with other people's stacks, in both roles, with certificates on both sides."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
from OpenSSL import SSL

from bothways import ClientConfig, ServerConfig, SharedTicketKeys
from bothways.net import Channel
from interop import golang, identities
from interop.identities import client, server
from interop.in_process import Meeting, PyOpenSSL, StandardSSL, our_client, our_server
from interop.programs import calling, heard_line, running, serving
from interop.test_gnutls_programs import REQUIRES, gnutls_cli, gnutls_serv

RETRIED = {"groups": ("secp384r1",)}
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


# -- OpenSSL, through Python's `ssl` -------------------------------------------------------------------------


def context(protocol: int, folder: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.load_verify_locations(identities.root_file(folder))
    made.load_cert_chain(*(client() if protocol == ssl.PROTOCOL_TLS_CLIENT else server()).files(folder))
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def resumed_by_openssl(ours: ServerConfig, folder: Path, times: int = 3) -> list[bool]:
    """Whether an OpenSSL client resumed with us, each time."""
    theirs, session, reported = context(ssl.PROTOCOL_TLS_CLIENT, folder), None, []
    for _ in range(times):
        other = StandardSSL(theirs, server=False, name="localhost", session=session)
        meeting = Meeting(ours.connection(), other).carry()
        meeting.talk()
        assert meeting.ours.resumed is other.object.session_reused
        assert meeting.ours.peer is not None and meeting.ours.peer.names == client().credentials.names
        session = other.object.session
        reported.append(meeting.ours.resumed)
    return reported


@pytest.mark.parametrize("suite", SUITES)
def test_openssl_client_resumes_with_us(suite: str, folder: Path) -> None:
    """RFC 9846 2.2: it takes our tickets, each the one before the next."""
    assert resumed_by_openssl(our_server(auth="require", suites=(suite,)), folder) == [False, True, True]


def test_openssl_client_resumes_with_us_after_a_retry(folder: Path) -> None:
    """RFC 9846 4.3.11.2: its second binder covers the HelloRetryRequest."""
    assert resumed_by_openssl(our_server(auth="require", **RETRIED), folder) == [False, True, True]


def test_openssl_client_resumes_at_servers_that_share_keys(folder: Path, tmp_path: Path) -> None:
    """Each of them is another process to it: they have the file of their keys in common."""
    shared = [SharedTicketKeys.in_file(tmp_path / "keys") for _ in range(3)]
    theirs, session, resumed = context(ssl.PROTOCOL_TLS_CLIENT, folder), None, []
    for tickets in shared:
        other = StandardSSL(theirs, server=False, name="localhost", session=session)
        meeting = Meeting(our_server(auth="require", tickets=tickets).connection(), other).carry()
        meeting.talk()
        session = other.object.session
        resumed.append(other.object.session_reused)
        tickets.close()
    assert resumed == [False, True, True]


def test_openssl_client_gets_a_full_handshake_where_nothing_is_resumed(folder: Path) -> None:
    assert resumed_by_openssl(our_server(auth="require", tickets=None), folder) == [False] * 3


def resumed_by_us(ours: ClientConfig, theirs: ssl.SSLContext, times: int = 3) -> list[bool]:
    """Whether we resumed with an OpenSSL server, each time."""
    reported = []
    for _ in range(times):
        other = StandardSSL(theirs, server=True)
        meeting = Meeting(ours.connection("localhost"), other).carry()
        meeting.talk()
        assert meeting.ours.resumed is other.object.session_reused
        assert meeting.ours.peer is not None and other.object.getpeercert() is not None
        reported.append(meeting.ours.resumed)
    return reported


@pytest.mark.parametrize("suite", SUITES)
def test_we_resume_with_an_openssl_server(suite: str, folder: Path) -> None:
    """RFC 9846 2.2, the other way round."""
    theirs = context(ssl.PROTOCOL_TLS_SERVER, folder)
    assert resumed_by_us(our_client(client(), suites=(suite,)), theirs) == [False, True, True]


def test_we_resume_with_an_openssl_server_after_a_retry(folder: Path) -> None:
    """RFC 9846 4.3.11.2."""
    theirs = context(ssl.PROTOCOL_TLS_SERVER, folder)
    theirs.set_ecdh_curve("secp521r1")
    assert resumed_by_us(our_client(client()), theirs) == [False, True, True]


def test_an_openssl_server_that_has_forgotten_us_gets_certificates_again(folder: Path) -> None:
    """RFC 9846 4.3.11: another process has other keys, and a full handshake follows."""
    ours = our_client(client())
    assert resumed_by_us(ours, context(ssl.PROTOCOL_TLS_SERVER, folder), 2) == [False, True]
    assert resumed_by_us(ours, context(ssl.PROTOCOL_TLS_SERVER, folder), 2) == [False, True]


# -- OpenSSL 4, through pyOpenSSL ------------------------------------------------------------------------------


def openssl_4(method: int, folder: Path) -> SSL.Context:
    made = SSL.Context(method)
    made.load_verify_locations(identities.root_file(folder))
    made.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    made.set_session_id(b"a server")
    chain, key = (client() if method == SSL.TLS_CLIENT_METHOD else server()).files(folder)
    made.use_certificate_chain_file(chain)
    made.use_privatekey_file(key)
    return made


def test_openssl_4_resumes_with_us(folder: Path) -> None:
    theirs, ours, session = openssl_4(SSL.TLS_CLIENT_METHOD, folder), our_server(auth="require"), None
    reported = []
    for _ in range(3):
        other = PyOpenSSL(theirs, server=False, name="localhost", session=session)
        meeting = Meeting(ours.connection(), other).carry()
        meeting.talk()
        session = other.object.get_session()
        reported.append(meeting.ours.resumed)
    assert reported == [False, True, True]


def test_we_resume_with_openssl_4(folder: Path) -> None:
    theirs, ours, reported = openssl_4(SSL.TLS_SERVER_METHOD, folder), our_client(client()), []
    for _ in range(3):
        meeting = Meeting(ours.connection("localhost"), PyOpenSSL(theirs, server=True)).carry()
        meeting.talk()
        reported.append(meeting.ours.resumed)
    assert reported == [False, True, True]


# -- GnuTLS ----------------------------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.network
def test_gnutls_client_resumes_with_us(folder: Path) -> None:
    with (
        serving(our_server(auth="require")) as ours,
        gnutls_cli(folder, ours.port, "--resume", who=client()) as theirs,
    ):
        theirs.until("This is a resumed session")
        theirs.say("there and back\n")
        theirs.until("\nthere and back")
        assert theirs.finish() == 0
        ended = [ours.outcome(), ours.outcome()]
    assert all(isinstance(each, Channel) for each in ended)
    assert [each.resumed for each in ended if isinstance(each, Channel)] == [False, True]


@pytest.mark.interop
@pytest.mark.network
def test_we_resume_with_a_gnutls_server(folder: Path) -> None:
    ours, reported = our_client(client()), []
    with gnutls_serv(folder, *REQUIRES) as port:
        for _ in range(3):
            with calling(port, ours) as channel:
                channel.sendall(b"there and back\n")
                assert heard_line(channel) == b"there and back\n"
                reported.append(channel.resumed)
    assert reported == [False, True, True]


# -- Go --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def go(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return golang.built(request.config, tmp_path_factory)


@pytest.mark.interop
@pytest.mark.network
@pytest.mark.parametrize("groups", [None, RETRIED])
def test_go_client_resumes_with_us(groups: dict[str, tuple[str, ...]] | None, go: str, folder: Path) -> None:
    chain, key = client().files(folder)
    with serving(our_server(auth="require", **groups or {})) as ours:
        command = [go, "-addr", f"127.0.0.1:{ours.port}", "-ca", identities.root_file(folder)]
        with running(*command, "-cert", chain, "-key", key, "-say", "hello", "-times", "3") as theirs:
            assert theirs.finish() == 0
            reported = [json.loads(line) for line in theirs.printed.splitlines() if line.startswith("{")]
    assert [each["error"] for each in reported] == [""] * 3
    assert [each["heard"] for each in reported] == ["hello"] * 3
    assert [each["resumed"] for each in reported] == [False, True, True]


@pytest.mark.interop
@pytest.mark.network
def test_we_resume_with_a_go_server(go: str, folder: Path) -> None:
    chain, key = server().files(folder)
    command = [
        go,
        "-listen",
        "-cert",
        chain,
        "-key",
        key,
        "-ca",
        identities.root_file(folder),
        "-auth",
        "require",
    ]
    ours, reported = our_client(client()), []
    with running(*command) as theirs:
        theirs.until("listening ")
        port = int(theirs.until("\n").split()[1])
        for _ in range(3):
            with calling(port, ours) as channel:
                channel.sendall(b"hello\n")
                assert heard_line(channel) == b"hello\n"
                reported.append(channel.resumed)
        theirs.until('"heard":', 3)
        reports = [json.loads(line) for line in theirs.printed.splitlines() if line.startswith("{")]
    assert reported == [each["resumed"] for each in reports] == [False, True, True]
    assert {each["peer"] for each in reports} == {client().credentials.names.common_name}
