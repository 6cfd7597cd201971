"""What probing connections found, as evidence for why another one failed: one wide hello, or a whole survey."""

from __future__ import annotations

import errno
import time

from bothways.diagnosis import Probed
from bothways.doctor.dial import Caller, Place, Spent
from bothways.doctor.probes import (
    ASKED_GROUPS,
    DATED_SUITES,
    GOOD_SUITES_12,
    GROUPS,
    SUITES_12,
    SUITES_13,
    VERSIONS,
    Question,
)
from bothways.doctor.replies import Answer
from bothways.doctor.survey import WAITING, Survey
from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.iana import CipherSuite, NamedGroup, ProtocolVersion
from bothways.starttls import PROTOCOLS, Protocol

# What we offer ourselves comes first: many servers choose what the client prefers.
WIDE = Question(
    tuple(each for each in VERSIONS if each != ProtocolVersion.SSLv3),
    tuple(dict.fromkeys((*SUITES_13, *GOOD_SUITES_12, *SUITES_12))),
    tuple(dict.fromkeys((*ASKED_GROUPS, *GROUPS))),
)
# Suites of TLS_PSK, TLS_DHE_PSK, TLS_RSA_PSK and TLS_ECDHE_PSK (RFC 4279, 5487, 5489, 6655, 7905, 8442), and of
# TLS_SRP_SHA (RFC 5054).
PRE_SHARED = Question(
    (ProtocolVersion.TLSv1_2,),
    (*range(0xD001, 0xD006), *range(0xCCAB, 0xCCAF), *range(0xC035, 0xC039), *range(0xC0A4, 0xC0AC),
     *range(0xA8, 0xB8), *range(0x8A, 0x96), *range(0xC01A, 0xC023)),
)  # fmt: skip
PROBES = 4 + len(WAITING)
AT_ONCE_SECONDS = 1.0
SILENCES = 3  # so many connections are waited for in turn where nothing is ever answered
CONNECTION_SECONDS = 10.0
GONE = (
    errno.ENOTCONN,
    errno.ECONNRESET,
)  # of a connection that stood, and was reset before anything was sent


def probe(place: Place, seconds: float, starttls: Protocol | None = None) -> Probed | None:
    """Ask a server once what it chooses where all is offered; nothing but a hello is sent.

    Where that is refused, a hello without the server's name and one with suites of pre-shared keys are tried.
    Where it is not answered, it is tried whether a connection is closed before anything is sent, and a hello behind
    a header of the PROXY protocol, one without the server's name, and requests for TLS in protocols where the server
    waits for them. seconds: for all connections together.  starttls: the protocol in which TLS is requested first.
    Returns None where that told nothing.
    """
    each = min(seconds / SILENCES, CONNECTION_SECONDS)
    caller = Caller(place, timeout=each, limit=PROBES, starttls=starttls, seconds=seconds)
    began = time.monotonic()
    try:
        answer = caller.ask(WIDE, to_the_share=True)
        if answer.kind in ("closed", "silence"):
            waited = time.monotonic() - began
            return _told_apart(caller, answer, waited) if starttls is None else Probed(unanswered=True)
        if answer.kind == "alert":
            return _refused(caller)
    except OSError as error:
        return Probed(closes_at_once=True) if error.errno in GONE else None
    except (StartTLSFailed, Spent):
        return None
    if answer.kind != "choice" or answer.version is None:
        return None
    return Probed((answer.version,), _known(answer.suite), _known(answer.group))


def _refused(caller: Caller) -> Probed:
    """Tell apart what can be, of what refuses by an alert a hello that offers everything."""
    if caller.place.name.sni is not None and caller.ask(WIDE, named=False).kind == "choice":
        return Probed(without_name=True)
    return Probed(pre_shared=caller.ask(PRE_SHARED).kind == "choice")


def _told_apart(caller: Caller, answer: Answer, waited: float) -> Probed | None:
    """Tell apart what can be in the time that is left; None where nothing was."""
    try:
        return _closed(caller, answer, waited)
    except Spent:
        return None


def _closed(caller: Caller, answer: Answer, waited: float) -> Probed:
    """Tell apart what can be, of what closes a connection or stays silent after a hello.

    waited: after how many seconds it did so: a load balancer first tries to reach a server, a few times.
    """
    if answer.kind == "closed" and caller.closes_at_once(waited + AT_ONCE_SECONDS):
        return Probed(closes_at_once=True)
    # Without a name first: who answers that needs no header, and may answer one by an alert, as any other bytes.
    found = _without_name(caller, answer) or _behind_a_header(caller) or _in_words(caller, answer)
    return found or Probed(unanswered=True)


def _without_name(caller: Caller, before: Answer) -> Probed | None:
    if before.kind != "closed" or caller.place.name.sni is None:
        return None
    answer = caller.ask(WIDE, named=False)
    return Probed(without_name=True) if answer.kind in ("choice", "alert") else None


def _behind_a_header(caller: Caller) -> Probed | None:
    """An alert tells nothing: a server that expects no header may send one for those bytes."""
    caller.through_proxy_header = True
    try:
        answer = caller.ask(WIDE)
    finally:
        caller.through_proxy_header = False
    return Probed(after_proxy_header=True) if answer.kind == "choice" else None


def _in_words(caller: Caller, before: Answer) -> Probed | None:
    for name in WAITING if before.kind == "closed" else WAITING[:1]:
        refused = caller.ask_in_words_of(PROTOCOLS[name])
        if refused is None or refused.problem is StartTLSProblem.NOT_OFFERED:
            return Probed(starttls=name, plain=refused is not None)
    return None


def of_survey(survey: Survey) -> Probed:
    """Return what a survey found in codes."""
    versions = tuple(code for code, status in survey.spoken.items() if status == "spoken")
    names = (*survey.suites_13.names, *survey.suites_12.names)
    suites = tuple(int(CipherSuite[each]) for each in names)
    dated = tuple(code for kind in survey.dated for code in DATED_SUITES[kind])
    groups = tuple(int(NamedGroup[each]) for each in survey.groups.names)
    return Probed(versions, suites or dated, groups)


def _known(code: int | None) -> tuple[int, ...]:
    return () if code is None else (code,)
