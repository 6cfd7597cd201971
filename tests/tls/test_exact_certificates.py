"""A server that trusts certificates of clients as they are: in the handshake, in resumption, and while it is open."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import identities
import pki
from bothways import Fault, PeerAlert, PeerFault, PeerRule, ServerConfig, SessionStore, TicketKeys, TrustStore
from bothways.trust import files, watched
from pair import Pair

VERSIONS = ("1.3", "1.2")
ALONE = pki.issue("alone", None, ca=True, alternatives=["DNS:alone.example"], **identities.SPAN)


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the certificate, which is looked at by each use."""
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    path = tmp_path / "clients.pem"
    path.write_bytes(ALONE.pem)
    return path


def server_of(path: Path, **options: object) -> ServerConfig:
    anchors = TrustStore.watched(None, exact=path)
    return identities.server_config(client_anchors=anchors, judge_again="change", **options)


def talk(server: ServerConfig, peer: pki.Issued = ALONE, **options: object) -> Pair:
    both = Pair(identities.client_config(peer, **options).connection("localhost"), server.connection())
    both.exchange()
    return both


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_is_accepted_by_its_certificate_alone_and_rules_see_its_names(
    pinned: Path, version: str
) -> None:
    both = talk(server_of(pinned, allow=PeerRule(dns="alone.example")), versions=(version,))
    assert both.server.established and both.server.peer.names.dns == ("alone.example",)
    refused = talk(server_of(pinned, allow=PeerRule(dns="other.example")), versions=(version,))
    assert isinstance(refused.server_failure, PeerFault)
    assert refused.server_failure.fault is Fault.ACCESS_REFUSED


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_of_its_making_is_refused(pinned: Path, version: str) -> None:
    """It may be the certificate of a CA, as self-signed ones often are; it issues nothing here."""
    child = pki.leaf(ALONE, "child.example", **identities.SPAN)
    both = talk(server_of(pinned), child, versions=(version,))
    assert isinstance(both.server_failure, PeerFault)
    assert both.server_failure.fault is Fault.NO_PATH


@pytest.mark.parametrize("content", [b"", identities.client().pem])
def test_an_open_connection_ends_when_its_certificate_is_removed(pinned: Path, content: bytes) -> None:
    both = talk(server_of(pinned))
    assert both.server.established and not both.server.evidence_changed
    pinned.write_bytes(content)
    assert both.server.evidence_changed
    both.server.judge_again()
    both.exchange()
    assert isinstance(both.server.failure, PeerFault) and isinstance(both.client_failure, PeerAlert)


def test_a_session_is_resumed_while_it_is_pinned_and_no_longer(pinned: Path) -> None:
    """The client is verified again, and the session is bound to what is trusted."""
    server, sessions = server_of(pinned, tickets=TicketKeys()), SessionStore()
    assert not talk(server, sessions=sessions).server.resumed
    assert talk(server, sessions=sessions).server.resumed
    pinned.write_bytes(identities.client().pem)
    both = talk(server, sessions=sessions)
    assert not both.server.established and isinstance(both.server_failure, PeerFault)


def test_an_expired_one_is_refused() -> None:
    """It is no anchor without an end."""
    times = {"not_before": identities.START - timedelta(days=2), "not_after": identities.START}
    old = pki.issue("old", None, alternatives=["DNS:old.example"], **times)
    both = talk(identities.server_config(client_anchors=TrustStore((), exact=[old.der])), old)
    assert isinstance(both.server_failure, PeerFault)
    assert both.server_failure.fault is Fault.CERTIFICATE_EXPIRED
