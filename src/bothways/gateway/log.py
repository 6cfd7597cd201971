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
from bothways.gateway.report_limits import ReportLimits
from bothways.tls.events import Peer

NAME_LIMIT = 120
WHY_LIMIT = 400
NAMES_SHOWN = 8


@dataclass(slots=True)
class Entry:
    """What is known of one connection, filled in as it goes on.

    client: the address.  asked: the server name that the client sent, not verified.  verdict: "none" before the client
    is verified, then "allowed" or "refused"; "withdrawn" for one that was allowed and no longer is.  rule: which rule
    decided.  ended: why it ended.  proxy: the address of the proxy that announced the client.
    """

    listener: str
    client: str
    host: str
    began: float
    asked: str | None = None
    route: str | None = None
    peer: Peer | None = field(default=None, repr=False)
    verdict: str = "none"
    rule: str | None = None
    version: str | None = None
    resumed: bool = False
    received: int = 0
    sent: int = 0
    ended: str = ""
    proxy: str | None = None


@dataclass(slots=True)
class RequestEntry:
    """What is known of one request of a verified client, filled in as it goes on.

    status: of the response; None without one.  received, sent: bytes of the bodies.  ended: what went wrong, if
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
    ended: str = ""


class Log:
    """Writes lines. write: is given each one.  form: "text" or "json".  `worker`: the number of this process."""

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
        self._untold = 0
        self.worker: int | None = None

    def event(self, text: str) -> None:
        """Tell something that is about no single connection."""
        told = visible(text, 600)
        if self.form == "json":
            self._write(json.dumps({"time": self._time(), "event": told}))
        else:
            self._write(f"{self._time()} {told}")

    def connection(self, entry: Entry, seconds: float) -> None:
        """Tell of a connection that has ended; if its client is not known, only so often for each address."""
        if entry.peer is None and not self._limits.may_report(entry.host):
            self._untold += 1
            return
        untold, self._untold = self._untold, 0
        if self.form == "json":
            self._write(json.dumps(self._fields(entry, seconds, untold)))
        else:
            self._write(self._line(entry, seconds, untold))

    def request(self, entry: Entry, request: RequestEntry) -> None:
        """Tell of a request. entry: of its connection."""
        if self.form == "json":
            self._write(json.dumps(self._request_fields(entry, request)))
            return
        words = [
            self._time(),
            entry.client,
            f"route={_quoted(entry.route)}",
            f"who={_quoted(None if entry.peer is None else entry.peer.names.subject)}",
            f"rule={_quoted(entry.rule)}",
            f"host={_quoted(request.authority)}",
            f"request={_quoted(f'{request.method} {request.path}')}",
            f"status={request.status or '-'}",
            f"in={request.received} out={request.sent} seconds={request.seconds:.3f}",
        ]
        if request.ended:
            words.append(f"end={_quoted(request.ended, WHY_LIMIT)}")
        self._write(" ".join(words))

    def _request_fields(self, entry: Entry, request: RequestEntry) -> dict[str, Any]:
        return {
            "time": self._time(),
            "client": entry.client,
            "proxy": entry.proxy,
            "listener": entry.listener,
            "worker": self.worker,
            "route": entry.route,
            "who": None if entry.peer is None else identity(entry.peer),
            "rule": entry.rule,
            "host": visible(request.authority, NAME_LIMIT),
            "method": visible(request.method, NAME_LIMIT),
            "path": visible(request.path, NAME_LIMIT),
            "status": request.status,
            "bytes_in": request.received,
            "bytes_out": request.sent,
            "seconds": round(request.seconds, 3),
            "ended": visible(request.ended, WHY_LIMIT) or None,
        }

    def untold(self) -> None:
        """Count a connection of which nothing is told."""
        self._untold += 1

    def _time(self) -> str:
        return self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _line(self, entry: Entry, seconds: float, untold: int) -> str:
        words = [
            self._time(),
            entry.client,
            f"route={_quoted(entry.route)}",
            f"name={_quoted(entry.asked)}",
            f"who={_quoted(None if entry.peer is None else entry.peer.names.subject)}",
            f"verdict={entry.verdict}",
            f"rule={_quoted(entry.rule)}",
            f"in={entry.received} out={entry.sent} seconds={seconds:.3f}",
            f"end={_quoted(entry.ended, WHY_LIMIT)}",
        ]
        if entry.proxy is not None:
            words.append(f"proxy={entry.proxy}")
        if untold:
            words.append(f"untold={untold}")
        return " ".join(words)

    def _fields(self, entry: Entry, seconds: float, untold: int) -> dict[str, Any]:
        return {
            "time": self._time(),
            "client": entry.client,
            "proxy": entry.proxy,
            "listener": entry.listener,
            "worker": self.worker,
            "server_name": None if entry.asked is None else visible(entry.asked, NAME_LIMIT),
            "route": entry.route,
            "who": None if entry.peer is None else identity(entry.peer),
            "verdict": entry.verdict,
            "rule": entry.rule,
            "tls": entry.version,
            "resumed": entry.resumed,
            "bytes_in": entry.received,
            "bytes_out": entry.sent,
            "seconds": round(seconds, 3),
            "ended": visible(entry.ended, WHY_LIMIT),
            "untold": untold,
        }


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
        "serial": "" if peer.certificate is None else f"{peer.certificate.serial_number:x}",
        **several,
    }


def _quoted(text: str | None, limit: int = NAME_LIMIT) -> str:
    """Return a value that ends where its quotes end, whatever is in it."""
    return "-" if text is None else json.dumps(visible(text, limit), ensure_ascii=False)
