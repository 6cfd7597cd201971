"""From a failure and what is known of our own side to its causes, the likeliest first: the one way in."""

from __future__ import annotations

from collections.abc import Iterator

from bothways.errors import InternalError, PeerAlert, PeerFault, Truncated
from bothways.explain.causes import alerts, network, theirs
from bothways.explain.causes.case import Case
from bothways.explain.causes.explanation import Explanation, Likely, Weight, ranked
from bothways.explain.causes.situation import Ours, Situation
from bothways.explain.causes.table import Cause, Party
from bothways.faults import shown
from bothways.iana import Alert
from bothways.iana import name as spelled
from bothways.tls.handshake.refusals import Place, meaning_of
from bothways.tls.handshake.steps import Role


def explain(error: Exception, situation: Situation | None = None) -> Explanation:
    """Say what a failed connection may have failed for.

    error: what ended it: a `TLSError`, or an `OSError` of the network.  situation: what a `Witness` of the
    connection knows; without it the error alone has to do. Pure: it asks no clock and no network. Never raises
    for what a peer did, and always names at least one cause.
    """
    case = Case(error, situation or _unwitnessed(error))
    causes = ranked(_causes(case)) or (case.likely(Cause.PEER_STOPPED),)
    return Explanation(_happened(case), _usually(case), causes)


def _unwitnessed(error: Exception) -> Situation:
    peer = getattr(error, "peer", "server")
    return Situation(Ours(Role.SERVER if peer == "client" else Role.CLIENT))


def _causes(case: Case) -> Iterator[Likely]:
    match case.error:
        case PeerFault():
            yield from theirs.refused(case)
        case PeerAlert():
            yield from alerts.alerted(case, case.error.alert)
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
    match error:
        case PeerFault():
            where = f" at step {error.step}" if error.step else ""
            return (
                f"we refused the {error.peer}{where}: it {error.sentence.removeprefix(f'the {error.peer} ')}"
            )
        case PeerAlert():
            return f"the {error.peer} refused us{_at(error.step)} with alert {error.name}"
        case Truncated():
            return f"the {error.peer} ended the connection{_at(error.step)} without a word"
        case OSError():
            where = f" with {shown(case.ours.address)}" if case.ours.address else ""
            return f"the connection{where} failed: {shown(error.strerror or error)}"
    return shown(error).removesuffix(".")


def _at(step: str) -> str:
    return f" at step {step}" if step else ""


CUT_MEANS = {
    (
        Role.CLIENT,
        Place.HELLO,
    ): "whoever listens there closed when our hello came, before anything of TLS was said",
    (Role.CLIENT, Place.CHOSEN): "the connection broke in the middle of the server's part of the handshake",
    (
        Role.CLIENT,
        Place.JUDGED,
    ): "the server closed instead of saying whether it accepts us",
    (Role.CLIENT, Place.OPEN): "the handshake had succeeded; data may be missing at the end",
    (Role.SERVER, Place.HELLO): "somebody connected and left before anything of TLS was said",
    (
        Role.SERVER,
        Place.JUDGED,
    ): "the client closed when it had our certificate; some do so in place of an alert",
    (Role.SERVER, Place.OPEN): "the handshake had succeeded; data may be missing at the end",
}


def _usually(case: Case) -> str:
    match case.error:
        case PeerAlert():
            meaning = meaning_of(case.error.alert, case.role, case.place)[0]
            return (
                meaning
                or f"alert {spelled(Alert, case.error.alert).lower()} stands in no standard that we know"
            )
        case PeerFault():
            return (
                f"{case.error.rule} does not allow it; the peer got the alert {case.error.alert.name.lower()}"
            )
        case Truncated():
            return CUT_MEANS.get((case.role, case.place), "")
        case OSError() if isinstance(case.error, network.CUTS):
            return CUT_MEANS.get((case.role, case.place), "")
    return ""
