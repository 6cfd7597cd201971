"""Our errors as the exceptions of `ssl`: kinds, codes and reasons that callers compare."""

from __future__ import annotations

import contextlib
import re
import ssl
from pathlib import Path
from typing import Any

import pytest

import identities
from bothways import Alert, Fault, InternalError, PeerAlert, PeerFault, Truncated, UsageError
from bothways.adapters.exceptions import VERIFY_CODES, alert_reason, ssl_error, verify_code, zero_return
from bothways.faults import Reason
from ssl_pair import client_context, server_context

HEADER = Path("/usr/include/openssl/x509_vfy.h")


def fault(which: Fault, reason: Reason | None = None, **facts: object) -> PeerFault:
    reasons = (reason,) if reason else ()
    return PeerFault(which, step=None, peer="server", facts=facts, reasons=reasons)


def test_every_reason_to_refuse_a_certificate_has_a_number_of_openssls() -> None:
    assert VERIFY_CODES.keys() == {each for each in Fault if each.check is not None}


KINDS = [
    (fault(Fault.CERTIFICATE_EXPIRED), ssl.SSLCertVerificationError, "CERTIFICATE_VERIFY_FAILED"),
    (fault(Fault.NOT_TLS), ssl.SSLError, "WRONG_VERSION_NUMBER"),
    (fault(Fault.NO_CERTIFICATE), ssl.SSLError, "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
    (fault(Fault.EMPTY_FRAGMENT), ssl.SSLError, "EMPTY_FRAGMENT"),
    (PeerAlert(Alert.UNKNOWN_CA, step=None, peer="server"), ssl.SSLError, "TLSV1_ALERT_UNKNOWN_CA"),
    (Truncated("server"), ssl.SSLEOFError, "UNEXPECTED_EOF_WHILE_READING"),
    (InternalError(), ssl.SSLError, "INTERNAL_ERROR"),
    (UsageError("no signer"), ssl.SSLError, "INTERNAL_ERROR"),
]


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    KINDS,
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "is",
)
def test_exceptions_are_those_of_ssl_with_our_error_as_their_cause(
    error: Exception, kind: type[Exception], reason: str
) -> None:
    found = ssl_error(error)  # type: ignore[arg-type]
    assert type(found) is kind
    assert (found.__cause__, found.reason, found.library) == (error, reason, "SSL")  # type: ignore[attr-defined]
    assert str(found)


def test_errors_of_the_network_are_raised_unchanged() -> None:
    error = ConnectionResetError(104, "reset")
    assert ssl_error(error) is error


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (fault(Fault.CERTIFICATE_EXPIRED), 10),
        (fault(Fault.CERTIFICATE_NOT_YET_VALID), 9),
        (fault(Fault.REVOKED), 23),
        (fault(Fault.NO_PATH), 20),
        (fault(Fault.NO_PATH, Reason(Fault.NO_PATH, 0, "CN=a", {"issuer": "CN=a"})), 18),
        (fault(Fault.NO_PATH, Reason(Fault.NO_PATH, 0, "CN=a", {"issuer": "CN=b"})), 20),
        (fault(Fault.NAME_MISMATCH, wanted="a.example"), 62),
        (fault(Fault.NAME_MISMATCH, wanted="192.0.2.1"), 64),
        (fault(Fault.NAME_MISMATCH, wanted="2001:db8::1"), 64),
        (fault(Fault.WRONG_EXTENDED_KEY_USAGE), 26),
    ],
)
def test_a_refusal_has_the_number_by_which_openssl_knows_it(refused: PeerFault, code: int) -> None:
    assert verify_code(refused) == code
    found = ssl_error(refused)
    assert isinstance(found, ssl.SSLCertVerificationError)
    assert found.verify_code == code
    assert found.verify_message == refused.sentence


def test_alerts_have_the_names_by_which_openssl_knows_them() -> None:
    """Those of this Python's OpenSSL, as far as its table has them."""
    if not hasattr(ssl._ssl, "err_names_to_codes"):  # type: ignore[attr-defined]
        pytest.skip("this Python does not tell the names")
    known = set(ssl._ssl.err_names_to_codes)  # type: ignore[attr-defined]
    ours = {alert_reason(each) for each in Alert}
    strange = {
        # alerts that OpenSSL 3.0 does not report by a reason of their own
        *("CLOSE_NOTIFY", "INAPPROPRIATE_FALLBACK", "ECH_REQUIRED", "UNKNOWN_PSK_IDENTITY", "GENERAL_ERROR"),
        *(
            "TOO_MANY_CIDS_REQUESTED",
            "CERTIFICATE_UNOBTAINABLE",
            "DECRYPTION_FAILED",
            "NO_APPLICATION_PROTOCOL",
        ),
    }
    missing = {each for each in ours - known if not each.endswith(tuple(strange))}
    assert missing == set()
    assert alert_reason(250) == "TLSV1_ALERT_250"


def test_both_sides_closed_raises_zero_return_as_ssl_does() -> None:
    assert isinstance(zero_return(), ssl.SSLZeroReturnError)
    assert zero_return().args[0] == ssl.SSL_ERROR_ZERO_RETURN


# The name in the header for each fault whose name differs from it; X509_V_ERR_ before each.
IN_HEADER = {
    Fault.BAD_ENCODING: "UNSPECIFIED", Fault.BAD_RAW_KEY: "UNSPECIFIED", Fault.RAW_KEY_NOT_PINNED: "UNSPECIFIED",
    Fault.PSK_REMOVED: "UNSPECIFIED", Fault.CHAIN_TOO_LARGE: "CERT_CHAIN_TOO_LONG",
    Fault.NO_PATH: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", Fault.PATH_SEARCH_EXHAUSTED: "CERT_CHAIN_TOO_LONG",
    Fault.PATH_TOO_LONG: "CERT_CHAIN_TOO_LONG", Fault.BAD_CERTIFICATE_SIGNATURE: "CERT_SIGNATURE_FAILURE",
    Fault.WEAK_HASH: "CA_MD_TOO_WEAK", Fault.UNSUPPORTED_SIGNATURE: "UNSUPPORTED_SIGNATURE_ALGORITHM",
    Fault.WEAK_KEY: "EE_KEY_TOO_SMALL", Fault.REVOKED: "CERT_REVOKED",
    Fault.REVOCATION_UNKNOWN: "UNABLE_TO_GET_CRL", Fault.STAPLE_REQUIRED: "OCSP_VERIFY_NEEDED",
    Fault.BAD_STAPLE: "OCSP_VERIFY_FAILED", Fault.CERTIFICATE_EXPIRED: "CERT_HAS_EXPIRED",
    Fault.CERTIFICATE_NOT_YET_VALID: "CERT_NOT_YET_VALID", Fault.NOT_A_CA: "INVALID_CA",
    Fault.KEY_MAY_NOT_SIGN_CERTIFICATES: "KEYUSAGE_NO_CERTSIGN", Fault.WRONG_KEY_USAGE: "INVALID_PURPOSE",
    Fault.WRONG_EXTENDED_KEY_USAGE: "INVALID_PURPOSE",
    Fault.UNKNOWN_CRITICAL_EXTENSION: "UNHANDLED_CRITICAL_EXTENSION",
    Fault.NAME_NOT_PERMITTED: "PERMITTED_VIOLATION", Fault.NAME_EXCLUDED: "EXCLUDED_VIOLATION",
    Fault.NAME_NOT_COMPARABLE: "UNSUPPORTED_CONSTRAINT_TYPE", Fault.NO_VALID_POLICY: "NO_EXPLICIT_POLICY",
    Fault.BAD_POLICY_MAPPING: "INVALID_POLICY_EXTENSION", Fault.NOT_A_WEB_CERTIFICATE: "APPLICATION_VERIFICATION",
    Fault.NAME_MISMATCH: "HOSTNAME_MISMATCH", Fault.NO_SERVER_NAMES: "HOSTNAME_MISMATCH",
}  # fmt: skip


@pytest.mark.skipif(not HEADER.is_file(), reason="no header of OpenSSL here")
def test_numbers_are_those_of_openssls_header() -> None:
    numbers = dict(re.findall(r"# *define X509_V_ERR_(\w+)\s+(\d+)", HEADER.read_text()))
    assert {each: numbers[IN_HEADER.get(each, each.name)] for each in VERIFY_CODES} == {
        each: str(code) for each, code in VERIFY_CODES.items()
    }


def reason_of(context: ssl.SSLContext, received: bytes, **side: Any) -> str:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, **side)
    incoming.write(received)
    incoming.write_eof()
    for _ in range(2):  # a server of ours asks for more once, so that its alert is sent
        with contextlib.suppress(ssl.SSLWantReadError):
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                raise
            except ssl.SSLError as error:
                return str(error.reason)
    raise AssertionError("no failure")


def of_openssl(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = identities.server()
    (folder / "server.pem").write_bytes(server.chain_pem)
    (folder / "server.key").write_bytes(server.key_pem)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


def hello_of(**options: Any) -> bytes:
    """The ClientHello of an OpenSSL client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for name, value in options.items():
        getattr(context, name)(value)
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    "received",
    [b"GET / HTTP/1.1\r\n\r\n", b"POST /a HTTP/1.1\r\n\r\n", b"HEAD / HTTP/1.1\r\n\r\n", b"PUT / HTTP/1.1\r\n\r\n",
     b"CONNECT a:443 HTTP/1.1\r\n\r\n", b"EHLO me.example\r\n", b"nothing like it"],
)  # fmt: skip
def test_a_server_names_what_is_not_tls_as_openssl_does(tmp_path: Path, received: bytes) -> None:
    """cheroot, for one, answers plain HTTP by the reason HTTP_REQUEST."""
    theirs = reason_of(of_openssl(tmp_path), received, server_side=True)
    assert reason_of(server_context(), received, server_side=True) == theirs


def test_a_client_names_what_is_not_tls_as_openssl_does() -> None:
    received = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    theirs = reason_of(ssl.create_default_context(), received, server_hostname="localhost")
    assert reason_of(client_context(), received, server_hostname="localhost") == theirs


def test_a_server_names_a_hello_without_a_common_cipher_suite_as_openssl_does(tmp_path: Path) -> None:
    received = hello_of(set_ciphers="ECDHE-ECDSA-AES128-SHA256")
    theirs = of_openssl(tmp_path)
    theirs.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    assert reason_of(server_context(), received, server_side=True) == "NO_SHARED_CIPHER"
    assert reason_of(theirs, received, server_side=True) == "NO_SHARED_CIPHER"
