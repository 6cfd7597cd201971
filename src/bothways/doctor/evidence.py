"""Evidence from probing connections for the cause of a failure: one hello that offers everything, or a survey."""

from __future__ import annotations

import errno
import time
from dataclasses import replace

from bothways.diagnosis import Probed
from bothways.diagnosis.situation import Differs, OwnSide
from bothways.doctor.dial import ConnectionsUsedUp, Dialer, Target
from bothways.doctor.probes import (
    GOOD_SUITES_12,
    GROUPS,
    OUTDATED_SUITES,
    PROBED_GROUPS,
    SUITES_12,
    SUITES_13,
    VERSIONS,
    Offer,
)
from bothways.doctor.replies import HelloReply
from bothways.doctor.survey import WAITS_FOR_CLIENT, Survey
from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.iana import CipherSuite, FormerGroup, NamedGroup, ProtocolVersion
from bothways.starttls import PROTOCOLS, Protocol

# What a client of ours offers comes first: many servers choose what the client prefers.
FULL_OFFER = Offer(
    tuple(each for each in VERSIONS if each != ProtocolVersion.SSLv3),
    tuple(dict.fromkeys((*SUITES_13, *GOOD_SUITES_12, *SUITES_12))),
    tuple(dict.fromkeys((*PROBED_GROUPS, *GROUPS))),
)
# Suites of TLS_PSK, TLS_DHE_PSK, TLS_RSA_PSK and TLS_ECDHE_PSK (RFC 4279, 5487, 5489, 6655, 7905, 8442), and of
# TLS_SRP_SHA (RFC 5054).
PRE_SHARED = Offer(
    (ProtocolVersion.TLSv1_2,),
    (*range(0xD001, 0xD006), *range(0xCCAB, 0xCCAF), *range(0xC035, 0xC039), *range(0xC0A4, 0xC0AC),
     *range(0xA8, 0xB8), *range(0x8A, 0x96), *range(0xC01A, 0xC023)),
)  # fmt: skip
PROBES = 6 + len(WAITS_FOR_CLIENT)
PADDING = 1600  # bytes: more than a packet, and than a post-quantum key share adds
GROUP_CODES = {each.name: int(each) for registry in (NamedGroup, FormerGroup) for each in registry}
AT_ONCE_SECONDS = 1.0
UNANSWERED_LIMIT = 3  # so many connections wait for their time limit where the server never answers
CONNECTION_SECONDS = 10.0
RESET_ERRNOS = (
    errno.ENOTCONN,
    errno.ECONNRESET,
)  # of a connection that was reset before anything was sent


def probe(
    target: Target, seconds: float, starttls: Protocol | None = None, ours: OwnSide | None = None
) -> Probed | None:
    """Find out what a server chooses if everything is offered; only ClientHellos are sent.

    If that is refused, a hello without the server's name and one with suites of pre-shared keys are tried. If it is
    not answered: whether a connection is closed before anything is sent, a hello after a header of the PROXY
    protocol, one without the server's name, and requests for TLS in protocols whose servers wait for the client;
    last, whether it waits for the end of a hello before it closes.

    target: the server.  seconds: for all connections together.  starttls: the protocol by which TLS is requested
    first.  ours: what our hello offered, to find out what the server refuses in it.
    Returns None where that showed nothing.
    """
    each = min(seconds / UNANSWERED_LIMIT, CONNECTION_SECONDS)
    dialer = Dialer(target, timeout=each, limit=PROBES, starttls=starttls, seconds=seconds)
    started = time.monotonic()
    try:
        reply = dialer.ask(FULL_OFFER, until_key_exchange=True)
        if reply.kind in ("closed", "silence"):
            waited = time.monotonic() - started
            return _distinguish(dialer, reply, waited) if starttls is None else Probed(unanswered=True)
        if reply.kind == "alert":
            return _after_refusal(dialer)
    except OSError as error:
        return Probed(closes_at_once=True) if error.errno in RESET_ERRNOS else None
    except (StartTLSFailed, ConnectionsUsedUp):
        return None
    if reply.kind != "choice" or reply.version is None:
        return None
    found = Probed((reply.version,), _known(reply.suite), _known(reply.group))
    return found if ours is None else compared(dialer, found, ours)


def compared(dialer: Dialer, found: Probed, ours: OwnSide) -> Probed:
    """Find out what a server refuses in our hello, by hellos of which each differs from the last in one thing.

    The first has our versions and suites, and all groups and schemes; then come our schemes, our groups, and padding
    to more than one packet. Returns `found` as it was where the first is not answered, or there is no connection left.
    """
    versions = tuple(each for each in VERSIONS if each in ours.versions)
    if not (versions and ours.suites and ours.groups and ours.schemes):
        return found
    widest = Offer(versions, ours.suites, FULL_OFFER.groups)
    our_schemes = replace(widest, schemes=ours.schemes)
    our_groups = replace(our_schemes, groups=ours.groups)
    steps: tuple[tuple[Differs, Offer], ...] = (
        ("schemes", our_schemes),
        ("groups", our_groups),
        ("size", replace(our_groups, padding=PADDING)),
    )
    try:
        if dialer.ask(widest).kind != "choice":
            return found
        refused = (what for what, each in steps if dialer.ask(each).kind != "choice")
        return replace(found, differs=next(refused, "nothing"))
    except (OSError, StartTLSFailed, ConnectionsUsedUp):
        return found


def _after_refusal(dialer: Dialer) -> Probed:
    """Distinguish the causes why a server refuses, by an alert, a hello that offers everything."""
    if dialer.target.name.sni is not None and dialer.ask(FULL_OFFER, named=False).kind == "choice":
        return Probed(without_name=True)
    return Probed(pre_shared=dialer.ask(PRE_SHARED).kind == "choice")


def _distinguish(dialer: Dialer, reply: HelloReply, waited: float) -> Probed | None:
    """Distinguish the causes in the remaining time; None where none was found."""
    try:
        return _after_no_answer(dialer, reply, waited)
    except ConnectionsUsedUp:
        return None


def _after_no_answer(dialer: Dialer, reply: HelloReply, waited: float) -> Probed:
    """Distinguish the causes why a server closes a connection, or sends nothing, after a hello.

    waited: after how many seconds it did so, since a load balancer first tries to reach a server.
    """
    if reply.kind == "closed" and dialer.closes_at_once(waited + AT_ONCE_SECONDS):
        return Probed(closes_at_once=True)
    # Without a name first: a server that answers needs no PROXY header, and may answer one by an alert.
    found = _without_name(dialer, reply) or _by_proxy_header(dialer) or _by_starttls(dialer, reply)
    if found is None and reply.kind == "closed":
        read = dialer.closes_after_whole_hello(FULL_OFFER, AT_ONCE_SECONDS)
        return Probed(unanswered=True, reads_hello=read)
    return found or Probed(unanswered=True)


def _without_name(dialer: Dialer, previous: HelloReply) -> Probed | None:
    if previous.kind != "closed" or dialer.target.name.sni is None:
        return None
    reply = dialer.ask(FULL_OFFER, named=False)
    return Probed(without_name=True) if reply.kind in ("choice", "alert") else None


def _by_proxy_header(dialer: Dialer) -> Probed | None:
    """Whether the server expects a PROXY header. An alert is no evidence: others may send one for these bytes."""
    dialer.through_proxy_header = True
    try:
        reply = dialer.ask(FULL_OFFER)
    finally:
        dialer.through_proxy_header = False
    return Probed(after_proxy_header=True) if reply.kind == "choice" else None


def _by_starttls(dialer: Dialer, previous: HelloReply) -> Probed | None:
    for name in WAITS_FOR_CLIENT if previous.kind == "closed" else WAITS_FOR_CLIENT[:1]:
        refused = dialer.request_tls(PROTOCOLS[name])
        if refused is None or refused.problem is StartTLSProblem.NOT_OFFERED:
            return Probed(starttls=name, plain=refused is not None)
    return None


def of_survey(survey: Survey) -> Probed:
    """Return what a survey found, as code points."""
    versions = tuple(code for code, status in survey.spoken.items() if status == "spoken")
    names = (*survey.suites_13.names, *survey.suites_12.names)
    suites = tuple(int(CipherSuite[each]) for each in names)
    dated = tuple(code for kind in survey.dated for code in OUTDATED_SUITES[kind])
    groups = tuple(GROUP_CODES[each] for each in survey.groups.names)
    return Probed(versions, suites or dated, groups)


def _known(code: int | None) -> tuple[int, ...]:
    return () if code is None else (code,)
