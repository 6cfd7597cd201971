"""The content of an alert record (RFC 9846 6)."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.iana import Alert, AlertLevel
from bothways.tls.wire.codec import decode
from bothways.tls.wire.fields import record, uint


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One alert: level and description; a record contains exactly one."""

    level: int
    description: int


ALERT = record(
    AlertMessage,
    title="Alert",
    level=uint(1, AlertLevel),
    description=uint(1, Alert, title="AlertDescription"),
)


def decode_alert(content: bytes) -> AlertMessage:
    """Return the alert in the content of a record. Raises `DecodeError` unless it is exactly one."""
    return decode(ALERT, content, "Alert")
