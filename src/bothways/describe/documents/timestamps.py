"""Describes signed certificate timestamps of transparency logs (RFC 6962 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bothways.describe.documents.asn1 import Element, short_hex

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HASHES = {0: "no hash", 1: "MD5", 2: "SHA-1", 3: "SHA-224", 4: "SHA-256", 5: "SHA-384", 6: "SHA-512"}
_SIGNATURES = {0: "anonymous", 1: "RSA", 2: "DSA", 3: "ECDSA"}
_LOG = 32
_FIXED = 1 + _LOG + 8


def timestamps(found: Element) -> list[str]:
    """Describe each timestamp of a list: its time, its log, and its signature algorithm."""
    data = found.content
    total, rest = _vector(data, 0)
    if rest != len(data):
        raise ValueError(f"{len(data) - rest} bytes follow the list of timestamps")
    return list(_each(total))


def precertificate(_: Element) -> list[str]:
    """Say what the poison extension of a precertificate means (RFC 6962 3.1)."""
    return ["a precertificate: for Certificate Transparency logs only, not valid for use"]


def _each(data: bytes) -> Iterator[str]:
    at = 0
    while at < len(data):
        one, at = _vector(data, at)
        try:
            yield _timestamp(one)
        except ValueError as error:
            yield f"a timestamp that cannot be read ({error}): {short_hex(one)}"


def _timestamp(data: bytes) -> str:
    if not data or data[0] != 0:
        raise ValueError(f"version {data[0] + 1 if data else 'none'} is not known")
    if len(data) < _FIXED:
        raise ValueError("it is cut off")
    log = data[1 : 1 + _LOG].hex()
    when = _moment(int.from_bytes(data[1 + _LOG : _FIXED], "big"))
    extensions, at = _vector(data, _FIXED)
    if len(data) < at + 2:
        raise ValueError("it is cut off")
    hash_, kind = data[at], data[at + 1]
    signed = f"{_SIGNATURES.get(kind, f'algorithm {kind}')} with {_HASHES.get(hash_, f'hash {hash_}')}"
    more = f", extensions {short_hex(extensions)}" if extensions else ""
    _, end = _vector(data, at + 2)
    if end != len(data):
        raise ValueError("bytes follow its signature")
    return f"{when} by log {log}, signed {signed}{more}"


def _moment(milliseconds: int) -> str:
    try:
        when = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return f"{milliseconds} ms after 1970"
    return f"{when:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03} UTC"


def _vector(data: bytes, at: int) -> tuple[bytes, int]:
    """Return a vector with a length of two bytes, and its end."""
    if len(data) < at + 2:
        raise ValueError(f"a length is cut off at byte {at}")
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    if end > len(data):
        raise ValueError(f"a vector at byte {at} runs past the end")
    return data[at + 2 : end], end
