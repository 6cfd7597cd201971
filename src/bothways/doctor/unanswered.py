"""Why a server answers no hello, or refuses every one: what it answers instead, by a few more connections."""

from __future__ import annotations

import re
import time
from dataclasses import replace

from bothways.describe.escape import visible
from bothways.diagnosis import Probed
from bothways.doctor.dial import NO_SERVER_NAME, SOME_NAME, ConnectionsUsedUp, Dialer
from bothways.doctor.probes import FULL_OFFER, PRE_SHARED, RARE
from bothways.doctor.replies import HelloReply
from bothways.errors import StartTLSProblem
from bothways.iana import Alert, ContentType
from bothways.starttls import PROTOCOLS

WAITS_FOR_CLIENT = ("postgres", "ldap")  # protocols whose servers send nothing before the client does
CONNECTIONS = 5 + len(WAITS_FOR_CLIENT)
SILENT_CONNECTIONS = 4  # to a server that is silent
IN_HTTP = 3
BAD_REQUEST = 400
AT_ONCE_SECONDS = 1.0
# Alerts of a server that received no record of TLS.
NOT_UNDERSTOOD = (Alert.UNEXPECTED_MESSAGE, Alert.DECODE_ERROR, Alert.RECORD_OVERFLOW, Alert.PROTOCOL_VERSION)
ALERT = bytes((ContentType.alert,))
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?= |\r|\n|\Z)")
SILENT_SECONDS = 3.0  # for each connection to a server that did not answer the first
LINE_SECONDS = 1.5
SHOWN = 40  # characters of an answer in another protocol


def distinguish(dialer: Dialer, reply: HelloReply, waited: float) -> Probed | None:
    """Distinguish the causes why a server closes a connection, or sends nothing, after a hello.

    dialer: makes at most `CONNECTIONS` connections; if a request for TLS in a protocol succeeds, all later ones begin
    by it.  waited: after how many seconds the server closed, since a load balancer first tries to reach a server.
    Returns None where time or connections are used up. Raises OSError.
    """
    if reply.kind == "silence":
        left = SILENT_SECONDS if dialer.end is None else (dialer.end - time.monotonic()) / SILENT_CONNECTIONS
        dialer.timeout = min(dialer.timeout, SILENT_SECONDS, max(0.1, left))
    try:
        return _distinguish(dialer, reply, waited)
    except ConnectionsUsedUp:
        return None


def _distinguish(dialer: Dialer, reply: HelloReply, waited: float) -> Probed:
    if reply.kind == "closed" and dialer.unasked(waited + AT_ONCE_SECONDS) == b"":
        return Probed(closes_at_once=True)
    # By name first: a server that answers needs no PROXY header, and may answer one by an alert.
    found = _by_lines(dialer, reply) or _by_name(dialer, reply)
    found = found or _by_proxy_header(dialer) or _by_request(dialer, reply) or _by_starttls(dialer, reply)
    if found is None and reply.kind == "closed":
        closes = dialer.closes_for_hello(FULL_OFFER, AT_ONCE_SECONDS)
        return Probed(unanswered=True, reads_hello=closes == "whole", closes_early=closes == "early")
    return found or Probed(unanswered=True)


def _by_name(dialer: Dialer, previous: HelloReply) -> Probed | None:
    """Whether the server answers a hello without our name; or one with a name, where ours is an address.

    Routers close for a name that they do not know; filters drop what they do not let through.
    """
    is_address = dialer.target.name.sni is None
    if is_address and previous.kind == "silence":
        return None
    reply = dialer.ask(FULL_OFFER, name=SOME_NAME if is_address else NO_SERVER_NAME)
    if reply.kind not in ("choice", "alert"):
        return None
    return Probed(differs_by_name=True) if is_address else Probed(without_name=True)


def _by_lines(dialer: Dialer, previous: HelloReply) -> Probed | None:
    """What the server answers in plain text: one that waits for the end of a line is silent after a hello."""
    if previous.kind != "silence":
        return None
    answer = dialer.answer_to_lines(LINE_SECONDS)
    if not answer or answer[:1] == ALERT:
        return None
    return Probed(answer=visible(answer.decode("latin-1").strip(), SHOWN), http_status=http_status(answer))


def _by_proxy_header(dialer: Dialer) -> Probed | None:
    """Whether the server expects a PROXY header. An alert is no evidence: others may send one for these bytes."""
    dialer.through_proxy_header = True
    try:
        reply = dialer.ask(FULL_OFFER)
    finally:
        dialer.through_proxy_header = False
    return Probed(after_proxy_header=True) if reply.kind == "choice" else None


def _by_request(dialer: Dialer, previous: HelloReply) -> Probed | None:
    """What a server that closes for a hello answers to a request in plain HTTP.

    Status 400 is no evidence: TLS servers answer what is not in TLS so.
    """
    if previous.kind != "closed":
        return None
    status = http_status(dialer.request_in_plain())
    return None if status in (None, BAD_REQUEST) else Probed(http_status=status)


def _by_starttls(dialer: Dialer, previous: HelloReply) -> Probed | None:
    for name in WAITS_FOR_CLIENT if previous.kind == "closed" else WAITS_FOR_CLIENT[:1]:
        refused = dialer.request_tls(PROTOCOLS[name])
        if refused is None or refused.problem is StartTLSProblem.NOT_OFFERED:
            return Probed(starttls=name, plain=refused is not None)
    return None


def in_http(dialer: Dialer) -> Probed | None:
    """Distinguish the causes why a server answers a hello in HTTP, by at most `IN_HTTP` connections.

    A server of plain HTTP waits for a request, and answers one; a TLS server answers a load balancer's PROXY header in
    HTTP by status 400, before anything is sent to it, and whatever is sent. Returns None where time or connections are
    used up. Raises OSError.
    """
    try:
        unasked = http_status(dialer.unasked(AT_ONCE_SECONDS) or b"")
        if unasked is not None:
            return Probed(speaks_unasked=True, http_status=unasked)
        return _by_proxy_header(dialer) or Probed(http_status=http_status(dialer.request_in_plain()))
    except ConnectionsUsedUp:
        return None


def http_status(start: bytes) -> int | None:
    """Return the status with which an answer of HTTP begins (RFC 9112 4); None for anything else."""
    found = _STATUS.match(start)
    return None if found is None else int(found[1])


def refused_by_alert(dialer: Dialer, alert: int | None) -> Probed:
    """Distinguish the causes why a server refuses, by an alert, a hello that offers everything."""
    if alert in NOT_UNDERSTOOD and (dialer.unasked(AT_ONCE_SECONDS) or b"")[:1] == ALERT:
        return Probed(speaks_unasked=True)
    if dialer.target.name.sni is None:
        reply = dialer.ask(FULL_OFFER, name=SOME_NAME)
        differs = None if reply.kind == "silence" else (reply.kind, reply.alert) != ("alert", alert)
        return replace(Probed() if differs else _by_other_suites(dialer), differs_by_name=differs)
    if dialer.ask(FULL_OFFER, name=NO_SERVER_NAME).kind == "choice":
        return Probed(without_name=True)
    return _by_other_suites(dialer)


def _by_other_suites(dialer: Dialer) -> Probed:
    """Offer the registered suites that few have, of which a full offer has none."""
    if dialer.ask(PRE_SHARED).kind == "choice":
        return Probed(pre_shared=True)
    reply = dialer.ask(RARE)
    if reply.kind != "choice" or reply.version is None or reply.suite is None:
        return Probed()
    return Probed((reply.version,), (reply.suite,))
