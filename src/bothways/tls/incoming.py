"""What comes from the peer, one item at a time: checked by the step, decoded, noted for the observer.

A message that is not allowed now is not decoded, and no record is decrypted before it is needed.
"""

from __future__ import annotations

from bothways.faults import Blame, Fault, blame
from bothways.iana import Alert, AlertLevel, ContentType, HandshakeType
from bothways.iana import name as spelled
from bothways.roles import Role, Version
from bothways.tls.events import AlertSeen, Epoch, MessageSeen
from bothways.tls.handshake.certificate_compression import certificate_in
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.script import ChangeCipherSpec
from bothways.tls.handshake.steps import Step, message_ids
from bothways.tls.record.framing import ALERT, CHANGE, DATA, HANDSHAKE
from bothways.tls.wire.alert import AlertMessage, decode_alert
from bothways.tls.wire.flight import Message, check_extensions, decode_message
from bothways.tls.wire.tls13 import CompressedCertificate

_COMPRESSED = int(HandshakeType.compressed_certificate)

# What the client answers to a request on an open connection begins with one of these.
CERTIFICATES = frozenset({HandshakeType.certificate, HandshakeType.compressed_certificate})

Came = Message | ChangeCipherSpec | AlertMessage | bytes


class Incoming:
    """Returns what was received, one item at a time. speaks_12: our configuration allows TLS 1.2."""

    def __init__(self, hs: HandshakeContext, position: Position, *, speaks_12: bool) -> None:
        self._hs = hs
        self._inbox = hs.inbox
        self.position = position
        self._speaks_12 = speaks_12

    def take(self) -> Came | None:
        """Return the next message, alert or piece of data; None when no complete record is left."""
        position = self.position
        while True:
            raw = self._inbox.message()
            came: Came | None
            if raw is not None:
                came = self.message(*raw)
            else:
                record = self._inbox.record()
                if record is None:
                    return None
                content_type, content = record
                if content_type == DATA and content and position.confirmed and position.rule.is_open:
                    self._hs.history.has_data = True
                    return content  # the usual case
                came = self._content(content_type, content)
            if came is not None:
                return came

    def _content(self, content_type: int, content: bytes) -> Came | None:
        """Return the content of a record; None for handshake bytes and for what is ignored."""
        # An alert under application keys is no confirmation: it may say that our certificate is refused.
        if content_type == ALERT:
            return self._alert(content)
        if not self.position.confirmed and self._inbox.epoch is Epoch.APPLICATION:
            self.position.confirm()
        if content_type == DATA:
            return self._data(content)
        if content_type == CHANGE:
            return self.change()
        if content_type != HANDSHAKE:
            blame(Fault.UNEXPECTED_RECORD, got=spelled(ContentType, content_type))
        return None

    def message(self, code: int, raw: bytes) -> Message | None:
        """Decode a message, which must be allowed at this step."""
        hs, inbox, rule = self._hs, self._inbox, self.position.rule
        if code not in rule.accepts or (code == _COMPRESSED and not inbox.compressions):
            if (
                code == HandshakeType.hello_request
                and inbox.version is Version.TLS12
                and hs.role is Role.CLIENT
            ):
                request = decode_message(code, raw[4:], Version.TLS12)
                hs.history.add(False, request)
                self._tell(request, code, raw)
                inbox.count_passed_over()
                return None
            blame(Fault.UNEXPECTED_MESSAGE, got=spelled(HandshakeType, code), expected=rule.expected)
        message = decode_message(code, raw[4:], inbox.version)
        if isinstance(message, CompressedCertificate):
            message = self._decompressed(message, code, raw)
        elif hs.observer is not None:
            self._tell(message, code, raw)
        hs.history.add(False, message)
        check_extensions(message, inbox.offered)
        if not rule.is_open or code in CERTIFICATES:
            hs.transcript.receive(raw)
        return message

    def _decompressed(self, message: CompressedCertificate, code: int, raw: bytes) -> Message:
        """Return the Certificate in a compressed one, with the algorithms that we offered (RFC 8879 4)."""
        inbox = self._inbox
        try:
            certificate = certificate_in(message, inbox.compressions, inbox.max_certificate_bytes)
        except Blame:
            self._tell(message, code, raw)
            raise
        self._tell(message, code, raw, certificate)
        return certificate

    def _tell(self, message: Message, code: int, raw: bytes, certificate: Message | None = None) -> None:
        if self._hs.observer is not None:
            is_open = self._inbox.epoch is Epoch.APPLICATION
            ids = message_ids(self._hs.role.other, code, self._inbox.version, is_open=is_open)
            self._hs.observer(MessageSeen(False, message, raw, self._inbox.epoch, ids, certificate))

    def _data(self, content: bytes) -> bytes | None:
        if not self.position.rule.is_open:
            expected = self.position.rule.expected
            blame(Fault.UNEXPECTED_MESSAGE, got="application data", expected=expected)
        if not content:
            self._inbox.count_empty()
            return None
        self._hs.history.has_data = True
        return content

    def change(self) -> ChangeCipherSpec:
        """Return a ChangeCipherSpec of TLS 1.2, which must be expected at this step."""
        rule = self.position.rule
        if not rule.accepts_change:
            blame(Fault.UNEXPECTED_MESSAGE, got="change_cipher_spec", expected=rule.expected)
        return ChangeCipherSpec()

    def _alert(self, content: bytes) -> AlertMessage | None:
        """Return an alert; None for one that is ignored (RFC 9846 6, RFC 5246 7.2.2)."""
        alert = decode_alert(content)
        if self._hs.observer is not None:
            self._hs.observer(AlertSeen(False, alert.level, alert.description, self._inbox.epoch))
        if self._is_passed_over(alert):
            self._inbox.count_passed_over()
            return None
        return alert

    def _is_passed_over(self, alert: AlertMessage) -> bool:
        """Whether an alert is ignored: in TLS 1.2 a warning, in TLS 1.3 only user_canceled (RFC 9846 6).

        Before a version is chosen, a server of TLS 1.2 may send a warning about the server name (RFC 6066 3).
        """
        is_warning = alert.level == AlertLevel.warning
        if self.position.version is Version.TLS12:
            return is_warning and alert.description != Alert.CLOSE_NOTIFY
        if alert.description == Alert.UNRECOGNIZED_NAME and self.position.step is Step.WAIT_SH:
            return is_warning and self._speaks_12
        return alert.description == Alert.USER_CANCELED
