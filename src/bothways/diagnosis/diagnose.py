"""From a failure and what is known of our own side to its causes, the most likely first: the one way in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Explanation, Likely, Weight, ranked
from bothways.diagnosis.own_side import program as own_program
from bothways.diagnosis.peer import alerts as peer_alerts
from bothways.diagnosis.peer import before_tls, network, plain_clients, time_limits
from bothways.diagnosis.peer import certificate as peer_certificate
from bothways.diagnosis.peer import faults as peer_faults
from bothways.diagnosis.situation import UNNAMED, Files, Observed, OwnSide, Situation
from bothways.errors import InternalError, PeerAlert, PeerFault, StartTLSFailed, TLSError, Truncated
from bothways.faults import Check, Fault, shown
from bothways.roles import Progress, Role, StepId
from bothways.tls.handshake.alert_meanings import meaning_of
from bothways.trust.anchors import TrustStore
from bothways.trust.crl.entries import HOLD
from bothways.trust.verdict import Purpose, Refused


def explain(error: Exception, situation: Situation | None = None) -> Explanation:
    """Return what may have caused a connection to fail: always at least one cause.

    error: what ended it: a `TLSError`, or an `OSError` of the network.  situation: what a `HandshakeFacts` of the
    connection knows; None where only the error is known. Reads no clock and no network. Never raises for what a
    peer did.
    """
    case = Case(error, situation or _without_observer(error))
    causes = ranked(_causes(case)) or (case.likely(Cause.PEER_STOPPED),)
    return Explanation(_what_happened(case), _usual_meaning(case), causes)


def explain_verdict(
    verdict: Refused,
    chain: Sequence[bytes],
    anchors: TrustStore,
    *,
    purpose: Purpose,
    name: str | None,
    at: datetime,
    files: Files = UNNAMED,
) -> Explanation:
    """Explain why a chain was refused without a connection.

    verdict: the result of `bothways.trust.verify`.  files: the names of our files, for remedies. The other arguments
    are those of `bothways.trust.verify`.
    """
    holder = Role.SERVER if purpose is Purpose.SERVER else Role.CLIENT
    first = verdict.reasons[0]
    letter = first.fault.check.letter if first.fault.check is not None else ""
    step = (StepId.SERVER_VERDICT if holder is Role.SERVER else StepId.CLIENT_VERDICT).part(letter)
    error = PeerFault(
        first.fault, step=step, peer=holder.value, facts=first.facts, reasons=tuple(verdict.reasons)
    )
    ours = OwnSide(holder.other, anchors=anchors, server_name=name, files=files)
    return explain(error, Situation(ours, Observed(chain=tuple(chain)), at))


def _without_observer(error: Exception) -> Situation:
    peer = getattr(error, "peer", "server")
    ours = OwnSide(Role.SERVER if peer == "client" else Role.CLIENT)
    return Situation(ours, connected=time_limits.was_connected(error))


def _causes(case: Case) -> Iterator[Likely]:
    match case.error:
        case PeerFault():
            yield from peer_faults.refused(case)
        case PeerAlert():
            yield from peer_alerts.alerted(case, case.error.alert)
        case StartTLSFailed(peer="client"):
            yield from plain_clients.not_requested(case, case.error)
        case StartTLSFailed():
            yield from before_tls.failed(case, case.error)
        case Truncated():
            yield from network.ended_without_alert(case)
        case OSError() if not own_program.is_about_a_file(case.error):
            yield from network.failed(case, case.error)
        case InternalError():
            yield case.likely(Cause.OUR_DEFECT, Party.OURS, Weight.CERTAIN)
        case _:
            yield from own_program.failed(case)


# -- words -------------------------------------------------------------------------------------------------


def _what_happened(case: Case) -> str:
    error = case.error
    if (
        isinstance(error, OSError)
        and not isinstance(error, TLSError)
        and not own_program.is_about_a_file(error)
    ):
        return f"the connection failed: {shown(error.strerror or str(error) or type(error).__name__)}"
    return str(error).partition("\n")[0].removesuffix(".")


CUT_MEANS = {
    (
        Role.CLIENT,
        Progress.HELLO,
    ): "the server closed the connection after our ClientHello, before it sent anything in TLS",
    (
        Role.CLIENT,
        Progress.CHOSEN,
    ): "the connection broke in the middle of the server's part of the handshake",
    (
        Role.CLIENT,
        Progress.JUDGED,
    ): "the server closed the connection without saying whether it accepts our certificate",
    (Role.CLIENT, Progress.ACCEPTED): "the handshake had succeeded; data may be missing at the end",
    (Role.SERVER, Progress.HELLO): "a client connected and closed before it sent anything in TLS",
    (
        Role.SERVER,
        Progress.JUDGED,
    ): (
        "the client closed the connection in place of an answer to our certificate; "
        "some clients refuse it so, without an alert, and others leave before they have read it"
    ),
    (Role.SERVER, Progress.ACCEPTED): "the handshake had succeeded; data may be missing at the end",
}


CHECK_MEANS: Mapping[Check, str] = {
    Check.ENCODING: "what it sent cannot be decoded as a certificate, so its identity is unknown",
    Check.PATH: (
        "none of our trust anchors leads to its certificate: it is "
        "the right peer with a wrong chain, or another peer"
    ),
    Check.SIGNATURE: "its certificate is no proof: it was altered, or could be forged",
    Check.REVOCATION: "its CA has revoked the certificate, for example because a private key was lost or stolen",
    Check.VALIDITY: "its certificate is genuine, and not valid at this time",
    Check.CONSTRAINT: "its certificate is genuine, and not meant for this use",
    Check.NAME: "its certificate is genuine, and for another name: of the same host, or of another one",
    Check.STATUS: "the revocation status of its certificate is unknown, and unknown is refused by this configuration",
}
OF_AUTHORITY = "its certificate is genuine, and that of a CA, not of a server"
NOT_PINNED = "certificates are trusted one by one: it has a new one, or is another peer"
ON_HOLD = "its CA has suspended the certificate, and may lift the hold (RFC 5280 5.3.1)"
OUR_ANCHOR = "its certificate leads to a trust anchor that is ours, and it is that one which cannot be used"
NOTHING_SHARED = "both sides use TLS, and have no such parameter in common"
FAULT_MEANS: dict[Fault, str] = {
    Fault.NOT_TLS: "it is not the service that we want, or another system is in front of it",
    Fault.UNSUPPORTED_VERSION: NOTHING_SHARED,
    Fault.UNOFFERED_VERSION: NOTHING_SHARED,
    Fault.NO_SHARED_CIPHER_SUITE: NOTHING_SHARED,
    Fault.NO_SHARED_GROUP: NOTHING_SHARED,
    Fault.NO_SHARED_SCHEME: NOTHING_SHARED,
    Fault.NO_SHARED_CERTIFICATE_TYPE: NOTHING_SHARED,
    Fault.UNOFFERED_CERTIFICATE_TYPE: "it authenticates itself in a way that this configuration does not verify",
    Fault.NO_CERTIFICATE_ON_OFFERED_CURVE: NOTHING_SHARED,
    Fault.CERTIFICATE_ON_UNOFFERED_CURVE: NOTHING_SHARED,
    Fault.NO_SHARED_APPLICATION_PROTOCOL: NOTHING_SHARED,
    Fault.UNOFFERED_APPLICATION_PROTOCOL: NOTHING_SHARED,
    Fault.UNKNOWN_SERVER_NAME: "it wants to reach another server, or uses another name for this one",
    Fault.ACCESS_REFUSED: "it is trusted, and the rules of this configuration do not allow it to connect",
    Fault.NO_CERTIFICATE: "its identity is unknown, and only clients with a certificate are allowed",
    Fault.BAD_RAW_KEY: "what it sent cannot be used as a public key, so its identity is unknown",
    Fault.RAW_KEY_NOT_PINNED: "we pin another key: it is the right peer with a new key, or another peer",
    Fault.PSK_REMOVED: "it had a key that was in use, and is in use no more",
    Fault.UNKNOWN_PSK: "its identity is unknown, and only clients with a key that we have are allowed",
    Fault.PSK_NOT_CHOSEN: "it does not have our key, or is another server",
    Fault.BAD_CERTIFICATE_VERIFY: "it sent a certificate without a proof that it has the private key",
    Fault.BAD_RECORD: "what we received was altered on the way, or the keys of the two sides differ",
    Fault.BAD_FINISHED: "the two sides did not send and receive the same handshake messages",
    Fault.NO_EXTENDED_MAIN_SECRET: (
        "it is correct but old: an attacker can make two connections use the same keys (RFC 7627 1)"
    ),
    Fault.NO_SECURE_RENEGOTIATION: "it is old, or configured so, and an attacker could insert data before ours",
    Fault.ECH_REJECTED: "it is the server of the public name, and does not have the key that we encrypted with",
    Fault.NO_CERTIFICATE_AFTER_ECH: "it encrypted by an old configuration and connects again, or has no certificate",
    Fault.HANDSHAKE_TIMEOUT: "it, or the network path to it, took too long",
    Fault.NO_ANSWER_TO_REQUEST: "it waits for its user or its key, or does not answer although it offered to",
    Fault.DATA_BEFORE_CERTIFICATE: "it sends much before it reads, so that its answer comes late",
}
FAULT_MEANS |= dict.fromkeys(
    (Fault.MESSAGE_TOO_LONG, Fault.TOO_MANY_EMPTY_RECORDS, Fault.TOO_MANY_KEY_UPDATES),
    "the protocol does not forbid it; we limit what an unknown peer may cost",
)
BREACH = (
    "no correct TLS implementation sends this: it has a defect, "
    "or a device on the network path altered the traffic"
)
NO_SERVER = "no server of TLS answers so: it is another service, most likely one that sends back what it gets"
OTHER_CLIENT = "it is a client of another protocol, or of the one of our service without TLS"
GOES_ON_IN_PLAIN = (
    "the client goes on in plain: clients that requested TLS in another protocol (STARTTLS) "
    "do so where they refuse our certificate"
)
BEFORE_TLS = "TLS has not begun: nothing that was received so far is authenticated"


def _pins_alone(case: Case) -> bool:
    anchors = case.own_side.anchors
    return anchors is not None and 0 < len(anchors.exact) == len(anchors)


def _usual_meaning(case: Case) -> str:
    match case.error:
        case PeerAlert():
            meaning = meaning_of(case.error.alert, case.role, case.progress)[0]
            return meaning or "it is an alert that is in no standard that we know"
        case PeerFault():
            if "anchor" in case.error.facts:
                return OUR_ANCHOR
            if case.error.facts.get("reason") == HOLD:
                return ON_HOLD
            if peer_faults.answers_by_hello(case):
                return NO_SERVER
            if case.error.fault is Fault.NOT_TLS and not case.is_client:
                return OTHER_CLIENT
            if plain_clients.gave_up_tls(case):
                return GOES_ON_IN_PLAIN
            if case.error.fault is Fault.NO_SERVER_NAMES and peer_certificate.shows_authority(case):
                return OF_AUTHORITY
            if case.error.fault is Fault.NO_PATH and _pins_alone(case):
                return NOT_PINNED
            check = case.error.fault.check
            return FAULT_MEANS.get(case.error.fault, BREACH if check is None else CHECK_MEANS[check])
        case StartTLSFailed():
            return BEFORE_TLS
        case Truncated():
            return CUT_MEANS.get((case.role, case.progress), "")
        case OSError() if network.is_cut(case.error):
            return CUT_MEANS.get((case.role, case.progress), "")
    return ""
