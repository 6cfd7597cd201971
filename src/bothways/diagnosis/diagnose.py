"""From a failure and what is known of our own side to its causes, the likeliest first: the one way in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bothways.diagnosis import network, peer_alerts, peer_faults
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Explanation, Likely, Weight, ranked
from bothways.diagnosis.situation import UNNAMED, Files, OwnSide, Seen, Situation
from bothways.errors import InternalError, PeerAlert, PeerFault, TLSError, Truncated
from bothways.faults import Check, Fault, shown
from bothways.roles import Progress, Role, StepId
from bothways.tls.handshake.alert_meanings import meaning_of
from bothways.trust.anchors import TrustStore
from bothways.trust.verdict import Purpose, Refused


def explain(error: Exception, situation: Situation | None = None) -> Explanation:
    """Say what a failed connection may have failed for.

    error: what ended it: a `TLSError`, or an `OSError` of the network.  situation: what a `HandshakeFacts` of the
    connection knows; without it the error alone has to do. Pure: it asks no clock and no network. Never raises
    for what a peer did, and always names at least one cause.
    """
    case = Case(error, situation or _unwitnessed(error))
    causes = ranked(_causes(case)) or (case.likely(Cause.PEER_STOPPED),)
    return Explanation(_happened(case), _usually(case), causes)


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
    """Explain why a chain was refused where nobody is connected; the arguments are those that it was judged by."""
    holder = Role.SERVER if purpose is Purpose.SERVER else Role.CLIENT
    first = verdict.reasons[0]
    letter = first.fault.check.letter if first.fault.check is not None else ""
    step = (StepId.SERVER_VERDICT if holder is Role.SERVER else StepId.CLIENT_VERDICT).part(letter)
    error = PeerFault(
        first.fault, step=step, peer=holder.value, facts=first.facts, reasons=tuple(verdict.reasons)
    )
    ours = OwnSide(holder.other, anchors=anchors, server_name=name, files=files)
    return explain(error, Situation(ours, Seen(chain=tuple(chain)), at))


def _unwitnessed(error: Exception) -> Situation:
    peer = getattr(error, "peer", "server")
    return Situation(OwnSide(Role.SERVER if peer == "client" else Role.CLIENT))


def _causes(case: Case) -> Iterator[Likely]:
    match case.error:
        case PeerFault():
            yield from peer_faults.refused(case)
        case PeerAlert():
            yield from peer_alerts.alerted(case, case.error.alert)
        case Truncated():
            yield from network.cut(case)
        case OSError():
            yield from network.failed(case, case.error)
        case InternalError():
            yield case.likely(Cause.OUR_DEFECT, Party.OURS, Weight.CERTAIN)
        case _:
            yield case.likely(Cause.LOCAL_FAILURE, Party.OURS, problem=shown(case.error))


# -- words -------------------------------------------------------------------------------------------------


def _happened(case: Case) -> str:
    error = case.error
    if isinstance(error, OSError) and not isinstance(error, TLSError):
        return f"the connection failed: {shown(error.strerror or error)}"
    return str(error).partition("\n")[0].removesuffix(".")


CUT_MEANS = {
    (
        Role.CLIENT,
        Progress.HELLO,
    ): "whoever listens there closed when our hello came, before anything of TLS was said",
    (
        Role.CLIENT,
        Progress.CHOSEN,
    ): "the connection broke in the middle of the server's part of the handshake",
    (
        Role.CLIENT,
        Progress.JUDGED,
    ): "the server closed instead of saying whether it accepts us",
    (Role.CLIENT, Progress.ACCEPTED): "the handshake had succeeded; data may be missing at the end",
    (Role.SERVER, Progress.HELLO): "somebody connected and left before anything of TLS was said",
    (
        Role.SERVER,
        Progress.JUDGED,
    ): "the client closed when it had our certificate; some do so in place of an alert",
    (Role.SERVER, Progress.ACCEPTED): "the handshake had succeeded; data may be missing at the end",
}


CHECK_MEANS: Mapping[Check, str] = {
    Check.ENCODING: "what it sent is no certificate that can be read, so nobody can tell who it is",
    Check.PATH: "nobody whom we trust vouches for it: it is the right one with a wrong chain, or somebody else",
    Check.SIGNATURE: "its certificate proves nothing: it was altered, or could be forged",
    Check.REVOCATION: "its CA has withdrawn the certificate, as when a key was lost or stolen",
    Check.VALIDITY: "its certificate is good, and for another time than now",
    Check.CONSTRAINT: "its certificate is genuine, and not meant for this",
    Check.NAME: "its certificate is genuine, and for another name: of the same host, or of somebody else",
    Check.STATUS: "whether its certificate was withdrawn cannot be known, and unknown is refused here",
}
NOTHING_SHARED = "both sides speak TLS, and have nothing of this kind in common"
FAULT_MEANS: Mapping[Fault, str] = {
    Fault.NOT_TLS: "it is another service than the one that we want, or something stands before it",
    Fault.UNSUPPORTED_VERSION: NOTHING_SHARED,
    Fault.UNOFFERED_VERSION: NOTHING_SHARED,
    Fault.NO_SHARED_CIPHER_SUITE: NOTHING_SHARED,
    Fault.NO_SHARED_GROUP: NOTHING_SHARED,
    Fault.NO_SHARED_SCHEME: NOTHING_SHARED,
    Fault.NO_SHARED_APPLICATION_PROTOCOL: NOTHING_SHARED,
    Fault.UNKNOWN_SERVER_NAME: "it wants somebody else than us, or knows us by another name",
    Fault.ACCESS_REFUSED: "it is trusted, and that is not enough: it is not one of those who may come in",
    Fault.NO_CERTIFICATE: "nobody can tell who it is, and only known clients are let in",
    Fault.BAD_CERTIFICATE_VERIFY: "it shows a certificate without proof that it is its own",
    Fault.BAD_RECORD: "what came was altered on the way, or the keys of both sides differ",
    Fault.BAD_FINISHED: "the two sides did not see the same conversation",
    Fault.NO_EXTENDED_MAIN_SECRET: "it is sound but old: connections to it can be joined to others (RFC 7627 1)",
    Fault.NO_SECURE_RENEGOTIATION: "it is old, and others could put their words before ours",
    Fault.HANDSHAKE_TIMEOUT: "it, or the way to it, let us wait too long",
}
BREACH = "no sound TLS implementation sends this: it has a defect, or something on the way interferes"


def _usually(case: Case) -> str:
    match case.error:
        case PeerAlert():
            meaning = meaning_of(case.error.alert, case.role, case.progress)[0]
            return meaning or "it is one that stands in no standard that we know"
        case PeerFault():
            check = case.error.fault.check
            return CHECK_MEANS[check] if check is not None else FAULT_MEANS.get(case.error.fault, BREACH)
        case Truncated():
            return CUT_MEANS.get((case.role, case.progress), "")
        case OSError() if isinstance(case.error, network.CUTS):
            return CUT_MEANS.get((case.role, case.progress), "")
    return ""
