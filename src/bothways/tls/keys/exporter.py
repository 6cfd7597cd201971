"""Checks of the arguments of an exporter, which derives keying material for other protocols.

RFC 5705, RFC 9846 7.5. The derivation itself is in the key schedule of each version.
"""

from __future__ import annotations

from bothways.errors import UsageError
from bothways.tls.crypto.suites import Suite

# Labels of the key schedule of TLS 1.2 itself (RFC 5705 4, RFC 7627 6).
RESERVED = frozenset(
    {"client finished", "server finished", "master secret", "key expansion", "extended master secret"}
)
LABEL_LIMIT = 249
CONTEXT_LIMIT = 2**16 - 1
BLOCKS = 255


def check_request(label: str, context: bytes | None, length: int, suite: Suite | None) -> None:
    """Raise `UsageError` for a label, context or length that one of the versions does not allow."""
    if suite is None:
        raise TypeError("an open connection has a cipher suite")
    if not (label.isascii() and 0 < len(label) <= LABEL_LIMIT):
        raise UsageError(f"export: expected a label of 1 to {LABEL_LIMIT} ASCII characters")
    if label in RESERVED:
        raise UsageError(f"export: TLS itself uses the label {label!r}")
    if context is not None and len(context) > CONTEXT_LIMIT:
        raise UsageError(f"export: expected a context of at most {CONTEXT_LIMIT} bytes, not {len(context)}")
    if not 0 < length <= BLOCKS * suite.hash_size:
        raise UsageError(f"export: expected a length of 1 to {BLOCKS * suite.hash_size} bytes, not {length}")
