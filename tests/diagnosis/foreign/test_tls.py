"""TLS of other libraries: Python's own, and reasons of OpenSSL in texts."""

from __future__ import annotations

import socket
import ssl

import pytest

from bothways import explain_failure
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Weight
from diagnosis.foreign_servers import SOCKETS_LEFT_OPEN, first_of, raised_by, speaking

GRPC = (
    "last error: Ssl handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:"
    "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: self signed certificate in certificate chain"
)
pytestmark = SOCKETS_LEFT_OPEN


def pythons_tls(port: int, name: str = "localhost", context: ssl.SSLContext | None = None) -> None:
    context = context or ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        context.wrap_socket(plain, server_hostname=name)


def test_plain_text_is_told_for_tls_of_python() -> None:
    with speaking(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        error = raised_by(lambda: pythons_tls(port))
    found = explain_failure(error)
    assert first_of(error) is Cause.SPEAKS_PLAIN
    assert Cause.SPEAKS_HTTP in {each.cause for each in found.causes}
    assert "of another library" in found.happened and "not of bothways" in found.usually


@pytest.mark.parametrize(
    ("alert", "cause"),
    [
        (40, Cause.NO_SHARED_SUITE),
        (48, Cause.CA_NOT_ACCEPTED),
        (70, Cause.NO_SHARED_VERSION),
        (112, Cause.NAME_NOT_SERVED),
        (116, Cause.NO_CERTIFICATE),
    ],
)
def test_alerts_are_told_for_tls_of_python(alert, cause):
    with speaking(b"", b"\x15\x03\x03\0\x02\x02" + bytes((alert,))) as port:
        error = raised_by(lambda: pythons_tls(port))
    assert first_of(error) is cause
    assert "we offer" not in str(explain_failure(error))


@pytest.mark.parametrize("last", [b"", b"\x15\x03\x03\0\x02\x01\0"], ids=["no alert", "close_notify"])
def test_an_end_is_told_for_tls_of_python(last: bytes) -> None:
    """The first is SSLZeroReturnError too where Python sets OP_IGNORE_UNEXPECTED_EOF, as 3.11.2 does."""
    with speaking(b"", last) as port:
        error = raised_by(lambda: pythons_tls(port))
    assert isinstance(error, ssl.SSLZeroReturnError if last else (ssl.SSLEOFError, ssl.SSLZeroReturnError))
    assert Cause.PEER_STOPPED in {each.cause for each in explain_failure(error).causes}
    assert first_of(error) is Cause.SPEAKS_PLAIN
    assert "after our hello" not in str(explain_failure(error))


def refused_by(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.reason, error.verify_code = "CERTIFICATE_VERIFY_FAILED", code
    return error


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (10, Cause.EXPIRED),
        (18, Cause.SELF_SIGNED),
        (20, Cause.ROOT_NOT_TRUSTED),
        (62, Cause.WRONG_NAME),
        (23, Cause.REVOKED),
        (3, Cause.STATUS_UNKNOWN),
        (26, Cause.WRONG_USE),
        (85, Cause.NOT_STRICTLY_VALID),
        (89, Cause.NOT_STRICTLY_VALID),
        (9999, Cause.ROOT_NOT_TRUSTED),
    ],
)
def test_the_verification_of_python_is_told_by_its_number(code, cause):
    assert first_of(refused_by(code)) is cause
    assert "{" not in str(explain_failure(refused_by(code)))


def test_a_certificate_error_of_a_library_is_told_by_the_one_inside_it() -> None:
    """aiohttp derives its own from Python's, without a reason, and holds the other."""

    class CertificateFailed(ssl.CertificateError):
        certificate_error = refused_by(10)

    assert first_of(CertificateFailed("a key", refused_by(10))) is Cause.EXPIRED


def test_what_strict_verification_lacks_is_said() -> None:
    found = explain_failure(refused_by(85))
    assert [each.cause for each in found.causes] == [Cause.NOT_STRICTLY_VALID]
    assert "the authority key identifier is missing" in found.first.text
    assert "VERIFY_X509_STRICT" in found.first.remedy


@pytest.mark.parametrize(
    ("reason", "cause", "party"),
    [
        ("EE_KEY_TOO_SMALL", Cause.WEAK_KEY, Party.OURS),
        ("CA_MD_TOO_WEAK", Cause.WEAK_SIGNATURE, Party.OURS),
        ("NO_CERTIFICATE_ASSIGNED", Cause.KEY_MISMATCH, Party.OURS),
        ("NO_CERTIFICATE_OR_CRL_FOUND", Cause.UNREADABLE, Party.OURS),
        ("NO_PROTOCOLS_AVAILABLE", Cause.NO_SHARED_VERSION, Party.OURS),
        ("NO_SHARED_GROUPS", Cause.NO_SHARED_GROUP, Party.PEERS),
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", Cause.RECORDS_DIFFER, Party.BETWEEN),
    ],
)
def test_a_reason_of_openssl_is_told(reason, cause, party):
    error = ssl.SSLError(1, f"[SSL: {reason}] words (_ssl.c:1)")
    error.reason = reason
    found = explain_failure(error).first
    assert (found.cause, found.party) == (cause, party)
    assert "?" not in found.text + found.remedy and reason in found.evidence


def test_a_file_that_python_cannot_read_is_told(tmp_path):
    (tmp_path / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    error = raised_by(lambda: ssl.create_default_context().load_cert_chain(tmp_path / "cert.pem"))
    assert first_of(error) is Cause.UNREADABLE


def test_a_server_may_refuse_who_has_no_certificate_by_the_alert_for_a_bad_one() -> None:
    """Whether a program gave one to another library is not known."""
    found = explain_failure(RuntimeError("SSL error: sslv3 alert bad certificate"))
    assert found.first.cause is Cause.NO_CERTIFICATE and found.first.weight is Weight.POSSIBLE
    assert Cause.NOT_ACCEPTED in [each.cause for each in found.causes]


def test_where_a_root_is_added_is_told_by_the_setting_of_that_library() -> None:
    found = explain_failure(refused_by(20)).first
    assert "`cafile` of ssl.create_default_context" in found.remedy and "add it to CA" not in found.remedy
    assert found.evidence == "that library's verification ended with OpenSSL's code 20"


def test_a_reason_that_is_not_known_is_told_as_such() -> None:
    error = ssl.SSLError(1, "[SSL] weather (_ssl.c:1)")
    found = explain_failure(error)
    assert found.first.cause is Cause.OTHER_ERROR
    assert "TLS of another library failed" in found.first.text and "weather" in found.first.text


@pytest.mark.parametrize("library", ["requests", "urllib3", "httpx"])
def test_wrappers_of_tls_of_python(library):
    module = pytest.importorskip(library)
    with speaking(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        url = f"https://127.0.0.1:{port}/"
        get = getattr(module, "get", None) or (lambda url: module.request("GET", url, retries=False))
        error = raised_by(lambda: get(url))
    assert first_of(error) is Cause.SPEAKS_PLAIN


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('connection to server at "db" failed: SSL error: certificate verify failed', Cause.ROOT_NOT_TRUSTED),
        ("failed: SSL error: sslv3 alert handshake failure", Cause.NO_SHARED_SUITE),
        ("SSL error: tlsv13 alert certificate required", Cause.NO_CERTIFICATE),
        (GRPC, Cause.ROOT_NOT_TRUSTED),
        (
            "SSL_ERROR_SSL: error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
            Cause.SPEAKS_PLAIN,
        ),
    ],
)
def test_reasons_that_a_library_quotes(text, cause):
    """libpq and gRPC, whose TLS is in C: their texts are all there is."""
    assert first_of(RuntimeError(text)) is cause
