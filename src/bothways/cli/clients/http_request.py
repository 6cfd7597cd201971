"""One HTTP request of `bothways get`: connect, send, report, and explain a refusal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bothways.addresses import TCPAddress
from bothways.cli.clients.hints import Kept, facts_for_get, lines_for_get
from bothways.cli.clients.output import Output
from bothways.cli.output.terminal import (
    DONE,
    FAILED,
    MISUSED,
    bounded,
    headline,
    in_options,
    refuse,
    report_error,
    say,
    say_json,
    waiting,
)
from bothways.describe.escape import visible
from bothways.describe.recorder import Recorder
from bothways.diagnosis import (
    Explanation,
    Files,
    HandshakeFacts,
    Situation,
    explain,
    explain_answer,
    explain_ended,
    facts_of,
)
from bothways.diagnosis.replies.http2 import grpc_text, read_http2
from bothways.diagnosis.replies.reply import LOOKED_AT, grpc_status
from bothways.diagnosis.services.refusals import explain_other_protocol
from bothways.errors import ConfigError, TLSError, UsageError
from bothways.http.location import Location, redirected
from bothways.ladder.report import error_facts, report_facts, report_lines
from bothways.net.channel import Channel
from bothways.net.connecting import connect
from bothways.no_op import do_nothing
from bothways.tls.config import ClientConfig
from bothways.trust.verdict import Profile

if TYPE_CHECKING:
    from bothways.http.exchange import Answer, NotHTTP, Request

INSTALL = "pip install 'bothways[http]'"
REDIRECTS = 5
HEADERS_TOLD = 100
# RFC 9110 15.5, 15.6
REQUEST_REFUSED = "TLS succeeded in both directions: the service refuses this request, not our certificate"
SERVICE_FAILED = (
    "TLS succeeded in both directions, and the service behind it "
    "failed to process the request, or a service that it needs did"
)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What is the same for all requests of one command."""

    url: str  # as given by the user: hints do not contain the location of a redirect
    config: ClientConfig
    profile: Profile
    files: Files
    name: str | None
    dial: TCPAddress | None
    timeout: float
    most: int
    as_json: bool
    http: str | None = None  # the version of HTTP that is demanded
    kept: Kept = ()  # options of the request, which hints keep


def load_http() -> Any:
    """Import the HTTP client; without its packages exit with what to install."""
    try:
        return import_module("bothways.http.exchange")
    except ModuleNotFoundError as missing:
        refuse(f"get requires the package {missing.name}, which is not installed", INSTALL)


class _Report:
    """The report of one request on standard error: lines at once, or one JSON object at the end."""

    def __init__(self, context: RequestContext, location: Location) -> None:
        self._as_json = context.as_json
        self._asked_for = context.url
        self._kept = context.kept
        self._url = visible(str(location), 600)
        self._facts: dict[str, object] = {"url": self._url, "profile": context.profile}

    def connected(self, channel: Channel, recorder: Recorder, address: str) -> None:
        """Report the handshake."""
        if self._as_json:
            self._facts |= report_facts(channel, recorder.notes)
        else:
            say("\n".join(bounded(report_lines(address, channel, recorder.notes))))

    def waiting(self, address: str) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """Report what is waited for, as `terminal.waiting`; with --json do nothing."""
        return contextlib.nullcontext(do_nothing) if self._as_json else waiting(f"an answer from {address}")

    def answered(self, answer: Answer, size: int) -> None:
        """Report a complete response."""
        line = _status_line(answer)
        self._facts["answer"] = {
            "version": answer.version,
            "status": answer.status,
            "reason": visible(answer.reason),
            "headers": [[_safe(name), _safe(value)] for name, value in answer.headers[:HEADERS_TOLD]],
            "bytes": size,
        }
        if not self._as_json:
            say(f"the server answered {line}: {size} bytes")

    def redirected(self, to: str) -> None:
        """Report a redirect that is not followed, without --location."""
        self._facts["redirect"] = to
        if not self._as_json:
            say(f"a redirect to {to}; --location follows redirects to the same server")

    def failed(
        self, text: str, why: Explanation | None, facts: Mapping[str, object], meaning: str = ""
    ) -> None:
        """Report a failure: a sentence, its explanation or meaning, and its values for JSON."""
        if self._as_json:
            self._facts["error"] = facts_for_get(facts, self._asked_for, self._kept)
        else:
            lines = [meaning] if meaning else []
            lines = lines if why is None else lines_for_get(why, self._asked_for, self._kept)
            report_error("\n".join(bounded([f"{self._url}: {text}", *lines])))

    def end(self) -> None:
        """Write the JSON object, if it was requested."""
        if self._as_json:
            say_json(self._facts)


def ask(context: RequestContext, request: Request, deadline: Any, sink: Output, redirects: int | None) -> int:
    """Send the request, and follow redirects to the same server; return the exit status."""
    report = _Report(context, request.location)
    try:
        following = _asked(context, request, deadline, sink, report, redirects)
    except (ConfigError, UsageError) as error:
        if not context.as_json:
            raise
        text = in_options(str(error))
        code = error.code if isinstance(error, ConfigError) else ConfigError.code
        report.failed(text, None, {"kind": "Misuse", "text": text, "code": code, "hint": ""})
        following = MISUSED
    except BaseException:
        report.end()
        raise
    if isinstance(following, int):
        report.end()
        return following
    return ask(context, following, deadline, sink, None if redirects is None else redirects - 1)


def _asked(
    context: RequestContext,
    request: Request,
    deadline: Any,
    sink: Output,
    report: _Report,
    redirects: int | None,
) -> int | Request:
    """Send one request. Return the exit status, or the request for a redirect."""
    http = load_http()
    recorder, location = Recorder(), request.location
    address = context.dial or TCPAddress(location.host, location.port)
    name = context.name or location.host
    observed = HandshakeFacts(context.config, name, address=str(address), files=context.files, also=recorder)
    try:
        with (
            report.waiting(str(address)) as answered,
            connect(
                address.host, address.port, context.config, name, timeout=deadline.left(), observer=observed
            ) as channel,
        ):
            recorder.stop()
            report.connected(channel, recorder, str(address))
            http.check_version(channel, context.http)
            answer = http.exchange(channel, request, deadline, context.most)
            answered()
            channel.stop_observing()
            following = _following(request, answer, redirects, report)
            if following is not None and not isinstance(following, int):
                return following
            return _received(answer, sink, observed, report) or following or DONE
    except (ConfigError, UsageError):
        raise
    except http.NotHTTP as error:
        _report_not_http(error, observed.situation(), report)
        return FAILED
    except (TLSError, OSError) as error:
        why = explain(error, observed.situation())
        report.failed(headline(error), why, error_facts(error, why))
        return FAILED


def _received(answer: Answer, sink: Output, observed: HandshakeFacts, report: _Report) -> int:
    """Write the content and report the response; return the exit status."""
    start, size, ended = _written(answer, sink)
    if ended is not None:
        return _cut_off(answer, start, ended, observed, report)
    report.answered(answer, size)
    if answer.status < 400 and _grpc_status(answer) == 0:
        return DONE
    _explain_status(answer, start, observed, report)
    return FAILED


def _report_not_http(error: NotHTTP, situation: Situation, report: _Report) -> None:
    """Report a response that is not HTTP, or is not the whole response."""
    why = explain_answer(error.start, situation) or explain_other_protocol(error.start, situation)
    report.failed(
        error.sentence if why is None else why.happened,
        why,
        {"kind": "NotHTTP", "text": str(error), "explanation": None if why is None else facts_of(why)},
    )


def _written(answer: Answer, sink: Output) -> tuple[bytes, int, TLSError | OSError | None]:
    """Write the content; return its first bytes, its length, and the error that ended the connection too early."""
    start, size = b"", 0
    pieces = iter(answer.content)
    while True:
        try:
            piece = next(pieces, None)
        except (TLSError, OSError) as error:
            return start, size, error
        if piece is None:
            sink.keep()
            return start, size, None
        start += piece[: LOOKED_AT - len(start)]
        size += len(piece)
        sink.write(piece)


def _cut_off(
    answer: Answer, start: bytes, error: TLSError | OSError, observed: HandshakeFacts, report: _Report
) -> int:
    """Report a response with incomplete content; a status that refuses the client explains more than the error."""
    situation = observed.situation()
    refused = answer.status >= 400
    why = explain_ended(_head(answer) + start, error, situation) if refused else explain(error, situation)
    report.failed(why.happened if refused else headline(error), why, error_facts(error, why))
    return FAILED


def _following(
    request: Request, answer: Answer, redirects: int | None, report: _Report
) -> Request | int | None:
    """Return the request for a redirect, or the exit status if it is not followed (RFC 9110 15.4)."""
    to = answer.header("location")
    if answer.status not in (301, 302, 303, 307, 308) or not to:
        return None
    if redirects is None:
        report.redirected(visible(to, 600))
        return DONE
    try:
        location = redirected(request.location, to)
    except ConfigError as error:
        return _not_followed(report, str(error))
    if location.origin != request.location.origin:
        text = f"it redirects to {visible(str(location), 600)}: another server, to which nothing is sent"
        return _not_followed(report, text)
    if not redirects:
        return _not_followed(report, f"it redirects more than {REDIRECTS} times")
    if answer.status == 303 or (answer.status in (301, 302) and request.method == "POST"):
        kept = tuple(each for each in request.headers if each[0].lower() != b"content-type")
        verb = "HEAD" if request.method == "HEAD" else "GET"
        return replace(request, method=verb, location=location, headers=kept, body=None)
    return replace(request, location=location)


def _not_followed(report: _Report, text: str) -> int:
    report.failed(text, None, {"kind": "Redirect", "text": text})
    return FAILED


def _explain_status(answer: Answer, start: bytes, observed: HandshakeFacts, report: _Report) -> None:
    """Report why a service may have refused the client, in the words of a refusal in the handshake."""
    why = explain_answer(_head(answer) + start, observed.situation())
    grpc = _grpc_status(answer)
    line = grpc_text(grpc) if grpc else _status_line(answer)
    meaning = SERVICE_FAILED if answer.status >= 500 else REQUEST_REFUSED
    facts = {
        "kind": "Status",
        "text": f"the server answered {line}",
        "meaning": meaning,
        "explanation": None if why is None else facts_of(why),
    }
    report.failed(f"the server answered {line}", why, facts, f"That means: {meaning}.")


def _grpc_status(answer: Answer) -> int:
    """Return the status of gRPC, by which it refuses under HTTP 200; 0 for success, and for what is not gRPC.

    It is in the headers of a response without content, and otherwise in trailers, which count where they are among
    the first bytes of the connection.
    """
    headers = {"content-type": answer.header("content-type"), "grpc-status": answer.header("grpc-status")}
    if (status := grpc_status(answer.status, headers)) is not None:
        return status
    framed = (
        read_http2(answer.received())
        if grpc_status(answer.status, headers | {"grpc-status": "0"}) == 0
        else None
    )
    return framed.grpc or 0 if framed is not None else 0


def _head(answer: Answer) -> bytes:
    """Return the head of a response in the form of HTTP/1.1."""
    line = f"{answer.version} {answer.status} {answer.reason}".encode("latin-1", "replace")
    fields = [b": ".join(each) for each in answer.headers[:HEADERS_TOLD]]
    grpc = _grpc_status(answer)
    fields += [b"grpc-status: %d" % grpc] if grpc else []
    return b"\r\n".join((line, *fields, b"", b""))


def _status_line(answer: Answer) -> str:
    return visible(f"{answer.version} {answer.status} {answer.reason}".strip(), 200)


def _safe(value: bytes) -> str:
    return visible(value.decode("latin-1"), 600)
