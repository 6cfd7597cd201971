"""Lines for a key log, by which Wireshark opens what was recorded (RFC 9850). Nothing here writes a file."""

from __future__ import annotations

from bothways.tls.keys.schedule12 import MainSecret
from bothways.tls.keys.schedule13 import ApplicationSecrets, HandshakeSecrets

CLIENT_HANDSHAKE = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
SERVER_HANDSHAKE = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_TRAFFIC = "CLIENT_TRAFFIC_SECRET_0"
SERVER_TRAFFIC = "SERVER_TRAFFIC_SECRET_0"
EXPORTER = "EXPORTER_SECRET"
TLS12 = "CLIENT_RANDOM"


def line(label: str, client_random: bytes, secret: bytes) -> str:
    """One line, without its end: what the secret is, whose connection, the secret (RFC 9850 2)."""
    return f"{label} {client_random.hex()} {secret.hex()}"


def handshake_lines(client_random: bytes, secrets: HandshakeSecrets) -> tuple[str, ...]:
    """The lines for the handshake traffic of TLS 1.3."""
    return (
        line(CLIENT_HANDSHAKE, client_random, secrets.client),
        line(SERVER_HANDSHAKE, client_random, secrets.server),
    )


def application_lines(client_random: bytes, secrets: ApplicationSecrets) -> tuple[str, ...]:
    """The lines for the application traffic of TLS 1.3; later keys follow from these."""
    return (
        line(CLIENT_TRAFFIC, client_random, secrets.client),
        line(SERVER_TRAFFIC, client_random, secrets.server),
        line(EXPORTER, client_random, secrets.exporter),
    )


def main_lines(client_random: bytes, secret: MainSecret) -> tuple[str, ...]:
    """The one line of TLS 1.2."""
    return (line(TLS12, client_random, secret.secret),)
