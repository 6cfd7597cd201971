"""Staples between Go's crypto/tls and us, in both directions: its clients staple too, in TLS 1.3."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from bothways import Alert, Fault, PeerFault
from interop.identities import client, server
from interop.programs import calling, heard_line, serving
from interop.test_go import Start, built, go_client, go_server, our_client, our_server, reports
from interop.test_staples import BOTH_VERSIONS, response, staples, wanting

# What fixtures are called here, too.
__all__ = ["built", "go_client", "go_server"]

pytestmark = [pytest.mark.interop, pytest.mark.network]


@BOTH_VERSIONS
def test_go_and_we_staple_to_each_other(
    version: str, go_server: Start, go_client: Start, folder: Path
) -> None:
    """RFC 6066 8, RFC 9846 4.5.1.1: servers in both versions; clients in TLS 1.3, where Go asks for it too."""
    own, theirs = response(client()), response(server())
    (folder / "client.ocsp").write_bytes(own)
    (folder / "server.ocsp").write_bytes(theirs)
    old = ["-tls12"] if version == "1.2" else []
    flags = ["-staple", str(folder / "server.ocsp"), *old]
    with go_server("-auth", "require", *flags) as (program, port):
        mine = our_client(client(), staples=staples(own), revocation=wanting("require"), versions=(version,))
        with calling(port, mine) as channel:
            channel.sendall(b"hello\n")
            assert heard_line(channel) == b"hello\n"
        reported = reports(program)[0]
    assert b64decode(reported["staple"] or "") == (own if version == "1.3" else b"")
    wanted = wanting("require") if version == "1.3" else None
    with serving(our_server(staples=staples(theirs), revocation=wanted, versions=(version,))) as ours:
        reported = go_client(ours.port, "-staple", str(folder / "client.ocsp"), *old, who=client())
    assert (b64decode(reported["staple"]), reported["heard"]) == (theirs, "there and back")


def test_we_refuse_a_go_client_whose_staple_says_revoked(go_client: Start, folder: Path) -> None:
    """RFC 6960 2.2."""
    (folder / "revoked.ocsp").write_bytes(response(client(), status="revoked", reason="superseded"))
    with serving(our_server(revocation=wanting("require"), versions=("1.3",))) as ours:
        reported = go_client(ours.port, "-staple", str(folder / "revoked.ocsp"), who=client())
        outcome = ours.outcome()
    assert isinstance(outcome, PeerFault) and outcome.fault is Fault.REVOKED
    assert reported["alert"] == Alert.CERTIFICATE_REVOKED
