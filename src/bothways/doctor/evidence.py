"""What probing connections found, as evidence for why another one failed: one wide hello, or a whole survey."""

from __future__ import annotations

from bothways.diagnosis import Probed
from bothways.doctor.dial import Caller, Place, Spent
from bothways.doctor.probes import DATED_SUITES, GROUPS, SUITES_12, SUITES_13, VERSIONS, Question
from bothways.doctor.survey import Survey
from bothways.iana import CipherSuite, NamedGroup, ProtocolVersion

WIDE = Question(
    tuple(each for each in VERSIONS if each != ProtocolVersion.SSLv3), (*SUITES_13, *SUITES_12), GROUPS
)


def probe(place: Place, timeout: float) -> Probed | None:
    """Ask a server once what it chooses where all is offered; nothing but a hello is sent.

    Where nothing comes back, it is asked once more behind a header of the PROXY protocol.
    timeout: seconds for each connection.  Returns None where those connections failed as well.
    """
    caller = Caller(place, timeout=timeout, limit=2)
    try:
        answer = caller.ask(WIDE, to_the_share=True)
        if answer.kind in ("closed", "silence"):
            caller.through_proxy_header = True
            answer = caller.ask(WIDE)
            return Probed(after_proxy_header=True) if answer.kind in ("choice", "alert") else None
    except (OSError, Spent):
        return None
    if answer.kind == "alert":
        return Probed()
    if answer.kind != "choice" or answer.version is None:
        return None
    return Probed((answer.version,), _known(answer.suite), _known(answer.group))


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
