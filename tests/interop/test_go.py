"""Go's crypto/tls against our sockets, in both roles: go/peer.go, built once and kept in pytest's cache."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bothways import Alert, Fault, PeerAlert, PeerFault
from bothways.iana import KeyUpdateRequest
from bothways.net import Channel, connect
from bothways.tls.events import Note
from doctor_talk import examined
from interop import golang, identities
from interop.identities import Identity, client, server
from interop.our_side import our_client, our_server
from interop.programs import Program, calling, heard_line, key_updates, running, serving
from pair import received

pytestmark = [pytest.mark.interop, pytest.mark.network]

# What Go calls the groups that both sides have.
GROUPS = {
    "X25519MLKEM768": "X25519MLKEM768",
    "SecP256r1MLKEM768": "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024": "SecP384r1MLKEM1024",
    "x25519": "X25519",
    "secp256r1": "CurveP256",
    "secp384r1": "CurveP384",
    "secp521r1": "CurveP521",
}
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
KINDS = ("P-256", "P-384", "P-521", "RSA", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87")

REFUSALS = [
    ("unknown", Fault.NO_PATH, Alert.UNKNOWN_CA),
    ("expired", Fault.CERTIFICATE_EXPIRED, Alert.CERTIFICATE_EXPIRED),
    ("misused", Fault.WRONG_EXTENDED_KEY_USAGE, Alert.UNSUPPORTED_CERTIFICATE),
]

Report = dict[str, Any]


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program, built."""
    return golang.built(request.config, tmp_path_factory)


Start = Callable[..., Any]


@pytest.fixture
def go_server(built: str, folder: Path) -> Start:
    """Run Go as an echo server; gives the program and its port."""

    @contextmanager
    def start(*options: str, who: Identity | None = None) -> Iterator[tuple[Program, int]]:
        chain, key = (who or server()).files(folder)
        trusted = identities.root_file(folder)
        with running(built, "-listen", "-cert", chain, "-key", key, "-ca", trusted, *options) as program:
            program.until("listening ")
            yield program, int(program.until("\n").split()[1])

    return start


@pytest.fixture
def go_client(built: str, folder: Path) -> Start:
    """Run Go as a client of a port to its end; gives its report."""

    def call(port: int, *options: str, who: Identity | None = None) -> Report:
        command = [built, "-addr", f"127.0.0.1:{port}", "-ca", identities.root_file(folder)]
        if who is not None:
            chain, key = who.files(folder)
            command += ["-cert", chain, "-key", key]
        with running(*command, "-say", "there and back", *options) as program:
            assert program.finish() == 0
            return reports(program)[0]

    return call


def reports(program: Program, count: int = 1) -> list[Report]:
    """What the program tells of its connections, as soon as there are `count`."""
    heard = program.until('"heard":', count)
    return [json.loads(line) for line in heard.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("group", GROUPS)
def test_go_server_agrees_on_every_group_with_us(group: str, go_server: Start) -> None:
    """RFC 10024 and RFC 9846 4.2.4: without a share for the one group that it has, it has us retry."""
    with go_server("-auth", "require", "-groups", GROUPS[group]) as (theirs, port):
        groups = tuple(GROUPS)
        with calling(port, our_client(client(), groups=groups, key_shares=groups[-1:])) as channel:
            channel.sendall(b"hello\n")
            assert heard_line(channel) == b"hello\n"
            assert channel.group == group
        reported = reports(theirs)[0]
        assert reported["group"] == GROUPS[group]
        assert reported["peer"] == "sound client P-256"
        assert reported["retried"] == (group != groups[-1])
        assert reported["error"] == ""


@pytest.mark.parametrize("group", GROUPS)
def test_go_client_agrees_on_every_group_with_us(group: str, go_client: Start) -> None:
    """RFC 10024 and RFC 9846 4.2.4, the other way round; its shares are for its first groups."""
    with serving(our_server(groups=(group,))) as ours:
        reported = go_client(ours.port, "-groups", ",".join(GROUPS.values()), who=client())
        ended = ours.outcome()
    assert isinstance(ended, Channel)
    assert (ended.group, reported["group"]) == (group, GROUPS[group])
    assert (reported["error"], reported["heard"]) == ("", "there and back")


@pytest.mark.parametrize("role", ["client", "server"])
def test_go_and_we_prefer_the_hybrid_group(role: str, go_server: Start, go_client: Start) -> None:
    """RFC 10024: with nothing said on either side, and without a retry."""
    if role == "client":
        with go_server() as (theirs, port):
            with calling(port, our_client()):
                pass
            reported = reports(theirs)[0]
    else:
        with serving(our_server(auth="none")) as ours:
            reported = go_client(ours.port)
    assert (reported["group"], reported["retried"]) == ("X25519MLKEM768", False)


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("suite", SUITES)
def test_go_speaks_every_suite_with_us(role: str, suite: str, go_server: Start, go_client: Start) -> None:
    """RFC 9846 B.4: Go cannot choose, so that we narrow."""
    if role == "client":
        with go_server("-auth", "require") as (theirs, port):
            with calling(port, our_client(client(), suites=(suite,))) as channel:
                channel.sendall(b"hello\n")
                assert heard_line(channel) == b"hello\n"
            reported = reports(theirs)[0]
    else:
        with serving(our_server(suites=(suite,))) as ours:
            reported = go_client(ours.port, who=client())
    assert (reported["suite"], reported["version"], reported["error"]) == (suite, "TLS 1.3", "")


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("kind", KINDS)
def test_go_and_we_prove_ourselves_with_every_kind_of_key(
    role: str, kind: str, go_server: Start, go_client: Start
) -> None:
    """RFC 9846 4.3.3 and draft-ietf-tls-mldsa: both certificates hold keys of one kind."""
    if role == "client":
        with go_server("-auth", "require", who=server(kind)) as (theirs, port):
            with calling(port, our_client(client(kind))) as channel:
                channel.sendall(b"sure\n")
                assert heard_line(channel) == b"sure\n"
            reported = reports(theirs)[0]
        assert reported["peer"] == f"sound client {kind}"
        return
    with serving(our_server(server(kind))) as ours:
        reported = go_client(ours.port, who=client(kind))
        ended = ours.outcome()
    assert isinstance(ended, Channel)
    assert (reported["peer"], reported["error"]) == (f"sound server {kind}", "")


@pytest.mark.parametrize("auth", ["none", "request", "require"])
@pytest.mark.parametrize("has_one", [True, False])
def test_go_server_meets_us_in_every_mode(auth: str, has_one: bool, go_server: Start) -> None:
    """RFC 9846 4.4.2: a refusal reaches us after our own handshake is done."""
    config = our_client(client() if has_one else None)
    with go_server("-auth", auth) as (theirs, port), calling(port, config) as channel:
        if auth == "require" and not has_one:
            with pytest.raises(PeerAlert) as refusal:
                channel.recv(100)
            assert (refusal.value.alert, refusal.value.step) == (Alert.CERTIFICATE_REQUIRED, "3.1")
            return
        channel.sendall(b"hello\n")
        assert heard_line(channel) == b"hello\n"
        channel.shutdown()
        assert bool(reports(theirs)[0]["peer"]) == (auth != "none" and has_one)


@pytest.mark.parametrize("auth", ["none", "request", "require"])
@pytest.mark.parametrize("has_one", [True, False])
def test_go_client_meets_us_in_every_mode(auth: str, has_one: bool, go_client: Start) -> None:
    """RFC 9846 4.4.2, the other way round."""
    with serving(our_server(auth=auth)) as ours:
        reported = go_client(ours.port, who=client() if has_one else None)
        ended = ours.outcome()
    if auth == "require" and not has_one:
        assert isinstance(ended, PeerFault)
        assert ended.fault is Fault.NO_CERTIFICATE
        assert reported["alert"] == Alert.CERTIFICATE_REQUIRED
        return
    assert isinstance(ended, Channel)
    assert (reported["error"], reported["heard"]) == ("", "there and back")


@pytest.mark.parametrize(("state", "fault", "alert"), REFUSALS)
def test_go_client_reads_why_we_refuse_it(state: str, fault: Fault, alert: Alert, go_client: Start) -> None:
    """Step 3.3: the alert arrives after its own handshake was done; it heeds authorities that we name."""
    with serving(our_server(name_authorities=False)) as ours:
        reported = go_client(ours.port, who=client(state=state))
        refused = ours.outcome()
    assert isinstance(refused, PeerFault)
    assert (refused.fault, reported["alert"]) == (fault, alert)


@pytest.mark.parametrize(("state", "fault", "alert"), REFUSALS)
def test_go_server_reads_why_we_refuse_it(state: str, fault: Fault, alert: Alert, go_server: Start) -> None:
    """Step 2.3."""
    with go_server(who=server(state=state)) as (theirs, port):
        with pytest.raises(PeerFault) as refusal:
            connect("127.0.0.1", port, our_client(), "localhost", timeout=20)
        assert refusal.value.fault is fault
        assert reports(theirs)[0]["alert"] == alert


@pytest.mark.parametrize(
    ("state", "alert"),
    [
        ("unknown", Alert.UNKNOWN_CA),
        ("expired", Alert.CERTIFICATE_EXPIRED),
        ("misused", Alert.BAD_CERTIFICATE),
    ],
)
def test_go_server_refuses_us(state: str, alert: Alert, go_server: Start) -> None:
    """Step 3.3, judged by the other side after our own handshake was done."""
    config = our_client(client(state=state))
    with go_server("-auth", "require") as (_, port), calling(port, config) as channel:
        with pytest.raises(PeerAlert) as refusal:
            channel.recv(100)
        assert refusal.value.alert == alert
        assert refusal.value.step.startswith("3.3")


@pytest.mark.parametrize("state", ["unknown", "expired", "misused"])
def test_go_client_refuses_us(state: str, go_client: Start) -> None:
    """Step 2.3, judged by the other side, which says bad_certificate whatever the reason."""
    with serving(our_server(server(state=state), auth="none")) as ours:
        assert "failed to verify certificate" in go_client(ours.port)["error"]
        refused = ours.outcome()
    assert isinstance(refused, PeerAlert)
    assert (refused.alert, refused.step) == (Alert.BAD_CERTIFICATE, "2.3a")


@pytest.mark.parametrize("role", ["client", "server"])
def test_go_of_tls_1_2_is_told_the_version_or_tells_us(role: str, go_server: Start, go_client: Start) -> None:
    """RFC 9846 4.3.1: protocol_version, both ways."""
    if role == "client":
        with go_server("-tls12") as (_, port), pytest.raises(PeerAlert) as refusal:
            connect("127.0.0.1", port, our_client(versions=("1.3",)), "localhost", timeout=20)
        assert refusal.value.alert == Alert.PROTOCOL_VERSION
        return
    with serving(our_server(auth="none", versions=("1.3",))) as ours:
        assert go_client(ours.port, "-tls12")["alert"] == Alert.PROTOCOL_VERSION
        refused = ours.outcome()
    assert isinstance(refused, PeerFault)
    assert refused.fault is Fault.UNSUPPORTED_VERSION


@pytest.mark.parametrize("role", ["client", "server"])
def test_go_and_we_agree_on_protocol_and_name(role: str, go_server: Start, go_client: Start) -> None:
    """RFC 7301 3.2 and RFC 6066 3: the server chooses by its own preference."""
    if role == "client":
        with go_server("-alpn", "h2,http/1.1") as (theirs, port):
            with calling(port, our_client(alpn=("http/1.1", "h2"))) as channel:
                assert channel.alpn == "h2"
            reported = reports(theirs)[0]
        assert (reported["alpn"], reported["name"]) == ("h2", "localhost")
        return
    with serving(our_server(auth="none", alpn=("h2", "http/1.1"))) as ours:
        assert go_client(ours.port, "-alpn", "http/1.1,h2")["alpn"] == "h2"


@pytest.mark.parametrize("ask", [True, False])
def test_go_server_follows_our_key_update(ask: bool, go_server: Start) -> None:
    """RFC 9846 4.7.3: Go starts no change of keys itself; asked, it answers with its own."""
    notes: list[Note] = []
    conn = our_client().connection("localhost", observer=notes.append)
    with go_server() as (_, port), socket.create_connection(("127.0.0.1", port), 20) as sock:
        for turn in range(4):
            if turn:
                conn.update_keys(ask=ask)
            conn.send(b"turn %d" % turn)
            heard = b""
            while heard != b"turn %d" % turn:
                sock.sendall(conn.data_to_send())
                events = conn.receive(sock.recv(64 * 1024))
                heard += received(events)
    asked, not_asked = KeyUpdateRequest.update_requested, KeyUpdateRequest.update_not_requested
    assert key_updates(notes, sent=True) == [asked if ask else not_asked] * 3
    assert key_updates(notes, sent=False) == ([not_asked] * 3 if ask else [])


def test_doctor_finds_what_a_go_server_was_told(go_server: Start) -> None:
    """Its groups, the hybrid one first; that it requires a certificate, and accepts ours."""
    groups = "X25519MLKEM768,X25519,CurveP256"
    with go_server("-auth", "require", "-groups", groups, "-alpn", "http/1.1") as (_, port):
        found = examined(port, our_client(client()), timeout=20).report()
    assert found.outcome == "succeeded"
    assert set(found.server.groups.names) == {"X25519MLKEM768", "x25519", "secp256r1"}
    assert found.server.groups.complete
    assert found.row("server.hybrid").level == "good"
    assert found.row("request.when").text.endswith(", and without one it refuses the handshake: required")
    assert found.handshakes[-1].group == "X25519MLKEM768"
