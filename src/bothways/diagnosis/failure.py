"""From whatever a library raised to our own error inside it, and to what that means: the way in for everybody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from bothways.diagnosis.diagnose import explain
from bothways.diagnosis.diagnosis import Explanation
from bothways.diagnosis.situation import Situation
from bothways.errors import TLSError

LOOKED_AT = 256  # exceptions, at most: what libraries wrap is a dozen deep
PARTS = 64  # of one of them, such as a group of many


def failure_of(exception: BaseException) -> TLSError | None:
    """Find our error in what a library raised, however it wrapped it; None where there is none.

    exception: what was caught. Causes, contexts, arguments, reasons and members of groups are looked at, the
    nearest first, and a bounded number of them.
    """
    return next((each for each in _within(exception) if isinstance(each, TLSError)), None)


def explain_failure(error: BaseException) -> Explanation:
    """Say what a failed connection may have failed for.

    error: a `TLSError`, an `OSError` of the network, or what a library made of one. What was seen of the
    connection is taken into account where the error knows it, as those of `bothways.ssl` do. Never raises.
    """
    found: BaseException | None = failure_of(error)
    if found is None:
        found = next((each for each in _within(error) if isinstance(each, OSError)), error)
    situation = getattr(found, "situation", None)
    shown = found if isinstance(found, Exception) else RuntimeError(repr(found))
    return explain(shown, situation if isinstance(situation, Situation) else None)


def _within(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those in it, the nearest first, none twice."""
    waiting = deque((exception,))
    seen: set[int] = set()
    while waiting and len(seen) < LOOKED_AT:
        each = waiting.popleft()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting.extend(_parts(each))


def _parts(exception: BaseException) -> Iterator[BaseException]:
    held: list[object] = [exception.__cause__, exception.__context__]
    held += [_attribute(exception, name) for name in ("failure", "reason", "os_error", "certificate_error")]
    if isinstance(exception.args, tuple):
        held += exception.args[:PARTS]
    if isinstance(exception, BaseExceptionGroup):
        held += exception.exceptions[:PARTS]
    yield from (each for each in held if isinstance(each, BaseException))


def _attribute(exception: BaseException, name: str) -> object:
    """Return an attribute of somebody else's exception; its properties may raise anything."""
    try:
        return getattr(exception, name, None)
    except Exception:  # noqa: BLE001 - what cannot be read holds nothing of ours
        return None
