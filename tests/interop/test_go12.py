"""Go's crypto/tls in TLS 1.2 against our sockets, in both roles: the program of test_go."""

from __future__ import annotations

import pytest

from bothways import Alert, Fault, PeerAlert, PeerFault
from bothways.net import Channel
from interop.identities import client, server
from interop.in_process import CLASSIC, ECDSA, RSA, TRANSPORT
from interop.our_side import parties
from interop.programs import calling, heard_line, serving
from interop.test_go import Start, built, go_client, go_server, our_client, our_server, reports

pytestmark = [pytest.mark.interop, pytest.mark.network]
__all__ = ["built", "go_client", "go_server"]

SUITES = [*[(suite, "P-256") for suite in ECDSA], *[(suite, "RSA") for suite in RSA]]
SUITES += [(suite, "transport") for suite in TRANSPORT]
GROUPS = {"x25519": "X25519", "secp256r1": "CurveP256", "secp384r1": "CurveP384", "secp521r1": "CurveP521"}


@pytest.mark.parametrize(("suite", "kind"), SUITES)
def test_go_server_speaks_every_suite_with_us(suite: str, kind: str, go_server: Start) -> None:
    """RFC 5246 7.3: both prove themselves, and data passes."""
    who, own = parties(kind)
    fields = CLASSIC if kind == "transport" else {}
    with go_server("-tls12", "-auth", "require", "-suites", suite, who=who) as (theirs, port):
        with calling(port, our_client(own, **fields)) as channel:
            channel.sendall(b"hello\n")
            assert heard_line(channel) == b"hello\n"
            assert (channel.version, channel.suite) == ("1.2", suite)
        reported = reports(theirs)[0]
        assert (reported["version"], reported["suite"]) == ("TLS 1.2", suite)
        assert reported["peer"].startswith("sound client")


@pytest.mark.parametrize(("suite", "kind"), SUITES)
def test_go_client_speaks_every_suite_with_us(suite: str, kind: str, go_client: Start) -> None:
    """RFC 5246 7.3, the other way round."""
    who, own = parties(kind)
    fields = CLASSIC if kind == "transport" else {}
    with serving(our_server(who, **fields)) as ours:
        reported = go_client(ours.port, "-tls12", "-suites", suite, who=own)
        assert reported["error"] == ""
        assert (reported["version"], reported["suite"], reported["heard"]) == (
            "TLS 1.2",
            suite,
            "there and back",
        )
        ended = ours.outcome()
        assert isinstance(ended, Channel) and ended.suite == suite


@pytest.mark.parametrize("kind", ["P-384", "P-521", "Ed25519"])
@pytest.mark.parametrize("role", ["client", "server"])
def test_go_and_we_prove_ourselves_with_every_kind_of_key(
    kind: str, role: str, go_server: Start, go_client: Start
) -> None:
    """RFC 8422 5.4: both certificates hold keys of one kind."""
    if role == "client":
        with go_server("-tls12", "-auth", "require", who=server(kind)) as (theirs, port):
            with calling(port, our_client(client(kind))) as channel:
                channel.sendall(b"sure\n")
                assert heard_line(channel) == b"sure\n"
            assert reports(theirs)[0]["peer"] == f"sound client {kind}"
        return
    with serving(our_server(server(kind))) as ours:
        assert go_client(ours.port, "-tls12", who=client(kind))["error"] == ""


@pytest.mark.parametrize("group", GROUPS)
def test_go_agrees_on_every_group_with_us(group: str, go_client: Start) -> None:
    """RFC 8422 5.1.1; it offers P-256 too, on which our certificate lies (5.3)."""
    offered = ",".join(dict.fromkeys((GROUPS[group], GROUPS["secp256r1"])))
    with serving(our_server(groups=(group,))) as ours:
        reported = go_client(ours.port, "-tls12", "-groups", offered, who=client())
        assert (reported["error"], reported["group"]) == ("", GROUPS[group])


@pytest.mark.parametrize("auth", ["none", "request", "require"])
@pytest.mark.parametrize("has_one", [True, False])
def test_go_client_meets_every_mode_of_ours(auth: str, has_one: bool, go_client: Start) -> None:
    """RFC 5246 7.4.6: refused, by handshake_failure, only where one is required."""
    with serving(our_server(auth=auth)) as ours:
        reported = go_client(ours.port, "-tls12", who=client() if has_one else None)
        ended = ours.outcome()
        if auth == "require" and not has_one:
            assert reported["alert"] == Alert.HANDSHAKE_FAILURE
            assert isinstance(ended, PeerFault) and ended.fault is Fault.NO_CERTIFICATE
            return
        assert reported["error"] == ""
        assert isinstance(ended, Channel)
        assert (ended.peer is not None) == (has_one and auth != "none")


@pytest.mark.parametrize("auth", ["none", "request", "require"])
@pytest.mark.parametrize("has_one", [True, False])
def test_go_server_with_each_of_its_client_certificate_modes_connects_with_us(
    auth: str, has_one: bool, go_server: Start
) -> None:
    """RFC 5246 7.4.6: its refusal comes within the handshake."""
    config = our_client(client() if has_one else None)
    with go_server("-tls12", "-auth", auth) as (_, port):
        if auth == "require" and not has_one:
            with pytest.raises(PeerAlert) as refusal, calling(port, config):
                pass
            assert refusal.value.alert in (Alert.BAD_CERTIFICATE, Alert.HANDSHAKE_FAILURE)
            return
        with calling(port, config) as channel:
            channel.sendall(b"hello\n")
            assert heard_line(channel) == b"hello\n"


@pytest.mark.parametrize(
    ("state", "alert"),
    [
        ("unknown", Alert.UNKNOWN_CA),
        ("expired", Alert.CERTIFICATE_EXPIRED),
        ("misused", Alert.UNSUPPORTED_CERTIFICATE),
    ],
)
def test_go_client_reads_why_it_is_refused(state: str, alert: Alert, go_client: Start) -> None:
    """Step 3.3, in the handshake; not told our authorities, it sends whatever it has."""
    with serving(our_server(name_authorities=False)) as ours:
        assert go_client(ours.port, "-tls12", who=client(state=state))["alert"] == alert
        assert isinstance(ours.outcome(), PeerFault)
