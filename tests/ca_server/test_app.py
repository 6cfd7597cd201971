"""The authority's HTTP service, as OpenSSL and plain HTTP clients see it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from bothways.ca.authority import Authority, Issued
from bothways.ca.errors import DatabaseUnavailable
from bothways.ca.home.init import InitOptions
from bothways.ca.issuer import Issuer
from bothways.ca.profiles import Holder, Profile
from bothways.ca.register.register import Register
from bothways.ca_server.app import PIECE, PiecewiseResponse, service
from bothways.ca_server.worker import Worker
from command_line import bothways, environment, run_command, start_command
from interop import peers

pytestmark = pytest.mark.network


def read(url: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes, Message]:
    """What a plain HTTP client gets: status, body, headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, named), timeout=30) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """The application in a thread of this process."""
    with socket.create_server(("127.0.0.1", 0)) as own:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{own.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


class Service:
    """`bothways ca serve` in a process of its own, over an issuer that this process changes meanwhile."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        terms = InitOptions("Test", url="http://ca.example")
        self.issuer = Issuer.create(folder / "ca", terms, None, actor="tester")
        self.printed = ""
        self._process = start_command(
            bothways("ca", "serve", "ca", "--listen", "127.0.0.1:0", *words),
            cwd=folder, stderr=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        found = re.fullmatch(r"listening on (127\.0\.0\.1:\d+)\n", line)
        assert found, line + self._process.stderr.read()
        self.url = f"http://{found[1]}"

    def line(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.readline()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        _, self.printed = self._process.communicate(timeout=30)
        status = self._process.returncode
        self.issuer.close()
        return status

    def read(self, path: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes, Message]:
        return read(self.url + path, data, **headers)

    def issue(self, name: str) -> Issued:
        return self.issuer.issue(Profile.CLIENT, Holder(name))

    def ask(self, certificate: x509.Certificate, nonce: bytes | None = None) -> bytes:
        issuer = self.issuer.authority.certificate
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)

    def path_of(self, certificate: x509.Certificate, nonce: bytes | None = None) -> str:
        return "/ocsp/" + quote(b64encode(self.ask(certificate, nonce)).decode(), safe="")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("service"))
    yield made
    assert made.stop() == 0


@pytest.mark.interop
def test_openssl_receives_good_revoked_and_unknown(running: Service) -> None:
    """RFC 6960 2.2, with a nonce (RFC 9654), and the delegate's certificate in the answer."""
    alice, bob = running.issue("alice"), running.issue("bob")
    running.issuer.revoke(bob.serial, "keyCompromise")
    folder = running.folder
    (folder / "root.pem").write_bytes(running.issuer.authority.root_pem)
    (folder / "issuing.pem").write_bytes(alice.intermediates[0].public_bytes(Encoding.PEM))
    for name, issued in (("alice", alice), ("bob", bob)):
        (folder / f"{name}.pem").write_bytes(issued.chain_pem)
    for words, printed in (
        (["-cert", "alice.pem"], "alice.pem: good"),
        (["-cert", "bob.pem"], "bob.pem: revoked"),
        (["-serial", "0x2A"], "0x2A: unknown"),
        (["-sha256", "-cert", "alice.pem"], "alice.pem: good"),
    ):
        run = subprocess.run(
            [peers.find("openssl"), "ocsp", "-issuer", "issuing.pem", *words, "-url", f"{running.url}/ocsp",
             "-CAfile", "root.pem", "-verify_other", "issuing.pem"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Response verify OK" in run.stderr, run.stderr
        assert printed in run.stdout
        assert "nonce" not in run.stderr.lower()
    assert "Reason: keyCompromise" in subprocess.run(
        [peers.find("openssl"), "ocsp", "-issuer", "issuing.pem", "-cert", "bob.pem", "-url", f"{running.url}/ocsp",
         "-CAfile", "root.pem", "-verify_other", "issuing.pem"],
        cwd=folder, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


def soon(condition: Callable[[], bool]) -> bool:
    """Whether something comes to be within seconds."""
    deadline = time.monotonic() + 20
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met


def test_a_get_response_is_cacheable_and_a_revocation_appears_within_seconds(running: Service) -> None:
    """RFC 5019 6.2 and RFC 6960 A.1; the revocation is made by another process than the one that answers."""
    alice = running.issue("alice")
    path = running.path_of(alice.certificate)
    status, body, headers = running.read(path)
    answer = ocsp.load_der_ocsp_response(body)
    assert status == 200
    assert headers["Content-Type"] == "application/ocsp-response"
    assert re.fullmatch(r"public, max-age=3[56]\d\d, no-transform, must-revalidate", headers["Cache-Control"])
    assert parsedate_to_datetime(headers["Last-Modified"]) == answer.this_update_utc
    assert parsedate_to_datetime(headers["Expires"]) == answer.next_update_utc
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert soon(lambda: running.read(path)[1] == running.read(path)[1])  # signed again once it is in the log

    def is_unchanged() -> bool:
        tag = running.read(path)[2]["ETag"]
        status, nothing, again = running.read(path, If_None_Match=f'"x", {tag}')
        return (status, nothing, again["ETag"]) == (304, b"", tag)

    assert soon(is_unchanged)
    running.issuer.revoke(alice.serial)
    revoked = ocsp.OCSPCertStatus.REVOKED
    assert soon(lambda: ocsp.load_der_ocsp_response(running.read(path)[1]).certificate_status is revoked)
    assert running.read(path, If_None_Match=headers["ETag"])[0] == 200


def test_a_response_with_a_nonce_or_about_an_unknown_certificate_is_not_cacheable(running: Service) -> None:
    """RFC 9654."""
    alice = running.issue("alice").certificate
    for path, status in (
        (running.path_of(alice, nonce=b"n" * 32), ocsp.OCSPCertStatus.GOOD),
        (running.path_of(Authority.create("x").certificate), None),
    ):
        _, body, headers = running.read(path)
        assert headers["Cache-Control"] == "no-store"
        answer = ocsp.load_der_ocsp_response(body)
        if status is not None:
            assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 32
            assert answer.certificate_status is status


def test_a_post_response_is_not_cacheable(running: Service) -> None:
    kind = "application/ocsp-request"
    request = running.ask(running.issue("alice").certificate)
    status, body, headers = running.read("/ocsp", request, Content_Type=kind)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert ocsp.load_der_ocsp_response(body).response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert running.read("/ocsp", request, Content_Type="text/plain")[0] == 415
    assert running.read("/ocsp", bytes(5000), Content_Type=kind)[0] == 413
    assert running.read("/nowhere")[0] == 404


@pytest.mark.parametrize(
    "path", ["no+base64!", "", "AAAA", "%00", "A" * 8000, "../../etc/passwd", "MA//MA=="]
)
def test_a_get_that_is_no_request_is_answered_as_malformed(running: Service, path: str) -> None:
    """RFC 6960 2.3."""
    status, body, headers = running.read(f"/ocsp/{path}")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert ocsp.load_der_ocsp_response(body).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


@pytest.mark.parametrize("data", [b"garbage", b"0" * 4096, bytes(10), b"\x30\x80\x00\x00"])
def test_a_post_that_is_no_request_is_answered_as_malformed(running: Service, data: bytes) -> None:
    """RFC 6960 2.3."""
    status, body, _ = running.read("/ocsp", data, Content_Type="application/ocsp-request")
    assert status == 200
    assert ocsp.load_der_ocsp_response(body).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "number", ["9" * 18, "9" * 19, "9" * 5000, "-1", "1.5", "%D9%A3", "00", "1-delta-delta"]
)
def test_a_number_that_no_partition_can_have_is_not_found(running: Service, number: str) -> None:
    """However it is written."""
    assert running.read(f"/crl/issuing/{number}.crl")[0] == 404
    assert running.read(f"/crl/issuing/{number}-delta.crl")[0] == 404


@pytest.mark.parametrize(
    "head",
    [
        "nonsense",
        "GET /health HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket",
        *(
            f"{line} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno chunk"
            for line in ("GET /health", "POST /ocsp", "GET /nowhere", "GET /ca/issuing.cer")
        ),
        "GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\nno request",
    ],
)
def test_requests_of_strangers_are_not_logged(tmp_path: Path, head: str) -> None:
    """They could fill a disk, or hide other messages."""
    made = Service(tmp_path)
    address = urlsplit(made.url)
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as client:
        client.sendall(head.encode() + b"\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 ")
    assert made.stop() == 0
    assert made.printed == ""


def test_an_incomplete_request_delays_no_other(running: Service) -> None:
    address = urlsplit(running.url)
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as slow:
        slow.sendall(
            b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\n"
            b"Content-Length: 100\r\n\r\n0"
        )
        assert running.read("/health")[0] == 200
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as long:
        long.sendall(b"GET /ocsp/" + b"A" * 200_000)
        assert b" 400 " in long.recv(100)
    assert running.read("/health")[0] == 200


def test_crls_are_those_that_were_published_and_follow_a_revocation(running: Service) -> None:
    """By the address that the certificate names."""
    carol = running.issue("carol")
    (point,) = carol.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    named = urlsplit((point.full_name or [])[0].value).path
    assert named == "/crl/issuing/0.crl"
    for path in ("/crl/issuing.crl", named):
        status, body, headers = running.read(path)
        assert (status, headers["Content-Type"]) == (200, "application/pkix-crl")
        assert headers["Cache-Control"].startswith("public, max-age=3")
        assert running.read(path, If_None_Match=headers["ETag"])[0] == 304
    running.issuer.revoke(carol.serial)

    def listed(path: str) -> bool:
        crl = x509.load_der_x509_crl(running.read(path)[1])
        return crl.get_revoked_certificate_by_serial_number(carol.serial) is not None

    assert soon(lambda: all(listed(path) for path in ("/crl/issuing.crl", named)))
    assert soon(lambda: running.read("/crl/issuing/0-delta.crl")[0] == 200)
    delta, _, headers = running.read("/crl/issuing-delta.crl")
    assert (delta, headers["Cache-Control"][:15]) == (200, "public, max-age")
    assert running.read("/crl/issuing/9.crl")[0] == 404
    assert running.read("/crl/issuing/x.crl")[0] == 404
    _, body, _ = running.read("/crl/root.crl")
    assert x509.load_der_x509_crl(body).issuer == running.issuer.authority.root.subject


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_response_is_given_to_the_server_as_the_client_reads_it(method: str) -> None:
    """What a client does not read would be kept for each connection."""
    content, sent = bytes(range(256)) * 1024, []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    response = PiecewiseResponse(content)
    asyncio.run(response({"type": "http", "method": method}, receive, send))
    parts = [each["body"] for each in sent[1:]]
    assert b"".join(parts) == (content if method == "GET" else b"")
    assert max(map(len, parts)) <= PIECE and dict(sent[0]["headers"])[b"content-length"] == b"%d" % len(
        content
    )
    assert [each["more_body"] for each in sent[1:]] == [*[True] * (len(parts) - 1), False]


def test_ca_certificates_are_served(running: Service) -> None:
    """RFC 5280 4.2.2.1."""
    for path, certificate in (
        ("/ca/issuing.cer", running.issuer.authority.certificate),
        ("/ca/root.cer", running.issuer.authority.root),
    ):
        _, body, headers = running.read(path)
        assert headers["Content-Type"] == "application/pkix-cert"
        assert x509.load_der_x509_certificate(body) == certificate


def test_health_is_reported(running: Service) -> None:
    assert running.read("/health")[:2] == (200, b'{"status":"ok"}')


def test_concurrent_requests_for_health_share_one_check(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A register that is slow is not asked by a thread for each of them."""
    looks: list[threading.Thread] = []
    go = threading.Event()
    health = Worker.health

    def slow(self: Worker) -> object:
        looks.append(threading.current_thread())
        assert go.wait(30)
        return health(self)

    monkeypatch.setattr(Worker, "health", slow)
    reported: list[int] = []
    with serving(service(issuer, lambda _: None)) as url:
        threads = [
            threading.Thread(target=lambda: reported.append(read(f"{url}/health")[0])) for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        assert soon(lambda: bool(looks))
        time.sleep(0.2)
        go.set()
        for thread in threads:
            thread.join(30)
    assert reported == [200] * 20
    assert len(looks) < 10


def test_metrics_are_served_on_their_own_address_only(tmp_path: Path) -> None:
    made = Service(tmp_path, "--metrics", "127.0.0.1:0")
    assert made.read("/health")[0] == 200
    for path in ("/metrics", "/metrics/", "/metrics/x"):
        status, body, _ = made.read(path)
        assert (status, b"--metrics HOST:PORT" in body) == (404, True)
    found = re.fullmatch(r"metrics on (127\.0\.0\.1:\d+)\n", made.line())
    assert found
    status, body, headers = read(f"http://{found[1]}/metrics")
    assert (status, headers.get_content_type()) == (200, "text/plain")
    names = {family.name for family in text_string_to_metric_families(body.decode())}
    assert {"bothways_ca_ocsp_responses", "bothways_ca_list_end_timestamp_seconds"} <= names
    assert read(f"http://{found[1]}/health")[0] == 404
    assert made.stop() == 0


def test_without_the_option_there_are_no_metrics(running: Service) -> None:
    status, body, _ = running.read("/metrics")
    assert (status, body) == (
        404, b"metrics are served on the address of `ca serve --metrics HOST:PORT`\n",
    )  # fmt: skip


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 6"])
def test_an_ambiguous_length_is_refused_and_the_connection_closed(running: Service, framing: str) -> None:
    """RFC 9112 6.1, 6.3 and 11.2: what follows it is not read as a request."""
    address = urlsplit(running.url)
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as client:
        client.sendall(
            f"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n{framing}\r\n\r\n"
            "0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        printed = b""
        while piece := client.recv(4096):
            printed += piece
    assert printed.startswith(b"HTTP/1.1 400 ")
    assert printed.count(b"HTTP/1.1") == 1


def test_without_its_register_the_service_is_unhealthy(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []

    def gone(*_: object) -> None:
        raise DatabaseUnavailable("the database is unavailable")

    with serving(service(issuer, reported.append)) as url:
        assert read(f"{url}/health")[0] == 200
        for name in ("log_length", "log_since", "newest_crl"):
            monkeypatch.setattr(Register, name, gone)
        status, body, _ = read(f"{url}/health")
        assert (status, json.loads(body)["problems"]) == (503, ["the register is unavailable"])
        assert read(f"{url}/crl/issuing.crl")[0] == 503
        assert soon(lambda: bool(reported))
    assert reported == ["OCSP responses and CRLs cannot be renewed: the database is unavailable"]


def test_an_interrupt_ends_the_service_cleanly(tmp_path: Path) -> None:
    """As SIGTERM does, which ends the service of the other tests."""
    made = Service(tmp_path)
    assert made.stop(signal.SIGINT) == 0
    assert made.printed == ""


def test_a_failure_to_listen_is_reported_with_the_reason(tmp_path: Path) -> None:
    Issuer.create(tmp_path / "ca", InitOptions("Test"), None).close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_command(
            bothways("ca", "serve", "ca", "--listen", address),
            cwd=tmp_path, text=True, env=environment(),
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"bothways: cannot listen on {address}: address already in use; another program"
    )
