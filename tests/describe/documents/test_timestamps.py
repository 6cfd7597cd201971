"""Descriptions of signed certificate timestamps."""

from __future__ import annotations

import pytest

from described_files import der, extension_facts

LIST = "1.3.6.1.4.1.11129.2.4.2"
LOG = bytes(range(32))


def vector(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def timestamp(
    version: int = 0, milliseconds: int = 1_780_000_000_123, extensions: bytes = b"", kind: bytes = b"\4\3"
) -> bytes:
    return (
        bytes((version,))
        + LOG
        + milliseconds.to_bytes(8, "big")
        + vector(extensions)
        + kind
        + vector(b"signature")
    )


def shown(*timestamps: bytes) -> list[str]:
    value = der(0x04, vector(b"".join(vector(each) for each in timestamps)))
    return extension_facts(LIST, value)["signed timestamps"].split("\n")


def test_every_timestamp_is_described():
    """RFC 6962 3.2: when, by which log, how it is signed."""
    assert shown(timestamp(), timestamp(extensions=b"\1\2", kind=b"\0\7")) == [
        f"2026-05-28 20:26:40.123 UTC by log {LOG.hex()}, signed ECDSA with SHA-256",
        f"2026-05-28 20:26:40.123 UTC by log {LOG.hex()}, signed algorithm 7 with no hash, extensions 0102",
    ]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (b"", "version none is not known"),
        (timestamp(version=1), "version 2 is not known"),
        (timestamp()[:20], "it is cut off"),
        (timestamp()[:44], "it is cut off"),
        (timestamp()[:-1], "a vector at byte 45 runs past the end"),
        (timestamp() + b"\0", "bytes follow its signature"),
    ],
)
def test_a_malformed_timestamp_hides_no_other(broken, words):
    """It is reported with the reason."""
    first, second = shown(broken, timestamp())
    assert first.startswith(f"a timestamp that cannot be read ({words})")
    assert second.startswith("2026-05-28")


def test_a_time_after_the_year_9999_is_described():
    """Eight bytes reach far."""
    assert shown(timestamp(milliseconds=2**64 - 1))[0].startswith("18446744073709551615 ms after 1970 by log")


def test_a_malformed_list_of_timestamps_is_reported():
    """Cut off or too long."""
    assert "a length is cut off at byte 0" in extension_facts(LIST, der(0x04, b"\0"))["signed timestamps"]
    assert "1 bytes follow the list" in extension_facts(LIST, der(0x04, b"\0\0\0"))["signed timestamps"]


def test_a_precertificate_is_described_as_unusable():
    """RFC 6962 3.1."""
    words = extension_facts("1.3.6.1.4.1.11129.2.4.3", der(0x05, b""), critical=True)["precertificate"]
    assert words == "a precertificate: for Certificate Transparency logs only, not valid for use (critical)"
