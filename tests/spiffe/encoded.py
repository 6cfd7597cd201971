"""Protocol Buffers by hand, so that what no library writes can be sent too."""

from __future__ import annotations


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def certificate(size: int = 3) -> bytes:
    """A SEQUENCE, which is all that splitting looks at."""
    return b"\x30" + bytes((size,)) + bytes(size)


def svid(name: bytes = b"spiffe://example.org/a", more: bytes = b"", **replaced: bytes) -> bytes:
    parts = {1: name, 2: certificate(), 3: b"key", 4: certificate(4) + certificate(5)}
    parts |= {int(each.removeprefix("f")): content for each, content in replaced.items()}
    return b"".join(field(number, content) for number, content in parts.items() if content) + more


def response(*svids: bytes, more: bytes = b"") -> bytes:
    return b"".join(field(1, each) for each in svids) + more


def federated(name: bytes, bundle: bytes) -> bytes:
    return field(3, field(1, name) + field(2, bundle))
