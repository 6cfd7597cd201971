"""What a gateway tells: one line for each connection, and one for each event, as text or as JSON.

A client's words are escaped and cut. Of clients that were not verified, only so many are told.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bothways.describe.escape import visible
from bothways.errors import PeerFault, TLSError
from bothways.gateway.log.causes import causes_of
from bothways.gateway.log.endings import (
    NO_REQUEST,
    Code,
    Ending,
    ending_of,
    ending_of_client,
    is_end_between_records,
    is_verdict,
)
from bothways.roles import Role
from bothways.servers.report_limits import ReportLimits
from bothways.tls.driver import ConnectionStatus
from bothways.tls.events import Peer

NAME_LIMIT = 120
WHY_LIMIT = 400
NAMES_SHOWN = 8


@dataclass(slots=True)
class ConnectionEntry:
    """What is known of one connection, filled in as it goes on. began, asked_at: times of the event loop.

    client: the address.  asked: the server name that the client sent, not verified.  verdict: "none" before the client
    is verified, then "allowed" or "refused"; "withdrawn" for one that was allowed and no longer is.  peer: who a client
    is whose certificate is verified, also one that no rule lets in.  rule: which rule decided.  ending: why it ended.
    failure: the error of TLS that it was, if any.  proxy: the address of the proxy that announced the client.
    leads_to: the address of the server to which a tunnel leads its client, a program without TLS. Then all that is said
    of certificates is about this server; None for a client that is verified itself.
    """

    listener: str
    client: str
    host: str
    began: float
    asked: str | None = None
    asked_at: float | None = None
    route: str | None = None
    peer: Peer | None = field(default=None, repr=False)
    verdict: str = "none"
    rule: str | None = None
    version: str | None = None
    suite: str | None = None
    resumed: bool = False
    received: int = 0
    sent: int = 0
    ending: Ending | None = None
    failure: TLSError | None = field(default=None, repr=False)
    proxy: str | None = None
    leads_to: str | None = None

    def conclude(self, failure: Exception | None, *, asks: bool = True) -> None:
        """Note what was decided of the client at last, also of one that was let in before, and why it ended.

        asks: false where its requests of HTTP are all answered. Then nothing is missing, and an end without
        close_notify, as of browsers and curl, is one in order (RFC 9112 9.8).
        """
        is_open = self.ending is None or self.ending.code == Code.CLIENT_TRUNCATED.name
        if not asks and is_open and is_end_between_records(failure):
            self.ending = Ending.of(Code.CLOSED, NO_REQUEST)
        if isinstance(failure, TLSError):
            self.failure = failure
        if isinstance(failure, PeerFault):
            if is_verdict(failure) and (self.ending is None or self.ending.why is not failure):
                self.ending = ending_of(failure, is_verified=True)
            if self.peer is None:
                self.verdict = "refused"
                known = failure.facts.get("peer")
                self.peer = known if isinstance(known, Peer) else None
            elif is_verdict(failure):
                self.verdict = "withdrawn"
        if self.ending is None:
            self.ending = ending_of_client(failure, is_verified=self.is_known)

    def ended_by(self, status: ConnectionStatus) -> Ending | None:
        """Return what has ended the connection of a verified client, or None while nothing has."""
        return self.ending if status.failure is None else ending_of(status.failure, is_verified=True)

    @property
    def presented(self) -> str | None:
        """The subject of a certificate that was refused when it was verified, so that nothing proves it; else None."""
        if self.peer is not None or not isinstance(self.failure, PeerFault):
            return None
        return next((each.subject for each in self.failure.reasons if each.position == 0), "") or None

    @property
    def verified(self) -> Role:
        """Who is verified, and what `peer` is."""
        return Role.CLIENT if self.leads_to is None else Role.SERVER

    @property
    def is_known(self) -> bool:
        """Whether its client was let in, so that it can be held to account for its lines."""
        return self.verdict in ("allowed", "withdrawn")

    @property
    def code(self) -> str:
        """The stable code of why it ended, or an empty text."""
        return "" if self.ending is None else self.ending.code

    @property
    def causes(self) -> list[str]:
        """The names of the likely causes, the most likely first, unless it ended in order; found anew by each call."""
        return [each.name for each in causes_of(self.ending)]


@dataclass(slots=True)
class RequestEntry:
    """What is known of one request of a verified client, filled in as it goes on.

    status: of the response; None without one.  received, sent: bytes of the bodies.  ending: what went wrong, if
    anything did.
    """

    method: str
    authority: str
    path: str
    began: float
    status: int | None = None
    received: int = 0
    sent: int = 0
    seconds: float = 0.0
    ending: Ending | None = None

    @property
    def ended(self) -> str:
        """What went wrong, or an empty text."""
        return "" if self.ending is None else self.ending.text

    @property
    def causes(self) -> list[str]:
        """The names of the likely causes, the most likely first, where something went wrong."""
        return [each.name for each in causes_of(self.ending)]


class Log:
    """Writes lines. write: is given each one; what it cannot write is counted.

    form: "text" or "json".  `worker`: the number of this process.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        form: str = "text",
        *,
        limits: ReportLimits | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._write = write
        self.form = form
        self._limits = limits or ReportLimits()
        self._now = now
        self._left_out = 0
        self.worker: int | None = None

    def event(self, text: str) -> None:
        """Tell something that is about no single connection."""
        told = visible(text, 600)
        if self.form == "json":
            self._write_json("event", {"worker": self.worker, "event": told})
        else:
            whose = "" if self.worker is None else f"worker {self.worker}: "
            self._tell(f"{self._time()} {whose}{told}")

    def now(self) -> datetime:
        """Return the time of lines that are written now."""
        return self._now()

    def connection(self, entry: ConnectionEntry, seconds: float, ended_at: datetime | None = None) -> None:
        """Tell of a connection that has ended; if its client was not let in, only so often for each address.

        ended_at: when that was, where it is not told at once.
        """
        if not entry.is_known and not self._limits.may_report(entry.host):
            self.not_logged()
            return
        left_out, self._left_out = self._left_out, 0
        if self.form == "json":
            fields = self._fields(entry, seconds, left_out)
            self._write_json("connection", fields, left_out, ended_at)
        else:
            self._tell(self._line(entry, seconds, left_out, ended_at), left_out)

    def request(
        self, entry: ConnectionEntry, request: RequestEntry, ended_at: datetime | None = None
    ) -> None:
        """Tell of a request. entry: of its connection.  ended_at: when that was, where it is not told at once."""
        if self.form == "json":
            self._write_json("request", self._request_fields(entry, request), at=ended_at)
        else:
            self._tell(self._request_line(entry, request, ended_at))

    def not_logged(self) -> None:
        """Count a connection of which nothing is told."""
        self._left_out += 1

    def _tell(self, line: str, left_out: int = 0) -> None:
        """Write a line; nothing ends because it cannot be written, such as on a full disk. left_out: what it counts."""
        try:
            self._write(line)
        except (OSError, ValueError):  # ValueError: it is closed
            self._left_out += 1 + left_out

    def _time(self, at: datetime | None = None) -> str:
        return (at or self._now()).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # -- JSON ------------------------------------------------------------------------------------------

    def _write_json(
        self, kind: str, fields: dict[str, Any], left_out: int = 0, at: datetime | None = None
    ) -> None:
        self._tell(json.dumps({"time": self._time(at), "kind": kind, **fields}), left_out)

    def _common(self, entry: ConnectionEntry) -> dict[str, Any]:
        """Return what lines about a connection and about a request of it have in common."""
        return {
            "worker": self.worker,
            "client": entry.client,
            "proxy": entry.proxy,
            "listener": entry.listener,
            "route": entry.route,
            "server": entry.leads_to,
            "who": None if entry.peer is None else identity(entry.peer),
            "rule": entry.rule,
        }

    def _fields(self, entry: ConnectionEntry, seconds: float, left_out: int) -> dict[str, Any]:
        return {
            **self._common(entry),
            "presented": None if entry.presented is None else visible(entry.presented, NAME_LIMIT),
            "server_name": None if entry.asked is None else visible(entry.asked, NAME_LIMIT),
            "verdict": entry.verdict,
            "tls": entry.version,
            "suite": entry.suite,
            "resumed": entry.resumed,
            "bytes_in": entry.received,
            "bytes_out": entry.sent,
            "seconds": round(seconds, 3),
            "code": entry.code,
            **_causes(entry.causes),
            "ended": words_of(entry),
            "not_logged": left_out,
        }

    def _request_fields(self, entry: ConnectionEntry, request: RequestEntry) -> dict[str, Any]:
        return {
            **self._common(entry),
            "host": visible(request.authority, NAME_LIMIT),
            "method": visible(request.method, NAME_LIMIT),
            "path": visible(request.path, NAME_LIMIT),
            "status": request.status,
            "bytes_in": request.received,
            "bytes_out": request.sent,
            "seconds": round(request.seconds, 3),
            **_causes(request.causes),
            "ended": visible(request.ended, WHY_LIMIT) or None,
        }

    # -- text ------------------------------------------------------------------------------------------

    def _line(self, entry: ConnectionEntry, seconds: float, left_out: int, ended_at: datetime | None) -> str:
        words = [
            self._time(ended_at),
            entry.client,
            f"route={_quoted(entry.route)}",
            *([] if entry.leads_to is None else [f"server={_quoted(entry.leads_to)}"]),
            f"name={_quoted(entry.asked)}",
            _who(entry),
            *([] if entry.presented is None else [f"presented={_quoted(entry.presented)}"]),
            f"verdict={entry.verdict}",
            f"rule={_quoted(entry.rule)}",
            f"in={entry.received} out={entry.sent} seconds={seconds:.3f}",
            f"code={entry.code or '-'}",
            f"end={_quoted(words_of(entry), WHY_LIMIT)}",
        ]
        if entry.proxy is not None:
            words.append(f"proxy={entry.proxy}")
        if left_out:
            words.append(f"not_logged={left_out}")
        return " ".join(words)

    def _request_line(self, entry: ConnectionEntry, request: RequestEntry, ended_at: datetime | None) -> str:
        words = [
            self._time(ended_at),
            entry.client,
            f"route={_quoted(entry.route)}",
            _who(entry),
            f"rule={_quoted(entry.rule)}",
            f"host={_quoted(request.authority)}",
            f"request={_quoted(f'{request.method} {request.path}')}",
            f"status={request.status or '-'}",
            f"in={request.received} out={request.sent} seconds={request.seconds:.3f}",
        ]
        if request.ended:
            words.append(f"end={_quoted(request.ended, WHY_LIMIT)}")
        return " ".join(words)


def _causes(causes: list[str]) -> dict[str, Any]:
    """Return the most likely cause, and all."""
    return {"cause": causes[0] if causes else None, "causes": causes}


def _who(entry: ConnectionEntry) -> str:
    """Return who a verified client is, for people: its subject, and its URI if there is exactly one (a SPIFFE ID)."""
    names = None if entry.peer is None else entry.peer.names
    key = None if entry.peer is None else entry.peer.verdict.by_key
    who = f"who={_quoted(str(key) if key is not None else None if names is None else names.subject)}"
    return who if names is None or len(names.uri) != 1 else f"{who} uri={_quoted(names.uri[0])}"


def words_of(entry: ConnectionEntry) -> str:
    """Return why a connection ended, in bounded words without control characters."""
    return "" if entry.ending is None else visible(entry.ending.text, WHY_LIMIT)


def identity(peer: Peer) -> dict[str, Any]:
    """Return who a verified client is, for a program: each kind of name with a bounded number of names."""
    names = peer.names
    kinds = {"dns": names.dns, "uri": names.uri, "email": names.email, "ip": names.ip}
    several = {
        kind: [visible(each, NAME_LIMIT) for each in found[:NAMES_SHOWN]]
        for kind, found in kinds.items()
        if found
    }
    return {
        "subject": visible(names.subject, NAME_LIMIT),
        **({} if peer.verdict.by_key is None else {"key": visible(str(peer.verdict.by_key), NAME_LIMIT)}),
        "serial": "" if peer.certificate is None else f"{peer.certificate.serial_number:x}",
        **several,
    }


def _quoted(text: str | None, limit: int = NAME_LIMIT) -> str:
    """Return a value that ends where its quotes end, whatever is in it."""
    return "-" if text is None else json.dumps(visible(text, limit), ensure_ascii=False)
