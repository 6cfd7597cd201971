"""Our errors as exceptions of `ssl`: the explanation is the text, our error is the cause.

Codes are those of OpenSSL, which programs compare: X509_V_ERR_... for certificates, reasons for alerts.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from bothways.diagnosis import Situation, explain
from bothways.errors import PeerAlert, PeerFault, TLSError, Truncated
from bothways.faults import Fault
from bothways.iana import Alert

UNSPECIFIED = 1
SELF_SIGNED = 18
NO_ISSUER = 20
IP_MISMATCH = 64

# X509_V_ERR_... of OpenSSL's x509_vfy.h, for each fault of a certificate.
VERIFY_CODES: Mapping[Fault, int] = {
    Fault.BAD_ENCODING: UNSPECIFIED,
    Fault.BAD_RAW_KEY: UNSPECIFIED,
    Fault.RAW_KEY_NOT_PINNED: UNSPECIFIED,
    Fault.PSK_REMOVED: UNSPECIFIED,
    Fault.CHAIN_TOO_LARGE: 22,
    Fault.NO_PATH: NO_ISSUER,
    Fault.PATH_SEARCH_EXHAUSTED: 22,
    Fault.PATH_TOO_LONG: 22,
    Fault.BAD_CERTIFICATE_SIGNATURE: 7,
    Fault.WEAK_HASH: 68,
    Fault.UNSUPPORTED_SIGNATURE: 76,
    Fault.WEAK_KEY: 66,
    Fault.REVOKED: 23,
    Fault.REVOCATION_UNKNOWN: 3,
    Fault.STAPLE_REQUIRED: 73,
    Fault.BAD_STAPLE: 74,
    Fault.CERTIFICATE_EXPIRED: 10,
    Fault.CERTIFICATE_NOT_YET_VALID: 9,
    Fault.NOT_A_CA: 79,
    Fault.PATH_LENGTH_EXCEEDED: 25,
    Fault.KEY_MAY_NOT_SIGN_CERTIFICATES: 32,
    Fault.WRONG_KEY_USAGE: 26,
    Fault.WRONG_EXTENDED_KEY_USAGE: 26,
    Fault.UNKNOWN_CRITICAL_EXTENSION: 34,
    Fault.NAME_NOT_PERMITTED: 47,
    Fault.NAME_EXCLUDED: 48,
    Fault.NAME_NOT_COMPARABLE: 51,
    Fault.NO_VALID_POLICY: 43,
    Fault.BAD_POLICY_MAPPING: 42,
    Fault.NOT_A_WEB_CERTIFICATE: 50,
    Fault.NAME_MISMATCH: 62,
    Fault.NO_SERVER_NAMES: 62,
}

# OpenSSL's reasons for other faults that a program may look at; the others have the name of the fault.
REASONS: Mapping[Fault, str] = {
    Fault.NOT_TLS: "WRONG_VERSION_NUMBER",
    Fault.UNSUPPORTED_VERSION: "UNSUPPORTED_PROTOCOL",
    Fault.UNOFFERED_VERSION: "UNSUPPORTED_PROTOCOL",
    Fault.NO_SHARED_CIPHER_SUITE: "NO_SHARED_CIPHER",
    Fault.NO_CERTIFICATE: "PEER_DID_NOT_RETURN_A_CERTIFICATE",
    Fault.NO_CERTIFICATE_AFTER_ECH: "PEER_DID_NOT_RETURN_A_CERTIFICATE",
    Fault.BAD_RECORD: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
}
_HTTP = (b"GET ", b"POST ", b"HEAD ", b"PUT ")  # what OpenSSL looks for

# OpenSSL's names of alerts have the version that introduced them.
_SSL3 = (
    "UNEXPECTED_MESSAGE",
    "BAD_RECORD_MAC",
    "DECOMPRESSION_FAILURE",
    "HANDSHAKE_FAILURE",
    "NO_CERTIFICATE",
    "BAD_CERTIFICATE",
    "UNSUPPORTED_CERTIFICATE",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "ILLEGAL_PARAMETER",
)
_WITHOUT_ALERT = (
    "UNSUPPORTED_EXTENSION",
    "CERTIFICATE_UNOBTAINABLE",
    "UNRECOGNIZED_NAME",
    "BAD_CERTIFICATE_STATUS_RESPONSE",
    "BAD_CERTIFICATE_HASH_VALUE",
)
_TLS13 = ("MISSING_EXTENSION", "CERTIFICATE_REQUIRED")


def ssl_error(error: TLSError | OSError, situation: Situation | None = None) -> OSError:
    """Return the exception of `ssl` for the error that ended a connection; our error is its cause.

    An `OSError` of the network is returned unchanged.
    """
    if not isinstance(error, TLSError):
        return error.with_traceback(None)
    error.situation = situation
    found = _of_its_kind(error, str(explain(error, situation)))
    found.__cause__ = error.with_traceback(None)
    vars(found)["failure"] = error  # for `failure_of`, if another library raises it again with another cause
    return found


def want_read() -> ssl.SSLError:
    """Return SSLWantReadError: more data has to be received first."""
    return ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")


def want_write() -> ssl.SSLError:
    """Return SSLWantWriteError: the peer has to read first."""
    return ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")


def zero_return() -> ssl.SSLError:
    """Return SSLZeroReturnError: both sides have closed."""
    return ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)")


def shutdown_too_early() -> ssl.SSLError:
    """Return the error for closing a connection before its handshake."""
    return _labelled(ssl.SSLError(ssl.SSL_ERROR_SSL, "shutdown while in init"), "SHUTDOWN_WHILE_IN_INIT")


def data_after_close() -> ssl.SSLError:
    """Return the error for application data that arrives while the connection is being closed."""
    return _labelled(
        ssl.SSLError(ssl.SSL_ERROR_SSL, "application data after close notify"),
        "APPLICATION_DATA_AFTER_CLOSE_NOTIFY",
    )


def verify_code(error: PeerFault) -> int:
    """Return OpenSSL's number for the fault of a certificate."""
    if error.fault is Fault.NO_PATH and error.reasons:
        reason = error.reasons[0]
        if reason.position == 0 and reason.subject and reason.subject == reason.facts.get("issuer"):
            return SELF_SIGNED
    if error.fault is Fault.NAME_MISMATCH and _is_address(str(error.facts.get("wanted", ""))):
        return IP_MISMATCH
    return VERIFY_CODES.get(error.fault, UNSPECIFIED)


def alert_reason(code: int) -> str:
    """Return OpenSSL's name of a received alert, such as "TLSV13_ALERT_CERTIFICATE_REQUIRED"."""
    try:
        name = Alert(code).name
    except ValueError:
        return f"TLSV1_ALERT_{code}"
    if name == "USER_CANCELED":
        name = "USER_CANCELLED"
    if name in _SSL3:
        return f"SSLV3_ALERT_{name}"
    if name in _TLS13:
        return f"TLSV13_ALERT_{name}"
    return f"TLSV1_{name}" if name in _WITHOUT_ALERT else f"TLSV1_ALERT_{name}"


def fault_reason(error: PeerFault) -> str:
    """Return OpenSSL's reason for a fault that is not one of a certificate; without one, the name of the fault."""
    begins = error.facts.get("begins")
    if error.fault is Fault.NOT_TLS and error.peer == "client" and isinstance(begins, bytes):
        if begins.startswith(_HTTP):
            return "HTTP_REQUEST"
        if begins.startswith(b"CONNE"):
            return "HTTPS_PROXY_REQUEST"
    return REASONS.get(error.fault, error.fault.name)


def _of_its_kind(error: TLSError, text: str) -> ssl.SSLError:
    match error:
        case PeerFault() if error.fault.check is not None:
            refused = ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, text)
            refused.verify_code, refused.verify_message = verify_code(error), error.sentence
            return _labelled(refused, "CERTIFICATE_VERIFY_FAILED")
        case PeerFault():
            return _labelled(ssl.SSLError(ssl.SSL_ERROR_SSL, text), fault_reason(error))
        case PeerAlert():
            return _labelled(ssl.SSLError(ssl.SSL_ERROR_SSL, text), alert_reason(error.alert))
        case Truncated():
            return _labelled(ssl.SSLEOFError(ssl.SSL_ERROR_EOF, text), "UNEXPECTED_EOF_WHILE_READING")
    return _labelled(ssl.SSLError(ssl.SSL_ERROR_SSL, text), "INTERNAL_ERROR")


def _labelled(error: ssl.SSLError, reason: str) -> ssl.SSLError:
    error.library, error.reason = "SSL", reason
    return error


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()
