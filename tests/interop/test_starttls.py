"""Servers of others that turn to TLS when asked: by our command, by the doctor, and by OpenSSL as the second view."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import identities
from bothways.diagnosis import explain
from bothways.diagnosis.observer import HandshakeFacts
from bothways.net import connect
from bothways.tls.handshake.settings import PREFERRED_GROUPS
from command_line import bothways, environment, run_command
from interop.peers import find
from interop.starttls_servers import SERVERS
from library_services import Files

pytestmark = [pytest.mark.interop, pytest.mark.network]


@pytest.fixture(params=SERVERS, scope="module")
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int, Files]]:
    files = Files(tmp_path_factory.mktemp(request.param), identities.server(), identities.root())
    for name, content in (
        ("ada.pem", identities.client().chain_pem),
        ("ada.key", identities.client().key_pem),
    ):
        (files.folder / name).write_bytes(content)
    with SERVERS[request.param](files) as port:
        yield request.param, port, files


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return run_command(
        words,
        cwd=folder,
        env=environment(),
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_service_is_connected_to_through_its_own_protocol(served: tuple[str, int, Files]):
    """And its certificate is verified as at any other port."""
    name, port, _ = served
    config = identities.client_config(identities.client(), groups=PREFERRED_GROUPS)
    with connect("127.0.0.1", port, config, "localhost", timeout=20, starttls=name) as channel:
        assert channel.peer is not None
        assert "localhost" in channel.peer.names.dns


def test_openssl_asks_by_the_same_name_and_sees_the_same_certificate(served: tuple[str, int, Files]):
    """The second view of the same thing."""
    name, port, files = served
    seen = run(
        find("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-starttls", name, "-CAfile", "ca.pem",
        "-xmpphost", "localhost", folder=files.folder,
    )  # fmt: skip
    assert "Verify return code: 0 (ok)" in seen.stdout, seen.stdout + seen.stderr


def test_the_doctor_examines_a_service_through_its_own_protocol(served: tuple[str, int, Files], full: bool):
    """Every connection of it requests TLS first; `make test` examines one that speaks first and one not."""
    name, port, files = served
    if name not in ("smtp", "ldap") and not full:
        return
    done = run(
        *bothways("doctor", f"localhost:{port}", "--ca", "ca.pem", "--cert", "ada.pem", "--key", "ada.key"),
        *("--starttls", name, "--json"),
        folder=files.folder,
    )
    report = json.loads(done.stdout)
    assert (done.returncode, report["outcome"]) == (0, "succeeded"), done.stdout
    assert report["server"]["speaks"] == "TLS"
    assert report["server"]["through"]


def test_a_hello_at_once_is_explained_by_a_command_that_works_when_it_is_followed(
    served: tuple[str, int, Files],
):
    """The explanation's `try:` line, verbatim but for the port by which the protocol is known where it says nothing."""
    _, port, files = served
    failed = run(*bothways("connect", f"localhost:{port}", "--ca", "ca.pem", "--probe"), folder=files.folder)
    assert failed.returncode == 1
    tried = re.search(r"try:  bothways (connect .*--starttls .*)", failed.stderr)
    assert tried is not None, failed.stderr
    done = run(*bothways(*tried[1].split()), folder=files.folder)
    assert "connected to" in done.stderr, done.stderr
    assert "(STARTTLS)" in done.stderr


def test_the_reply_of_a_service_to_another_protocol_is_explained(served: tuple[str, int, Files]):
    """Whatever is asked of it in the words of others, it is told, and nothing is certain of it."""
    name, port, _ = served
    for other in ("smtp", "ldap", "xmpp"):
        if other == name:
            continue
        config = identities.client_config()
        observed = HandshakeFacts(config, "localhost", address=f"localhost:{port}", starttls=other)
        with pytest.raises(Exception, match="the server ") as refused:
            connect("127.0.0.1", port, config, "localhost", timeout=1.5, starttls=other)
        assert explain(refused.value, observed.situation()).causes
