"""Serving by the file of a gateway, for both commands that do."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from bothways import ConfigError
from bothways.cli.servers import gateway_file
from bothways.cli.servers.gateway_file import serve_file
from bothways.testing import MutualTLS


def write(tmp_path: Path, mtls: MutualTLS, *, clients: bool) -> str:
    own, mine = mtls.identity("server"), mtls.identity("client")
    text = (
        '[limits]\nconnections = 1000\nhandshakes = 24\n[[tunnel]]\nunix = "a.sock"\nserver = "localhost:1"\n'
        f'connections = 30\nca = "{mtls.ca}"\ncertificate = "{mine.cert}"\nkey = "{mine.key}"\n'
    )
    if clients:
        text += (
            f'[identity]\ncertificate = "{own.cert}"\nkey = "{own.key}"\nclient_ca = "{mtls.ca}"\n[[listener]]\n'
            'port = 0\n[[route]]\nbackend = "localhost:1"\nallow = "any verified client"\n'
        )
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return str(path)


def test_only_the_command_for_both_serves_clients_and_tunnels(
    tmp_path: Path, mtls: MutualTLS, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, mtls, clients=True)
    with pytest.raises(SystemExit) as caught:
        serve_file(path, for_tunnels=True)
    assert caught.value.code == 2
    assert f"`bothways gateway -c {path}` serves its routes and its tunnels" in capsys.readouterr().err


@pytest.mark.parametrize(("clients", "sockets"), [(False, 2 * 30), (True, 2 * (1000 + 24 + 30))])
def test_there_are_descriptors_for_all_connections_and_their_services(
    tmp_path: Path, mtls: MutualTLS, monkeypatch: pytest.MonkeyPatch, clients: bool, sockets: int
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(gateway_file, "allow_descriptors", asked.append)
    monkeypatch.setattr(gateway_file, "serve", lambda *_: 0)
    assert serve_file(write(tmp_path, mtls, clients=clients)) == 0
    assert asked == [sockets]


def test_what_libraries_log_is_a_line_of_the_log_too(
    tmp_path: Path, mtls: MutualTLS, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In its form, and where it goes."""

    def serve(*_: object) -> int:
        logging.getLogger("bothways").warning("%d handshakes were ended", 3)
        return 0

    monkeypatch.setattr(gateway_file, "serve", serve)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    path = Path(write(tmp_path, mtls, clients=True))
    path.write_text(path.read_text() + '[log]\nformat = "json"\n')
    assert serve_file(str(path)) == 0
    [line] = capfd.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "3 handshakes were ended"


def test_a_file_that_cannot_be_used_is_refused_before_anything_listens(
    tmp_path: Path, mtls: MutualTLS
) -> None:
    path = Path(write(tmp_path, mtls, clients=False))
    path.write_text(path.read_text() + 'port = 1\n[[tunnel]]\nunix = "b.sock"\n')
    with pytest.raises(ConfigError, match=r"tunnel\[1\]\.port: stands beside `unix`"):
        serve_file(str(path), for_tunnels=True)
