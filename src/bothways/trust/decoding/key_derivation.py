"""How long the derivation of a key from a passphrase takes, by the parameters in the file, before it is started.

The author of a file chose the number of iterations, and a parser performs them all, even to find that a passphrase is
missing. Parameters in constructed BER strings are not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bothways.trust.der import OBJECT_IDENTIFIER, SEQUENCE, element

# It takes some seconds; usual numbers are 2,048 to two million (RFC 8018 4.2).
MOST_ITERATIONS = 10_000_000
# The product N * r * p of scrypt (RFC 7914 6); usual are at most 2^20, 8 and 1, which take 1 GiB.
MOST_SCRYPT = 1 << 24

_INTEGER, _OCTETS, _NULL = 0x02, 0x04, 0x05
_PKCS5 = bytes.fromhex("2a864886f70d0105")
_PKCS12_PBE = bytes.fromhex("2a864886f70d010c01")
# PBKDF2, the schemes of PBES1 and of PKCS#12: each is followed by a salt and an iteration count.
_DERIVATIONS = tuple(
    [_PKCS5 + bytes([last]) for last in (0x0C, 1, 3, 4, 6, 10, 11)]
    + [_PKCS12_PBE + bytes([last]) for last in range(1, 7)]
)
_SCRYPT = bytes.fromhex("2b06010401da47040b")
# The hashes of the MAC in a PKCS#12 file: digest, salt and iteration count follow (RFC 7292 4).
_DIGESTS = tuple(
    bytes.fromhex(each)
    for each in ("2b0e03021a", "2a864886f70d0205", *(f"6086480165030402{last:02x}" for last in range(1, 11)))
)


def check_key_derivation(data: bytes) -> None:
    """Check that no key derivation in a private key or PKCS#12 file takes very long. Raises ValueError.

    data: the file in DER or BER.
    """
    for numbers in _found(data, _DERIVATIONS, _salted):
        if numbers[0] > MOST_ITERATIONS:
            raise ValueError(f"its key derivation has {numbers[0]} iterations, more than {MOST_ITERATIONS}")
    for numbers in _found(data, _DIGESTS, _mac):
        if numbers[0] > MOST_ITERATIONS:
            raise ValueError(f"its MAC has {numbers[0]} iterations, more than {MOST_ITERATIONS}")
    for numbers in _found(data, (_SCRYPT,), _salted):
        if len(numbers) < 3 or numbers[0] * numbers[1] * numbers[2] > MOST_SCRYPT:
            raise ValueError("scrypt with parameters that take too much memory and time")


def _found(
    data: bytes, identifiers: tuple[bytes, ...], read: Callable[[bytes, int], list[int]]
) -> Iterator[list[int]]:
    """Yield the numbers that follow each occurrence of the object identifiers."""
    for identifier in identifiers:
        whole = bytes([OBJECT_IDENTIFIER, len(identifier)]) + identifier
        at = data.find(whole)
        while at >= 0:
            try:
                numbers = read(data, at + len(whole))
            except ValueError:
                numbers = []
            if numbers:
                yield numbers
            at = data.find(whole, at + 1)


def _salted(data: bytes, at: int) -> list[int]:
    """Return the numbers after a salt, in the parameters of an algorithm."""
    start, end = _inside(data, at)
    return _numbers_behind_salt(data, start, end)


def _mac(data: bytes, at: int) -> list[int]:
    """Return the iteration count after digest and salt, which follow the algorithm of the digest (RFC 7292 4)."""
    if data[at : at + 1] == bytes([_NULL]):
        at = element(data, at, len(data))[2]
    while data[at : at + 2] == b"\0\0":
        at += 2  # end-of-contents of an indefinite length
    tag, _, at = element(data, at, len(data))
    return _numbers_behind_salt(data, at, len(data)) if tag == _OCTETS else []


def _inside(data: bytes, at: int) -> tuple[int, int]:
    """Return start and end of the content of a sequence, also of one with indefinite length."""
    if data[at : at + 2] == bytes([SEQUENCE, 0x80]):
        return at + 2, len(data)
    tag, start, end = element(data, at, len(data))
    return (start, end) if tag == SEQUENCE else (at, at)


def _numbers_behind_salt(data: bytes, at: int, end: int) -> list[int]:
    tag, _, at = element(data, at, end)
    if tag != _OCTETS:
        return []
    numbers: list[int] = []
    while len(numbers) < 3 and at < end and data[at] == _INTEGER:
        _, start, at = element(data, at, end)
        numbers.append(int.from_bytes(data[start:at], "big", signed=True))
    return numbers
