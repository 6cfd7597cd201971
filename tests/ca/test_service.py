"""The authority's HTTP service, as OpenSSL and plain HTTP clients see it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.ca.authority import Issued
from bothways.ca.office import Office, Terms
from bothways.ca.profiles import Holder, Profile
from interop import peers

pytestmark = pytest.mark.network

SOURCES = Path(__file__).resolve().parents[2] / "src"


class Service:
    """`bothways ca serve` in a process of its own, over an office that this process changes meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.office = Office.create(folder / "ca", Terms("Test"), None, actor="tester")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bothways.cli", "ca", "serve", "ca", "--listen", "127.0.0.1:0"],
            cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(SOURCES)},
        )  # fmt: skip
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        found = re.fullmatch(r"listening on (127\.0\.0\.1:\d+)\n", line)
        assert found, line + self._process.stderr.read()
        self.url = f"http://{found[1]}"

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(30)
        if self._process.stderr is not None:
            self._process.stderr.close()
        self.office.close()
        return status

    def read(self, path: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes, Message]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, named)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers

    def issue(self, name: str) -> Issued:
        return self.office.issue(Profile.CLIENT, Holder(name))

    def ask(self, certificate: x509.Certificate) -> bytes:
        issuer = self.office.authority.certificate
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())
        return builder.build().public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service"))
    yield running
    assert running.stop() == 0


@pytest.mark.interop
def test_openssl_is_told_good_revoked_and_unknown(service: Service) -> None:
    """RFC 6960 2.2, with a nonce (RFC 9654), and the delegate's certificate in the answer."""
    alice, bob = service.issue("alice"), service.issue("bob")
    service.office.revoke(bob.serial, "keyCompromise")
    folder = service.folder
    (folder / "root.pem").write_bytes(service.office.authority.root_pem)
    (folder / "issuing.pem").write_bytes(alice.intermediates[0].public_bytes(Encoding.PEM))
    for name, issued in (("alice", alice), ("bob", bob)):
        (folder / f"{name}.pem").write_bytes(issued.chain_pem)
    for words, said in (
        (["-cert", "alice.pem"], "alice.pem: good"),
        (["-cert", "bob.pem"], "bob.pem: revoked"),
        (["-serial", "0x2A"], "0x2A: unknown"),
        (["-sha256", "-cert", "alice.pem"], "alice.pem: good"),
    ):
        run = subprocess.run(
            [peers.find("openssl"), "ocsp", "-issuer", "issuing.pem", *words, "-url", f"{service.url}/ocsp",
             "-CAfile", "root.pem", "-verify_other", "issuing.pem"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Response verify OK" in run.stderr, run.stderr
        assert said in run.stdout
        assert "nonce" not in run.stderr.lower()
    assert "Reason: keyCompromise" in subprocess.run(
        [peers.find("openssl"), "ocsp", "-issuer", "issuing.pem", "-cert", "bob.pem", "-url", f"{service.url}/ocsp",
         "-CAfile", "root.pem", "-verify_other", "issuing.pem"],
        cwd=folder, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


def test_a_get_may_be_kept_and_a_revocation_is_seen_at_once(service: Service) -> None:
    """RFC 5019 6.2 and RFC 6960 A.1."""
    alice = service.issue("alice")
    path = "/ocsp/" + quote(b64encode(service.ask(alice.certificate)).decode(), safe="")
    status, body, headers = service.read(path)
    assert status == 200
    assert headers["Content-Type"] == "application/ocsp-response"
    assert re.match(r"public, max-age=4\d{4}, ", headers["Cache-Control"])
    assert ocsp.load_der_ocsp_response(body).certificate_status is ocsp.OCSPCertStatus.GOOD
    service.office.revoke(alice.serial)
    _, body, _ = service.read(path)
    assert ocsp.load_der_ocsp_response(body).certificate_status is ocsp.OCSPCertStatus.REVOKED


def test_a_post_is_not_kept_and_what_is_no_request_is_told(service: Service) -> None:
    kind = "application/ocsp-request"
    request = service.ask(service.issue("alice").certificate)
    status, body, headers = service.read("/ocsp", request, Content_Type=kind)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert ocsp.load_der_ocsp_response(body).response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    status, body, _ = service.read("/ocsp", b"garbage", Content_Type=kind)
    assert status == 200
    assert ocsp.load_der_ocsp_response(body).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    assert service.read("/ocsp", request, Content_Type="text/plain")[0] == 415
    assert service.read("/ocsp", bytes(5000), Content_Type=kind)[0] == 413
    assert service.read("/ocsp/no+base64!")[0] == 400
    assert service.read("/nowhere")[0] == 404


def test_lists_are_those_that_were_published(service: Service) -> None:
    status, body, headers = service.read("/crl/issuing.crl")
    assert (status, headers["Content-Type"]) == (200, "application/pkix-crl")
    assert body == service.office.register.newest_list()
    serial = service.issue("carol").serial
    service.office.revoke(serial)
    published = service.office.crl()
    _, body, headers = service.read("/crl/issuing.crl")
    assert x509.load_der_x509_crl(body) == published
    assert published.get_revoked_certificate_by_serial_number(serial) is not None
    assert headers["Cache-Control"].startswith("public, max-age=3")
    _, body, _ = service.read("/crl/root.crl")
    assert x509.load_der_x509_crl(body).issuer == service.office.authority.root.subject


def test_certificates_are_handed_out(service: Service) -> None:
    """RFC 5280 4.2.2.1."""
    for path, certificate in (
        ("/ca/issuing.cer", service.office.authority.certificate),
        ("/ca/root.cer", service.office.authority.root),
    ):
        _, body, headers = service.read(path)
        assert headers["Content-Type"] == "application/pkix-cert"
        assert x509.load_der_x509_certificate(body) == certificate


def test_health_and_metrics_are_told(service: Service) -> None:
    assert service.read("/health")[:2] == (200, b'{"status":"ok"}')
    assert re.search(rb"^bothways_ca_ocsp_requests \d+$", service.read("/metrics")[1], re.MULTILINE)
