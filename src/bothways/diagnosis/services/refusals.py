"""Causes for which a service refuses us in its own protocol, over an established connection.

Servers that request certificates "optionally" complete the handshake and refuse afterwards, each in its own way. What
was requested and sent, and what our own verification finds, is considered before the text of the service.
"""

from __future__ import annotations

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnose import explain
from bothways.diagnosis.diagnosis import Explanation, Weight, ranked
from bothways.diagnosis.replies.lines import error_line
from bothways.diagnosis.replies.reply import ServiceRefusal, ServiceReply, read_reply
from bothways.diagnosis.replies.texts import Meaning
from bothways.diagnosis.services import reply_causes
from bothways.diagnosis.situation import Situation
from bothways.errors import PeerAlert, PeerFault
from bothways.faults import shown
from bothways.tls.record.protocol_guess import OtherProtocol, recognise

OURS, PEERS = Party.OURS, Party.PEERS
LIKELY = Weight.LIKELY

MEANING = (
    "TLS succeeded, and the service behind it refuses: its own rules require more than the handshake did"
)
FAILED = (
    "TLS succeeded in both directions, and the service behind it "
    "failed to process the request, or a service that it needs did"
)
SILENCE = "TLS succeeded, and the service behind it closed without an answer; some services refuse clients in this way"
BUSY = "TLS succeeded in both directions, and the service behind it answers that it cannot process the request now"
NOT_HTTP = "TLS succeeded in both directions, and the service behind it is not one of the protocol that was requested"
TOO_LARGE = (
    "TLS succeeded in both directions, and the server refuses this request for its size, not our certificate"
)
MEANINGS = {
    Meaning.NO_BACKEND: FAILED,
    Meaning.PLAIN_WANTED: FAILED,
    Meaning.FAILED: FAILED,
    Meaning.BUSY: BUSY,
    Meaning.TOO_LARGE: TOO_LARGE,
}


def explain_answer(data: bytes, situation: Situation) -> Explanation | None:
    """Explain the first bytes of a service, if by them it refuses a client for its certificate or name, or return None.

    data: the first bytes received over the established channel, b"" where it was closed; at most 16 KiB are read.
    situation: as for `explain`.
    """
    if not data and situation.observed.said:
        return explain_silence(situation)
    reply = read_reply(data)
    if reply is None or reply.meaning is None:
        return None
    case = Case(ServiceRefusal(reply), situation)
    causes = ranked(each for rule in reply_causes.of_meaning(reply.meaning) for each in rule(case))
    causes = causes or (case.likely(Cause.REFUSED_BY_SERVICE, PEERS),)
    return Explanation(f"the server answered: {reply.text}", MEANINGS.get(reply.meaning, MEANING), causes)


def explain_silence(situation: Situation) -> Explanation:
    """Explain that a service closed the connection after the handshake without a word."""
    case = Case(silence(), situation)
    causes = ranked(each for rule in reply_causes.SILENT for each in rule(case))
    what = "answered" if situation.observed.said else "sent"
    return Explanation(f"the server {what} nothing, and closed the connection", SILENCE, causes)


def silence() -> ServiceRefusal:
    """Return that a service closed the connection without a word as a refusal, so that a command has failed."""
    return ServiceRefusal(ServiceReply("nothing, and closed the connection", None))


def explain_other_protocol(data: bytes, situation: Situation) -> Explanation | None:
    """Explain the first bytes of a service that answers a request of HTTP in another protocol; None for one unknown.

    data: the first bytes received over the established connection.  situation: as for `explain`.
    """
    other = recognise(data)
    if other is None or other is OtherProtocol.HTTP_ANSWER:
        return None
    if other is OtherProtocol.HTTP2 and situation.observed.protocol == b"h2":
        return _began_http2(Case(ServiceRefusal(ServiceReply("nothing", None)), situation))
    name = other.value.partition(",")[0].removesuffix(" in the clear")
    case = Case(ServiceRefusal(ServiceReply(f"in {name}", None)), situation)
    evidence = f"its first bytes are {data[:16]!r}, as of {name}"
    if other is OtherProtocol.HTTP2 and situation.observed.protocol is None:
        detail = (
            "it speaks HTTP/2, and chose no protocol; a proxy that ends TLS in front of it has to choose h2"
        )
        cause = case.likely(Cause.NO_SHARED_PROTOCOL, PEERS, LIKELY, evidence, detail=detail)
    else:
        cause = case.likely(Cause.OTHER_SERVICE, OURS, LIKELY, evidence, detail=f"it answers in {name}")
    return Explanation(f"the server answered in {name}", NOT_HTTP, (cause,))


def _began_http2(case: Case) -> Explanation:
    """It speaks what was agreed, and has not answered: it ended the connection, or sent what is no HTTP/2."""
    evidence = "it began HTTP/2, as was agreed, and no answer to the request came"
    causes = [case.likely(each, PEERS, Weight.POSSIBLE, evidence) for each in UNANSWERED]
    detail = "what it sent cannot be read as HTTP/2"
    causes.append(case.likely(Cause.PEER_BREAKS_RULES, PEERS, Weight.POSSIBLE, detail=detail))
    return Explanation("the server began HTTP/2 and gave no answer", NO_ANSWER_MEANS, ranked(causes))


UNANSWERED = (Cause.PEER_STOPPED, Cause.SERVICE_BUSY, Cause.BACKEND_DOWN)
NO_ANSWER_MEANS = "TLS succeeded in both directions, and the service stopped before it answered"


def explain_ended(data: bytes, error: Exception, situation: Situation) -> Explanation:
    """Explain the end of a connection on which a service has replied: the reply says more than the way it ended.

    data: the first bytes received over the established connection, b"" for none.  error: what ended it, such as a
    reset or an end without close_notify.  situation: as for `explain`.
    """
    ended = explain(error, situation)
    if not data or isinstance(error, (PeerAlert, PeerFault)):
        return ended
    answer = explain_answer(data, situation) or _of_any_status(data, situation)
    if answer is None:
        return ended
    end = f"{answer.happened}; then {ended.happened}"
    further = (each for each in ended.causes if each.cause not in BEFORE_AN_ANSWER or not refusal_in(data))
    return Explanation(end, answer.usually, ranked((*answer.causes, *further)))


# How a connection ends on which a service has refused us, needs no cause of its own.
BEFORE_AN_ANSWER = (Cause.PEER_STOPPED, Cause.CUT, Cause.NO_ANSWER, Cause.SLOW, Cause.BACKEND_DOWN)


def _of_any_status(data: bytes, situation: Situation) -> Explanation | None:
    """Explain an HTTP status that says nothing about us, where a body may have been lost, or a line that says no."""
    reply = read_reply(data)
    if reply is None and (line := error_line(data)) is not None:
        reply = ServiceReply(shown(line), None)
        causes = tuple(reply_causes.by_status(Case(ServiceRefusal(reply), situation)))
        return Explanation(f"the server answered: {reply.text}", FAILED, causes)
    if reply is None or reply.status is None or reply.status < 400:
        return None
    case = Case(ServiceRefusal(reply), situation)
    further = reply_causes.BAD_REQUEST if reply.status == 400 else ()
    causes = ranked(each for rule in (*further, reply_causes.by_status) for each in rule(case))
    return Explanation(
        f"the server answered: {reply.text}", MEANING if reply.status < 500 else FAILED, causes
    )


def refusal_in(data: bytes) -> ServiceRefusal | None:
    """Return the refusal that a service sent us, after which a command has failed; None if it sent none.

    data: the first bytes received over the established connection.
    """
    reply = read_reply(data)
    return ServiceRefusal(reply) if reply is not None and reply.refuses else None
