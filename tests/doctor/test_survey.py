"""What is asked of a server, and that the answers are what it was really configured with."""

from __future__ import annotations

import socket

import pytest

import identities
import pki
from bothways.doctor.report import Choices
from bothways.doctor.survey import PLAN, Survey
from bothways.doctor.unanswered import CONNECTIONS, IN_HTTP
from bothways.starttls.databases import SSL_REQUEST
from bothways.tls.handshake.settings import PREFERRED_GROUPS
from doctor_talk import Talk, dialer_to, has_proxy_header, listening, ours, saying

pytestmark = pytest.mark.network


def surveyed(talk: Talk, *, limit: int = 50, timeout: float = 10) -> tuple[Survey, int]:
    with listening(talk) as server:
        survey = Survey(dialer_to(server.port, limit=limit, timeout=timeout))
        survey.run()
        return survey, server.accepted


CONFIGURATIONS = {
    "all": {},
    "TLS 1.3 alone": {"versions": ("1.3",)},
    "TLS 1.2 alone": {"versions": ("1.2",)},
    "one of each": {
        "suites": ("TLS_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        "groups": ("secp384r1",),
    },
    "another order": {"groups": ("secp256r1", "X25519MLKEM768", "x25519")},
    "key transport": {"insecure_rsa_key_transport": True, "versions": ("1.2",)},
}


@pytest.mark.parametrize("terms", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_versions_suites_and_groups_are_those_of_the_configuration(terms):
    """In the server's own order, which counts."""
    config = identities.server_config(**terms)
    survey, accepted = surveyed(ours(config))
    server = survey.server()
    spoken = {each.name for each in server.versions if each.standing == "spoken"}
    assert spoken == {f"TLS {version}" for version in config.versions}
    assert {each.standing for each in server.versions} <= {"spoken", "refused"}
    thirteen = tuple(suite for suite in config.suites if not suite.startswith("TLS_ECDHE"))
    twelve = tuple(suite for suite in config.suites if suite.startswith("TLS_ECDHE_ECDSA"))
    assert server.suites_13 == Choices(thirteen if "TLS 1.3" in spoken else (), "TLS 1.3" in spoken)
    assert server.suites_12 == Choices(twelve if "TLS 1.2" in spoken else (), "TLS 1.2" in spoken)
    hybrids = [group for group in config.groups if "MLKEM" in group]
    groups = tuple(group for group in config.groups if "TLS 1.3" in spoken or group not in hybrids)
    if (
        "TLS 1.3" not in spoken
    ):  # beside P-256, on which the certificate lies, it never comes to the later ones
        groups = groups[: groups.index("secp256r1") + 1]
    assert server.groups == Choices(groups, complete=True)
    assert not server.cut_short
    assert accepted == survey.dialer.connections <= sum(PLAN.values())


def test_rsa_key_transport_is_reported():
    """One question for each kind that is outdated."""
    usages = ("digital_signature", "key_encipherment")
    server = pki.leaf(
        identities.middle(),
        "old",
        alternatives=["DNS:localhost"],
        key_kind="RSA-2048",
        key_usage=usages,
        **identities.SPAN,
    )
    old = identities.server_config(
        credentials=identities.credentials(server), insecure_rsa_key_transport=True
    )
    assert surveyed(ours(old))[0].server().dated == ("RSA key transport",)
    assert surveyed(ours(identities.server_config()))[0].server().dated == ()


@pytest.mark.parametrize(
    ("said", "speaks"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP in the clear"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"),
        (b"\x16\x03\x01\x00\x02\x02\x00", "something other than TLS"),
        (b"", "nothing"),
    ],
)
def test_a_server_without_tls_gets_one_hello(said: bytes, speaks: str):
    """A server that closes at once gets a hello for each version: a device may refuse one of them.

    To one that answers in HTTP come a connection without a byte, a hello behind a PROXY header, and a request.
    """
    survey, accepted = surveyed(saying(said) if said else saying())
    assert survey.server().speaks == speaks
    more = IN_HTTP if said.startswith(b"HTTP/") else 0
    assert accepted == (1 + more if said else 1 + CONNECTIONS + 5)


def test_a_port_that_requires_a_proxy_header_is_recognised():
    """haproxy.org, proxy-protocol.txt: a receiver closes a connection without it."""

    def behind(sock: socket.socket) -> None:
        if has_proxy_header(sock):
            ours(identities.server_config())(sock)

    survey, _ = surveyed(behind)
    assert survey.server().speaks == "TLS only after the header of the PROXY protocol"


def test_a_silent_server_is_asked_what_else_it_expects():
    """Lines of text, a PROXY header, or a request for TLS; the hellos of a survey are not sent."""

    def silent(sock: socket.socket) -> None:
        while sock.recv(65536):
            pass

    survey, accepted = surveyed(silent, timeout=0.2)
    assert (survey.server().speaks, accepted) == ("nothing", 5)


def test_a_server_that_stops_answering_is_left_alone():
    """After two questions without an answer, and what was learned before stays."""
    config, seen = identities.server_config(), []

    def tired(sock: socket.socket) -> None:
        seen.append(1)
        if len(seen) <= 3:
            ours(config)(sock)
        else:
            while sock.recv(65536):
                pass

    survey, accepted = surveyed(tired, timeout=0.3)
    assert survey.server().cut_short == "the server stopped answering in time"
    assert survey.speaks == "TLS"
    assert accepted == 5


def test_a_survey_ends_with_its_connections():
    """What is not known says so."""
    survey, accepted = surveyed(ours(identities.server_config()), limit=6)
    assert survey.server().cut_short == "the allowed number of connections is used up"
    assert accepted == 6
    assert not survey.server().groups.complete


def test_a_server_that_cannot_be_reached_raises():
    """There is nothing to tell then."""
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            Survey(dialer_to(gone.getsockname()[1])).run()


def test_all_groups_that_we_speak_are_asked_for():
    """So that a server can show that it speaks what we prefer."""
    survey, _ = surveyed(ours(identities.server_config(groups=PREFERRED_GROUPS)))
    assert survey.server().groups.names == PREFERRED_GROUPS


@pytest.mark.parametrize("answer", [b"S", b"N", b"X"])
def test_postgresql_is_asked_for_tls_by_its_own_protocol(answer: bytes):
    """And each further connection requests TLS again."""
    config = identities.server_config()

    def database(sock: socket.socket) -> None:
        if sock.recv(8) == SSL_REQUEST:
            sock.sendall(answer)
            if answer == b"S":
                ours(config)(sock)

    survey, _ = surveyed(database)
    speaks = {b"S": "TLS", b"N": "PostgreSQL, with TLS turned off", b"X": "nothing"}
    assert survey.server().speaks == speaks[answer]
    assert survey.server().through == ("PostgreSQL" if answer == b"S" else "")
    assert survey.server().suites_13.complete is (answer == b"S")


def test_a_database_that_is_silent_after_starting_tls_is_left():
    """Whatever stops answering, the survey ends."""

    def database(sock: socket.socket) -> None:
        if sock.recv(8) == SSL_REQUEST:
            sock.sendall(b"S")
        while sock.recv(65536):
            pass

    survey, accepted = surveyed(database, timeout=0.2)
    assert survey.server().speaks == "nothing"
    assert survey.server().cut_short == "the server stopped answering in time"
    assert accepted == 6
