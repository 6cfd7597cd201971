"""A peer whose first bytes are no TLS: which protocol they are of, and whether it could have requested TLS in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.peer import before_tls
from bothways.diagnosis.replies.protocols import BER_LENGTH
from bothways.errors import PeerFault, StartTLSFailed, StartTLSProblem
from bothways.faults import Fault
from bothways.tls.record.protocol_guess import OtherProtocol, is_whole_request, recognise

CERTAIN, LIKELY = Weight.CERTAIN, Weight.LIKELY
PEERS, BETWEEN = Party.PEERS, Party.BETWEEN
SHOWN_OF_START = 16
HEADER = 5  # bytes of a record (RFC 9846 5.1), which the error itself shows, too
_TEXT = frozenset(b"\t\r\n" + bytes(range(0x20, 0x7F)))
# A request for a tunnel, or for the URL of another server (RFC 9112 3.2.2, 3.2.3).
TO_PROXY = re.compile(rb"CONNECT [^ {]|[A-Z]{3,7} http://", re.IGNORECASE)
NO_PROXY = (
    "the client takes us for its HTTP proxy: correct the address of its proxy, or have it use none for us (no_proxy); "
    "then https:// in the URL"
)
LONGEST_UNBIND = b"\x08"  # bytes of one with a message number of four bytes (RFC 4511 4.3)


def not_tls(case: Case) -> Iterator[Likely]:
    """Return the causes where a peer begins in another protocol."""
    facts = case.refusal.facts
    begins = facts.get("begins") or facts.get("start")
    head = bytes(begins) if isinstance(begins, (bytes, bytearray)) else b""
    other = recognise(head)
    as_of = f", as of {other.value}" if other is not None else ""
    shown = repr(head[:SHOWN_OF_START]) if case.is_client else _beginning(head)
    observed = f"its first bytes are {shown}{as_of}"
    if case.is_client:
        yield from before_tls.in_plain(case, other, observed, head)
    else:
        yield from _of_client(case, head, other, observed)


def _beginning(head: bytes) -> str:
    """Return what is shown of a client's first bytes: a password may follow the first word, as in AUTH."""
    start = head[:SHOWN_OF_START]
    is_text = all(each in _TEXT for each in start)
    shown = re.split(rb"(?<=\S)\s+(?=\S)", start, maxsplit=1)[0] if is_text else start[:HEADER]
    return repr(shown) if shown == head else f"{shown!r} and so on"


def _of_client(case: Case, head: bytes, other: OtherProtocol | None, observed: str) -> Iterator[Likely]:
    asking = next((each for each in ASKING if each.pattern.match(head)), None)
    if asking is not None:
        weight = CERTAIN if len(head) >= asking.enough else LIKELY
        yield _begins_in(case, asking.name, weight, observed)
    elif other is OtherProtocol.XMPP:
        yield _begins_in(case, "XMPP", CERTAIN if b"<stream:" in head else LIKELY, observed)
    elif other is OtherProtocol.HTTP_REQUEST:
        weight = CERTAIN if is_whole_request(head) else LIKELY
        facts = {"speaking": NO_PROXY} if TO_PROXY.match(head) else {}
        yield case.likely(Cause.HTTP_CLIENT, PEERS, weight, observed, **facts)
    elif other in OTHER_CLIENTS:
        yield case.likely(OTHER_CLIENTS[other], PEERS, CERTAIN, observed)
    elif other in LIKE_TLS:
        detail = f"the client begins with {other.value}"
        yield case.likely(Cause.NO_SHARED_VERSION, PEERS, LIKELY, observed, detail=detail)
    elif other in WITHOUT_TLS:
        name = other.value.removesuffix(" in the clear")
        yield case.likely(Cause.PLAIN_CLIENT, PEERS, LIKELY, observed, protocol=name)
    else:
        yield case.likely(Cause.OUR_PLAIN_PORT, PEERS, LIKELY, observed)
        yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _begins_in(case: Case, name: str, weight: Weight, observed: str) -> Likely:
    return case.likely(Cause.STARTTLS_CLIENT, PEERS, weight, observed, protocol=name, wanted=AT_ONCE[name])


def gave_up_tls(case: Case) -> str:
    """Return in which protocol a client goes on without TLS, after our certificate was sent in it; "" if it does not.

    Clients that request TLS in another protocol do so that refuse our certificate: OpenLDAP's sends its unbind.
    """
    error = case.error
    if case.is_client or not case.chain or case.observed.data or not isinstance(error, PeerFault):
        return ""
    begins = error.facts.get("begins")
    if error.fault is not Fault.UNEXPECTED_RECORD or not isinstance(begins, bytes):
        return ""
    return next((name for name, pattern in GOING_ON if pattern.match(begins)), "")


def not_requested(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    """Return the causes where a client did not request TLS in the protocol of our port, or not as it has to."""
    start, problem = error.start, error.problem
    other = recognise(start)
    seen = f"its first bytes are {_beginning(start)}"
    names = {each.name for each in ASKING if each.pattern.match(start)}
    if names and error.protocol not in names:
        yield _in_another(case, error, f"it begins in {min(names)}", seen)
    elif start.startswith(before_tls.RECORDS):
        beginning = (
            f"the client begins with TLS at once, and this port expects a request for it in {error.protocol}"
        )
        facts = {"protocol": error.protocol, "beginning": beginning}
        yield case.likely(Cause.TLS_AT_ONCE, PEERS, LIKELY, seen, **facts)
    elif other is OtherProtocol.PROXY_HEADER:
        yield case.likely(Cause.PROXY_HEADER, PEERS, LIKELY, seen)
    elif other in FOREIGN:
        yield _in_another(case, error, f"it begins as {other.value.partition(',')[0]}", seen)
    elif problem is StartTLSProblem.REFUSED:
        yield case.likely(Cause.PLAIN_CLIENT, PEERS, LIKELY, seen, protocol=error.protocol)
    elif problem is StartTLSProblem.SPOKE_AHEAD:
        yield case.likely(Cause.AHEAD_OF_TLS, BETWEEN, LIKELY, seen)
    elif problem is StartTLSProblem.TOO_MUCH:
        yield case.likely(Cause.BEYOND_OUR_LIMITS, PEERS, LIKELY, seen, detail=error.detail)
    elif problem is StartTLSProblem.MALFORMED:
        yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, LIKELY, seen, detail=error.sentence)
    elif problem is StartTLSProblem.OTHER_PROTOCOL:
        yield case.likely(Cause.OUR_PLAIN_PORT, PEERS, LIKELY, seen)
    elif start and _went_on(error):
        what = error.said or "a request that needs TLS"
        seen = f"it sent {what}, and no request for TLS; a password in it could be read on the network"
        yield case.likely(Cause.PLAIN_CLIENT, PEERS, LIKELY, seen, protocol=error.protocol)
    elif start:  # it spoke the protocol, and requested no TLS
        yield case.likely(Cause.PLAIN_CLIENT, PEERS, Weight.POSSIBLE, seen, protocol=error.protocol)
        yield case.likely(Cause.PROBE, PEERS)
    else:
        yield case.likely(Cause.PROBE, PEERS, LIKELY, "it connected and sent nothing")
    if problem is StartTLSProblem.LATE:
        yield case.likely(Cause.SLOW, BETWEEN)


def _went_on(error: StartTLSFailed) -> bool:
    """Whether a client went on with the protocol without TLS: by its command, or by an operation of LDAP."""
    if error.protocol == "LDAP":
        return error.start[1:2] > LONGEST_UNBIND
    return bool(error.said)


def _in_another(case: Case, error: StartTLSFailed, detail: str, seen: str) -> Likely:
    return case.likely(
        Cause.OTHER_STARTTLS, PEERS, LIKELY, seen, protocol=error.protocol, detail=detail, starttls=""
    )


class Asking(NamedTuple):
    """A protocol in which clients request TLS: how one begins, and how many bytes tell it from every other."""

    name: str
    pattern: re.Pattern[bytes]
    enough: int


_MESSAGE_ID = rb"\x02(?:\x01.|\x02..|\x03...|\x04....)"
ASKING: Sequence[Asking] = (
    # A request for TLS or GSSAPI, and a startup message (PostgreSQL 55.7).
    Asking("PostgreSQL", re.compile(rb"\0\0\0\x08(?:\x04(?:\xd2\x16)?|$)"), 7),
    Asking("PostgreSQL", re.compile(rb"\0\0..\0\x03\0[\0-\x02]user\0", re.DOTALL), 13),
    # A bind, search or extended request (RFC 4511 4.2, 4.5, 4.12).
    Asking("LDAP", re.compile(rb"\x30" + BER_LENGTH + _MESSAGE_ID + rb"[\x60\x63\x77]", re.DOTALL), 6),
    Asking("LDAP", re.compile(rb"\x30(?:[\0-\x7f]\x02\x01.|\x84...)$", re.DOTALL), 6),
    Asking("SMTP", re.compile(rb"(?:EHLO|HELO|LHLO) ", re.IGNORECASE), 5),
)
# How each goes on in plain: any request of LDAP (RFC 4511 4.1.1), a message of PostgreSQL (55.7), a line of text.
GOING_ON: Sequence[tuple[str, re.Pattern[bytes]]] = (
    ("LDAP", re.compile(rb"\x30(?:[\x05-\x7f]\x02|\x81.\x02|\x82..\x02|\x84...)", re.DOTALL)),
    ("PostgreSQL", re.compile(rb"[A-Za-z]\0[\0-\x0f]")),
    ("plain text", re.compile(rb"[\t\n\r -~]{5}")),
)
# How each begins with TLS.
AT_ONCE: Mapping[str, str] = {
    "PostgreSQL": "sslnegotiation=direct, as of PostgreSQL 17",
    "LDAP": "ldaps:// in place of StartTLS",
    "XMPP": "direct TLS",
    "SMTP": "implicit TLS (SMTPS)",
}
OTHER_CLIENTS: Mapping[OtherProtocol | None, Cause] = {
    OtherProtocol.PROXY_HEADER: Cause.PROXY_HEADER,
    OtherProtocol.SSL2: Cause.OLD_SSL,
}
LIKE_TLS = (OtherProtocol.TLCP, OtherProtocol.DTLS)
WITHOUT_TLS = (
    OtherProtocol.AMQP,
    OtherProtocol.KAFKA,
    OtherProtocol.MQTT,
    OtherProtocol.NATS,
    OtherProtocol.REDIS,
    OtherProtocol.RTSP,
    OtherProtocol.SIP,
    OtherProtocol.STOMP,
)
FOREIGN = (*WITHOUT_TLS, OtherProtocol.HTTP_REQUEST, OtherProtocol.SSH, OtherProtocol.XMPP, OtherProtocol.RDP)
