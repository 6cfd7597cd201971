"""Reads the header of the PROXY protocol, versions 1 and 2, that a proxy in front of the gateway sends first.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. It uses no sockets. Whoever may send one is decided before,
by his address; here every octet of it has to be as the protocol says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from bothways.gateway.proxy_protocol.writing import SIGNATURE

MOST_BYTES = 4096  # of a header of version 2
V1_MOST = 107  # octets of a line of version 1, its end included
_V1 = b"PROXY "
_HEAD = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21  # version 2, and the command
_UNSPECIFIED, _TCP4, _TCP6, _UNIX_STREAM = 0x00, 0x11, 0x21, 0x31
_SIZES = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX_STREAM: 216}
_ALPN, _AUTHORITY, _CRC32C, _UNIQUE_ID, _SSL, _NETNS = 0x01, 0x02, 0x03, 0x05, 0x20, 0x30
_ONCE = {_ALPN, _AUTHORITY, _CRC32C, _UNIQUE_ID, _SSL, _NETNS}
_LENGTHS = {  # least and most
    _ALPN: (1, 255),
    _AUTHORITY: (1, 255),
    _CRC32C: (4, 4),
    _UNIQUE_ID: (0, 128),
    _SSL: (5, MOST_BYTES),
    _NETNS: (1, 255),
}

Endpoint = tuple[str, int]


class BadHeader(ValueError):
    """What came is no header of the PROXY protocol; the text says why."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a proxy says of its client.

    client, local: from and to which address the client connected, host and port. Both are None where the proxy speaks
    for itself (LOCAL) or does not know: then the connection's own addresses count.
    """

    client: Endpoint | None = None
    local: Endpoint | None = None


class HeaderReader:
    """Takes bytes until the header is whole. `rest` has what came after it."""

    def __init__(self) -> None:
        self._came = bytearray()
        self.rest = b""

    @property
    def has_begun(self) -> bool:
        """Whether anything came."""
        return bool(self._came)

    def read(self, data: bytes) -> Announced | None:
        """Take bytes; return what the header says once it is whole. Raises BadHeader as soon as it cannot be one."""
        self._came += data
        came = self._came
        if came[: len(SIGNATURE)] == SIGNATURE[: len(came)]:
            return self._second()
        if came[: len(_V1)] == _V1[: len(came)]:
            return self._first()
        raise BadHeader("what came is no PROXY header, which is mandatory from this address")

    def _first(self) -> Announced | None:
        end = self._came.find(b"\r\n", 0, V1_MOST)
        if end < 0:
            if len(self._came) >= V1_MOST:
                raise BadHeader(f"the PROXY line has no end within {V1_MOST} bytes")
            return None
        self.rest = bytes(self._came[end + 2 :])
        return _line(bytes(self._came[:end]))

    def _second(self) -> Announced | None:
        if len(self._came) < _HEAD.size:
            return None
        length = _HEAD.size + int.from_bytes(self._came[14:16])
        if length > MOST_BYTES:
            raise BadHeader(f"the PROXY header has {length} bytes; at most {MOST_BYTES} are possible")
        if len(self._came) < length:
            return None
        self.rest = bytes(self._came[length:])
        return _binary(bytes(self._came[:length]))


def _line(line: bytes) -> Announced:
    """Read a line of version 1, without its end."""
    words = line.split(b" ")
    if words[1] == b"UNKNOWN":
        return Announced()
    family = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}.get(words[1])
    if family is None or len(words) != 6:
        raise BadHeader("the PROXY line is not of the form PROXY TCP4|TCP6 ADDRESS ADDRESS PORT PORT")
    try:
        hosts = [family(each.decode("ascii")) for each in words[2:4]]
    except ValueError:
        raise BadHeader("the PROXY line has an address that is none of its family") from None
    if any("%" in str(each) for each in hosts):
        raise BadHeader("the PROXY line has an address with a zone")
    ports = [_port(each) for each in words[4:6]]
    return Announced((str(hosts[0]), ports[0]), (str(hosts[1]), ports[1]))


def _port(word: bytes) -> int:
    """Read a port: decimal digits without a leading zero."""
    if not word.isdigit() or len(word) > 5 or (word[:1] == b"0" and word != b"0") or int(word) > 65535:
        raise BadHeader("the PROXY line has a port that is none")
    return int(word)


def _binary(header: bytes) -> Announced:
    """Read a whole header of version 2."""
    _, command, family, _ = _HEAD.unpack_from(header)
    if command == _LOCAL:
        return Announced()  # the rest is to be ignored, whatever it is
    if command != _PROXY:
        raise BadHeader(f"the PROXY header has the version and command {command:#04x}; 0x20 and 0x21 exist")
    if family not in _SIZES:
        raise BadHeader(f"the PROXY header has the family {family:#04x}; expected a stream of TCP or Unix")
    begin, end = _HEAD.size, _HEAD.size + _SIZES[family]
    if len(header) < end:
        raise BadHeader("the PROXY header is too short for its addresses")
    _check_values(header, end)
    return _addresses(family, header[begin:end])


def _addresses(family: int, packed: bytes) -> Announced:
    if family not in (_TCP4, _TCP6):
        return Announced()
    size = 4 if family == _TCP4 else 16
    ports = struct.unpack_from("!HH", packed, 2 * size)
    hosts = [str(ip_address(packed[at : at + size])) for at in (0, size)]
    return Announced((hosts[0], ports[0]), (hosts[1], ports[1]))


def _check_values(header: bytes, begin: int) -> None:
    """Check the type-length-value vectors: their form, those that are known, and the checksum if there is one."""
    seen: set[int] = set()
    for kind, at, value in _values(header, begin, len(header)):
        if kind in seen and kind in _ONCE:
            raise BadHeader(f"the PROXY header has the value {kind:#04x} twice")
        seen.add(kind)
        least, most = _LENGTHS.get(kind, (0, MOST_BYTES))
        if not least <= len(value) <= most:
            raise BadHeader(f"the PROXY header has the value {kind:#04x} with {len(value)} bytes")
        if kind == _SSL:
            for _ in _values(header, at + 5, at + len(value)):
                pass
        if kind == _CRC32C:
            blank = header[:at] + bytes(4) + header[at + 4 :]
            if crc32c(blank) != int.from_bytes(value):
                raise BadHeader("the checksum of the PROXY header is wrong")


def _values(header: bytes, at: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the type of each vector, where its value begins, and the value."""
    while at < end:
        if end - at < 3:
            raise BadHeader("the PROXY header ends within a value")
        kind, length = struct.unpack_from("!BH", header, at)
        at += 3
        if at + length > end:
            raise BadHeader(f"the PROXY header has the value {kind:#04x}, which is longer than what is left")
        yield kind, at, header[at : at + length]
        at += length


def _table() -> tuple[int, ...]:
    made = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        made.append(value)
    return tuple(made)


_CRC_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the checksum of RFC 4960 appendix B; it protects against mistakes, not against anybody."""
    value = 0xFFFFFFFF
    for each in data:
        value = _CRC_TABLE[(value ^ each) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF
