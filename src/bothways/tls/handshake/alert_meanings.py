"""What an alert of the peer means at the step where it arrives: which check failed, and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from bothways.iana import Alert
from bothways.roles import Progress, Role, StepId
from bothways.tls.handshake.steps import Step

# Alerts of a server: the check of step 3 that our certificate did not pass.
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

# Alerts of a client: the check of step 2 that our certificate did not pass.
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

# Alerts on an open connection: the certificate was accepted, and is no longer valid.
_AFTER_ACCEPTANCE = frozenset(
    {
        Alert.CERTIFICATE_EXPIRED,
        Alert.CERTIFICATE_REVOKED,
        Alert.CERTIFICATE_UNKNOWN,
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
    }
)

# The steps in which a server waits while the client verifies its certificate.
_JUDGED_BY_CLIENT = (Step.WAIT_CERT, Step.WAIT_FINISHED, Step.WAIT_CLIENT_CERT, Step.WAIT_CKE)


_MEANINGS: Mapping[int, tuple[str, str]] = {
    Alert.CLOSE_NOTIFY: ("it closed the connection before the handshake was done", ""),
    Alert.USER_CANCELED: ("its application cancelled the handshake", ""),
    Alert.NO_RENEGOTIATION: ("it does not renegotiate on this connection", ""),
    Alert.NO_CERTIFICATE: ("it has no certificate to send (an alert of SSL 3.0)", ""),
    Alert.CERTIFICATE_UNOBTAINABLE: ("it could not fetch our certificate from the URL that it was sent", ""),
    Alert.BAD_CERTIFICATE_HASH_VALUE: (
        "a certificate that it fetched does not have the hash that was announced",
        "",
    ),
    Alert.UNKNOWN_PSK_IDENTITY: (
        "it requires a pre-shared key (PSK) or an earlier session, and accepts none of ours",
        "",
    ),
    Alert.GENERAL_ERROR: ("it failed for a reason that no other alert describes", "look at its log"),
    Alert.ECH_REQUIRED: (
        "it encrypted its ClientHello (ECH) by a configuration that we do not have",
        "publish the current configuration, and keep former keys as long as it may be used",
    ),
    Alert.UNEXPECTED_MESSAGE: (
        "it did not expect what we sent",
        "look for a device on the network path that alters the traffic",
    ),
    Alert.BAD_RECORD_MAC: ("it could not decrypt what we sent: the bytes were altered on the way", ""),
    Alert.HANDSHAKE_FAILURE: (
        "it found no parameters that both sides accept",
        (
            "compare cipher suites, groups and signature schemes; some servers send this alert when the client "
            "certificate is missing"
        ),
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
        "our certificate is outside its validity period by the peer's clock",
        "renew it, or compare the clocks",
    ),
    Alert.CERTIFICATE_UNKNOWN: (
        "it does not accept our certificate, for a reason that no other alert describes",
        "ask its operator what its log says",
    ),
    Alert.UNKNOWN_CA: (
        "it finds no path from our certificate to a CA that it trusts",
        "send the intermediate certificates too, or add our root certificate to the peer's trust anchors",
    ),
    Alert.ACCESS_DENIED: (
        "it does not allow the holder of our certificate, or, if it is GnuTLS, does not accept the certificate at all",
        "check our certificate; if it is good, ask the peer's operator for access",
    ),
    Alert.ILLEGAL_PARAMETER: ("it found a value that the protocol does not allow in what we sent", ""),
    Alert.DECODE_ERROR: ("it could not decode what we sent", ""),
    Alert.DECRYPT_ERROR: (
        "our signature or our Finished did not verify",
        "check that our certificate and key belong together",
    ),
    Alert.PROTOCOL_VERSION: (
        "it supports none of the TLS versions that we offer",
        "compare the versions that both sides allow",
    ),
    Alert.INSUFFICIENT_SECURITY: ("it requires stronger parameters than we offer", ""),
    Alert.INTERNAL_ERROR: ("something failed on its side that is not our fault", "look at its log"),
    Alert.RECORD_OVERFLOW: ("we sent a record that was longer than allowed", ""),
    Alert.INAPPROPRIATE_FALLBACK: (
        "we fell back to an older version although it supports a newer one",
        "offer all versions at once; a device on the network path may have made an earlier attempt fail",
    ),
    Alert.UNSUPPORTED_EXTENSION: ("we sent an extension that it had not offered", ""),
    Alert.MISSING_EXTENSION: ("what we sent lacks an extension that it requires", ""),
    Alert.UNRECOGNIZED_NAME: (
        "it has no certificate for the name that we asked for",
        "check the server name",
    ),
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: (
        "it requires the revocation status of our certificate in the handshake, and does not accept what we sent",
        "staple a current OCSP response of our issuer",
    ),
    Alert.CERTIFICATE_REQUIRED: (
        "it requires a client certificate and we sent none",
        "configure credentials whose issuer the server names and whose key fits its signature schemes",
    ),
    Alert.NO_APPLICATION_PROTOCOL: (
        "it supports none of the application protocols that we offer",
        "compare the ALPN names",
    ),
}


# Alerts whose meaning depends on our role and on the progress of the connection.
_MEANINGS_AT: Mapping[tuple[Role, Progress], Mapping[int, tuple[str, str]]] = {
    (Role.CLIENT, Progress.HELLO): {
        Alert.HANDSHAKE_FAILURE: (
            (
                "it accepts no cipher suite, no group or no signature scheme of our hello, or has no "
                "certificate for the name"
            ),
            "compare cipher suites, groups and signature schemes",
        ),
        Alert.ACCESS_DENIED: ("it does not allow our address, or not for the name that we asked for", ""),
        Alert.DECODE_ERROR: (
            "it could not decode our hello: the server is old, or a device on the network path altered the hello",
            "",
        ),
        Alert.ILLEGAL_PARAMETER: ("it does not accept a value in our hello", ""),
        Alert.UNEXPECTED_MESSAGE: (
            "it did not expect a ClientHello: its protocol begins without TLS (STARTTLS), or is another protocol",
            "check host and port",
        ),
        Alert.INTERNAL_ERROR: (
            "it could not process our hello: often its own certificate or key cannot be used",
            "look at its log",
        ),
    },
    (Role.CLIENT, Progress.JUDGED): {
        Alert.HANDSHAKE_FAILURE: (
            "it does not accept our certificate, or requires one and got none; its alert does not say which",
            "check our certificate",
        ),
        Alert.DECRYPT_ERROR: (
            "the signature made with our key, the signature in our certificate, or our Finished did not verify",
            "check that our certificate and key belong together",
        ),
        Alert.CLOSE_NOTIFY: (
            "it closed the connection without saying whether it accepts our certificate",
            "",
        ),
        Alert.INTERNAL_ERROR: (
            "something failed on its side while it verified our certificate",
            "look at its log",
        ),
    },
    (Role.SERVER, Progress.HELLO): {
        Alert.HANDSHAKE_FAILURE: ("it ended the handshake before we had answered its hello", ""),
    },
    (Role.SERVER, Progress.JUDGED): {
        Alert.HANDSHAKE_FAILURE: ("it does not accept our certificate, or something that we chose", ""),
        Alert.CLOSE_NOTIFY: (
            "it closed after we had sent our certificate, or while a user was asked about it",
            "",
        ),
        Alert.DECRYPT_ERROR: (
            "the signature made with our key, the signature in our certificate, or our Finished did not verify",
            "check that our certificate and key belong together",
        ),
    },
}


def refused_step(
    role: Role, step: Step, alert: int, *, unconfirmed: bool, asked_later: bool = False
) -> StepId | None:
    """Return the id of the check by which the peer refused us; None if alert and step do not determine it.

    unconfirmed: we do not know yet whether the peer accepts us.  asked_later: the peer requested our certificate after
    the handshake.
    """
    if role is Role.CLIENT:
        if step is Step.CONNECTED and unconfirmed:
            return _CLIENT_CHECKS.get(alert, StepId.CLIENT_AUTHENTICATION)
        if step is Step.CONNECTED and (alert in _AFTER_ACCEPTANCE or asked_later):
            return _CLIENT_CHECKS.get(alert)
        if step in (Step.WAIT_TICKET, Step.WAIT_SERVER_CCS):
            return _CLIENT_CHECKS.get(alert)
    elif step in _JUDGED_BY_CLIENT if unconfirmed else alert in _AFTER_ACCEPTANCE:
        return _SERVER_CHECKS.get(alert)
    return None


def meaning_of(
    alert: int, role: Role | None = None, progress: Progress = Progress.ACCEPTED
) -> tuple[str, str]:
    """Return what an alert usually means for us and what to do; two empty strings for an unknown alert.

    alert: its code.  role: our role.  progress: how far the connection had come when the alert arrived.
    """
    here = _MEANINGS_AT.get((role, progress), {}) if role is not None else {}
    return here.get(alert) or _MEANINGS.get(alert, ("", ""))
