"""Credentials and anchors that follow a Workload API: both of one response, and what cannot be used changes neither."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pki
from bothways import (
    ClientConfig,
    ConfigError,
    Credentials,
    PeerFault,
    ServerConfig,
    SessionStore,
    TicketKeys,
    TrustStore,
)
from bothways.spiffe.followed import FollowedIdentity
from bothways.spiffe.workload_api import WorkloadAPI
from pair import Pair
from spiffe.agent import Agent, agent, authority, response, svid, workload

pytestmark = [pytest.mark.network, pytest.mark.interop]

ID = "spiffe://example.org/server"
CA, NEXT = authority(), authority(number=2)
ADA = workload(CA, "spiffe://example.org/ada")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Agent]:
    with agent(tmp_path / "agent.sock", response(svid(workload(CA, ID), ID, CA))) as made:
        yield made


@pytest.fixture
def followed(served: Agent) -> Iterator[FollowedIdentity]:
    api = WorkloadAPI(served.address)
    yield FollowedIdentity(api)
    api.close()


def until(followed: FollowedIdentity, holds: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        followed.look()
        time.sleep(0.01)


def server(followed: FollowedIdentity) -> ServerConfig:
    return ServerConfig(
        credentials=followed.credentials,
        client_anchors=followed.anchors,
        judge_again="change",
        tickets=TicketKeys(),
    )


def talk(config: ServerConfig, sessions: SessionStore | None = None) -> Pair:
    client = ClientConfig(
        anchors=TrustStore([CA.der, NEXT.der]), credentials=Credentials.from_pem(ADA.chain_pem, ADA.key_pem),
        sessions=sessions,
    )  # fmt: skip
    both = Pair(client.connection(ID), config.connection())
    both.exchange()
    return both


def test_an_open_connection_ends_and_no_session_is_resumed_when_its_ca_leaves_the_bundle(
    served: Agent, followed: FollowedIdentity
) -> None:
    config, sessions = server(followed), SessionStore()
    talk(config, sessions)
    both = talk(config, sessions)
    assert both.server.established and both.server.resumed
    served.send(response(svid(workload(NEXT, ID), ID, NEXT)))
    until(followed, lambda: both.server.evidence_changed)
    both.server.judge_again()
    assert isinstance(both.server.failure, PeerFault)
    assert not talk(config, sessions).server.established
    assert followed.credentials.current.certificate.issuer == NEXT.certificate.subject


def test_nobody_of_a_domain_that_is_no_longer_federated_is_trusted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Our own domain stays trusted; where it is all that was trusted, nobody is."""
    own = svid(workload(CA, ID), ID, CA)
    with agent(tmp_path / "agent.sock", response(own, federated={"other.example": (NEXT,)})) as served:
        api = WorkloadAPI(served.address)
        try:
            both = FollowedIdentity(api, domains=("other.example",), now=itertools.count(0.0, 10.0).__next__)
            alone = FollowedIdentity(
                api, domains=("other.example",), with_own=False, now=itertools.count(0.0, 10.0).__next__
            )
            assert (len(both.anchors.current), len(alone.anchors.current)) == (2, 1)
            served.send(response(own))
            until(both, lambda: len(both.anchors.current) == 1)
            until(alone, lambda: len(alone.anchors.current) == 0)
            assert both.domains.anchors == {"example.org": frozenset({CA.der}), "other.example": frozenset()}
        finally:
            api.close()
    assert "has no bundle of the trust domain other.example any more" in caplog.text


def test_a_new_svid_alone_is_no_reason_to_verify_anybody_again(
    served: Agent, followed: FollowedIdentity
) -> None:
    config = server(followed)
    both = talk(config)
    mine = workload(CA, ID, own_key=pki.key("P-256", 11))
    served.send(response(svid(mine, ID, CA)))
    until(followed, lambda: followed.credentials.current.certificate == mine.certificate)
    assert not both.server.evidence_changed
    assert talk(config).client.peer.certificate == mine.certificate


def test_a_response_that_has_not_what_is_needed_changes_nothing(
    served: Agent, followed: FollowedIdentity, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does one whose key fits no signature scheme of the configuration."""
    server(followed)
    before = followed.credentials.current
    only = ServerConfig(
        credentials=followed.credentials, client_anchors=followed.anchors, schemes=("ecdsa_secp256r1_sha256",)
    )
    assert only
    served.send(response(svid(workload(CA, ID, own_key=pki.key("Ed25519")), ID, NEXT)))
    until(followed, lambda: "stay in use" in caplog.text)
    assert followed.credentials.current is before
    assert followed.anchors.current.certificates == (CA.certificate,)


def test_an_identity_that_the_agent_does_not_have_is_refused(served: Agent) -> None:
    api = WorkloadAPI(served.address)
    with pytest.raises(ConfigError, match="has no SVID of spiffe://example.org/other"):
        FollowedIdentity(api, "spiffe://example.org/other")
    with pytest.raises(ConfigError, match="no bundle of the trust domain other"):
        FollowedIdentity(api, None, ["other"])
    api.close()


def test_a_client_trusts_the_bundle_of_the_domain_of_its_server_alone(tmp_path: Path) -> None:
    """Not our own: another domain's CA could not vouch for the server, and neither may ours."""
    other = authority("other.example")
    both = response(svid(workload(CA, ID), ID, CA), federated={"spiffe://other.example": (other,)})
    with agent(tmp_path / "federated.sock", both) as served:
        api = WorkloadAPI(served.address)
        made = FollowedIdentity(api, None, ["other.example"], with_own=False)
        assert made.anchors.current.certificates == (other.certificate,)
        assert made.credentials.current.names.uri == (ID,)
        api.close()
