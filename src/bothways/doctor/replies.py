"""The reply to a hello: a server's choice, an alert, an end, silence, or data that is not TLS.

It decodes plaintext only, and at most `LIMIT` bytes.
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
class HelloReply:
    """The reply to one hello. `speaks` and `start` describe data that is not TLS."""

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

    @property
    def is_http(self) -> bool:
        """Whether it is an answer in HTTP."""
        return self.kind == "foreign" and self.start.startswith("HTTP/")


CLOSED, SILENCE, GARBLED = HelloReply("closed"), HelloReply("silence"), HelloReply("garbled")


class ReplyReader:
    """Decodes received bytes, in chunks of any size, until a reply is complete.

    until_key_exchange: whether to read up to the ServerKeyExchange of TLS 1.2, which has the group.
    """

    def __init__(self, *, until_key_exchange: bool = False) -> None:
        self._until_key_exchange = until_key_exchange
        self._framing = Framing()
        self._flight = Flight()
        self._chosen: HelloReply | None = None
        self._start = b""
        self._received = 0
        self._warnings = 0

    def feed(self, data: bytes) -> HelloReply | None:
        """Take bytes; return the reply if it is complete, else None."""
        self._start += data[: max(0, 1024 - len(self._start))]
        self._received += len(data)
        if self._received > LIMIT:
            return self.end()
        self._framing.feed(data)
        try:
            return self._read()
        except Blame as blamed:
            return other_protocol(self._start) if blamed.fault is Fault.NOT_TLS else self._chosen or GARBLED

    def end(self, *, timed_out: bool = False) -> HelloReply:
        """Return the reply at the end of the connection, or, with `timed_out`, at the end of the time."""
        if self._chosen is not None:
            return self._chosen
        if self._start and not self._start.startswith((b"\x15\x03", b"\x16\x03")):
            return other_protocol(self._start)
        return GARBLED if self._start else SILENCE if timed_out else CLOSED

    def _read(self) -> HelloReply | None:
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

    def _alert(self, content: bytes) -> HelloReply | None:
        """Return the reply for an alert; a warning, as for an unknown name, is none (RFC 5246 7.2.2)."""
        if len(content) != 2:
            return self._chosen or GARBLED
        self._warnings += 1
        if (
            content[0] == AlertLevel.warning
            and content[1] != Alert.CLOSE_NOTIFY
            and self._warnings < WARNINGS
        ):
            return None
        return self._chosen or HelloReply("alert", alert=content[1])

    def _messages(self) -> HelloReply | None:
        while (found := self._flight.next()) is not None:
            code, raw = found
            if self._chosen is None:
                if code != HandshakeType.server_hello:
                    return GARBLED
                message = decode_message(code, raw[4:])
                if not isinstance(message, ServerHello):
                    return GARBLED
                self._chosen = chosen(message)
                if not self._until_key_exchange or self._chosen.version != ProtocolVersion.TLSv1_2:
                    return self._chosen
            elif code == HandshakeType.server_key_exchange:
                return self._with_group(raw)
            elif code == HandshakeType.server_hello_done:
                return self._chosen
        return None

    def _with_group(self, raw: bytes) -> HelloReply | None:
        exchange = decode_message(raw[0], raw[4:], Version.TLS12)
        previous = self._chosen
        if previous is None or not isinstance(exchange, ServerKeyExchange):
            return previous
        return HelloReply(
            previous.kind,
            previous.version,
            previous.suite,
            exchange.named_curve,
            previous.protocol,
            previous.session_id,
            previous.ticket,
        )


def chosen(hello: ServerHello) -> HelloReply:
    """Return the choice in a ServerHello or a HelloRetryRequest."""
    extensions = hello.extensions or ()
    selected = ext.find(extensions, ext.SelectedVersion)
    retried, shared = ext.find(extensions, ext.RetryGroup), ext.find(extensions, ext.ServerShare)
    group = retried.group if retried is not None else shared.entry.group if shared is not None else None
    protocols = ext.find(extensions, ext.ApplicationProtocols)
    return HelloReply(
        "choice",
        version=selected.version if selected is not None else hello.legacy_version,
        suite=hello.cipher_suite,
        group=group,
        protocol=visible(protocols.protocols[0].decode("latin-1")) if protocols else None,
        session_id=bool(hello.legacy_session_id_echo) and not is_retry(hello) and selected is None,
        ticket=ext.find(extensions, ext.SessionTicket) is not None,
    )


def other_protocol(start: bytes) -> HelloReply:
    """Return the reply for data that is not TLS, by its beginning."""
    return HelloReply("foreign", speaks=speaks(start), start=visible(start[:SHOWN].decode("latin-1"), SHOWN))


def speaks(start: bytes) -> str:
    """Return the protocol of data that begins so, as text."""
    lower = start.lower()
    other_protocol = recognise(start) or recognise(start.lstrip())
    if other_protocol is None:
        return "something other than TLS"
    if other_protocol is OtherProtocol.HTTP_ANSWER and any(each in lower for each in PROXIED):
        return "an HTTP proxy"
    return _mail_or_ftp(lower) if other_protocol is OtherProtocol.MAIL_OR_FILES else str(other_protocol.value)


_MAIL_OR_FTP: Mapping[bytes, str] = {
    b"smtp": "SMTP, which may require STARTTLS first",
    b"ftp": "FTP, which may require AUTH TLS first",
}


def _mail_or_ftp(lower: bytes) -> str:
    line = lower.partition(b"\n")[0]
    found = (description for keyword, description in _MAIL_OR_FTP.items() if keyword in line)
    return next(found, str(OtherProtocol.MAIL_OR_FILES.value))
