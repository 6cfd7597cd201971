"""What probing connections found, as evidence for why another one failed: one wide hello, or a whole survey."""

from __future__ import annotations

from bothways.diagnosis import Probed
from bothways.doctor.dial import Caller, Place, Spent
from bothways.doctor.probes import DATED_SUITES, GROUPS, SUITES_12, SUITES_13, VERSIONS, Question
from bothways.doctor.replies import Answer
from bothways.doctor.survey import WAITING, Survey
from bothways.errors import StartTLSProblem
from bothways.iana import CipherSuite, NamedGroup, ProtocolVersion
from bothways.starttls import PROTOCOLS

WIDE = Question(
    tuple(each for each in VERSIONS if each != ProtocolVersion.SSLv3), (*SUITES_13, *SUITES_12), GROUPS
)
PROBES = 2 + len(WAITING)


def probe(place: Place, timeout: float) -> Probed | None:
    """Ask a server once what it chooses where all is offered; nothing but a hello is sent.

    Where nothing comes back, it is asked once more behind a header of the PROXY protocol, and for TLS in the words of
    those who wait for them. timeout: seconds for each connection.  Returns None where that told nothing.
    """
    caller = Caller(place, timeout=timeout, limit=PROBES)
    try:
        answer = caller.ask(WIDE, to_the_share=True)
        if answer.kind in ("closed", "silence"):
            return _behind_a_header(caller) or _in_words(caller, answer)
    except (OSError, Spent):
        return None
    if answer.kind == "alert":
        return Probed()
    if answer.kind != "choice" or answer.version is None:
        return None
    return Probed((answer.version,), _known(answer.suite), _known(answer.group))


def _behind_a_header(caller: Caller) -> Probed | None:
    caller.through_proxy_header = True
    try:
        answer = caller.ask(WIDE)
    finally:
        caller.through_proxy_header = False
    return Probed(after_proxy_header=True) if answer.kind in ("choice", "alert") else None


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
