"""From an exception of any library to the bothways error inside it, and to its explanation."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from bothways.arguments import instance
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnose import explain
from bothways.diagnosis.diagnosis import Explanation, Likely, Weight, ranked
from bothways.diagnosis.foreign import errors as foreign_errors
from bothways.diagnosis.foreign.reading import attribute, readable
from bothways.diagnosis.observer import situation_of
from bothways.diagnosis.peer import departure, network
from bothways.diagnosis.situation import UNNAMED, Files, Observed, OwnSide, Situation
from bothways.errors import TLSError, Truncated
from bothways.roles import Role
from bothways.tls.config import ClientConfig
from bothways.tls.handshake.history import FailureFacts

LOOKED_AT = 256  # exceptions that are looked at; libraries wrap about a dozen
LEFT = "the handshake had succeeded; some clients verify our certificate, or compare its name, only then"
BY_PYTHON = ("builtins", "socket")
HOLDING = ("__cause__", "__context__", "failure", "reason", "os_error", "certificate_error")
PARTS = 64  # members of one exception that are looked at, such as of an exception group


def failure_of(exception: BaseException) -> TLSError | None:
    """Return the bothways error inside an exception of a library, or None if there is none. Never raises.

    exception: the exception that was caught. A limited number of its causes, contexts, arguments, reasons and members
    of exception groups are searched, the nearest first.
    """
    return next((each for each in _within(exception) if isinstance(each, TLSError)), None)


def explain_failure(
    error: BaseException, *, files: Files = UNNAMED, address: str = "", local: str = ""
) -> Explanation:
    """Return what may have caused a connection to fail: always at least one cause. Raises nothing for an exception.

    Raises ConfigError for what is none, such as the None that `failure_of` may return: pass the exception itself.
    error: a `TLSError`, an `OSError` of the network, or an exception of a library that contains one. What was
    observed of the connection is taken into account where the error has it, as those of connections do: of the engine,
    of `bothways.net`, `bothways.aio` and `bothways.ssl`.  files: the names of our files.  address: that of the peer,
    "HOST:PORT", where the connection does not know it.  local: our IP address to which the peer connected.
    """
    instance("error", error, BaseException)
    found: BaseException | None = failure_of(error)
    if found is None:
        told = foreign_errors.explain_foreign(_within(error), address)
        if told is not None:
            return told
        found = _of_network(error) or error
    shown = readable(found)
    situation = getattr(shown, "situation", None)
    if isinstance(situation, FailureFacts):
        situation = situation_of(situation)
    if not isinstance(situation, Situation):
        return explain(shown)
    known = situation.own_side
    ours = replace(known, files=files, address=known.address or address, local=known.local or local)
    return explain(shown, replace(situation, own_side=ours))


def explain_departure(
    facts: FailureFacts, *, files: Files = UNNAMED, address: str = "", local: str = ""
) -> Explanation | None:
    """Return why a client may have closed its connection in order after the handshake, without a word.

    Likely is only what is known to be wrong with our side; clients may close when they like. None where we showed no
    certificate.  facts: of the connection.  files, address, local: as for `explain_failure`.
    """
    situation = situation_of(facts)
    known = situation.own_side
    ours = replace(known, files=files, address=known.address or address, local=known.local or local)
    left = Truncated("client", progress=facts.progress)
    causes = ranked(departure.causes(Case(left, replace(situation, own_side=ours))))
    if not causes:
        return None
    return Explanation("the client closed the connection before it sent anything", LEFT, causes)


def explain_backend(problem: Exception | None, address: str) -> Explanation:
    """Return why a service to which we forward did not answer, or was lost. Never raises.

    problem: the error of our connection to it, if there was one.  address: of the service, "HOST:PORT".
    """
    error = problem or ConnectionResetError("the connection was lost")
    situation = Situation(OwnSide(Role.CLIENT, address=address))
    found = explain(error, situation)
    causes = (
        ranked(_of_backend(Case(error, situation), error)) if isinstance(error, OSError) else found.causes
    )
    return Explanation(found.happened, "the client is not at fault: it was accepted", causes)


def _of_backend(case: Case, error: OSError) -> Iterator[Likely]:
    """A service that was reached has ended the connection; of one that was not the network tells more."""
    if network.is_cut(error):
        evidence = f"the connection to {case.own_side.address} was established, and the service ended it"
        facts = {"peer": "service behind us"}
        yield case.likely(Cause.PEER_STOPPED, Party.PEERS, Weight.LIKELY, evidence, **facts)
        yield case.likely(Cause.BACKEND_DOWN, Party.OURS)
        return
    absent = isinstance(error, (ConnectionRefusedError, TimeoutError))
    if absent:
        refused = isinstance(error, ConnectionRefusedError)
        evidence = (
            "the connection was refused at once" if refused else "nothing came back, not even a refusal"
        )
        yield case.likely(Cause.BACKEND_DOWN, Party.OURS, Weight.LIKELY, evidence)
    for each in network.failed(case, error):
        if each.cause not in (Cause.NOTHING_LISTENS, Cause.SLOW):
            weight = Weight.POSSIBLE if absent else each.weight
            yield replace(each, weight=weight, facts={**each.facts, "no_command": True})


def situate(
    error: TLSError | OSError, config: ClientConfig, server_name: str | None, address: str, starttls: str = ""
) -> None:
    """Attach to a client's error, of the network or from before TLS, what `explain_failure` needs, once.

    address: where the server is, "HOST:PORT".  starttls: the protocol in which TLS was requested first.
    """
    if getattr(error, "situation", None) is None:
        ours = OwnSide.of(config, server_name, address=address, starttls=starttls)
        error.situation = Situation(ours, Observed(), config.clock.now())  # type: ignore[union-attr]


def _of_network(exception: BaseException) -> OSError | None:
    """Return the error of the network inside an exception: of a known connection, or Python's own, before others.

    Libraries derive exceptions of their own from `OSError`, which say less than what they contain.
    """
    found = [each for each in _within(exception) if isinstance(each, OSError)]
    known = (each for each in found if attribute(each, "situation") is not None)
    own = (each for each in found if type(each).__module__ in BY_PYTHON and type(each) is not OSError)
    return next(known, None) or next(own, None) or next(iter(found), None)


def _within(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those inside it, the nearest first, each once."""
    waiting = deque((exception,))
    seen: set[int] = set()
    while waiting and len(seen) < LOOKED_AT:
        each = waiting.popleft()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting.extend(_parts(each))


def _parts(exception: BaseException) -> Iterator[BaseException]:
    held = [attribute(exception, name) for name in HOLDING]
    for several in (attribute(exception, "args"), attribute(exception, "exceptions")):
        if isinstance(several, tuple):
            held += several[:PARTS]
    yield from (each for each in held if isinstance(each, BaseException))
