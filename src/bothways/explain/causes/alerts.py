"""Which rules to ask for an alert of the peer, or where it cut the connection, by how far that had come.

Rules stand in the order of what is commonest; `ranked` puts those first for which something speaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bothways.errors import PeerAlert
from bothways.explain.causes import ours
from bothways.explain.causes.case import Case, Rule, one
from bothways.explain.causes.explanation import Likely, Weight
from bothways.explain.causes.table import Cause, Party
from bothways.iana import Alert
from bothways.roles import Progress

LIKELY, POSSIBLE = Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN


def alerted(case: Case, alert: int) -> Iterator[Likely]:
    """Return the causes of the peer's refusal by an alert."""
    for rule in BY_PROGRESS.get(case.progress, {}).get(alert) or ANYWHERE.get(alert) or (_private,):
        yield from rule(case)


def _disagreement(case: Case) -> Iterator[Likely]:
    detail = f"it answered with {case.error.name}" if isinstance(case.error, PeerAlert) else ""
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, detail=detail or "it refuses what the standard allows")
    yield case.likely(Cause.WE_BREAK_RULES, OURS, detail=detail or "it refused what we sent")


def _private(case: Case) -> Iterator[Likely]:
    number = case.error.alert if isinstance(case.error, PeerAlert) else 0
    yield case.likely(Cause.PRIVATE_ALERT, PEERS, LIKELY, f"it is number {number}")


def second_handshake(case: Case) -> Iterator[Likely]:
    """In TLS 1.2 a handshake can follow on the first: a server asks for one when it wants a certificate later."""
    received = case.seen.received
    if case.is_client and "HelloRequest" in received:
        evidence = "it asked for a second handshake (HelloRequest)"
        yield case.likely(Cause.WANTS_CERTIFICATE_LATER, PEERS, LIKELY, evidence)
    if not case.is_client and "Finished" in received and received[-1] == "ClientHello":
        yield case.likely(
            Cause.WANTS_RENEGOTIATION, PEERS, LIKELY, "it sent a ClientHello after its Finished"
        )


device = one(Cause.DEVICE_BETWEEN, BETWEEN)
stopped = one(Cause.PEER_STOPPED, PEERS)
misconfigured = one(Cause.PEER_CONFIGURED_WRONG, PEERS)
lets_not_in = one(Cause.LETS_NOT_IN, PEERS)
gave_up = one(Cause.GAVE_UP, PEERS)
records = one(Cause.RECORDS_DIFFER, BETWEEN)
resumption = one(Cause.RESUMPTION, PEERS)

CERTIFICATE: tuple[Rule, ...] = (
    ours.absent, ours.flawed, ours.issuer, ours.wrong_name, ours.not_let_in, ours.clock, ours.unsaid,
)  # fmt: skip

HELLO_CLIENT: tuple[Rule, ...] = (
    ours.suites, ours.groups, ours.schemes, ours.versions, ours.name, misconfigured, lets_not_in,
)  # fmt: skip

# What an alert asks for whenever it comes, unless the next table knows better.
ANYWHERE: Mapping[int, tuple[Rule, ...]] = {
    Alert.CLOSE_NOTIFY: (second_handshake, ours.absent, gave_up, stopped),
    Alert.UNEXPECTED_MESSAGE: (second_handshake, device, _disagreement),
    Alert.BAD_RECORD_MAC: (records, device),
    Alert.RECORD_OVERFLOW: (device, _disagreement),
    Alert.HANDSHAKE_FAILURE: (ours.absent, second_handshake, *CERTIFICATE, *HELLO_CLIENT),
    Alert.NO_CERTIFICATE: (one(Cause.NO_CERTIFICATE, PEERS, LIKELY),),
    Alert.BAD_CERTIFICATE: (*CERTIFICATE, one(Cause.NOT_ACCEPTED, OURS)),
    Alert.UNSUPPORTED_CERTIFICATE: (ours.absent, ours.flawed, ours.wrong_use, ours.unsaid),
    Alert.CERTIFICATE_REVOKED: (ours.flawed, ours.revoked),
    Alert.CERTIFICATE_EXPIRED: (ours.flawed, ours.expired_by_alert),
    Alert.CERTIFICATE_UNKNOWN: (ours.absent, ours.flawed, ours.issuer, ours.status, *CERTIFICATE),
    Alert.ILLEGAL_PARAMETER: (device, _disagreement),
    Alert.UNKNOWN_CA: (ours.absent, ours.issuer, ours.flawed, one(Cause.CA_NOT_ACCEPTED, OURS)),
    # GnuTLS tells every certificate that it does not accept by this one.
    Alert.ACCESS_DENIED: (ours.absent, ours.flawed, ours.not_let_in, ours.issuer, lets_not_in),
    Alert.DECODE_ERROR: (device, _disagreement),
    Alert.DECRYPT_ERROR: (ours.refused_signature, ours.key_mismatch, records),
    Alert.PROTOCOL_VERSION: (ours.versions,),
    Alert.INSUFFICIENT_SECURITY: (ours.suites, ours.groups, ours.weak_key),
    Alert.INTERNAL_ERROR: (second_handshake, misconfigured, stopped),
    Alert.INAPPROPRIATE_FALLBACK: (one(Cause.FELL_BACK, OURS), device),
    Alert.USER_CANCELED: (gave_up,),
    Alert.NO_RENEGOTIATION: (second_handshake, one(Cause.WANTS_RENEGOTIATION, PEERS)),
    Alert.MISSING_EXTENSION: (device, _disagreement),
    Alert.UNSUPPORTED_EXTENSION: (device, _disagreement),
    Alert.CERTIFICATE_UNOBTAINABLE: (ours.absent, one(Cause.NOT_ACCEPTED, OURS)),
    Alert.UNRECOGNIZED_NAME: (ours.name_certainly,),
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: (ours.flawed, ours.staple),
    Alert.BAD_CERTIFICATE_HASH_VALUE: (device, _disagreement),
    Alert.UNKNOWN_PSK_IDENTITY: (resumption,),
    Alert.CERTIFICATE_REQUIRED: (ours.absent, one(Cause.NO_CERTIFICATE, OURS)),
    Alert.GENERAL_ERROR: (misconfigured, stopped),
    Alert.NO_APPLICATION_PROTOCOL: (ours.protocols,),
    Alert.ECH_REQUIRED: (ours.name, _disagreement),
}  # fmt: skip

BY_PROGRESS: Mapping[Progress, Mapping[int, tuple[Rule, ...]]] = {
    Progress.HELLO: {
        Alert.HANDSHAKE_FAILURE: (*HELLO_CLIENT, ours.large_hello),
        Alert.INTERNAL_ERROR: (misconfigured, ours.name, ours.large_hello),
        Alert.UNEXPECTED_MESSAGE: (one(Cause.SPEAKS_PLAIN, PEERS), ours.large_hello, device),
        Alert.DECODE_ERROR: (ours.large_hello, ours.versions, device, _disagreement),
        Alert.ILLEGAL_PARAMETER: (ours.large_hello, ours.versions, device, _disagreement),
        Alert.CLOSE_NOTIFY: (lets_not_in, ours.name, stopped),
        Alert.ACCESS_DENIED: (lets_not_in, ours.name),
        Alert.INSUFFICIENT_SECURITY: (ours.suites, ours.groups, ours.versions),
    },
    Progress.CHOSEN: {
        Alert.HANDSHAKE_FAILURE: (ours.groups, ours.schemes, misconfigured),
        Alert.CLOSE_NOTIFY: (stopped, device),
    },
    Progress.JUDGED: {
        Alert.HANDSHAKE_FAILURE: (*CERTIFICATE, second_handshake, one(Cause.NO_SHARED_SUITE, PEERS)),
        Alert.INTERNAL_ERROR: (*CERTIFICATE[:2], misconfigured, stopped),
        Alert.CLOSE_NOTIFY: (ours.absent, ours.flawed, ours.issuer, ours.wrong_name, gave_up, ours.not_let_in, stopped),
    },
    Progress.ACCEPTED: {
        Alert.INTERNAL_ERROR: (second_handshake, stopped, misconfigured),
    },
}  # fmt: skip
