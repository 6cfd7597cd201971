"""Spans of OpenTelemetry: one for each client that was let in, with its handshake and its requests, and some of others.

Where they are sent is configured in OpenTelemetry's SDK, such as by `opentelemetry-instrument`. Attributes are bounded
and escaped, and none has a header field, a query, or what was sent inside TLS. A client's `traceparent` is not taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from bothways.describe.escape import visible
from bothways.gateway.log.log import NAME_LIMIT, ConnectionEntry, RequestEntry, words_of
from bothways.gateway.observe.snapshot import peer_text
from bothways.roles import Role
from bothways.servers.report_limits import ReportLimits

NAME = "bothways.gateway"
NANOSECONDS = 1_000_000_000
STEP = NANOSECONDS  # spans follow the system's clock when it has been set by more

Attributes = Mapping[str, str | int | bool]


class Spans:
    """Those of one process. clock: the time of entries, by default that of the event loop.

    Of clients that were not let in only so many have a span, as in the log.
    """

    def __init__(self, clock: Callable[[], float], limits: ReportLimits | None = None) -> None:
        self._clock = clock
        self._limits = limits or ReportLimits()
        self._tracer = trace.get_tracer(NAME)
        self._zero = self._measured()

    def established(self, entry: ConnectionEntry) -> Span:
        """Begin the span of a client that was let in; its handshake is in it, or how the server was reached."""
        span = self._connection(entry)
        phase = "handshake" if entry.verified is Role.CLIENT else "connect"
        self._begin(phase, entry.began, span).end(end_time=self._at(self._clock()))
        span.set_attributes(_identity(entry))
        return span

    def request(self, span: Span, request: RequestEntry) -> None:
        """Make the span of a request that is over."""
        made = self._begin(f"request {_text(request.method)}", request.began, span)
        made.set_attributes(_request(request))
        if request.ended:
            made.set_status(Status(StatusCode.ERROR, _text(request.ended)))
        made.end(end_time=self._at(request.began + request.seconds))

    def ended(self, entry: ConnectionEntry, span: Span | None) -> None:
        """End the span of a client; one that was refused may get one, which is over at once."""
        if span is None:
            if entry.is_known or not self._limits.may_report(entry.host):
                return
            span = self._connection(entry)
            span.set_attributes(_identity(entry))
        span.set_attributes(_ending(entry))
        if entry.verdict != "allowed":
            span.set_status(Status(StatusCode.ERROR, words_of(entry)))
        span.end(end_time=self._at(self._clock()))

    def _connection(self, entry: ConnectionEntry) -> Span:
        kind = SpanKind.SERVER if entry.verified is Role.CLIENT else SpanKind.CLIENT
        return self._begin("connection", entry.began, None, kind)

    def _begin(
        self, name: str, began: float, parent: Span | None, kind: SpanKind = SpanKind.INTERNAL
    ) -> Span:
        context = trace.set_span_in_context(trace.INVALID_SPAN if parent is None else parent)
        return self._tracer.start_span(name, context, kind=kind, start_time=self._at(began))

    def _at(self, seconds: float) -> int:
        """Return a time of the clock as nanoseconds since 1970, in the order of the clock."""
        measured = self._measured()
        if abs(measured - self._zero) > STEP:
            self._zero = measured
        return self._zero + int(seconds * NANOSECONDS)

    def _measured(self) -> int:
        """Return when the clock was 0, as nanoseconds since 1970."""
        return time.time_ns() - int(self._clock() * NANOSECONDS)


def _identity(entry: ConnectionEntry) -> Attributes:
    who = entry.verified.value
    found: dict[str, Any] = {
        "client.address": entry.host,
        "bothways.listener": entry.listener,
        "bothways.route": entry.route,
        "bothways.rule": entry.rule,
        "bothways.leads_to": entry.leads_to,
        f"bothways.{who}": None if entry.peer is None else peer_text(entry.peer),
        f"tls.{who}.subject": None if entry.peer is None else entry.peer.names.subject,
        "tls.client.server_name": entry.asked,
        "tls.protocol.version": entry.version,
        "tls.cipher": entry.suite,
        "tls.resumed": entry.resumed,
    }
    return {
        name: _text(value) if isinstance(value, str) else value
        for name, value in found.items()
        if value is not None
    }


def _ending(entry: ConnectionEntry) -> Attributes:
    return {
        "bothways.verdict": entry.verdict,
        "bothways.code": entry.code,
        "bothways.bytes_in": entry.received,
        "bothways.bytes_out": entry.sent,
    }


def _request(request: RequestEntry) -> Attributes:
    status = {} if request.status is None else {"http.response.status_code": request.status}
    return {
        "http.request.method": _text(request.method),
        "url.path": _text(request.path),
        "server.address": _text(request.authority),
        "bothways.bytes_in": request.received,
        "bothways.bytes_out": request.sent,
        **status,
    }


def _text(text: str) -> str:
    return visible(text, NAME_LIMIT)
