"""Lines for a key log, by which Wireshark opens what was recorded (RFC 9850). Nothing here writes a file."""

from __future__ import annotations

CLIENT_HANDSHAKE = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
SERVER_HANDSHAKE = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_TRAFFIC = "CLIENT_TRAFFIC_SECRET_0"
SERVER_TRAFFIC = "SERVER_TRAFFIC_SECRET_0"
EXPORTER = "EXPORTER_SECRET"
TLS12 = "CLIENT_RANDOM"


def line(label: str, client_random: bytes, secret: bytes) -> str:
    """One line, without its end: what the secret is, whose connection, the secret (RFC 9850 2)."""
    return f"{label} {client_random.hex()} {secret.hex()}"
