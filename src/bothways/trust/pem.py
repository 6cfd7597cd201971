"""PEM blocks in a file that may hold other text and other blocks (RFC 7468)."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error

# No five hyphens stand inside a block, so that a BEGIN without its END is not looked for to the end of the file.
_BLOCK = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t]*+\r?\n([^-]*+(?:-(?!----)[^-]*+)*+)-----END \1-----"
)
CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})


def blocks(data: bytes) -> list[tuple[str, bytes]]:
    """Return label and whole text of every PEM block, in order."""
    return [(match[1].decode("ascii"), match[0] + b"\n") for match in _BLOCK.finditer(data)]


def body(block: bytes) -> bytes:
    """Return the bytes that a PEM block without headers holds, or raise ValueError."""
    match = _BLOCK.match(block)
    if match is None:
        raise ValueError("no PEM block")
    try:
        return b64decode(b"".join(match[2].split()), validate=True)
    except Error:
        raise ValueError("what stands between its BEGIN and END lines is not base64") from None
