"""Debian's Chromium, headless, against `bothways serve --page`, without and with a client certificate.

Each run has a home of its own: in its NSS database lie the root that it trusts and the client's certificate,
in its profile the permission to show it to one site, which elsewhere a click or a policy gives.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from interop import identities
from interop.identities import Identity, client, identity, server
from interop.page import serve_page
from interop.peers import find

pytestmark = [pytest.mark.interop, pytest.mark.network]

QUIET = (
    "--headless",
    "--no-sandbox",  # its own sandbox needs rights that a container may not give
    "--no-first-run",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
)
PATIENCE = 60

Load = Callable[..., str]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load the page of a port in a fresh browser; gives the document, or the error that it tells instead."""
    numbers = count()

    def run(port: int, who: Identity | None = None, *, trusts: bool = True) -> str:
        chromium = find("chromium")
        home = tmp_path / f"home{next(numbers)}"
        furnish(home, who, trusts=trusts)
        allow(home / "profile", f"https://localhost:{port},*")
        command = [chromium, *QUIET, f"--user-data-dir={home / 'profile'}", "--dump-dom"]
        environment = {"HOME": str(home), "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        return ended([*command, f"https://localhost:{port}/"], environment)

    return run


def furnish(home: Path, who: Identity | None, *, trusts: bool) -> None:
    """Make the database in which Chromium looks for users' authorities and certificates."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = [find("certutil"), "-d", f"sql:{database}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True, capture_output=True)
    if trusts:
        root = identities.root_file(home)
        subprocess.run(
            [*certutil, "-A", "-n", "root", "-t", "C,,", "-i", root], check=True, capture_output=True
        )
    if who is not None:
        bundle = home / "client.p12"
        bundle.write_bytes(as_pkcs12(who, b"secret"))
        command = [find("pk12util"), "-d", f"sql:{database}", "-i", str(bundle), "-W", "secret", "-K", ""]
        subprocess.run(command, check=True, capture_output=True)


def as_pkcs12(who: Identity, password: bytes) -> bytes:
    chain = x509.load_pem_x509_certificates(who.chain)
    key = load_pem_private_key(who.key, None)
    cipher = BestAvailableEncryption(password)
    return pkcs12.serialize_key_and_certificates(b"client", key, chain[0], chain[1:], cipher)


def allow(profile: Path, site: str) -> None:
    """Let `site` have a certificate without asking the user, as AutoSelectCertificateForUrls would."""
    rule = {site: {"last_modified": "0", "setting": {"filters": [{}]}}}
    settings = {"profile": {"content_settings": {"exceptions": {"auto_select_certificate": rule}}}}
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text(json.dumps(settings))


def ended(command: list[str], environment: dict[str, str]) -> str:
    """Run to the end, or end all the processes that it started."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as browser:
        try:
            document, _ = browser.communicate(timeout=PATIENCE)
        except BaseException:
            os.killpg(browser.pid, signal.SIGKILL)
            raise
    assert browser.returncode == 0
    return document.decode()


def test_chromium_without_a_certificate_sees_the_page(load: Load, folder: Path) -> None:
    """One-way authentication: the browser checks our chain and our name, and meets the hybrid group."""
    with serve_page(folder) as (page, port):
        document = load(port)
        assert "<h1>Hello, whoever you are</h1>" in document
        assert "X25519MLKEM768" in document
        page.until("is an anonymous client (TLS 1.3, ")


@pytest.mark.parametrize("kind", ["P-256", "RSA"])
def test_chromium_with_a_certificate_is_greeted_by_name(kind: str, load: Load, folder: Path) -> None:
    """Mutual authentication in a browser."""
    with serve_page(folder, "require", who=server(kind)) as (page, port):
        document = load(port, client(kind))
        assert f"<h1>Hello, sound client {kind}</h1>" in document
        page.until(f"is sound client {kind} (TLS 1.3, ")


def test_chromium_without_a_certificate_passes_where_one_is_only_asked_for(load: Load, folder: Path) -> None:
    """RFC 9846 4.5.1.4: it sends an empty Certificate."""
    with serve_page(folder, "request") as (_, port):
        assert "<h1>Hello, whoever you are</h1>" in load(port)


def test_chromium_without_a_certificate_says_that_one_is_wanted(load: Load, folder: Path) -> None:
    """Step 3.1: our alert becomes its error; busy, it may see us gone before it reads why."""
    with serve_page(folder, "require") as (page, port):
        assert re.search(
            "Page load failed: net::ERR_(BAD_SSL_CLIENT_AUTH_CERT|SOCKET_NOT_CONNECTED)", load(port)
        )
        page.until("alert certificate_required")


def test_chromium_that_does_not_trust_our_root_shows_no_page(load: Load, folder: Path) -> None:
    """Step 2.3a, judged by the browser: so the loads above do rest on its own checks."""
    with serve_page(folder) as (_, port):
        assert "Page load failed: net::ERR_CERT_AUTHORITY_INVALID" in load(port, trusts=False)


def test_chromium_shows_no_page_of_a_server_of_another_name(load: Load, folder: Path) -> None:
    """Step 2.3, judged by the browser."""
    elsewhere = identity("server", names=("DNS:elsewhere.example",))
    with serve_page(folder, who=elsewhere) as (_, port):
        assert "Page load failed: net::ERR_CERT_COMMON_NAME_INVALID" in load(port)
