"""Lines of a key log."""

from __future__ import annotations

import pytest

from bothways.tls.keys import keylog


@pytest.mark.parametrize(
    "label",
    [
        keylog.CLIENT_HANDSHAKE,
        keylog.SERVER_HANDSHAKE,
        keylog.CLIENT_TRAFFIC,
        keylog.SERVER_TRAFFIC,
        keylog.EXPORTER,
        keylog.TLS12,
    ],
)
def test_a_line_is_label_random_and_secret(label: str) -> None:
    """RFC 9850 2: three fields, two of them hexadecimal."""
    line = keylog.line(label, b"\x01" * 32, b"\xfe" * 48)
    assert line == f"{label} {'01' * 32} {'fe' * 48}"


def test_labels_are_those_of_the_registry() -> None:
    """RFC 9850 4: what Wireshark looks for."""
    assert keylog.CLIENT_HANDSHAKE == "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
    assert keylog.SERVER_HANDSHAKE == "SERVER_HANDSHAKE_TRAFFIC_SECRET"
    assert keylog.CLIENT_TRAFFIC == "CLIENT_TRAFFIC_SECRET_0"
    assert keylog.SERVER_TRAFFIC == "SERVER_TRAFFIC_SECRET_0"
    assert keylog.EXPORTER == "EXPORTER_SECRET"
    assert keylog.TLS12 == "CLIENT_RANDOM"
