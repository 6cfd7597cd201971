"""`serve --spiffe`: identity and trust from an agent of SPIFFE, in one process and in several."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pki
from bothways import ClientConfig, ConfigError, Credentials, PeerAlert, TrustStore
from bothways.cli.options import Side, Sources
from bothways.cli.spiffe import Workload
from bothways.net import connect
from cli_scripting import Background, bothways, environment
from spiffe.agent import Agent, agent, authority, response, svid, workload

pytestmark = [pytest.mark.network, pytest.mark.interop]

ID = "spiffe://example.org/server"
CA, NEXT = authority(), authority(number=2)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Agent]:
    with agent(tmp_path / "agent.sock", response(svid(workload(CA, ID), ID, CA))) as made:
        yield made


def echoed(server: Background, who: pki.Issued) -> bytes:
    config = ClientConfig(
        anchors=TrustStore([CA.der, NEXT.der]), credentials=Credentials.from_pem(who.chain_pem, who.key_pem)
    )
    with connect("127.0.0.1", int(server.port or 0), config, ID, timeout=20) as channel:
        channel.sendall(b"hello")
        return channel.recv(5)


def reaches(server: Background, who: pki.Issued) -> bool:
    try:
        return echoed(server, who) == b"hello"
    except (PeerAlert, OSError):
        return False


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_serve_has_its_identity_from_an_agent_and_follows_it(
    served: Agent, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    """Each process has a connection of its own to the agent. Rules and trust domains decide about clients."""
    words = ["serve", "127.0.0.1:0", "--spiffe", served.address, "--echo", *workers]
    server = Background([*words, "--allow", "uri=spiffe://example.org/team/*"], tmp_path)
    ada, bob = workload(CA, "spiffe://example.org/team/ada"), workload(NEXT, "spiffe://example.org/team/bob")
    try:
        assert echoed(server, ada) == b"hello"
        for stranger in (
            workload(CA, "spiffe://example.org/x"),
            workload(CA, "spiffe://other.example/team/eve"),
        ):
            with pytest.raises(PeerAlert, match="access_denied"):
                echoed(server, stranger)
        served.send(response(svid(workload(NEXT, ID), ID, NEXT)))
        end = time.monotonic() + 15
        while not (
            all(reaches(server, bob) for _ in range(4)) and not any(reaches(server, ada) for _ in range(4))
        ):
            assert time.monotonic() < end, server.printed
        assert served.calls == (1 if not workers else 3)
    finally:
        server.end()
    assert "Traceback" not in server.printed


@pytest.mark.parametrize(
    ("workload_of", "cert", "problem"),
    [
        (Workload("unix:/x"), "a.pem", "remove --cert and --key"),
        (Workload(trust_domain=("b",)), "a.pem", "have an effect only with --spiffe"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(
    workload_of: Workload, cert: str | None, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        workload_of.check(Side(cert, None, None, (), False, Sources()))
    assert (ended.value.code, problem in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(
    ("workload_of", "problem"),
    [
        (Workload("agent.sock"), "is no address of a Workload API"),
        (Workload("unix:/nothing"), "the agent cannot be reached"),
        (Workload("unix:/x", "a"), "is no SPIFFE ID"),
        (Workload("unix:/x", None, ("A/b",)), "is no trust domain"),
    ],
)
def test_what_names_no_identity_is_refused(workload_of: Workload, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        workload_of.load()


def test_a_command_without_an_identity_ends_with_status_2(tmp_path: Path) -> None:
    done = subprocess.run(
        bothways("serve", "127.0.0.1:0", "--echo", "--spiffe", f"unix:{tmp_path}/nothing"),
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "the agent cannot be reached: No such file or directory" in done.stderr
