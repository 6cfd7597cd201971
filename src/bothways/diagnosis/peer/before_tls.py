"""Causes of failures before TLS: other protocols, and services in which TLS has to be requested (STARTTLS).

What a peer sends there is not authenticated, so no cause is certain; texts of a service are quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.own_side import hello as own_hello
from bothways.diagnosis.replies.texts import LIMITS, SHUT_OUT, match_text
from bothways.diagnosis.situation import Probed
from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.tls.record.protocol_guess import OtherProtocol, recognise

CERTAIN, LIKELY, POSSIBLE = Weight.CERTAIN, Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN

# What a server is, by its first bytes.
PLAIN_SERVERS: Mapping[OtherProtocol | None, Cause] = {
    OtherProtocol.HTTP_ANSWER: Cause.SPEAKS_HTTP,
    OtherProtocol.HTTP2: Cause.SPEAKS_HTTP2,
    OtherProtocol.SSH: Cause.SPEAKS_SSH,
    OtherProtocol.MAIL_OR_FILES: Cause.SPEAKS_MAIL,
    OtherProtocol.POP3: Cause.SPEAKS_MAIL,
    OtherProtocol.IMAP: Cause.SPEAKS_MAIL,
    OtherProtocol.MANAGE_SIEVE: Cause.SPEAKS_MAIL,
    OtherProtocol.XMPP: Cause.SPEAKS_XMPP,
    OtherProtocol.MYSQL: Cause.SPEAKS_DATABASE,
    OtherProtocol.POSTGRESQL: Cause.SPEAKS_DATABASE,
    OtherProtocol.PROXY_HEADER: Cause.PROXY_HEADER,
    OtherProtocol.SSL2: Cause.OLD_SSL,
}
# The protocol in which it is asked for TLS, by its first bytes; and the service at a port, by its number.
NAMES: Mapping[OtherProtocol | None, str] = {
    OtherProtocol.MAIL_OR_FILES: "smtp",
    OtherProtocol.POP3: "pop3",
    OtherProtocol.IMAP: "imap",
    OtherProtocol.MANAGE_SIEVE: "sieve",
    OtherProtocol.XMPP: "xmpp",
    OtherProtocol.MYSQL: "mysql",
    OtherProtocol.POSTGRESQL: "postgres",
}
PORTS: Mapping[str, tuple[Cause, str, str]] = {
    "80": (Cause.SPEAKS_HTTP, "", "HTTP in plain text"),
    "8080": (Cause.SPEAKS_HTTP, "", "HTTP in plain text"),
    "8000": (Cause.SPEAKS_HTTP, "", "HTTP in plain text"),
    "22": (Cause.SPEAKS_SSH, "", "SSH"),
    "25": (Cause.SPEAKS_MAIL, "smtp", "SMTP"),
    "587": (Cause.SPEAKS_MAIL, "smtp", "SMTP"),
    "110": (Cause.SPEAKS_MAIL, "pop3", "POP3"),
    "143": (Cause.SPEAKS_MAIL, "imap", "IMAP"),
    "4190": (Cause.SPEAKS_MAIL, "sieve", "ManageSieve"),
    "119": (Cause.SPEAKS_MAIL, "nntp", "NNTP"),
    "21": (Cause.SPEAKS_MAIL, "ftp", "FTP"),
    "389": (Cause.SPEAKS_LDAP, "ldap", "LDAP"),
    "5222": (Cause.SPEAKS_XMPP, "xmpp", "XMPP"),
    "5269": (Cause.SPEAKS_XMPP, "xmpp-server", "XMPP between servers"),
    "5432": (Cause.SPEAKS_DATABASE, "postgres", "PostgreSQL"),
    "3306": (Cause.SPEAKS_DATABASE, "mysql", "MySQL"),
    "1433": (Cause.SPEAKS_DATABASE, "", "SQL Server"),
    "1521": (Cause.SPEAKS_DATABASE, "", "Oracle"),
    "6379": (Cause.SPEAKS_PLAIN, "", "Redis without TLS"),
    "1883": (Cause.SPEAKS_PLAIN, "", "MQTT without TLS"),
    "5672": (Cause.SPEAKS_PLAIN, "", "AMQP without TLS"),
    "11211": (Cause.SPEAKS_PLAIN, "", "memcached without TLS"),
}
AT_ONCE = frozenset(("443", "465", "563", "636", "853", "989", "990", "993", "995", "3269", "5223", "8443"))
# Of them those of other protocols than HTTP, and others that begin with TLS: NNTP, SQL, Redis, MQTT, AMQP, SIP.
OTHERS = AT_ONCE - {"443", "8443"} | {"563", "1433", "1521", "5061", "5671", "6380", "6514", "8883"}
BAD_REQUEST, SERVER_ERRORS = 400, 500
UNKNOWN_COMMAND = ("500", "502", "503")  # RFC 5321 4.2.4
_OF_FTP = re.compile(r"\bUSER\b.{0,20}\bPASS\b")
_HEADER = re.compile(r"\bPROXY\b")  # an unknown command, as mail servers quote it
RECORDS = (b"\x14\3", b"\x15\3", b"\x16\3", b"\x17\3")


def name_of(case: Case, other: OtherProtocol | None, start: bytes = b"") -> str:
    """Return the name of a protocol for `--starttls`, by the first bytes or the port; "" for one without STARTTLS.

    start: what was received, for those that begin alike: FTP servers say what they are in their first line.
    """
    if other is OtherProtocol.MAIL_OR_FILES and b"ftp" in start.partition(b"\n")[0].lower():
        return "ftp"
    at_port = PORTS.get(_port(case))
    if other is OtherProtocol.MAIL_OR_FILES and at_port is not None and at_port[1] in ("ftp", "nntp"):
        return at_port[1]
    return NAMES.get(other, "")


def may_speak_http2(case: Case) -> bool:
    """Whether nothing says that the service speaks another protocol than HTTP: neither STARTTLS nor its port."""
    port = _port(case)
    return not case.own_side.starttls and port not in OTHERS and (port not in PORTS or not PORTS[port][1])


def is_port_of_tls(case: Case) -> bool:
    """Whether TLS is usual at that port, from the first byte."""
    return _port(case) in AT_ONCE | OTHERS


def by_port(case: Case) -> Iterator[Likely]:
    """Return the service that usually listens at a port, where no TLS came from it."""
    if case.is_client and _port(case) in PORTS:
        cause, name, title = PORTS[_port(case)]
        yield _speaks(case, cause, LIKELY, f"{_port(case)} is the port of {title}", name)


def by_probes(case: Case) -> Iterator[Likely]:
    """Return the protocol that answered a request for TLS, where probes tried protocols that wait for the client."""
    found = case.situation.probed
    known = {name: (cause, title) for cause, name, title in PORTS.values() if name}
    if found is None or not case.is_client or found.starttls not in known:
        return
    cause, title = known[found.starttls]
    evidence = f"it answered a request for TLS in {title}"
    if found.plain:
        yield case.likely(Cause.STARTTLS_NOT_OFFERED, PEERS, LIKELY, evidence, protocol=title)
    else:
        yield _speaks(case, cause, LIKELY, evidence, found.starttls)


def without_greeting(case: Case) -> Iterator[Likely]:
    """Return what closes for a hello and says nothing itself, of what a command that is for few protocols can reach."""
    known = {name: (cause, title) for cause, name, title in PORTS.values() if name}
    for name in (case.own_side.files.starttls or ()) if not case.own_side.starttls else ():
        cause, title = known[name]
        evidence = f"a server of {title} waits for a request for TLS in its protocol, and closes for a hello"
        yield _speaks(case, cause, POSSIBLE, evidence, name)


def _speaks(case: Case, cause: Cause, weight: Weight, evidence: str, name: str) -> Likely:
    """Return that a service of another protocol listens, which can be asked for TLS. name: for `--starttls`."""
    return case.likely(cause, PEERS, weight, evidence, starttls=name, requesting=_requesting(case, name))


def _requesting(case: Case, name: str) -> str:
    """Return how TLS is requested in a protocol, as the beginning of a sentence; "" where no command of ours does."""
    possible = case.own_side.files.starttls
    if not name:
        return ""
    if possible is None or name in possible:
        return f"request TLS in its protocol (--starttls {name}), or "
    does = f"does only in {' and '.join(possible)}" if possible else "does not"
    return (
        f"have a client of its protocol request TLS, which this command {does} (`bothways connect` does), or "
    )


def by_lines(case: Case) -> Iterator[Likely]:
    """Return what a server speaks that answered a line of plain text, or a request, and nothing to a hello."""
    found = case.situation.probed
    if found is None or not case.is_client:
        return
    if not found.answer:
        if is_plain_http(found):
            evidence = (
                f"it closes for a hello, and answers a request in plain HTTP by status {found.http_status}"
            )
            yield case.likely(Cause.SPEAKS_HTTP, PEERS, LIKELY, evidence)
        return
    cause = Cause.SPEAKS_PLAIN if found.http_status is None else Cause.SPEAKS_HTTP
    redis = ", as Redis does" if found.answer.startswith(REDIS) else ""
    evidence = f'it keeps a hello as a line without an end, and answers "PING" by "{found.answer}"{redis}'
    yield case.likely(cause, PEERS, LIKELY, evidence)


def is_plain_http(found: Probed) -> bool:
    """Whether a request in plain HTTP was answered, by another status than that of TLS servers to what is not TLS."""
    return found.http_status not in (None, BAD_REQUEST) and not found.speaks_unasked


# To PING: also where a password is missing, or where it accepts connections from its own host alone.
REDIS = ("+PONG", "-NOAUTH ", "-DENIED Redis", "-NOPERM ")


def in_plain(case: Case, other: OtherProtocol | None, observed: str, start: bytes = b"") -> Iterator[Likely]:
    """Return the causes where a server answers our hello in another protocol.

    other: the protocol, by its first bytes.  observed: what those are.  start: as many as there are.  One answer does
    not say who gave it, so that no cause is certain by it.
    """
    if other is OtherProtocol.HTTP_ANSWER:
        yield from _in_http(case, observed)
    elif other in PLAIN_SERVERS:
        yield _speaks(case, PLAIN_SERVERS[other], LIKELY, observed, name_of(case, other, start))
    else:
        yield case.likely(Cause.SPEAKS_PLAIN, PEERS, LIKELY, observed)
        yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _in_http(case: Case, observed: str) -> Iterator[Likely]:
    """A server of plain HTTP answers in HTTP, and so does a TLS server that gets a PROXY header before our hello."""
    found = case.situation.probed or Probed()
    if found.http_status is not None and found.http_status != BAD_REQUEST:
        if found.speaks_unasked:
            yield from _refused_unasked(case, found.http_status)
            return
        evidence = f"{observed}, and it answers a request in plain HTTP by status {found.http_status}"
        yield case.likely(Cause.SPEAKS_HTTP, PEERS, LIKELY, evidence)
        portal = "the portal or filter of a network answers so too, in the place of any server"
        yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, POSSIBLE, portal)
        return
    yield from with_a_header(case)
    if not found.speaks_unasked and not found.after_proxy_header:
        yield case.likely(Cause.SPEAKS_HTTP, PEERS, LIKELY, observed)
    tells = (
        ""
        if case.situation.probed is not None
        else "; a request in plain HTTP, or --probe, tells which it is"
    )
    yield case.likely(
        Cause.PROXY_HEADER, PEERS, POSSIBLE, f"a TLS server that gets such a header answers so{tells}"
    )
    if case.situation.probed is None:
        yield case.likely(
            Cause.WANTS_PROXY_HEADER, PEERS, POSSIBLE, f"some servers without it answer so{tells}"
        )
    yield case.likely(Cause.SPEAKS_HTTP, PEERS, POSSIBLE, observed)
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, POSSIBLE)


def _refused_unasked(case: Case, status: int) -> Iterator[Likely]:
    """It refuses every connection in HTTP, before it has received anything."""
    evidence = f"it answers in plain HTTP by status {status}, before anything was sent to it"
    first, second = (Cause.LETS_NOT_IN, Cause.BACKEND_DOWN)
    if status >= SERVER_ERRORS:
        first, second = second, first
    yield case.likely(first, PEERS, LIKELY, evidence)
    yield case.likely(second, PEERS, POSSIBLE)
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, POSSIBLE)


def with_a_header(case: Case) -> Iterator[Likely]:
    """Return that a header of the PROXY protocol is missing, or stands where none is expected, by probes."""
    found = case.situation.probed
    if found is not None and found.after_proxy_header:
        evidence = "a hello behind such a header was answered, and one without was not"
        yield case.likely(Cause.WANTS_PROXY_HEADER, PEERS, LIKELY, evidence)
    if found is not None and found.speaks_unasked and found.http_status in (None, BAD_REQUEST):
        evidence = "it refused a connection on which we had sent nothing, so that another had sent something"
        yield case.likely(Cause.PROXY_HEADER, PEERS, LIKELY, evidence)


def failed(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    """Return the causes where a server did not start TLS when it was asked to."""
    if _HEADER.search(error.said):
        evidence = f"{_quoting(error)}: that is the first word of such a header, which we did not send"
        yield case.likely(Cause.PROXY_HEADER, PEERS, LIKELY, evidence)
    yield from RULES[error.problem](case, error)


def _port(case: Case) -> str:
    return case.own_side.address.rpartition(":")[2]


def _quoting(error: StartTLSFailed) -> str:
    return f'it said (unauthenticated): "{error.said}"' if error.said else ""


def _not_offered(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    if error.protocol != "FTP" and _OF_FTP.search(error.said):
        facts = {"protocol": error.protocol, "detail": "USER and PASS are commands of FTP", "starttls": "ftp"}
        yield case.likely(Cause.OTHER_STARTTLS, OURS, LIKELY, _quoting(error), **facts)
    is_smtp = error.protocol == "LMTP" and error.said[:3] in UNKNOWN_COMMAND
    if is_smtp:
        facts = {"protocol": error.protocol, "detail": "so SMTP servers answer LHLO", "starttls": "smtp"}
        yield case.likely(Cause.OTHER_STARTTLS, OURS, LIKELY, _quoting(error), **facts)
    weight = POSSIBLE if is_smtp else LIKELY
    yield case.likely(Cause.STARTTLS_NOT_OFFERED, PEERS, weight, _quoting(error), protocol=error.protocol)
    if "XXXX" in error.said:
        evidence = f"{_quoting(error)}: some firewalls write X over the word STARTTLS"
        yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, LIKELY, evidence)
    if error.protocol == "SMTP" and error.said[:3] in ("500", "502", "530"):
        weight = LIKELY if error.said[:3] == "530" else POSSIBLE
        facts = {"protocol": error.protocol, "detail": "so FTP servers answer EHLO", "starttls": "ftp"}
        yield case.likely(Cause.OTHER_STARTTLS, OURS, weight, _quoting(error), **facts)


def _refused(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    yield case.likely(Cause.STARTTLS_REFUSED, PEERS, LIKELY, _quoting(error))
    yield case.likely(Cause.SERVICE_BUSY, PEERS)
    yield case.likely(Cause.PEER_STOPPED, PEERS)


def _not_accepted(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    """The server refused before it was asked for TLS: us, or every client for now."""
    if "host-unknown" in error.said.lower():
        asked = case.own_side.server_name or "that name"
        yield case.likely(Cause.NAME_NOT_SERVED, OURS, LIKELY, _quoting(error), name=asked)
        return
    shut_out = match_text(error.said, SHUT_OUT) is not None
    shut_out = shut_out or (error.said.startswith("5") and match_text(error.said, LIMITS) is None)
    first, second = (
        (Cause.LETS_NOT_IN, Cause.SERVICE_BUSY) if shut_out else (Cause.SERVICE_BUSY, Cause.LETS_NOT_IN)
    )
    yield case.likely(first, PEERS, LIKELY, _quoting(error))
    yield case.likely(second, PEERS, POSSIBLE)


def _other(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    other = recognise(error.start)
    name = name_of(case, other)
    if error.start.startswith(RECORDS):
        yield case.likely(Cause.TLS_AT_ONCE, OURS, LIKELY, "it answered by a record of TLS", starttls="")
    elif name and name != case.own_side.starttls and other is not None:
        detail = f"it begins as {other.value.partition(',')[0]} does"
        facts = {"protocol": error.protocol, "detail": detail, "starttls": name}
        yield case.likely(Cause.OTHER_STARTTLS, OURS, LIKELY, _quoting(error), **facts)
    elif other in PLAIN_SERVERS:
        yield case.likely(PLAIN_SERVERS[other], PEERS, LIKELY, _quoting(error))
    else:
        yield case.likely(Cause.SPEAKS_PLAIN, PEERS, LIKELY, _quoting(error))


def _data_before_tls(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    weight = POSSIBLE if _HEADER.search(error.said) else LIKELY
    yield case.likely(Cause.AHEAD_OF_TLS, BETWEEN, weight, _quoting(error))
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, detail=error.sentence)


def _malformed(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, LIKELY, _quoting(error), detail=error.sentence)
    yield case.likely(Cause.SPEAKS_PLAIN, PEERS, POSSIBLE)


def _limit_exceeded(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    yield case.likely(Cause.BEYOND_OUR_LIMITS, PEERS, LIKELY, detail=error.detail)


def _closed_silently(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    """It closed, or time ran out: a port that speaks TLS at once waits for our hello, as we wait for its greeting."""
    yield from _another(case, error)
    if case.situation.probed is not None and case.situation.probed.versions:
        evidence = own_hello.PROBE + " there, without a word before it"
        yield case.likely(Cause.TLS_AT_ONCE, OURS, LIKELY, evidence, starttls="")
    elif not error.said and _port(case) in AT_ONCE:
        evidence = f"so it is at port {_port(case)} elsewhere, and it said nothing"
        yield case.likely(Cause.TLS_AT_ONCE, OURS, LIKELY, evidence, starttls="")
    elif not error.said:
        yield case.likely(Cause.TLS_AT_ONCE, OURS, POSSIBLE, starttls="")
        waits = "it says nothing before its client does, as PostgreSQL, LDAP and XMPP"
        yield case.likely(
            Cause.OTHER_STARTTLS, OURS, POSSIBLE, protocol=error.protocol, detail=waits, starttls=""
        )
    late = error.problem is StartTLSProblem.LATE
    yield case.likely(Cause.PEER_SILENT if late else Cause.PEER_STOPPED, PEERS, POSSIBLE, _quoting(error))
    yield case.likely(Cause.SPEAKS_PLAIN, PEERS, POSSIBLE)
    if not error.said:
        yield case.likely(Cause.WANTS_PROXY_HEADER, PEERS, POSSIBLE)
        yield case.likely(Cause.PROXY_HEADER, PEERS, POSSIBLE)
    yield case.likely(Cause.SLOW if late else Cause.LETS_NOT_IN, BETWEEN if late else PEERS, POSSIBLE)


def _another(case: Case, error: StartTLSFailed) -> Iterator[Likely]:
    """A server that answers in another protocol, or listens at the port of one."""
    found, at_port = case.situation.probed, PORTS.get(_port(case))
    titles = {name: title for _, name, title in PORTS.values() if name}
    if found is not None and found.starttls in titles and found.starttls != case.own_side.starttls:
        name, seen = found.starttls, f"it answered a request for TLS in {titles[found.starttls]}"
    elif at_port is not None and at_port[1] not in ("", case.own_side.starttls) and not error.said:
        name, seen = at_port[1], f"{_port(case)} is the port of {at_port[2]}"
    elif name := _greeting_of(error.said, case.own_side.starttls):
        seen = f"{_quoting(error)}, as servers of {titles[name]} greet"
    else:
        return
    facts = {"protocol": error.protocol, "detail": f"it is {titles[name]}", "starttls": name}
    yield case.likely(Cause.OTHER_STARTTLS, OURS, LIKELY, seen, **facts)


def _greeting_of(said: str, requested: str) -> str:
    """Return the protocol that a greeting names which is not the requested one, by its name for `--starttls`, or "".

    SMTP and FTP greet by the same code; a greeting that names both, as in the name of a host, says neither.
    """
    if not said.startswith(("220 ", "220-")):
        return ""
    named = [name for name in ("ftp", "smtp") if name in said.lower()]
    other = named[0] if len(named) == 1 else ""
    return "" if other == requested or (other == "smtp" and requested == "lmtp") else other


RULES: Mapping[StartTLSProblem, Callable[[Case, StartTLSFailed], Iterator[Likely]]] = {
    StartTLSProblem.NOT_OFFERED: _not_offered,
    StartTLSProblem.REFUSED: _refused,
    StartTLSProblem.TURNED_AWAY: _not_accepted,
    StartTLSProblem.OTHER_PROTOCOL: _other,
    StartTLSProblem.SPOKE_AHEAD: _data_before_tls,
    StartTLSProblem.MALFORMED: _malformed,
    StartTLSProblem.TOO_MUCH: _limit_exceeded,
    StartTLSProblem.ENDED: _closed_silently,
    StartTLSProblem.LATE: _closed_silently,
}
