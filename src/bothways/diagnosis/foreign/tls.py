"""Failures of TLS by another implementation in the same program: Python's own `ssl`, and OpenSSL's reasons in texts.

Nothing of the handshake is known but the reason: its name, the number of a verification, or the name of an alert.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.foreign.reading import attribute, text_of
from bothways.diagnosis.peer import alerts as peer_alerts
from bothways.diagnosis.peer import before_tls, network
from bothways.errors import PeerAlert
from bothways.iana import Alert
from bothways.roles import Role

OURS, PEERS = Party.OURS, Party.PEERS
LIKELY, POSSIBLE = Weight.LIKELY, Weight.POSSIBLE
NOT_OURS = (
    "TLS was that of another library, and not of bothways: nothing but the reason that it gives is known of the "
    "handshake; `bothways connect` to the same server tells more"
)
UNKNOWN_REASON = "TLS of another library failed, for a reason that is not explained here"


class ForeignTLS(Exception):
    """What another TLS implementation says. Never raised: an explanation contains it in place of an error.

    reason: OpenSSL's name of it, in capitals; "" for none.  verify_code: that of `X509_V_ERR_...`, or None.
    """

    def __init__(self, said: str, reason: str, verify_code: int | None = None) -> None:
        super().__init__(said)
        self.reason = reason
        self.verify_code = verify_code

    @property
    def is_told(self) -> bool:
        """Whether there is a reason."""
        return bool(self.reason) or self.verify_code is not None

    @property
    def alert(self) -> int | None:
        """The alert that the peer sent, where the reason is one."""
        match = _ALERT.search(self.reason)
        return ALERTS.get(match[1]) if match is not None else None


def of_python(error: ssl.SSLError) -> ForeignTLS:
    """Return what an error of Python's `ssl` says, by its attributes."""
    code = attribute(error, "verify_code")
    reason = attribute(error, "reason") or WITHOUT_REASON.get(type(error), "")
    said = f"{type(error).__name__}: {attribute(error, 'strerror') or reason or text_of(error)}"
    return ForeignTLS(said, str(reason), code if isinstance(code, int) else None)


def in_text(text: str) -> ForeignTLS | None:
    """Return the reason that a library quotes of OpenSSL or BoringSSL in a text of its own, or None."""
    match = _QUOTED.search(text[:TEXT_LIMIT])
    if match is None:
        return None
    reason = re.sub(r"[^A-Z0-9]+", "_", match[1].strip().upper())
    known = next((name for name in REASONS if reason.startswith(name)), reason)
    words = text[match.end() : TEXT_LIMIT].lower()
    code = next((number for said, number in VERIFIED.items() if said in words), None)
    found = ForeignTLS(text.strip().partition("\n")[0], known, code if known == VERIFY_FAILED else None)
    return found if known in REASONS or found.alert is not None else None


def role_of(error: ForeignTLS) -> Role:
    """Return our role: that of a client, but for what only a server reports."""
    return Role.SERVER if error.reason in OF_SERVERS else Role.CLIENT


def failed(case: Case, error: ForeignTLS) -> Iterator[Likely]:
    """Return the causes of a reason; where it is not known, that TLS of another library failed."""
    said = f"that library reports {error.reason}" if error.reason else ""
    if error.reason == VERIFY_FAILED:
        yield from _not_verified(case, error)
    elif error.alert is not None:
        yield from _alerted(case, error.alert)
    elif error.reason in ENDED:
        evidence = f"{ENDED[error.reason]}; how far the handshake had come is not known"
        for each in network.ended_without_alert(case):
            yield replace(each, weight=POSSIBLE, evidence=evidence)
    elif error.reason in PLAIN:
        yield from before_tls.by_port(case)
        evidence = f"{said}: what came first is no TLS"
        yield case.likely(Cause.SPEAKS_PLAIN, PEERS, LIKELY, evidence)
        yield case.likely(Cause.SPEAKS_HTTP, PEERS, LIKELY, evidence)
        yield case.likely(Cause.DEVICE_BETWEEN, Party.BETWEEN)
    elif error.reason in REASONS:
        cause, party = REASONS[error.reason]
        yield case.likely(cause, party, LIKELY, said, **FACTS.get(cause, {}))
    else:
        yield case.likely(Cause.OTHER_ERROR, OURS, POSSIBLE, failing=UNKNOWN_REASON, problem=str(error))


def _alerted(case: Case, alert: int) -> Iterator[Likely]:
    """Whether the program gave that library a certificate is not known: some have one alert for none and a bad one."""
    none = case.likely(
        Cause.NO_CERTIFICATE, OURS, POSSIBLE, "some servers, such as those in Go, send this alert for that",
        detail="as where the program gives that library none",
    )  # fmt: skip
    if alert in NONE_OR_BAD:
        yield none
    alerted = Case(PeerAlert(alert, step=None, peer=case.role.peer), case.situation)
    for each in peer_alerts.alerted(alerted, alert):
        yield replace(each, facts={**each.facts, **FACTS.get(each.cause, {})})
    if alert == Alert.HANDSHAKE_FAILURE:
        yield replace(none, evidence="")


def _not_verified(case: Case, error: ForeignTLS) -> Iterator[Likely]:
    """It was this program that refused the peer's certificate, by the trust anchors that it gave to that library."""
    code = error.verify_code
    evidence = (
        "that library did not verify it"
        if code is None
        else f"that library's verification ended with OpenSSL's code {code}"
    )
    if code in STRICTLY:
        yield case.likely(Cause.NOT_STRICTLY_VALID, PEERS, LIKELY, evidence, detail=STRICTLY[code])
        return
    for cause in VERIFICATIONS.get(code, (Cause.ROOT_NOT_TRUSTED, Cause.INTERMEDIATE_MISSING)):
        weight = LIKELY if code in VERIFICATIONS else POSSIBLE
        weight = POSSIBLE if cause is Cause.OUR_CLOCK else weight
        party = OURS if cause is Cause.OUR_CLOCK else PEERS
        yield case.likely(cause, party, weight, evidence, **FACTS.get(cause, {}))


TEXT_LIMIT = 2048
VERIFY_FAILED = "CERTIFICATE_VERIFY_FAILED"
_ALERT = re.compile(r"^(?:(?:SSLV3|TLSV1|TLSV13|SSL.TLS)_(?:ALERT_)?|ALERT_)([A-Z_]+)$")
# libpq; the error queue of OpenSSL and BoringSSL, as gRPC and curl print it; Python's own, printed by others.
_QUOTED = re.compile(
    r"(?:ssl error: (?!ssl_error_|error:)|ssl routines:[^:]{0,40}:|\[ssl: |\[ssl\] (?=pem lib))([a-z0-9_/ ]{1,60})",
    re.IGNORECASE,
)
ALERTS: Mapping[str, int] = {
    **{each.name: int(each) for each in Alert},
    "DECRYPTION_FAILED": int(Alert.DECRYPT_ERROR),
}
NONE_OR_BAD = (Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN)
OF_SERVERS = (
    "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PEER_DID_NOT_RETURN_A_CERTIFICATE", "NO_SHARED_CIPHER",
    "VERSION_TOO_LOW", "NO_SUITABLE_SIGNATURE_ALGORITHM", "NO_SHARED_SIGNATURE_ALGORITHMS", "NO_SUITABLE_KEY_SHARE",
    "NO_SHARED_GROUPS",
)  # fmt: skip
# The second is ours, for SSLZeroReturnError: with OP_IGNORE_UNEXPECTED_EOF, as Python 3.11.2 sets it, for either end.
ENDED = {
    "UNEXPECTED_EOF_WHILE_READING": "it ended the connection without an alert",
    "ZERO_RETURN": "it ended the connection without an alert, or with close_notify",
}
WITHOUT_REASON: Mapping[type[ssl.SSLError], str] = {
    ssl.SSLEOFError: "UNEXPECTED_EOF_WHILE_READING",
    ssl.SSLZeroReturnError: "ZERO_RETURN",
}
PLAIN = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")
UNREAD = (
    "PEM_LIB", "NO_START_LINE", "NO_CERTIFICATE_OR_CRL_FOUND", "BAD_BASE64_DECODE", "BAD_END_LINE", "BAD_DECRYPT",
)  # fmt: skip
REASONS: Mapping[str, tuple[Cause, Party]] = {
    VERIFY_FAILED: (Cause.ROOT_NOT_TRUSTED, PEERS),
    "UNSUPPORTED_PROTOCOL": (Cause.NO_SHARED_VERSION, PEERS),
    "WRONG_SSL_VERSION": (Cause.NO_SHARED_VERSION, PEERS),
    "NO_SHARED_CIPHER": (Cause.NO_SHARED_SUITE, PEERS),
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": (Cause.NO_SECURE_RENEGOTIATION, PEERS),
    "WRONG_SIGNATURE_TYPE": (Cause.NO_SHARED_SCHEME, PEERS),
    "DH_KEY_TOO_SMALL": (Cause.NO_SHARED_GROUP, PEERS),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (Cause.NO_CERTIFICATE, PEERS),
    "HTTP_REQUEST": (Cause.HTTP_CLIENT, PEERS),
    "HTTPS_PROXY_REQUEST": (Cause.HTTP_CLIENT, PEERS),
    "VERSION_TOO_LOW": (Cause.NO_SHARED_VERSION, PEERS),
    "NO_PROTOCOLS_AVAILABLE": (Cause.NO_SHARED_VERSION, OURS),
    **dict.fromkeys(
        ("NO_SUITABLE_SIGNATURE_ALGORITHM", "NO_SHARED_SIGNATURE_ALGORITHMS"), (Cause.NO_SHARED_SCHEME, PEERS)
    ),
    **dict.fromkeys(("NO_SUITABLE_KEY_SHARE", "NO_SHARED_GROUPS"), (Cause.NO_SHARED_GROUP, PEERS)),
    **dict.fromkeys(
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "BLOCK_CIPHER_PAD_IS_WRONG"),
        (Cause.RECORDS_DIFFER, Party.BETWEEN),
    ),
    # Of the files that a program gives.
    **dict.fromkeys(
        ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"), (Cause.KEY_MISMATCH, OURS)
    ),
    **dict.fromkeys(("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL"), (Cause.WEAK_KEY, OURS)),
    "CA_MD_TOO_WEAK": (Cause.WEAK_SIGNATURE, OURS),
    **dict.fromkeys(UNREAD, (Cause.UNREADABLE, OURS)),
    **dict.fromkeys((*PLAIN, *ENDED), (Cause.SPEAKS_PLAIN, PEERS)),
}
# Its certificate is in the hands of that library: what an explanation quotes of certificates is not known here.
NAMED = "that its certificate names"
ANCHORS = (
    "the trust anchors that the program gives to that library: `cafile` of ssl.create_default_context, `verify` of "
    "requests and httpx"
)
UNTOLD = "what it has instead is not told"
FACTS: Mapping[Cause, Mapping[str, object]] = {
    Cause.NO_SHARED_VERSION: {"detail": "one of the two allows only versions that the other leaves out"},
    Cause.NO_SHARED_SUITE: {"detail": "one of the two allows only suites that the other leaves out"},
    Cause.NO_SHARED_GROUP: {"detail": "one of the two allows only groups that the other leaves out"},
    Cause.NO_SHARED_SCHEME: {
        "detail": "one of the two allows only schemes that the other leaves out",
        "other": "our side",
    },
    Cause.NO_CERTIFICATE: {"detail": "the program requires one of its clients"},
    Cause.INTERMEDIATE_MISSING: {"issuer": NAMED},
    Cause.ROOT_NOT_TRUSTED: {"issuer": "the one to which its certificates lead", "anchors": ANCHORS},
    Cause.EXPIRED: {"date": "a date that is in it"},
    Cause.NOT_YET_VALID: {"date": "a date that is in it"},
    Cause.WRONG_NAME: {"got": "other names", "wanted": "the one that the program connects to"},
    Cause.WRONG_USE: {
        "got": "another use",
        "wanted": "that of its side",
        "usage": "serverAuth or clientAuth",
    },
    Cause.STATUS_UNKNOWN: {"detail": "the program has no current CRL of its CA"},
    Cause.NOT_A_CA: {"issuer": "one of its certificates"},
    Cause.NAME_NOT_ALLOWED: {"detail": UNTOLD},
    Cause.WEAK_KEY: {"got": "it is below the security level of that library"},
    Cause.WEAK_SIGNATURE: {"got": "an algorithm"},
    Cause.UNREADABLE: {
        "undecoded": "a file that the program gives to that library cannot be read",
        "detail": "it is not in PEM, or has no certificate or no key in it, or its password is wrong",
        "mending": "look at it by `bothways show FILE`, which says what it is and how it is converted",
    },
    Cause.DEPTH_LIMIT: {"detail": "by the limit that the program sets"},
}
# By the numbers of X509_V_ERR_...: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
VERIFICATIONS: Mapping[int | None, tuple[Cause, ...]] = {
    2: (Cause.INTERMEDIATE_MISSING, Cause.ROOT_NOT_TRUSTED),
    3: (Cause.STATUS_UNKNOWN,),
    7: (Cause.SIGNATURE_WRONG,),
    9: (Cause.NOT_YET_VALID, Cause.OUR_CLOCK),
    10: (Cause.EXPIRED, Cause.OUR_CLOCK),
    12: (Cause.STATUS_UNKNOWN,),
    18: (Cause.SELF_SIGNED,),
    19: (Cause.ROOT_NOT_TRUSTED,),
    20: (Cause.ROOT_NOT_TRUSTED, Cause.INTERMEDIATE_MISSING),
    21: (Cause.INTERMEDIATE_MISSING, Cause.ROOT_NOT_TRUSTED),
    23: (Cause.REVOKED,),
    25: (Cause.PATH_TOO_LONG,),
    26: (Cause.WRONG_USE,),
    47: (Cause.NAME_NOT_ALLOWED,),
    48: (Cause.NAME_NOT_ALLOWED,),
    62: (Cause.WRONG_NAME,),
    64: (Cause.WRONG_NAME,),
    66: (Cause.WEAK_KEY,),
    67: (Cause.WEAK_KEY,),
    68: (Cause.WEAK_SIGNATURE,),
    79: (Cause.NOT_A_CA,),
}
# What X509_V_FLAG_X509_STRICT refuses.
STRICTLY: Mapping[int | None, str] = {
    80: "a path length in a certificate that is none of a CA",
    81: "a path length in a CA certificate whose key usage lacks keyCertSign",
    82: "keyCertSign in a certificate that is none of a CA",
    83: "an empty issuer name",
    84: "an empty subject name",
    85: "the authority key identifier is missing",
    86: "the subject key identifier is missing",
    87: "an empty subjectAltName",
    88: "a subjectAltName that is not critical beside an empty subject",
    89: "the basic constraints of a CA are not critical",
    90: "an authority key identifier that is critical",
    91: "a subject key identifier that is critical",
    92: "a CA certificate without a key usage",
    93: "extensions in a certificate that is not of version 3",
    94: "a key of an elliptic curve with explicit parameters",
}
VERIFIED: Mapping[str, int] = {
    "unable to get local issuer certificate": 20,
    "unable to verify the first certificate": 21,
    "self-signed certificate in certificate chain": 19,
    "self signed certificate in certificate chain": 19,
    "self-signed certificate": 18,
    "self signed certificate": 18,
    "certificate has expired": 10,
    "certificate is not yet valid": 9,
    "certificate revoked": 23,
    "hostname mismatch": 62,
    "ip address mismatch": 64,
    "missing authority key identifier": 85,
    "missing subject key identifier": 86,
    "basic constraints of ca cert not marked critical": 89,
    "ca cert does not include key usage extension": 92,
}
