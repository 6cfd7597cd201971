"""Answers of servers inside exceptions of libraries: the reply as it came, put together again from their attributes.

Libraries of a protocol hold what a server answered in a status, a code or a text of their exceptions. What such an
answer means is decided by `replies.reply`, as for an answer that we have received ourselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from bothways.describe.escape import visible
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Explanation, Likely, Weight
from bothways.diagnosis.foreign.reading import TEXT_LIMIT, attribute, text_of
from bothways.diagnosis.services.refusals import explain_answer
from bothways.diagnosis.situation import Situation
from bothways.errors import StartTLSFailed, StartTLSProblem

FRAMES_LOOKED_AT = 512
HTTP_LINE = "HTTP/1.1 "  # of replies that are put together here: no exception holds the version
MEANS = "an answer came, so that neither the network nor TLS, where the library used it, has failed"
PROXY_MEANS = (
    "the proxy was reached and opened no connection to the server, so that TLS with it had not begun"
)


def explain_reply(error: BaseException, situation: Situation) -> Explanation | None:
    """Explain what a server answered, where an exception of a library holds it; None where none does. Never raises.

    error: of a library, without an error of ours.  situation: as for `explain`, without anything observed.
    """
    data = _of_proxy(error) or _reply(error)
    status = _STATUS.match(data)
    if status is not None and (is_of_proxy(error) or int(status[1]) == WANTS_LOGIN):
        return _explain_proxy(int(status[1]), data, situation)
    found = explain_answer(data, situation) if data else None
    if found is None:
        return None
    causes = tuple(_unobserved(each) for each in found.causes)
    return replace(found, happened=_answered("server", found.happened), usually=MEANS, causes=causes)


def is_of_proxy(error: BaseException) -> bool:
    """Whether a library's exception is about a proxy: one that was connected, or that answered."""
    return "Proxy" in type(error).__name__ or bool(_of_proxy(error))


def _explain_proxy(status: int, data: bytes, situation: Situation) -> Explanation:
    """Explain what a proxy answered to a request for a connection (RFC 9110 9.3.6)."""
    found = explain_answer(data, situation)
    if status == WANTS_LOGIN and found is not None:
        return replace(found, happened=_answered("proxy", found.happened), usually=PROXY_MEANS)
    said = visible(data.partition(b"\r\n")[0].decode("latin-1"), 200)
    case = Case(ConnectionError(said), situation)
    detail, opening = OF_PROXY.get(status, OF_PROXY[500 if status >= 500 else 400])
    evidence = f"it answers {said.removeprefix(HTTP_LINE)}"
    cause = case.likely(
        Cause.PROXY_REFUSES, Party.BETWEEN, Weight.LIKELY, evidence, detail=detail, opening=opening
    )
    return Explanation(_answered("proxy", f": {said}"), PROXY_MEANS, (cause,))


WANTS_LOGIN = 407
_TUNNEL = (
    "it opens connections by CONNECT for some hosts and ports alone, or for none: it may be another server"
)
_PORTS = (
    "its rules do not allow this host, this port, or us",
    "have the proxy's operator permit the host and its port, or connect without the proxy if the network allows it",
)
_LOOK = "check the proxy's address; otherwise have its operator say what it needs"
OF_PROXY: Mapping[int, tuple[str, str]] = {
    400: ("it does not say why", _LOOK),
    403: _PORTS,
    404: (_TUNNEL, _LOOK),
    405: (_TUNNEL, _LOOK),
    500: (
        "it cannot reach the server, or cannot find its address",
        "start the server, or correct its name and port; a name that this network alone knows, the proxy has to know",
    ),
    501: (_TUNNEL, _LOOK),
}


def _answered(who: str, happened: str) -> str:
    """Return that somebody answered, by the line of an answer that a library holds, which was put together here."""
    return f"the {who} answered: {happened.partition(': ')[2].removeprefix(HTTP_LINE)}"


def _unobserved(each: Likely) -> Likely:
    """Return a cause without what a rule takes from a handshake that nobody observed."""
    facts = {**each.facts, "succeeded": ""}
    if each.cause in OF_A_HANDSHAKE:
        return replace(each, weight=Weight.POSSIBLE, evidence="", facts=facts)
    return replace(each, facts=facts)


# What a rule takes from the handshake, of which nothing was observed here.
OF_A_HANDSHAKE = (Cause.WANTS_CERTIFICATE_LATER, Cause.CERTIFICATE_NOT_ASKED)


def tls_not_offered(error: BaseException) -> StartTLSFailed | None:
    """Return that a server did not offer TLS, where a library says so in words of its own; None otherwise."""
    text = text_of(error)
    if _NOT_OFFERED.search(text) is None:
        return None
    protocol = PROTOCOLS.get(library_of(error), "its protocol")
    return StartTLSFailed(StartTLSProblem.NOT_OFFERED, protocol)


def library_of(error: BaseException) -> str:
    """Return the library of an exception's type; of one that is Python's own the library in which it was raised."""
    name = type(error).__module__.partition(".")[0]
    if name != "builtins":
        return name
    at = error.__traceback__
    for _ in range(FRAMES_LOOKED_AT):
        if at is None:
            break
        name = str(at.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        at = at.tb_next
    return name


# -- replies -------------------------------------------------------------------------------------------------


def _reply(error: BaseException) -> bytes:
    """Return the answer that an exception holds, or b""."""
    made = (form(error) for form in (*LIBRARIES.get(library_of(error), ()), _http, _grpc, _mail, _sql_state))
    return next((each for each in made if each), b"")


def _arguments(error: BaseException) -> tuple[object, ...]:
    """Return the arguments of a library's exception: some hold the answer of a server there, and nowhere else."""
    held = attribute(error, "args")
    return held if isinstance(held, tuple) else ()


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value[:TEXT_LIMIT])
    return str(value)[:TEXT_LIMIT].encode("latin-1", "replace") if isinstance(value, str) else b""


def _one_line(data: bytes) -> bytes:
    """Return bytes that cannot begin another line of a head."""
    return re.sub(rb"[\r\n]", b" ", data)


def _number(held: object, *names: str) -> int:
    """Return the first attribute that is a number, or 0."""
    values = (attribute(held, name) for name in names)
    return next((int(each) for each in values if isinstance(each, int) and not isinstance(each, bool)), 0)


def _headers(held: object) -> Iterator[bytes]:
    """Yield lines of the headers of a response, of limited number."""
    try:
        items = list(held.items()) if held is not None else []  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - of a library
        return
    for name, value in items[:64]:
        yield _one_line(_bytes(name) + b": " + _bytes(value)) + b"\r\n"


def _http(error: BaseException) -> bytes:
    """httpx, requests, websockets: `response`; aiohttp, urllib, websocket-client: attributes of their own."""
    response = attribute(error, "response")
    status = _number(response, "status_code", "status") or _number(error, "status", "status_code")
    if not status and attribute(error, "headers") is not None:
        status = _number(error, "code")
    if not 400 <= status <= 599:
        return b""
    headers = next(
        filter(
            None,
            (attribute(response, "headers"), attribute(error, "headers"), attribute(error, "resp_headers")),
        ),
        None,
    )
    words = _bytes(
        attribute(response, "reason_phrase") or attribute(response, "reason") or attribute(error, "message")
    )
    body = _bytes(attribute(response, "body") or attribute(error, "resp_body"))
    if not body and attribute(response, "is_stream_consumed"):
        body = _bytes(attribute(response, "content"))  # httpx, which reads no network here
    line = b"%s%d %s\r\n" % (HTTP_LINE.encode(), status, _one_line(words))
    return line + b"".join(_headers(headers)) + b"\r\n" + body


def _grpc(error: BaseException) -> bytes:
    """grpcio: functions `code` and `details`; grpclib: `status` and `message`."""
    code, details = attribute(error, "code"), attribute(error, "details")
    status = attribute(error, "status")
    if callable(code) and callable(details):
        try:
            status, words = code(), details()
        except Exception:  # noqa: BLE001 - of a library
            return b""
    else:
        words = attribute(error, "message")
    value = attribute(status, "value")
    number = value[0] if isinstance(value, tuple) and value else value
    if not isinstance(number, int) or library_of(error) not in ("grpc", "grpclib"):
        return b""
    if number == UNAVAILABLE and _OF_CHANNEL.match(str(words)):
        return b""  # of the client's own library: there was no answer
    said = _one_line(_bytes(words))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n"
    return head + b"grpc-status: %d\r\ngrpc-message: %s\r\n\r\n" % (number, said)


UNAVAILABLE = 14
_OF_CHANNEL = re.compile(
    r"failed to connect|connections to all backends|dns resolution|name resolution", re.IGNORECASE
)


def _mail(error: BaseException) -> bytes:
    """smtplib: `smtp_code` and `smtp_error`, or the recipients, each with both; aiosmtplib: `code` and `message`."""
    code, words = _number(error, "smtp_code"), attribute(error, "smtp_error")
    recipients = attribute(error, "recipients")
    if not code and isinstance(recipients, dict) and recipients:
        first = next(iter(recipients.values()))
        code, words = first if isinstance(first, tuple) and len(first) == 2 else (0, b"")
    if not code and library_of(error) == "aiosmtplib":
        code, words = _number(error, "code"), attribute(error, "message")
    return b"%d %s\r\n" % (code, _bytes(words)) if code in range(400, 600) else b""


def _sql_state(error: BaseException) -> bytes:
    """psycopg, asyncpg: `sqlstate`; the reply is put together as an ErrorResponse of PostgreSQL (55.8)."""
    state = attribute(error, "sqlstate")
    if not isinstance(state, str) or not re.fullmatch(r"[0-9A-Z]{5}", state):
        return b""
    return _error_response(state, text_of(error))


def _error_response(state: str, text: str) -> bytes:
    fields = b"VFATAL\0C%s\0M%s\0\0" % (state.encode(), text.encode().replace(b"\0", b""))
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def _libpq(error: BaseException) -> bytes:
    """psycopg: the state is missing where the connection was refused, and the text has the server's."""
    match = _FATAL.search(text_of(error))
    return _error_response("", match[1]) if match is not None and not attribute(error, "sqlstate") else b""


def _mysql(error: BaseException) -> bytes:
    """PyMySQL, aiomysql, mysqlclient: a number and a text as arguments; those from 2000 on are the client's own."""
    arguments = _arguments(error)
    code, text = arguments if len(arguments) == 2 else (0, "")
    if not isinstance(code, int) or not (1000 <= code < 2000 or 3000 <= code < 65536):
        return b""
    content = b"\xff" + code.to_bytes(2, "little") + b"#HY000" + _bytes(text)
    return len(content).to_bytes(3, "little") + b"\0" + content


def _redis(error: BaseException) -> bytes:
    """The word with which the answer began, and the rest."""
    word = attribute(error, "status_code")
    return b"-%s %s\r\n" % (word.encode(), text_of(error).encode()) if isinstance(word, str) and word else b""


def _mqtt(error: BaseException) -> bytes:
    """aiomqtt: `rc`, a reason code of MQTT 5, to which paho-mqtt translates those of 3.1.1 (OASIS MQTT 5.0 2.4)."""
    code = _number(attribute(error, "rc"), "value")
    return b"\x20\x03\0%c\0" % code if MQTT_REFUSES <= code <= 0xFF else b""


MQTT_REFUSES = 0x80


def _imap(error: BaseException) -> bytes:
    """Bytes are those of the server: a greeting, or what follows NO or BAD; Python 3.14 puts the former into a text."""
    said = next(iter(_arguments(error)), b"")
    if isinstance(said, str) and said.startswith(_GREETING):
        said = _bytes(said.removeprefix(_GREETING))
    if not isinstance(said, bytes):
        return b""
    return said if said.startswith(b"* ") else b"A1 NO " + said


_GREETING = "invalid greeting: "


def _line(error: BaseException) -> bytes:
    """ftplib, poplib: the line itself, as text or as bytes."""
    return _bytes(next(iter(_arguments(error)), b""))


def _of_proxy(error: BaseException) -> bytes:
    """A proxy's answer to CONNECT: httpx and http.client hold it in their text alone."""
    status = _STATUS_OF_PROXY.search(text_of(error))
    if status is None or not (type(error).__name__ in PROXY_ERRORS or status[1]):
        return b""
    return b"HTTP/1.1 %s %s\r\n\r\n" % (status[2].encode(), _bytes(status[3]))


PROXY_ERRORS = ("ProxyError", "WebSocketProxyException", "InvalidProxyStatus")
_STATUS_OF_PROXY = re.compile(
    r"(Tunnel connection failed: |failed CONNECT via proxy status: |^)([45]\d\d)\b ?([^\r\n'\"]{0,200})"
)
_STATUS = re.compile(rb"HTTP/1\.1 ([1-5]\d\d)\b")
_FATAL = re.compile(r"FATAL: +([^\r\n]{1,400})")
LIBRARIES: Mapping[str, tuple[Callable[[BaseException], bytes], ...]] = {
    "imaplib": (_imap,),
    "ftplib": (_line,),
    "poplib": (_line,),
    "redis": (_redis,),
    "aiomqtt": (_mqtt,),
    "psycopg": (_libpq,),
    "psycopg2": (_libpq,),
    "pymysql": (_mysql,),
    "aiomysql": (_mysql,),
    "MySQLdb": (_mysql,),
}
PROTOCOLS: Mapping[str, str] = {
    **dict.fromkeys(("asyncpg", "psycopg", "psycopg2", "psycopg_pool"), "PostgreSQL"),
    **dict.fromkeys(("pymysql", "aiomysql", "MySQLdb", "asyncmy"), "MySQL"),
    **dict.fromkeys(("smtplib", "aiosmtplib"), "SMTP"),
    "imaplib": "IMAP",
    "poplib": "POP3",
    "ftplib": "FTP",
    "ldap3": "LDAP",
}
# asyncpg, libpq, PyMySQL, mysqlclient, smtplib, aiosmtplib, imaplib, poplib.
_NOT_OFFERED = re.compile(
    r"rejected ssl upgrade|ssl is required,? but the server does(?:n.t| not) support it"
    r"|server does not support ssl|starttls extension not supported|(?:tls|stls) not supported by server"
    r"|starttls capability not (?:present|supported)",
    re.IGNORECASE,
)


def words_of(error: BaseException) -> str:
    """Return the text of a library's exception as one printable line."""
    return visible(text_of(error).partition("\n")[0], 400) or type(error).__name__
