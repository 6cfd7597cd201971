"""What a peer's alert means where it comes: the check that we failed, in words, and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from bothways.iana import Alert
from bothways.tls.handshake.steps import Role, Step

# The check of step 3 that a server refuses a client for, by its alert.
_CLIENT_CHECKS: Mapping[int, str] = {
    Alert.CERTIFICATE_REQUIRED: "3.1",
    Alert.DECRYPT_ERROR: "3.4",
    Alert.CERTIFICATE_EXPIRED: "3.3b",
    Alert.CERTIFICATE_REVOKED: "3.3c",
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: "3.3c",
    Alert.UNKNOWN_CA: "3.3a",
    Alert.BAD_CERTIFICATE: "3.3a",
    Alert.UNSUPPORTED_CERTIFICATE: "3.3a",
    Alert.CERTIFICATE_UNKNOWN: "3.3",
    Alert.ACCESS_DENIED: "3.3",
}

# The check of step 2 that a client refuses a server for.
_SERVER_CHECKS: Mapping[int, str] = {
    Alert.DECRYPT_ERROR: "2.2",
    Alert.CERTIFICATE_EXPIRED: "2.3b",
    Alert.CERTIFICATE_REVOKED: "2.3c",
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: "2.3c",
    Alert.UNKNOWN_CA: "2.3a",
    Alert.BAD_CERTIFICATE: "2.3a",
    Alert.UNSUPPORTED_CERTIFICATE: "2.3a",
    Alert.CERTIFICATE_UNKNOWN: "2.3",
}

# What may become of a certificate that was accepted, so that an open connection ends by it.
_LATER = frozenset(
    {
        Alert.CERTIFICATE_EXPIRED,
        Alert.CERTIFICATE_REVOKED,
        Alert.CERTIFICATE_UNKNOWN,
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
    }
)

# Where a server waits while the client judges it.
_JUDGED_BY_CLIENT = (Step.WAIT_CERT, Step.WAIT_FINISHED, Step.WAIT_CLIENT_CERT, Step.WAIT_CKE)

_MEANINGS: Mapping[int, tuple[str, str]] = {
    Alert.CLOSE_NOTIFY: ("it closed the connection before the handshake was done", ""),
    Alert.UNEXPECTED_MESSAGE: (
        "it did not expect what we sent",
        "look for a device on the way that interferes",
    ),
    Alert.BAD_RECORD_MAC: ("what we sent did not open under its keys: it was altered on the way", ""),
    Alert.HANDSHAKE_FAILURE: (
        "it found nothing that both sides accept",
        "compare suites, groups and signature schemes; some servers answer so to a missing certificate",
    ),
    Alert.BAD_CERTIFICATE: (
        "it does not accept our certificate",
        "look at its names, constraints and signature",
    ),
    Alert.UNSUPPORTED_CERTIFICATE: (
        "our certificate is of a kind or for a use that it does not accept",
        "look at its extended key usage and key type",
    ),
    Alert.CERTIFICATE_REVOKED: ("our certificate was revoked", "ask its issuer for a new one"),
    Alert.CERTIFICATE_EXPIRED: (
        "our certificate is outside its period of validity by the peer's clock",
        "renew it, or compare the clocks",
    ),
    Alert.CERTIFICATE_UNKNOWN: (
        "something about our certificate is not acceptable to it",
        "ask its operator for its log",
    ),
    Alert.UNKNOWN_CA: (
        "it finds no path from our certificate to a CA that it trusts",
        "send the intermediates too, or have the peer trust our root",
    ),
    Alert.ACCESS_DENIED: ("our certificate is good but may not pass", "ask the peer's operator for access"),
    Alert.ILLEGAL_PARAMETER: ("it found a value of ours that the protocol does not allow", ""),
    Alert.DECODE_ERROR: ("it could not decode what we sent", ""),
    Alert.DECRYPT_ERROR: (
        "a signature or Finished of ours did not verify",
        "check that our certificate and key belong together",
    ),
    Alert.PROTOCOL_VERSION: (
        "it speaks none of the TLS versions that we offer",
        "TLS 1.3 is needed on its side",
    ),
    Alert.INSUFFICIENT_SECURITY: ("it wants stronger parameters than we offer", ""),
    Alert.INTERNAL_ERROR: ("something failed on its side that is not our fault", "look into its log"),
    Alert.RECORD_OVERFLOW: ("a record of ours was longer than it may be", ""),
    Alert.INAPPROPRIATE_FALLBACK: (
        "we fell back to an older version although it speaks a newer one",
        "offer all versions at once; a device on the way may have made an earlier attempt fail",
    ),
    Alert.UNSUPPORTED_EXTENSION: ("we answered with an extension for which it had not asked", ""),
    Alert.MISSING_EXTENSION: ("it misses an extension in what we sent", ""),
    Alert.UNRECOGNIZED_NAME: (
        "it has no certificate for the name that we asked for",
        "check the server name",
    ),
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: (
        "it wants the revocation status of our certificate along with it, and what we sent does not count",
        "staple a current OCSP response of our issuer",
    ),
    Alert.CERTIFICATE_REQUIRED: (
        "it requires a client certificate and we sent none",
        "give credentials whose issuer the server names and whose key fits its signature schemes",
    ),
    Alert.NO_APPLICATION_PROTOCOL: (
        "it speaks none of the application protocols that we offer",
        "compare the ALPN names",
    ),
}


def refused_step(role: Role, step: Step, alert: int, *, unconfirmed: bool) -> str | None:
    """Return the id of the check by which the peer refused us, as far as its alert and the moment tell.

    In TLS 1.3 a server refuses a client's certificate only after the client's handshake was done; and a peer
    may judge us again while the connection is open. None: the moment tells nothing beyond the step itself.
    """
    if role is Role.CLIENT:
        if step is Step.CONNECTED and unconfirmed:
            return _CLIENT_CHECKS.get(alert, "3")
        if step is Step.CONNECTED and alert in _LATER:
            return _CLIENT_CHECKS[alert]
        if step is Step.WAIT_SERVER_CCS:
            return _CLIENT_CHECKS.get(alert)
    elif step in _JUDGED_BY_CLIENT or (step is Step.CONNECTED and alert in _LATER):
        return _SERVER_CHECKS.get(alert)
    return None


def meaning_of(alert: int) -> tuple[str, str]:
    """Return what an alert usually means, and what to do."""
    return _MEANINGS.get(alert, ("", ""))
