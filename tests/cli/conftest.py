"""A folder with the files that commands are tried on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import identities
from bothways.testing import MutualTLS
from cli_scripting import Background
from cli_talk import IDENTITY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    client, server, stranger = identities.client(), identities.server(), identities.stranger()
    files = {
        "ca.pem": identities.root().pem,
        "other-ca.pem": identities.root("Another Root").pem,
        "server.pem": server.chain_pem,
        "server.key": server.key_pem,
        "ada.pem": client.chain_pem,
        "ada.key": client.key_pem,
        "ada-whole.pem": client.chain_pem + client.key_pem,
        "ada.der": client.der,
        "ada.p12": client.p12(b"opensesame"),
        "locked.key": client.encrypted_key_pem(b"opensesame"),
        "password.txt": b"opensesame\nsecond line\n",
        "wrong.txt": b"sesameopen\n",
        "mallory.pem": stranger.chain_pem,
        "mallory.key": stranger.key_pem,
        "garbage.pem": b"this is no PEM\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator:
    servers: list[Background] = []

    def begin(*words: str, host: str = "127.0.0.1") -> Background:
        servers.append(Background(["serve", f"{host}:0", *IDENTITY, *words], folder))
        return servers[-1]

    yield begin
    for server in servers:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


@pytest.fixture
def mutual(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MutualTLS]:
    """Identities in the folder `pki`, and beside it the application APP of the test module as app.py."""
    (tmp_path / "pki").mkdir()
    (tmp_path / "app.py").write_text(request.module.APP)
    with MutualTLS(tmp_path / "pki") as made:
        yield made
