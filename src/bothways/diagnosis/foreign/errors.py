"""Exceptions of libraries that contain no error of ours: what a server answered them, and TLS that was not ours."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnose import explain
from bothways.diagnosis.diagnosis import Explanation, Likely, ranked
from bothways.diagnosis.foreign.reading import attribute, text_of
from bothways.diagnosis.foreign.replies import (
    explain_reply,
    is_of_proxy,
    library_of,
    tls_not_offered,
    words_of,
)
from bothways.diagnosis.foreign.tls import NOT_OURS, ForeignTLS, failed, in_text, of_python, role_of
from bothways.diagnosis.situation import OwnSide, Situation
from bothways.faults import shown
from bothways.roles import Role

PYTHONS = ("builtins", "socket")


def explain_foreign(members: Iterable[BaseException], address: str) -> Explanation | None:
    """Explain the nearest of some exceptions that says something of a server's answer or of TLS, or return None.

    None too where an error of the operating system, or one of a connection that we observed, is nearer: it is explained
    by that. What attributes say has precedence over texts, which quote other errors. members: an exception and those
    inside it, none of them an error of ours.  address: that of the peer.
    """
    nearer = tuple(takewhile(lambda each: not _is_of_network(each), members))
    situation = Situation(OwnSide(Role.CLIENT, address=address))
    made = (read(each, situation) for read in (_by_attributes, _by_text, _unknown) for each in nearer)
    found = next((each for each in made if each is not None), None)
    if found is None or not any(is_of_proxy(each) for each in nearer):
        return found
    causes = sorted(
        found.causes, key=lambda each: each.cause is not Cause.SPEAKS_HTTP
    )  # as nearly every proxy does
    return replace(found, causes=tuple(map(_of_proxy, causes)))


def _of_proxy(each: Likely) -> Likely:
    """Return a cause that lies with the proxy to which a library connected, and not with the server behind it."""
    if each.party is not Party.PEERS:
        return each
    facts = {
        "peer": "proxy",
        "whose": "the proxy's",
        "who": "the proxy",
        "subject": "the proxy's certificate",
    }
    return replace(each, facts={**each.facts, **facts, "using": IN_PLAIN})


IN_PLAIN = "give the proxy's URL with http://: TLS with the server goes through it as well"


def _is_of_network(error: BaseException) -> bool:
    return attribute(error, "situation") is not None or _is_of_system(error)


def _is_of_system(error: BaseException) -> bool:
    """Whether the operating system reports it: libraries use the same types for words of their own."""
    return (
        isinstance(error, OSError)
        and type(error).__module__ in PYTHONS
        and (attribute(error, "errno") is not None or type(error) in TIMED)
    )


TIMED = (TimeoutError, ConnectionRefusedError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


def _by_attributes(error: BaseException, situation: Situation) -> Explanation | None:
    if isinstance(error, ssl.SSLError):
        said = of_python(error)
        return None if _is_no_failure(error) or not said.is_told else _of_tls(said, situation)
    return explain_reply(error, situation)


def _is_no_failure(error: ssl.SSLError) -> bool:
    """Whether a call has to be made again, or follows the end of a connection of ours: OpenSSL's have a reason."""
    if isinstance(error, ssl.SSLZeroReturnError):
        return not hasattr(error, "reason")
    return isinstance(error, (ssl.SSLWantReadError, ssl.SSLWantWriteError))


def _by_text(error: BaseException, situation: Situation) -> Explanation | None:
    refused = tls_not_offered(error)
    if refused is not None:
        found = explain(refused, situation)
        evidence = f"{library_of(error)} reports: {words_of(error)}"
        causes = tuple(replace(each, evidence=each.evidence or evidence) for each in found.causes)
        return replace(found, causes=causes)
    quoted = in_text(text_of(error))
    return _of_tls(quoted, situation) if quoted is not None else None


def _unknown(error: BaseException, situation: Situation) -> Explanation | None:
    """An error of Python's `ssl` without a reason, where no other one has any."""
    if not isinstance(error, ssl.SSLError) or _is_no_failure(error):
        return None
    return _of_tls(of_python(error), situation)


def _of_tls(error: ForeignTLS, situation: Situation) -> Explanation:
    """Explain a failure of TLS that was not ours."""
    own = OwnSide(role_of(error), address=situation.own_side.address)
    case = Case(error, replace(situation, own_side=own))
    return Explanation(
        f"TLS of another library failed: {shown(error)}", NOT_OURS, ranked(failed(case, error))
    )
