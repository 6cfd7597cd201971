"""What a peer's alert means where it comes: the check that we failed, in words, and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from bothways.iana import Alert
from bothways.roles import Progress, Role, StepId
from bothways.tls.handshake.steps import Step

# The check of step 3 that a server refuses a client for, by its alert.
_CLIENT_CHECKS: Mapping[int, StepId] = {
    Alert.CERTIFICATE_REQUIRED: StepId.CLIENT_CERTIFICATE,
    Alert.DECRYPT_ERROR: StepId.CLIENT_SIGNATURE_CHECK,
    Alert.CERTIFICATE_EXPIRED: StepId.CLIENT_VALIDITY,
    Alert.CERTIFICATE_REVOKED: StepId.CLIENT_REVOCATION,
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: StepId.CLIENT_REVOCATION,
    Alert.UNKNOWN_CA: StepId.CLIENT_PATH,
    Alert.BAD_CERTIFICATE: StepId.CLIENT_PATH,
    Alert.UNSUPPORTED_CERTIFICATE: StepId.CLIENT_PATH,
    Alert.CERTIFICATE_UNKNOWN: StepId.CLIENT_VERDICT,
    Alert.ACCESS_DENIED: StepId.CLIENT_VERDICT,
}

# The check of step 2 that a client refuses a server for.
_SERVER_CHECKS: Mapping[int, StepId] = {
    Alert.DECRYPT_ERROR: StepId.SERVER_SIGNATURE,
    Alert.CERTIFICATE_EXPIRED: StepId.SERVER_VALIDITY,
    Alert.CERTIFICATE_REVOKED: StepId.SERVER_REVOCATION,
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: StepId.SERVER_REVOCATION,
    Alert.UNKNOWN_CA: StepId.SERVER_PATH,
    Alert.BAD_CERTIFICATE: StepId.SERVER_PATH,
    Alert.UNSUPPORTED_CERTIFICATE: StepId.SERVER_PATH,
    Alert.CERTIFICATE_UNKNOWN: StepId.SERVER_VERDICT,
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
    Alert.USER_CANCELED: ("whoever uses it broke off the handshake", ""),
    Alert.NO_RENEGOTIATION: ("it will not begin a second handshake on this connection", ""),
    Alert.NO_CERTIFICATE: ("it has no certificate to send, and says so in the way of SSL 3", ""),
    Alert.CERTIFICATE_UNOBTAINABLE: ("it could not fetch our certificate from an address", ""),
    Alert.BAD_CERTIFICATE_HASH_VALUE: ("a certificate that it fetched is not the one announced", ""),
    Alert.UNKNOWN_PSK_IDENTITY: (
        "it expects an earlier session, or a key agreed beforehand, and does not know ours",
        "",
    ),
    Alert.GENERAL_ERROR: ("something failed on its side for which there is no alert", "look into its log"),
    Alert.ECH_REQUIRED: ("it wants the hello encrypted (ECH), which we do not speak", ""),
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
        "compare the versions that both sides allow",
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


# Where the same alert means something else than in general, by role and progress.
_MEANINGS_AT: Mapping[tuple[Role, Progress], Mapping[int, tuple[str, str]]] = {
    (Role.CLIENT, Progress.HELLO): {
        Alert.HANDSHAKE_FAILURE: (
            (
                "it finds nothing in our hello that it accepts too: no suite, group or signature scheme, or no "
                "certificate for the name"
            ),
            "compare suites, groups and signature schemes",
        ),
        Alert.ACCESS_DENIED: ("it lets us in neither by our address nor by the name we asked for", ""),
        Alert.DECODE_ERROR: ("it could not read our hello: it is old, or a device on the way altered it", ""),
        Alert.ILLEGAL_PARAMETER: ("it does not bear something in our hello", ""),
        Alert.UNEXPECTED_MESSAGE: (
            "it did not expect a hello of TLS: it speaks first, or speaks something else",
            "check host and port",
        ),
        Alert.INTERNAL_ERROR: (
            "it could not work with our hello: often its own certificate or key cannot be used",
            "look into its log",
        ),
    },
    (Role.CLIENT, Progress.JUDGED): {
        Alert.HANDSHAKE_FAILURE: (
            "it does not accept our certificate, or wants one and got none; its alert does not say which",
            "look at our certificate",
        ),
        Alert.DECRYPT_ERROR: (
            "the signature by our key, the one in our certificate, or our Finished did not verify",
            "check that our certificate and key belong together",
        ),
        Alert.CLOSE_NOTIFY: ("it closed instead of saying whether it accepts us", ""),
        Alert.INTERNAL_ERROR: ("something failed on its side while it judged us", "look into its log"),
    },
    (Role.SERVER, Progress.HELLO): {
        Alert.HANDSHAKE_FAILURE: ("it gave up before we had answered its hello", ""),
    },
    (Role.SERVER, Progress.JUDGED): {
        Alert.HANDSHAKE_FAILURE: ("it does not accept our certificate, or something that we chose", ""),
        Alert.CLOSE_NOTIFY: (
            "it closed when it had seen our certificate, or while somebody was asked about it",
            "",
        ),
        Alert.DECRYPT_ERROR: (
            "the signature by our key, the one in our certificate, or our Finished did not verify",
            "check that our certificate and key belong together",
        ),
    },
}


def refused_step(
    role: Role, step: Step, alert: int, *, unconfirmed: bool, asked_later: bool = False
) -> StepId | None:
    """Return the id of the check by which the peer refused us, as far as its alert and the moment tell.

    In TLS 1.3 a server refuses a client's certificate only after the client's handshake was done; and a peer
    may judge us again while the connection is open, or have asked for our certificate only then (asked_later).
    None: the moment tells nothing beyond the step itself.
    """
    if role is Role.CLIENT:
        if step is Step.CONNECTED and unconfirmed:
            return _CLIENT_CHECKS.get(alert, StepId.CLIENT_AUTHENTICATION)
        if step is Step.CONNECTED and (alert in _LATER or asked_later):
            return _CLIENT_CHECKS.get(alert)
        if step is Step.WAIT_SERVER_CCS:
            return _CLIENT_CHECKS.get(alert)
    elif step in _JUDGED_BY_CLIENT or (step is Step.CONNECTED and alert in _LATER):
        return _SERVER_CHECKS.get(alert)
    return None


def meaning_of(
    alert: int, role: Role | None = None, progress: Progress = Progress.ACCEPTED
) -> tuple[str, str]:
    """Return what an alert usually means for us in this role, when the connection has come so far, and what to do."""
    here = _MEANINGS_AT.get((role, progress), {}) if role is not None else {}
    return here.get(alert) or _MEANINGS.get(alert, ("", ""))
