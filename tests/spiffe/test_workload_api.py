"""A client of the Workload API against a server of others: rotation, disconnects, and what cannot be used."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

import pki
from bothways import ConfigError
from bothways.spiffe import workload_api
from bothways.spiffe.addresses import ENVIRONMENT, found_address
from bothways.spiffe.workload_api import WorkloadAPI
from spiffe.agent import Agent, agent, authority, response, svid, workload

pytestmark = [pytest.mark.network, pytest.mark.interop]

ID = "spiffe://example.org/gateway"
CA = authority()
ONE, TWO = workload(CA, ID), workload(CA, ID, own_key=pki.key("P-256", 7))


def first() -> bytes:
    return response(svid(ONE, ID, CA))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Agent]:
    with agent(tmp_path / "agent.sock", first()) as made:
        yield made


@pytest.fixture
def api(served: Agent) -> Iterator[WorkloadAPI]:
    made = WorkloadAPI(served.address)
    yield made
    made.close()


def until(api: WorkloadAPI, holds: Callable[[], object], seconds: float = 10.0) -> list[str]:
    """Poll until something holds; returns what was reported meanwhile."""
    end, news = time.monotonic() + seconds, []
    while not holds():
        assert time.monotonic() < end, news
        news += api.poll()
        time.sleep(0.01)
    return news


def test_the_identity_comes_with_its_key_and_bundle(served: Agent, api: WorkloadAPI) -> None:
    """And the call has the metadata that agents demand (SPIFFE Workload API 3)."""
    found = api.identities()
    assert found.credentials(None).certificate == ONE.certificate
    assert found.credentials(ID).key is not None
    store, _ = found.trusted(["example.org"], "x")
    assert store.certificates == (CA.certificate,)
    assert served.metadata[0]["workload.spiffe.io"] == "true"
    assert api.generation == 1


def test_a_rotation_is_taken_whole_on_the_same_stream(served: Agent, api: WorkloadAPI) -> None:
    api.first()
    other = authority(number=2)
    served.send(response(svid(workload(other, ID), ID, CA, other)))
    assert until(api, lambda: api.generation == 2) == []
    store, _ = api.identities().trusted(["example.org"], "x")
    assert len(store) == 2
    assert served.calls == 1


@pytest.mark.parametrize("way", ["hang_up", "refuse", "stop"])
def test_the_earlier_identity_stays_while_the_agent_is_gone(
    served: Agent, api: WorkloadAPI, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is connected to again, after a pause, and a newer identity counts then."""
    monkeypatch.setattr(workload_api, "FIRST_PAUSE", 0.05)
    made = WorkloadAPI(served.address)
    made.first()
    news: list[str] = []
    if way == "refuse":
        served.refuse(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
    else:
        getattr(served, way)()
    news += _until_news(made)
    assert "the earlier SVID and bundles stay in use" in news[0]
    assert made.identities().credentials(ID).certificate == ONE.certificate
    if way == "stop":
        with agent(tmp_path / "agent.sock", response(svid(TWO, ID, CA))):
            until(made, lambda: made.generation == 2)
    else:
        served.send(response(svid(TWO, ID, CA)))
        until(made, lambda: made.generation == 2)
    assert made.identities().credentials(ID).certificate == TWO.certificate
    made.close()


def _until_news(api: WorkloadAPI) -> list[str]:
    news: list[str] = []
    end = time.monotonic() + 10
    while not news:
        assert time.monotonic() < end
        news += api.poll()
        time.sleep(0.01)
    return news


def test_attempts_to_connect_become_rarer_and_are_reported_once(tmp_path: Path) -> None:
    """By the clock alone: pauses of 1, 2, 4 ... and at most 30 seconds."""
    now = [0.0]
    api = WorkloadAPI(f"unix:{tmp_path}/nothing", now=lambda: now[0])
    attempts, news = [], []
    for _ in range(2000):
        before = len(attempts)
        news += api.poll()
        if api.failures > before:
            attempts.append(now[0])
        now[0] += 0.1
    pauses = [round(after - earlier) for earlier, after in itertools.pairwise(attempts)]
    assert pauses[:6] == [1, 2, 4, 8, 16, 30] and set(pauses[6:]) == {30}
    assert len(news) == 1 and "cannot be reached: No such file or directory" in news[0]


BROKEN = {
    "no SVID": lambda: response(),
    "no bundle": lambda: response(svid(ONE, ID)),
    "no SPIFFE ID": lambda: response(svid(ONE, "https://example.org", CA)),
    "another URI": lambda: response(svid(ONE, "spiffe://example.org/other", CA)),
    "a CA": lambda: response(svid(authority(), ID, CA)),
    "an expired one": lambda: response(
        svid(workload(CA, ID, not_after=datetime.now(UTC) - timedelta(minutes=1)), ID, CA)
    ),
    "two bundles of a domain": lambda: response(svid(ONE, ID, CA), svid(TWO, f"{ID}/2", authority(number=3))),
    "its own domain as federated": lambda: response(
        svid(ONE, ID, CA), federated={"spiffe://example.org": (CA,)}
    ),
    "a damaged certificate": lambda: first().replace(CA.der[:40], CA.der[:39] + b"\xff"),
    "no message": lambda: b"\xff" * 40,
    "a key of another": lambda: response(_swapped()),
}


def _swapped() -> object:
    made, other = svid(ONE, ID, CA), svid(TWO, ID, CA)
    made.x509_svid_key = other.x509_svid_key
    return made


@pytest.mark.parametrize("what", BROKEN)
def test_an_unusable_response_changes_nothing_and_is_reported_without_a_key(
    served: Agent, api: WorkloadAPI, what: str
) -> None:
    api.first()
    served.send(BROKEN[what]())
    news = _until_news(api)
    assert "the earlier SVID and bundles stay in use" in news[0]
    assert api.generation == 1
    assert api.identities().credentials(ID).certificate == ONE.certificate
    served.send(response(svid(TWO, ID, CA)))
    until(api, lambda: api.generation == 2)


def test_without_an_identity_nothing_begins(tmp_path: Path) -> None:
    """The reason is that of the agent."""
    with agent(tmp_path / "agent.sock") as served:
        served.refuse(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
        api = WorkloadAPI(served.address)
        with pytest.raises(ConfigError, match="status 7: no identity issued"):
            api.first()
        api.close()
    api = WorkloadAPI(f"unix://{tmp_path}/agent.sock")
    with pytest.raises(ConfigError, match="the agent cannot be reached"):
        api.first()


def test_an_agent_that_sends_nothing_is_not_waited_for(tmp_path: Path) -> None:
    with agent(tmp_path / "agent.sock") as served:
        api = WorkloadAPI(served.address)
        with pytest.raises(ConfigError, match="no SVID came within 0.2 seconds"):
            api.first(0.2)
        api.close()


def test_a_reply_that_is_no_grpc_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "other.sock"))
        listener.listen()
        api = WorkloadAPI(f"unix:{tmp_path}/other.sock")
        api.poll()
        other, _ = listener.accept()
        with other:
            other.sendall(b"HTTP/1.1 200 OK\r\n\r\n" * 10)
            with pytest.raises(ConfigError, match="what it sent is no HTTP/2"):
                api.first()


@pytest.mark.parametrize(
    "address", ["", "/run/agent.sock", "unix:agent.sock", "tcp://127.0.0.1:1", "unix:/" + "x" * 108]
)
def test_only_sockets_of_this_machine_are_addresses(address: str) -> None:
    """A private key comes this way, without TLS."""
    with pytest.raises(ConfigError, match="is no address of a Workload API"):
        WorkloadAPI(address)


def test_the_address_may_be_that_in_the_environment() -> None:
    """SPIFFE Workload Endpoint 4."""
    assert found_address("unix:/a", {}) == "unix:/a"
    assert found_address(ENVIRONMENT, {ENVIRONMENT: "unix:///b"}) == "unix:///b"
    for environment, problem in (
        ({}, "SPIFFE_ENDPOINT_SOCKET is not set"),
        ({ENVIRONMENT: "tcp://127.0.0.1:1"}, "the environment variable SPIFFE_ENDPOINT_SOCKET: tcp:"),
    ):
        with pytest.raises(ConfigError, match=problem):
            found_address(ENVIRONMENT, environment)
