"""Connections that were refused, by the code of the reason: how many, the last of them, and the ladder of one of them.

Ladders are drawn only so often, since who fails on purpose must not have us compute.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import Any

from bothways.describe.escape import visible
from bothways.describe.recorder import Noted
from bothways.diagnosis.failure import explain_failure
from bothways.errors import PeerAlert, PeerFault
from bothways.gateway.log.endings import Code
from bothways.gateway.log.log import NAME_LIMIT, ConnectionEntry, words_of
from bothways.gateway.observe.meter import counted_code
from bothways.gateway.observe.snapshot import peer_text
from bothways.no_op import do_nothing
from bothways.roles import Role
from bothways.servers.report_limits import Allowance

GROUPS = 40
LADDER_LIMIT = 6000  # characters
LADDER_WIDTH = 64
AT_ONCE, EVERY_SECONDS = 5, 1.0  # ladders that are drawn
RENEW_SECONDS = 60.0  # how old a ladder may be before another one is drawn
QUIET = frozenset(each.name for each in (Code.CLIENT_LEFT, Code.CLIENT_LOST, Code.GATEWAY_ENDED, Code.CLOSED))


@dataclass(slots=True)
class RefusalCount:
    """The refusals of one code. verified: whose certificate was, "client" or "server", that of a tunnel.

    at: when the last one was.  client, who, ended: of that one.  cause, ladder: of one of them; empty where there is
    none.
    """

    code: str
    verified: str = "client"
    count: int = 0
    at: str = ""
    client: str = ""
    who: str = ""
    route: str = ""
    ended: str = ""
    cause: str = ""
    ladder: str = ""


_Key = tuple[str, Role]


def _refused_us(entry: ConnectionEntry) -> bool:
    """Whether the server of a tunnel, which is verified, has refused our certificate: it may do so later than we."""
    is_alert = isinstance(entry.failure, PeerAlert) or entry.code == Code.BACKEND_REFUSED.name
    return is_alert and entry.verified is Role.SERVER


def load_ladders() -> None:
    """Load what draws ladders, so that no event loop waits for it."""
    for name in ("layout", "text"):
        import_module(f"bothways.ladder.{name}")


def _at_once(work: Callable[[], None]) -> None:
    work()


class Refusals:
    """Those of one process.

    run: has a ladder drawn, such as in a thread, so that nobody waits for that.  tell: takes a sentence for the log.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        run: Callable[[Callable[[], None]], object] = _at_once,
        tell: Callable[[str], object] = do_nothing,
    ) -> None:
        self._run = run
        self._tell = tell
        self._told = False
        self._clock = clock
        self._now = now
        self._groups: OrderedDict[_Key, RefusalCount] = OrderedDict()
        self._drawn: dict[_Key, float] = {}
        self._allowance = Allowance(AT_ONCE, EVERY_SECONDS)

    def note(self, entry: ConnectionEntry, notes: Sequence[Noted]) -> None:
        """Note a connection that has ended, if it was refused. notes: of its handshake; there may be none."""
        code, verified = counted_code(entry.code), entry.verified
        if not code or code in QUIET or (entry.verdict == "allowed" and not _refused_us(entry)):
            return
        group = self._groups.setdefault((code, verified), RefusalCount(code, verified.value))
        self._groups.move_to_end((code, verified))
        if len(self._groups) > GROUPS:
            gone, _ = self._groups.popitem(last=False)
            self._drawn.pop(gone, None)
        group.count += 1
        group.at = self._now().isoformat(timespec="seconds")
        group.client, group.route = entry.client, entry.route or ""
        group.who = "" if entry.peer is None else peer_text(entry.peer)
        group.ended = words_of(entry)
        self._draw((code, verified), group, entry, notes)

    def facts(self) -> list[dict[str, Any]]:
        """Return all of them, the last one first."""
        return [asdict(each) for each in reversed(self._groups.values())]

    def _draw(self, key: _Key, group: RefusalCount, entry: ConnectionEntry, notes: Sequence[Noted]) -> None:
        """Find the cause of this one and draw its ladder, unless there is a young one, or too many were drawn.

        What has no ladder, such as a client that requested no TLS, has a cause all the same.
        """
        now, error = self._clock(), entry.failure
        drawn = self._drawn.get(key)
        if (drawn is not None and now < drawn + RENEW_SECONDS) or not self._allowance.take(now):
            return
        self._drawn[key] = now
        if isinstance(error, (PeerFault, PeerAlert)):
            of_client = entry.verified is Role.CLIENT
            self._run(partial(self._explain, group, error, tuple(notes), self._now(), of_client=of_client))
        else:
            group.cause = visible("".join(entry.causes[:1]), NAME_LIMIT)

    def _explain(self, group: RefusalCount, *of: Any, of_client: bool) -> None:
        """Explain a refusal; a defect in that is told once, since nobody waits for it in a thread."""
        try:
            _explain(group, *of, of_client=of_client)
        except Exception as error:  # noqa: BLE001 - it is counted nevertheless
            if not self._told:
                self._told = True
                self._tell(f"why a connection was refused cannot be shown on the status page: {error!r}")


def _explain(
    group: RefusalCount,
    error: PeerFault | PeerAlert,
    notes: Sequence[Noted],
    at: datetime,
    *,
    of_client: bool,
) -> None:
    """Find the cause of a refusal, and draw its ladder. of_client: whether a client was refused; else a server was."""
    from bothways.ladder.layout import lay_out  # loaded where a page is to be shown
    from bothways.ladder.text import as_text

    causes = explain_failure(error)
    if of_client:
        picture = lay_out((), notes, at, server_error=error, server_causes=causes)
    else:
        picture = lay_out(notes, (), at, client_error=error, client_causes=causes)
    text = as_text(picture, LADDER_WIDTH)
    group.cause = visible(causes.causes[0].cause.name, NAME_LIMIT)
    group.ladder = text if len(text) <= LADDER_LIMIT else text[:LADDER_LIMIT] + "\n..."
