"""PEM blocks in a file, which may contain other text and other blocks (RFC 7468)."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Collection, Iterator
from string import whitespace
from textwrap import wrap

from bothways.errors import ConfigError, UnusableFile

# One expression with possessive quantifiers would do, but Python 3.11.2 has a defect in them.
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t]*\r?\n")
_HYPHENS = b"-----"
_WHITESPACE = whitespace.encode()
PIECE_CHARACTERS = 1024 * 1024
CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})


def require_bytes(data: object, what: str) -> bytes:
    """Return PEM or DER that a caller gave as bytes. Raises ConfigError for other types, such as text.

    what: the name of the data in the error.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ConfigError(f"{what}: expected PEM or DER as bytes, not {type(data).__name__}")
    return bytes(data)


def blocks(data: bytes) -> list[tuple[str, bytes]]:
    """Return label and text of every PEM block, in order."""
    return [(label.decode("ascii"), block + b"\n") for label, block, _ in _found(data)]


def check_ended(data: bytes, labels: Collection[str], source: str) -> None:
    """Raise ConfigError, which names `source`, where a block of one of these labels begins and does not end.

    What is left out of a file without a word may be a trust anchor, or a certificate of a chain.
    """
    begin_labels = [label for each in _BEGIN.finditer(data) if (label := each[1].decode("ascii")) in labels]
    end_labels = [label for label, _ in blocks(data) if label in labels]
    if len(begin_labels) > len(end_labels):
        raise UnusableFile(
            f"{source}: it is truncated: a block in it has no -----END {begin_labels[-1]}-----"
        )


def body(block: bytes) -> bytes:
    """Return the data of a PEM block without headers. Raises ValueError."""
    found = next(_found(block), None)
    if found is None or not block.startswith(found[1]):
        raise ValueError("no PEM block")
    try:
        return b"".join(_decoded(found[2]))
    except Error:
        raise ValueError("what stands between its BEGIN and END lines is not base64") from None


def _decoded(text: bytes) -> Iterator[bytes]:
    """Yield the data of base64 in pieces, as a CRL may be long, and other threads run in between. Raises Error."""
    text, rest = text.rstrip(), b""
    for at in range(0, len(text), PIECE_CHARACTERS):
        piece = rest + text[at : at + PIECE_CHARACTERS].translate(None, _WHITESPACE)
        is_last = at + PIECE_CHARACTERS >= len(text)
        whole = len(piece) if is_last else len(piece) - len(piece) % 4
        if not is_last and b"=" in piece[:whole]:
            raise Error("padding before the end")
        yield b64decode(piece[:whole], validate=True)
        rest = piece[whole:]


def encoded(label: str, data: bytes) -> bytes:
    """Return data as a PEM block."""
    lines = wrap(b64encode(data).decode("ascii"), 64)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def _found(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield label, text and data of each block.

    A block contains no five hyphens, so the END of a BEGIN without one is not searched to the end of the file.
    """
    at = 0
    while (begin := _BEGIN.search(data, at)) is not None:
        stop = data.find(_HYPHENS, begin.end())
        if stop < 0:
            return
        end = b"-----END %b-----" % begin[1]
        at = stop
        if data.startswith(end, stop):
            at = stop + len(end)
            yield begin[1], data[begin.start() : at], data[begin.end() : stop]
