"""Headers of proxies in front, octet by octet: those that are one, and all that is refused."""

from __future__ import annotations

import random
import struct
from contextlib import suppress

import pytest

from bothways.gateway.proxy_protocol.reading import (
    MOST_BYTES,
    V1_MOST,
    Announced,
    BadHeader,
    HeaderReader,
    crc32c,
)
from bothways.gateway.proxy_protocol.writing import SIGNATURE, header
from gateway.proxy_protocol.test_writing import client
from gateway_talk import Setting

TCP4 = bytes((192, 0, 2, 7, 198, 51, 100, 1)) + struct.pack("!HH", 5, 443)
TCP6 = bytes.fromhex("20010db8000000000000000000000001" * 2) + struct.pack("!HH", 5, 443)
V4 = Announced(("192.0.2.7", 5), ("198.51.100.1", 443))
V6 = Announced(("2001:db8::1", 5), ("2001:db8::1", 443))


def binary(body: bytes, family: int = 0x11, command: int = 0x21) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def value(kind: int, content: bytes) -> bytes:
    return struct.pack("!BH", kind, len(content)) + content


def with_checksum(body: bytes) -> bytes:
    made = binary(body + value(0x03, bytes(4)))
    return made[:-4] + crc32c(made).to_bytes(4)


def read(data: bytes) -> tuple[Announced | None, bytes]:
    reader = HeaderReader()
    return reader.read(data), reader.rest


def test_the_checksum_is_that_of_its_standard() -> None:
    """RFC 3720 B.4."""
    assert crc32c(b"123456789") == 0xE3069283
    assert (crc32c(bytes(32)), crc32c(b"\xff" * 32)) == (0x8A9136AA, 0x62A8AB43)


@pytest.mark.parametrize(
    ("data", "reported"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 5 443\r\n", V4),
        (b"PROXY TCP6 2001:db8::1 2001:DB8::1 5 443\r\n", V6),
        (b"PROXY UNKNOWN\r\n", Announced()),
        (b"PROXY UNKNOWN ffff::1 ffff::2 0 0\r\n", Announced()),
        (binary(TCP4), V4),
        (binary(TCP6, 0x21), V6),
        (binary(bytes(216), 0x31), Announced()),
        (binary(b"", 0x00), Announced()),
        (binary(b"", 0x00, 0x20), Announced()),
        (binary(TCP4 + b"not vectors", 0x11, 0x20), Announced()),
        (binary(TCP4 + value(0x01, b"h2") + value(0x04, b"") + value(0x04, b"no") + value(0xE5, b"x")), V4),
        (binary(TCP4 + value(0x20, bytes(5) + value(0x21, b"TLSv1.3")) + value(0x77, b"")), V4),
        (with_checksum(TCP4 + value(0x05, b"id")), V4),
        (with_checksum(TCP4), V4),
    ],
)
def test_a_header_is_read_whole_or_byte_by_byte_and_takes_nothing_of_what_follows(
    data: bytes, reported: Announced
) -> None:
    follows = b"\x16\x03\x01PROXY "
    assert read(data + follows) == (reported, follows)
    reader = HeaderReader()
    found = [reader.read(bytes((each,))) for each in data]
    assert (found[:-1], found[-1], reader.rest) == ([None] * (len(data) - 1), reported, b"")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x16\x03\x01\x02\x00", "mandatory from this address"),
        (b"GET / HTTP/1.1\r\n", "mandatory"),
        (b"PROXx", "mandatory"),
        (SIGNATURE[:-1] + b"x", "mandatory"),
        (b"PROXY " + b"x" * V1_MOST, "no end within 107 bytes"),
        (b"PROXY \r\n", "not of the form"),
        (b"PROXY UDP4 192.0.2.7 198.51.100.1 5 443\r\n", "not of the form"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 5\r\n", "not of the form"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 5 443 \r\n", "not of the form"),
        (b"PROXY TCP4  192.0.2.7 198.51.100.1 5 443\r\n", "not of the form"),
        (b"PROXY TCP4 192.0.2.07 198.51.100.1 5 443\r\n", "none of its family"),
        (b"PROXY TCP4 2001:db8::1 198.51.100.1 5 443\r\n", "none of its family"),
        (b"PROXY TCP6 192.0.2.7 2001:db8::1 5 443\r\n", "none of its family"),
        (b"PROXY TCP6 fe80::1%eth0 fe80::2 5 443\r\n", "zone"),
        (b"PROXY TCP4 192.0.2.\xd9\xa1 198.51.100.1 5 443\r\n", "none of its family"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 05 443\r\n", "a port that is none"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 5 65536\r\n", "a port that is none"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 -5 443\r\n", "a port that is none"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 5 443\nx\r\n", "a port that is none"),
        (binary(TCP4, 0x11, 0x11), "version and command 0x11"),
        (binary(TCP4, 0x11, 0x22), "version and command 0x22"),
        (binary(TCP4, 0x12), "family 0x12"),
        (binary(TCP6, 0x22), "family 0x22"),
        (binary(bytes(216), 0x32), "family 0x32"),
        (binary(TCP4[:-1]), "too short for its addresses"),
        (binary(TCP4, 0x21), "too short for its addresses"),
        (SIGNATURE + struct.pack("!BBH", 0x21, 0x11, MOST_BYTES - 15), "at most 4096 are possible"),
        (binary(TCP4 + b"\x01\x00"), "ends within a value"),
        (binary(TCP4 + b"\x01\x00\x05h2"), "longer than what is left"),
        (binary(TCP4 + value(0x01, b"h2") * 2), "0x01 twice"),
        (binary(TCP4 + value(0x01, b"")), "0x01 with 0 bytes"),
        (binary(TCP4 + value(0x02, bytes(256))), "0x02 with 256 bytes"),
        (binary(TCP4 + value(0x05, bytes(129))), "0x05 with 129 bytes"),
        (binary(TCP4 + value(0x20, bytes(4))), "0x20 with 4 bytes"),
        (binary(TCP4 + value(0x20, bytes(5) + b"\x21\x00\x09TLS")), "longer than what is left"),
        (binary(TCP4 + value(0x03, bytes(3))), "0x03 with 3 bytes"),
        (binary(TCP4 + value(0x03, bytes(4))), "checksum"),
        (with_checksum(TCP4).replace(b"\x01\xbb", b"\x01\xbc"), "checksum"),
    ],
)
def test_an_invalid_header_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(BadHeader, match=why):
        read(data)
    reader = HeaderReader()
    with pytest.raises(BadHeader, match=why):
        for each in data:
            assert reader.read(bytes((each,))) is None


def test_a_header_that_we_send_is_one_that_we_take(setting: Setting) -> None:
    made = header(client(setting), "v2-certificate")
    assert read(made + b"rest") == (V4, b"rest")


def test_changed_headers_are_read_or_refused_and_nothing_else(full: bool) -> None:
    chance = random.Random(7)
    whole = with_checksum(TCP4 + value(0x01, b"h2") + value(0x20, bytes(5) + value(0x21, b"TLSv1.3")))
    for _ in range(50_000 if full else 2000):
        data = bytearray(chance.choice([whole, b"PROXY TCP6 2001:db8::1 2001:db8::2 5 443\r\n"]))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with suppress(BadHeader):
            read(bytes(data[: chance.randint(1, len(data))]))
