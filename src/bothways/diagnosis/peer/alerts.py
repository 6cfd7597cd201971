"""The rules for an alert of the peer, or for a connection that it closed, by how far the connection had come.

The rules of an alert are in the order of how common their causes are; `ranked` puts causes with evidence first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bothways.diagnosis.case import Case, Rule, one
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.own_side import chain as own_chain
from bothways.diagnosis.own_side import hello as own_hello
from bothways.diagnosis.own_side import issuer as own_issuer
from bothways.diagnosis.own_side import name as own_name
from bothways.diagnosis.own_side import staple as own_staple
from bothways.diagnosis.own_side import strength as own_strength
from bothways.diagnosis.peer import before_tls, psks
from bothways.errors import PeerAlert
from bothways.iana import Alert
from bothways.roles import Progress

LIKELY, POSSIBLE = Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN
ABOUT_CERTIFICATES = (Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN, Alert.UNKNOWN_CA)


def alerted(case: Case, alert: int) -> Iterator[Likely]:
    """Return the causes of the peer's refusal by an alert; those about certificates are none of a raw public key."""
    if alert in ABOUT_CERTIFICATES and case.observed.shows_raw_key:
        yield from own_chain.unpinned(case)
        return
    yield from psks.refused(case, alert)
    for rule in BY_PROGRESS.get(case.progress, {}).get(alert) or ANYWHERE.get(alert) or (_private,):
        yield from rule(case)


def _disagreement(case: Case) -> Iterator[Likely]:
    detail = f"it answered with {case.error.name}" if isinstance(case.error, PeerAlert) else ""
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, detail=detail or "it refuses what the standard allows")
    yield case.likely(Cause.WE_BREAK_RULES, OURS, detail=detail or "it refused what we sent")


def _private(case: Case) -> Iterator[Likely]:
    number = case.error.alert if isinstance(case.error, PeerAlert) else 0
    yield case.likely(Cause.PRIVATE_ALERT, PEERS, LIKELY, f"its number is {number}")


def second_handshake(case: Case) -> Iterator[Likely]:
    """Renegotiation in TLS 1.2: a server begins it, for example, to request a certificate later."""
    received = case.observed.received
    if case.is_client and "HelloRequest" in received:
        evidence = "it asked for a second handshake (HelloRequest)"
        yield case.likely(Cause.WANTS_CERTIFICATE_LATER, PEERS, LIKELY, evidence)
    if not case.is_client and "Finished" in received and received[-1] == "ClientHello":
        yield case.likely(
            Cause.WANTS_RENEGOTIATION, PEERS, LIKELY, "it sent a ClientHello after its Finished"
        )


def other_kind(case: Case) -> Iterator[Likely]:
    """Our hello offers raw public keys alone, and the server has none, or accepts none (RFC 7250 4.2)."""
    sides = case.observed.offers_raw_keys
    if sides:
        which = " and ".join(f"the {each.value}" for each in sides)
        evidence = f"our hello allows a raw public key and no certificate for {which}, and it refused that"
        detail = "it uses certificates alone there"
        yield case.likely(Cause.OTHER_KIND_OF_IDENTITY, OURS, LIKELY, evidence, detail=detail)


device = one(Cause.DEVICE_BETWEEN, BETWEEN)
stopped = one(Cause.PEER_STOPPED, PEERS)
misconfigured = one(Cause.PEER_CONFIGURED_WRONG, PEERS)
lets_not_in = one(Cause.LETS_NOT_IN, PEERS)
not_ours = one(Cause.PROXY_HEADER, PEERS)
gave_up = one(Cause.GAVE_UP, PEERS)
records = one(Cause.RECORDS_DIFFER, BETWEEN)
resumption = one(Cause.RESUMPTION, PEERS)

CERTIFICATE: tuple[Rule, ...] = (
    own_chain.absent, own_issuer.unnamed_issuer, own_chain.flawed, own_staple.required, own_chain.anchor_expired,
    own_name.wrong_address, own_issuer.issuer,
    own_name.wrong_name, own_strength.below_strict_levels,
    own_chain.clients_clock, own_chain.revoked_for_gnutls, own_chain.not_authorized, own_chain.clock,
    own_chain.status_untold, own_strength.perhaps_weak, own_chain.no_known_reason,
)  # fmt: skip

HELLO_CLIENT: tuple[Rule, ...] = (
    own_hello.probed, own_hello.suites, own_hello.groups, own_hello.schemes, own_hello.versions,
    own_hello.nothing_accepted, own_hello.name, misconfigured, lets_not_in,
)  # fmt: skip

# The rules of an alert whenever it arrives, unless the next table has others.
ANYWHERE: Mapping[int, tuple[Rule, ...]] = {
    Alert.CLOSE_NOTIFY: (second_handshake, own_chain.absent, gave_up, stopped),
    Alert.UNEXPECTED_MESSAGE: (second_handshake, device, _disagreement),
    Alert.BAD_RECORD_MAC: (records, device),
    Alert.RECORD_OVERFLOW: (device, _disagreement),
    Alert.HANDSHAKE_FAILURE: (own_chain.absent, second_handshake, *CERTIFICATE, *HELLO_CLIENT),
    Alert.NO_CERTIFICATE: (one(Cause.NO_CERTIFICATE, PEERS, LIKELY),),
    Alert.BAD_CERTIFICATE: CERTIFICATE,
    Alert.UNSUPPORTED_CERTIFICATE: (
        own_chain.absent, own_issuer.unnamed_issuer, own_chain.flawed, own_chain.wrong_use, own_chain.no_known_reason,
    ),
    Alert.CERTIFICATE_REVOKED: (own_issuer.unnamed_issuer, own_chain.flawed, own_chain.revoked),
    Alert.CERTIFICATE_EXPIRED: (own_issuer.unnamed_issuer, own_chain.flawed, own_chain.expired_by_alert),
    Alert.CERTIFICATE_UNKNOWN: (
        own_chain.absent, own_issuer.unnamed_issuer, own_chain.flawed, own_chain.anchor_expired, own_name.wrong_name,
        own_issuer.issuer, own_chain.status, *CERTIFICATE,
    ),
    Alert.ILLEGAL_PARAMETER: (device, _disagreement),
    Alert.UNKNOWN_CA: (
        own_chain.absent, own_issuer.unnamed_issuer, own_chain.fitting, own_issuer.issuer, own_chain.flawed,
        own_issuer.chain_too_long, one(Cause.CA_NOT_ACCEPTED, OURS),
    ),
    # GnuTLS sends this one for every certificate that it does not accept.
    Alert.ACCESS_DENIED: (
        own_chain.absent, own_issuer.unnamed_issuer, own_chain.flawed, own_chain.refused_by_gnutls,
        own_chain.not_authorized, own_issuer.issuer, lets_not_in,
    ),
    Alert.DECODE_ERROR: (device, _disagreement),
    Alert.DECRYPT_ERROR: (own_chain.refused_signature, own_chain.key_mismatch, records),
    Alert.PROTOCOL_VERSION: (own_hello.probed, own_hello.versions,),
    Alert.INSUFFICIENT_SECURITY: (own_hello.probed, own_hello.suites, own_hello.groups, own_strength.weak_key),
    Alert.INTERNAL_ERROR: (second_handshake, misconfigured, stopped),
    Alert.INAPPROPRIATE_FALLBACK: (one(Cause.FELL_BACK, OURS), device),
    Alert.USER_CANCELED: (gave_up,),
    Alert.NO_RENEGOTIATION: (second_handshake, one(Cause.WANTS_RENEGOTIATION, PEERS)),
    Alert.MISSING_EXTENSION: (device, _disagreement),
    Alert.UNSUPPORTED_EXTENSION: (device, _disagreement),
    Alert.CERTIFICATE_UNOBTAINABLE: (own_chain.absent, one(Cause.NOT_ACCEPTED, OURS)),
    Alert.UNRECOGNIZED_NAME: (own_hello.name_not_served,),
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: (own_chain.flawed, own_staple.refused),
    Alert.BAD_CERTIFICATE_HASH_VALUE: (device, _disagreement),
    Alert.UNKNOWN_PSK_IDENTITY: (resumption,),
    Alert.CERTIFICATE_REQUIRED: (own_chain.absent, one(Cause.NO_CERTIFICATE, OURS)),
    Alert.GENERAL_ERROR: (misconfigured, stopped),
    Alert.NO_APPLICATION_PROTOCOL: (own_hello.protocols,),
    Alert.ECH_REQUIRED: (one(Cause.ECH_OUTDATED, PEERS, LIKELY),),
}  # fmt: skip

BY_PROGRESS: Mapping[Progress, Mapping[int, tuple[Rule, ...]]] = {
    Progress.HELLO: {
        Alert.HANDSHAKE_FAILURE: (*HELLO_CLIENT, own_hello.large_hello),
        Alert.INTERNAL_ERROR: (own_hello.probed, misconfigured, own_hello.name, own_hello.large_hello),
        Alert.UNEXPECTED_MESSAGE: (
            before_tls.with_a_header, own_hello.probed, one(Cause.SPEAKS_PLAIN, PEERS), not_ours, own_hello.large_hello,
            device,
        ),
        Alert.DECODE_ERROR: (
            before_tls.with_a_header, own_hello.probed, own_hello.large_hello, own_hello.versions, not_ours, device,
            _disagreement,
        ),
        Alert.RECORD_OVERFLOW: (before_tls.with_a_header, not_ours, device, _disagreement),
        Alert.PROTOCOL_VERSION: (before_tls.with_a_header, own_hello.probed, own_hello.versions),
        Alert.ILLEGAL_PARAMETER: (own_hello.probed, own_hello.large_hello, own_hello.versions, device, _disagreement),
        Alert.CLOSE_NOTIFY: (own_hello.probed, lets_not_in, own_hello.name, stopped),
        Alert.ACCESS_DENIED: (lets_not_in, own_hello.name),
        Alert.INSUFFICIENT_SECURITY: (own_hello.probed, own_hello.suites, own_hello.groups, own_hello.versions),
        Alert.UNSUPPORTED_CERTIFICATE: (other_kind, own_hello.schemes, device),
    },
    Progress.CHOSEN: {
        Alert.HANDSHAKE_FAILURE: (own_hello.probed, own_hello.later_groups, own_hello.schemes, misconfigured),
        Alert.CLOSE_NOTIFY: (stopped, device),
    },
    Progress.JUDGED: {
        # GnuTLS sends it in TLS 1.2 for a Certificate message without a certificate.
        Alert.DECODE_ERROR: (own_chain.absent, device, _disagreement),
        # The server's choice of a cipher suite is known by then.
        Alert.HANDSHAKE_FAILURE: (
            *CERTIFICATE, second_handshake, own_issuer.beyond_a_limit, own_chain.status,
        ),
        Alert.INTERNAL_ERROR: (
            *CERTIFICATE[:3], own_name.wrong_name, own_issuer.chain_too_long, own_chain.not_authorized, misconfigured,
            stopped,
        ),
        Alert.CLOSE_NOTIFY: (
            own_chain.absent, own_chain.flawed, own_issuer.issuer, own_name.wrong_name, gave_up,
            own_chain.not_authorized, stopped,
        ),
    },
    Progress.ACCEPTED: {
        # What the first handshake chose, a second one can choose again.
        Alert.HANDSHAKE_FAILURE: (second_handshake, own_chain.absent, *CERTIFICATE),
        Alert.INTERNAL_ERROR: (second_handshake, stopped, misconfigured),
    },
}  # fmt: skip
