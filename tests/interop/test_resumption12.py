"""Sessions of TLS 1.2 resumed with other people's stacks, in both roles, by ticket and by session ID."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
from OpenSSL import SSL

from bothways import ClientConfig, ServerConfig
from bothways.net import Channel
from interop import golang, identities
from interop.identities import client, server
from interop.in_process import ECDSA, Meeting, PyOpenSSL, StandardSSL, our_client, our_server
from interop.programs import calling, heard_line, running, serving
from interop.test_gnutls_programs import REQUIRES, gnutls_cli, gnutls_serv
from interop.test_gnutls_programs12 import TLS_1_2
from interop.test_resumption import context, openssl_4, resumed_by_openssl

ON = {"resume_tls12": True}
TLS12 = {"versions": ("1.2",)} | ON
WAYS = pytest.mark.parametrize("by_id", [False, True], ids=["ticket", "session ID"])


def context_12(protocol: int, folder: Path, *, by_id: bool = False) -> ssl.SSLContext:
    made = context(protocol, folder)
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    if by_id:
        made.options |= ssl.OP_NO_TICKET
    return made


def resumed_12(ours: ServerConfig, theirs: ssl.SSLContext, times: int = 3) -> list[bool]:
    """Whether an OpenSSL client resumed with us, each time."""
    session, reported = None, []
    for _ in range(times):
        other = StandardSSL(theirs, server=False, name="localhost", session=session)
        meeting = Meeting(ours.connection(), other).carry()
        meeting.talk(b"o" * 20_000, b"t" * 20_000)
        assert meeting.ours.version == "1.2"
        assert meeting.ours.resumed is other.object.session_reused
        assert meeting.ours.peer is not None and meeting.ours.peer.names == client().credentials.names
        session = other.object.session
        reported.append(meeting.ours.resumed)
    return reported


def resumed_by_us(ours: ClientConfig, theirs: ssl.SSLContext, times: int = 3) -> list[bool]:
    """Whether we resumed with an OpenSSL server, each time; it forgets the session of what is not closed in order."""
    reported, kept = [], []
    for _ in range(times):
        other = StandardSSL(theirs, server=True)
        kept.append(other)
        meeting = Meeting(ours.connection("localhost"), other).carry()
        meeting.talk()
        assert meeting.ours.resumed is other.object.session_reused
        assert meeting.ours.peer is not None and other.object.getpeercert() is not None
        reported.append(meeting.ours.resumed)
    return reported


# -- OpenSSL, through Python's `ssl` -------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize(("suite", "cipher"), ECDSA.items())
def test_openssl_client_resumes_with_us(suite: str, cipher: str, by_id: bool, folder: Path) -> None:
    """RFC 5077 3.1, RFC 5246 7.3: each hash of the PRF, each AEAD."""
    theirs = context_12(ssl.PROTOCOL_TLS_CLIENT, folder, by_id=by_id)
    theirs.set_ciphers(cipher)
    assert resumed_12(our_server(auth="require", suites=(suite,), **ON), theirs) == [False, True, True]


def test_openssl_client_gets_a_full_handshake_where_it_is_off(folder: Path) -> None:
    theirs = context_12(ssl.PROTOCOL_TLS_CLIENT, folder)
    assert resumed_12(our_server(auth="require"), theirs) == [False] * 3


@WAYS
@pytest.mark.parametrize(("suite", "cipher"), ECDSA.items())
def test_we_resume_with_an_openssl_server(suite: str, cipher: str, by_id: bool, folder: Path) -> None:
    """RFC 5077 3.1, RFC 5246 7.3, the other way round."""
    theirs = context_12(ssl.PROTOCOL_TLS_SERVER, folder, by_id=by_id)
    theirs.set_ciphers(cipher)
    assert resumed_by_us(our_client(client(), **TLS12), theirs) == [False, True, True]


@WAYS
def test_we_resume_with_an_old_openssl_server_though_we_offer_13(by_id: bool, folder: Path) -> None:
    """RFC 9846 4.2.2: the session ID of our hello is that of the session then."""
    theirs = context_12(ssl.PROTOCOL_TLS_SERVER, folder, by_id=by_id)
    assert resumed_by_us(our_client(client(), **ON), theirs) == [False, True, True]


def test_sessions_of_13_go_on_beside_it(folder: Path) -> None:
    assert resumed_by_us(our_client(client(), **ON), context(ssl.PROTOCOL_TLS_SERVER, folder)) == [
        False,
        True,
        True,
    ]
    assert resumed_by_openssl(our_server(auth="require", **ON), folder) == [False, True, True]


def test_an_openssl_server_that_has_forgotten_us_gets_certificates_again(folder: Path) -> None:
    ours = our_client(client(), **TLS12)
    for _ in range(2):
        theirs = context_12(ssl.PROTOCOL_TLS_SERVER, folder)
        assert resumed_by_us(ours, theirs, 2) == [False, True]


# -- OpenSSL 4, through pyOpenSSL ------------------------------------------------------------------------------


def openssl_4_12(method: int, folder: Path) -> SSL.Context:
    made = openssl_4(method, folder)
    made.set_max_proto_version(SSL.TLS1_2_VERSION)
    return made


def test_openssl_4_resumes_with_us(folder: Path) -> None:
    theirs, ours = openssl_4_12(SSL.TLS_CLIENT_METHOD, folder), our_server(auth="require", **ON)
    session, reported = None, []
    for _ in range(3):
        other = PyOpenSSL(theirs, server=False, name="localhost", session=session)
        meeting = Meeting(ours.connection(), other).carry()
        meeting.talk()
        session = other.object.get_session()
        reported.append(meeting.ours.resumed)
    assert reported == [False, True, True]


def test_we_resume_with_openssl_4(folder: Path) -> None:
    theirs, ours, reported = openssl_4_12(SSL.TLS_SERVER_METHOD, folder), our_client(client(), **TLS12), []
    for _ in range(3):
        meeting = Meeting(ours.connection("localhost"), PyOpenSSL(theirs, server=True)).carry()
        meeting.talk()
        reported.append(meeting.ours.resumed)
    assert reported == [False, True, True]


# -- GnuTLS ----------------------------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.network
@WAYS
def test_gnutls_client_resumes_with_us(by_id: bool, folder: Path) -> None:
    more = ("--noticket",) if by_id else ()
    with (
        serving(our_server(auth="require", **ON)) as ours,
        gnutls_cli(folder, ours.port, "--resume", *more, who=client(), priority=TLS_1_2) as theirs,
    ):
        theirs.until("This is a resumed session")
        theirs.say("there and back\n")
        theirs.until("\nthere and back")
        assert theirs.finish() == 0
        ended = [ours.outcome(), ours.outcome()]
    assert all(isinstance(each, Channel) for each in ended)
    reported = [(each.version, each.resumed) for each in ended if isinstance(each, Channel)]
    assert reported == [("1.2", False), ("1.2", True)]


def resumed_at(port: int, ours: ClientConfig) -> list[bool]:
    """Whether we resumed with a server that echoes, each time."""
    reported = []
    for _ in range(3):
        with calling(port, ours) as channel:
            channel.sendall(b"there and back\n")
            assert heard_line(channel) == b"there and back\n"
            assert channel.version == "1.2"
            reported.append(channel.resumed)
    return reported


@pytest.mark.interop
@pytest.mark.network
@WAYS
def test_we_resume_with_a_gnutls_server(by_id: bool, folder: Path) -> None:
    more = ("--noticket",) if by_id else ()
    with gnutls_serv(folder, *REQUIRES, *more, priority=TLS_1_2) as port:
        assert resumed_at(port, our_client(client(), **TLS12)) == [False, True, True]


# -- Go --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def go(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return golang.built(request.config, tmp_path_factory)


@pytest.mark.interop
@pytest.mark.network
def test_go_client_resumes_with_us(go: str, folder: Path) -> None:
    chain, key = client().files(folder)
    with serving(our_server(auth="require", **ON)) as ours:
        command = [go, "-addr", f"127.0.0.1:{ours.port}", "-ca", identities.root_file(folder), "-tls12"]
        with running(*command, "-cert", chain, "-key", key, "-say", "hello", "-times", "3") as theirs:
            assert theirs.finish() == 0
            reported = [json.loads(line) for line in theirs.printed.splitlines() if line.startswith("{")]
    assert [each["error"] for each in reported] == [""] * 3
    assert [each["resumed"] for each in reported] == [False, True, True]


@pytest.mark.interop
@pytest.mark.network
def test_we_resume_with_a_go_server(go: str, folder: Path) -> None:
    chain, key = server().files(folder)
    command = [
        go,
        "-listen",
        "-tls12",
        "-cert",
        chain,
        "-key",
        key,
        "-ca",
        identities.root_file(folder),
        "-auth",
        "require",
    ]
    with running(*command) as theirs:
        theirs.until("listening ")
        port = int(theirs.until("\n").split()[1])
        assert resumed_at(port, our_client(client(), **TLS12)) == [False, True, True]
