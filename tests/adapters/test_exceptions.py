"""Our errors as the exceptions of `ssl`: kinds, codes and reasons that callers compare."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bothways import Alert, Fault, InternalError, PeerAlert, PeerFault, Truncated, UsageError
from bothways.adapters.exceptions import VERIFY_CODES, alert_reason, ssl_error, verify_code, zero_return
from bothways.faults import Reason

HEADER = Path("/usr/include/openssl/x509_vfy.h")


def fault(which: Fault, reason: Reason | None = None, **facts: object) -> PeerFault:
    reasons = (reason,) if reason else ()
    return PeerFault(which, step=None, peer="server", facts=facts, reasons=reasons)


def test_every_reason_to_refuse_a_certificate_has_a_number_of_openssls() -> None:
    assert VERIFY_CODES.keys() == {each for each in Fault if each.check is not None}


KINDS = [
    (fault(Fault.CERTIFICATE_EXPIRED), ssl.SSLCertVerificationError, "CERTIFICATE_VERIFY_FAILED"),
    (fault(Fault.NOT_TLS), ssl.SSLError, "NOT_TLS"),
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
def test_what_is_raised_has_the_kind_that_callers_catch_and_ours_as_its_cause(
    error: Exception, kind: type[Exception], reason: str
) -> None:
    found = ssl_error(error)  # type: ignore[arg-type]
    assert type(found) is kind
    assert (found.__cause__, found.reason, found.library) == (error, reason, "SSL")  # type: ignore[attr-defined]
    assert str(found)


def test_what_the_network_raises_stays_what_it_is() -> None:
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


@pytest.mark.skipif(not HEADER.is_file(), reason="no header of OpenSSL here")
def test_numbers_are_those_of_openssls_header() -> None:
    text = HEADER.read_text()
    for code in VERIFY_CODES.values():
        assert f" {code}\n" in text or f" {code} " in text, code
