"""Lines of a key log, with which Wireshark can decrypt a capture (RFC 9850). Nothing here writes a file."""

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
    """Return one line without a line end: label, client random and secret (RFC 9850 2)."""
    return f"{label} {client_random.hex()} {secret.hex()}"


def handshake_lines(client_random: bytes, secrets: HandshakeSecrets) -> tuple[str, ...]:
    """Return the lines with the handshake traffic secrets of TLS 1.3."""
    return (
        line(CLIENT_HANDSHAKE, client_random, secrets.client),
        line(SERVER_HANDSHAKE, client_random, secrets.server),
    )


def application_lines(client_random: bytes, secrets: ApplicationSecrets) -> tuple[str, ...]:
    """Return the lines with the application traffic secrets of TLS 1.3; later keys can be derived from them."""
    return (
        line(CLIENT_TRAFFIC, client_random, secrets.client),
        line(SERVER_TRAFFIC, client_random, secrets.server),
        line(EXPORTER, client_random, secrets.exporter),
    )


def main_lines(client_random: bytes, secret: MainSecret) -> tuple[str, ...]:
    """Return the line with the main secret of TLS 1.2."""
    return (line(TLS12, client_random, secret.secret),)
