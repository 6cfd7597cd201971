"""Debian's Chromium, headless, against `bothways serve --page`, without and with a client certificate."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from bothways.iana import CertificateCompressionAlgorithm
from bothways.tls.wire.compression import installed
from interop import browser, identities
from interop.identities import Identity, client, identity, server
from interop.page import serve_page

pytestmark = [pytest.mark.interop, pytest.mark.network]

Load = Callable[..., str]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load the page of a port in a fresh browser; gives the document, or the error that it tells instead."""
    numbers = count()

    def run(port: int, who: Identity | None = None, *, trusts: bool = True) -> str:
        home = tmp_path / f"home{next(numbers)}"
        home.mkdir()
        root = identities.root_file(home) if trusts else None
        bundle = None
        if who is not None:
            bundle = home / "client.p12"
            bundle.write_bytes(as_pkcs12(who, b"secret"))
        return browser.load(home, port, root=root, bundle=bundle, password="secret")

    return run


def as_pkcs12(who: Identity, password: bytes) -> bytes:
    chain = x509.load_pem_x509_certificates(who.chain)
    key = load_pem_private_key(who.key, None)
    cipher = BestAvailableEncryption(password)
    return pkcs12.serialize_key_and_certificates(b"client", key, chain[0], chain[1:], cipher)


def test_chromium_without_a_certificate_sees_the_page(load: Load, folder: Path) -> None:
    """One-way authentication: the browser checks our chain and our name, and meets the hybrid group."""
    with serve_page(folder) as (page, port):
        document = load(port)
        assert "<h1>Hello, anonymous client</h1>" in document
        assert "X25519MLKEM768" in document
        page.until("is an anonymous client (TLS 1.3, ")


def test_chromium_gets_our_certificates_compressed_with_brotli(load: Load, folder: Path) -> None:
    """RFC 8879: it offers brotli, and the command compresses for those who do."""
    if CertificateCompressionAlgorithm.brotli not in installed():
        pytest.skip("brotli is not here; it comes with pip install bothways[compression]")
    picture = folder / "ladder.json"
    with serve_page(folder, options=("--ladder", str(picture))) as (page, port):
        assert "<h1>Hello, anonymous client</h1>" in load(port)
        page.until("is an anonymous client (TLS 1.3, ")
    text = picture.read_text()
    assert '"CompressedCertificate"' in text and "brotli, " in text


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
        assert "<h1>Hello, anonymous client</h1>" in load(port)


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
