"""What came back: the choice of a server, an alert, an end, silence, or something other than TLS at all.

Reads what is in the clear and no further. Whatever comes, an answer is found within `LIMIT` bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bothways.describe.escape import visible
from bothways.faults import Blame, Fault
from bothways.iana import Alert, AlertLevel, ContentType, HandshakeType, ProtocolVersion
from bothways.roles import Version
from bothways.tls.record.framing import Framing
from bothways.tls.record.protocol_guess import OtherProtocol, recognise
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Flight, decode_message
from bothways.tls.wire.hello import ServerHello, is_retry
from bothways.tls.wire.tls12 import ServerKeyExchange

LIMIT = 64 * 1024
SHOWN = 160
WARNINGS = 8

Kind = Literal["choice", "alert", "closed", "silence", "foreign", "garbled"]

PROXIED = (b"proxy", b"squid", b"\r\nvia:")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question came to. `speaks` and `start` say what something is that is no TLS."""

    kind: Kind
    version: int | None = None
    suite: int | None = None
    group: int | None = None
    protocol: str | None = None
    session_id: bool = False
    ticket: bool = False
    alert: int | None = None
    speaks: str = ""
    start: str = ""


CLOSED, SILENCE, GARBLED = Answer("closed"), Answer("silence"), Answer("garbled")


class Ear:
    """Takes what comes, in pieces of any size, until it is an answer.

    to_the_share: in TLS 1.2, go on to the ServerKeyExchange, which tells the group.
    """

    def __init__(self, *, to_the_share: bool = False) -> None:
        self._to_the_share = to_the_share
        self._framing = Framing()
        self._flight = Flight()
        self._chosen: Answer | None = None
        self._start = b""
        self._heard = 0
        self._warnings = 0

    def hear(self, data: bytes) -> Answer | None:
        """Take bytes; return the answer once there is one."""
        self._start += data[: max(0, 1024 - len(self._start))]
        self._heard += len(data)
        if self._heard > LIMIT:
            return self.end()
        self._framing.feed(data)
        try:
            return self._read()
        except Blame as blamed:
            return foreign(self._start) if blamed.fault is Fault.NOT_TLS else self._chosen or GARBLED

    def end(self, *, late: bool = False) -> Answer:
        """Return what to make of an end of file, or with `late` of time that ran out."""
        if self._chosen is not None:
            return self._chosen
        if self._start and not self._start.startswith((b"\x15\x03", b"\x16\x03")):
            return foreign(self._start)
        return GARBLED if self._start else SILENCE if late else CLOSED

    def _read(self) -> Answer | None:
        while (record := self._framing.next()) is not None:
            content_type, content = record[0][0], bytes(record[1])
            if content_type == ContentType.alert:
                answer = self._alert(content)
            elif content_type == ContentType.handshake:
                self._flight.feed(content)
                answer = self._messages()
            else:
                answer = self._chosen or GARBLED
            if answer is not None:
                return answer
        return None

    def _alert(self, content: bytes) -> Answer | None:
        """A warning, as of a name that nobody has, is no answer yet (RFC 5246 7.2.2)."""
        if len(content) != 2:
            return self._chosen or GARBLED
        self._warnings += 1
        if (
            content[0] == AlertLevel.warning
            and content[1] != Alert.CLOSE_NOTIFY
            and self._warnings < WARNINGS
        ):
            return None
        return self._chosen or Answer("alert", alert=content[1])

    def _messages(self) -> Answer | None:
        while (found := self._flight.next()) is not None:
            code, raw = found
            if self._chosen is None:
                if code != HandshakeType.server_hello:
                    return GARBLED
                message = decode_message(code, raw[4:])
                if not isinstance(message, ServerHello):
                    return GARBLED
                self._chosen = chosen(message)
                if not self._to_the_share or self._chosen.version != ProtocolVersion.TLSv1_2:
                    return self._chosen
            elif code == HandshakeType.server_key_exchange:
                return self._with_group(raw)
            elif code == HandshakeType.server_hello_done:
                return self._chosen
        return None

    def _with_group(self, raw: bytes) -> Answer | None:
        exchange = decode_message(raw[0], raw[4:], Version.TLS12)
        known = self._chosen
        if known is None or not isinstance(exchange, ServerKeyExchange):
            return known
        return Answer(
            known.kind,
            known.version,
            known.suite,
            exchange.named_curve,
            known.protocol,
            known.session_id,
            known.ticket,
        )


def chosen(hello: ServerHello) -> Answer:
    """Return what a ServerHello or a HelloRetryRequest chose."""
    extensions = hello.extensions or ()
    selected = ext.find(extensions, ext.SelectedVersion)
    retried, shared = ext.find(extensions, ext.RetryGroup), ext.find(extensions, ext.ServerShare)
    group = retried.group if retried is not None else shared.entry.group if shared is not None else None
    protocols = ext.find(extensions, ext.ApplicationProtocols)
    return Answer(
        "choice",
        version=selected.version if selected is not None else hello.legacy_version,
        suite=hello.cipher_suite,
        group=group,
        protocol=visible(protocols.protocols[0].decode("latin-1")) if protocols else None,
        session_id=bool(hello.legacy_session_id_echo) and not is_retry(hello) and selected is None,
        ticket=ext.find(extensions, ext.SessionTicket) is not None,
    )


def foreign(start: bytes) -> Answer:
    """Say what bytes are that are no TLS, as far as their beginning tells."""
    return Answer("foreign", speaks=speaks(start), start=visible(start[:SHOWN].decode("latin-1"), SHOWN))


def speaks(start: bytes) -> str:
    """Name the protocol that begins so."""
    lower = start.lower()
    foreign = recognise(start) or recognise(start.lstrip())
    if foreign is None:
        return "something other than TLS"
    if foreign is OtherProtocol.HTTP_ANSWER and any(each in lower for each in PROXIED):
        return "an HTTP proxy"
    return _mail_or_files(lower) if foreign is OtherProtocol.MAIL_OR_FILES else str(foreign.value)


_MAIL_OR_FILES: Mapping[bytes, str] = {
    b"smtp": "SMTP, which may require STARTTLS first",
    b"ftp": "FTP, which may require AUTH TLS first",
}


def _mail_or_files(lower: bytes) -> str:
    line = lower.partition(b"\n")[0]
    found = (what for word, what in _MAIL_OR_FILES.items() if word in line)
    return next(found, str(OtherProtocol.MAIL_OR_FILES.value))
