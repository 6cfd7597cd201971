"""The first frames of an HTTP/2 server (RFC 9113), decoded only for a status; no dynamic table is kept.

`:status` is the first field of a header block (RFC 9113 8.3.2), and `grpc-status` is a literal where it is sent for
the first time. Everything else is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bothways.http2.frames import HEAD, PADDED, PRIORITY_FIELDS, Kind
from bothways.http2.violations import ErrorCode

FRAMES_LOOKED_AT = 64
# RFC 7541 A: the statuses that one byte encodes, and the entries with the name ":status".
INDEXED: Mapping[int, int] = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
# RFC 7541 B, as far as needed.
_HUFFMAN: Mapping[str, str] = {
    "0": "00000", "1": "00001", "2": "00010", "3": "011001", "4": "011010", "5": "011011", "6": "011100",
    "7": "011101", "8": "011110", "9": "011111", "g": "100110", "r": "101100", "p": "101011", "c": "00100",
    "-": "010110", "s": "01000", "t": "01001", "a": "00011", "u": "101101",
}  # fmt: skip
_SYMBOLS: Mapping[str, str] = {bits: symbol for symbol, bits in _HUFFMAN.items()}
ERROR_NAMES: Mapping[int, str] = {each.value: each.name for each in ErrorCode if each}
# https://grpc.io/docs/guides/status-codes
GRPC_NAMES: Mapping[int, str] = {
    1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND", 6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED", 9: "FAILED_PRECONDITION", 10: "ABORTED", 11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE", 15: "DATA_LOSS", 16: "UNAUTHENTICATED",
}  # fmt: skip


class Framed(NamedTuple):
    """What the frames say. status: of HTTP.  grpc: the status of gRPC.  error: the code that ended a stream."""

    status: int | None = None
    grpc: int | None = None
    error: int = 0
    body: bytes = b""

    @property
    def text(self) -> str:
        """What they say, as text."""
        parts = [f"HTTP/2 {self.status}"] if self.status is not None else []
        parts += [grpc_text(self.grpc)] if self.grpc is not None else []
        parts += [ERROR_NAMES.get(self.error, f"error {self.error}")] if self.error else []
        return ", ".join(parts)


def grpc_text(status: int) -> str:
    """Return a status of gRPC in words."""
    return f"grpc-status {status}" + (f" ({GRPC_NAMES[status]})" if status in GRPC_NAMES else "")


def read_http2(data: bytes) -> Framed | None:
    """Return what a server's first frames say; None for what is not HTTP/2 or says nothing."""
    found = Framed()
    for number, (kind, flags, payload) in enumerate(_frames(data)):
        if number == 0 and kind not in (Kind.SETTINGS, Kind.GOAWAY):
            return None
        found = _after(found, kind, flags, payload)
    return found if found.text else None


def _after(found: Framed, kind: int, flags: int, payload: bytes) -> Framed:
    match kind:
        case Kind.HEADERS:
            block = _unpadded(payload, flags)[5 if flags & PRIORITY_FIELDS else 0 :]
            status = found.status if found.status is not None else _status(block)
            grpc = _grpc_status(block)
            return found._replace(status=status, grpc=found.grpc if grpc is None else grpc)
        case Kind.DATA:
            return found._replace(body=found.body + _unpadded(payload, flags))
        case Kind.RST_STREAM:
            return found._replace(error=int.from_bytes(payload[:4], "big"))
        case Kind.GOAWAY:
            return found._replace(error=int.from_bytes(payload[4:8], "big"))
    return found


def _frames(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the frames; the last one may be incomplete (RFC 9113 4.1)."""
    at = 0
    for _ in range(FRAMES_LOOKED_AT):
        if len(data) < at + HEAD:
            return
        length = int.from_bytes(data[at : at + 3], "big")
        yield data[at + 3], data[at + 4], data[at + HEAD : at + HEAD + length]
        at += HEAD + length


def _unpadded(payload: bytes, flags: int) -> bytes:
    return payload[1 : len(payload) - payload[0]] if flags & PADDED and payload else payload


def _status(block: bytes) -> int | None:
    """Decode the first field, after dynamic table size updates (RFC 7541 6)."""
    block = _TABLE_SIZES.sub(b"", block, count=1)
    if not block:
        return None
    first = block[0]
    if first & 0x80:
        return INDEXED.get(first & 0x7F)
    name = first & 0x3F if first & 0x40 else first & 0x0F
    return _number(block[1:]) if name in INDEXED else None


_TABLE_SIZES = re.compile(
    rb"\A(?:[\x20-\x3e]|\x3f[\x80-\xff]{0,4}[\0-\x7f]){0,2}"
)  # RFC 7541 5.1, 4.2: at most two


def _grpc_status(block: bytes) -> int | None:
    for name in GRPC_STATUS:
        _, found, rest = block.partition(name)
        if found:
            return _number(rest)
    return None


def _number(string: bytes) -> int | None:
    """Decode a string of at most three digits, plain or in the Huffman code (RFC 7541 5.2)."""
    if not string or not 1 <= string[0] & 0x7F <= 3:
        return None
    raw = string[1 : 1 + (string[0] & 0x7F)]
    text = _decoded(raw) if string[0] & 0x80 else raw.decode("latin-1")
    return int(text) if text.isascii() and text.isdigit() else None


def _decoded(raw: bytes) -> str:
    symbols, bits = "", ""
    for bit in "".join(f"{each:08b}" for each in raw):
        bits += bit
        if bits in _SYMBOLS:
            symbols, bits = symbols + _SYMBOLS[bits], ""
    return symbols


def _coded(text: str) -> bytes:
    bits = "".join(_HUFFMAN[each] for each in text)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


_NAME = "grpc-status"
GRPC_STATUS = (
    bytes((len(_NAME),)) + _NAME.encode("ascii"),
    bytes((0x80 | len(_coded(_NAME)),)) + _coded(_NAME),
)
