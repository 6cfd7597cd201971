"""The status page of a gateway in Debian's Chromium, with a client certificate and without one."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from bothways.testing import Identity, MutualTLS
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting
from http_callers import until
from interop import browser

pytestmark = [pytest.mark.interop, pytest.mark.network]
STATUS = '[status]\nhost = "localhost"\nport = 0\n[[status.allow]]\ndns = "admin.example"\n'


def test_chromium_shows_it_to_a_client_of_its_rules_and_to_nobody_else(tmp_path: Path) -> None:
    """Nothing is blocked by its policy, and nothing is asked for elsewhere."""
    (tmp_path / "pki").mkdir()
    with MutualTLS(tmp_path / "pki") as mutual:
        setting = Setting(mutual, tmp_path)
        setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
        setting.path.write_text(setting.path.read_text() + STATUS)
        admin = mutual.identity("client", dns=["admin.example"])
        server = Background(["gateway", "-c", "gateway.toml"], setting.folder)
        try:
            until(lambda: " (status)" in server.printed)
            port = int(server.printed.partition(" (status)")[0].rpartition(":")[2])
            shown = load(tmp_path, port, mutual, admin)
            assert "<h1>Status of the gateway</h1>" in shown and "admin.example" in shown
            assert "CONSOLE" not in shown
            assert "Status of the gateway" not in load(tmp_path, port, mutual, mutual.identity("client"))
        finally:
            server.end(signal.SIGTERM)


def load(folder: Path, port: int, mutual: MutualTLS, who: Identity) -> str:
    home = folder / f"home of {who.cert.stem}"
    home.mkdir()
    chain = x509.load_pem_x509_certificates(who.cert.read_bytes())
    key = load_pem_private_key(who.key.read_bytes(), None)
    bundle = home / "client.p12"
    cipher = BestAvailableEncryption(b"secret")
    bundle.write_bytes(pkcs12.serialize_key_and_certificates(b"client", key, chain[0], chain[1:], cipher))
    root = str(mutual.ca)
    return browser.load(
        home, port, root=root, bundle=bundle, password="secret", more=("--enable-logging=stderr",)
    )
