"""How long a passphrase is worked on before a file opens: what the file says of it, looked at before anything is tried.

Whoever made a file chose the number of iterations, and a parser takes them all, even to find that it has no
passphrase. What is written in BER, and parts what is looked for, is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bothways.trust.der import OBJECT_IDENTIFIER, SEQUENCE, element

# Some seconds of work; those in use have from 2,048 to a million or two (RFC 8018 4.2).
MOST_ITERATIONS = 10_000_000
# The product of scrypt's three numbers (RFC 7914 6); in use are up to a million, 8 and 1, a gibibyte.
MOST_SCRYPT = 1 << 24

_INTEGER, _OCTETS, _NULL = 0x02, 0x04, 0x05
_PKCS5 = bytes.fromhex("2a864886f70d0105")
_PKCS12_PBE = bytes.fromhex("2a864886f70d010c01")
# PBKDF2, the schemes of PBES1, and those of PKCS#12: each followed by a salt and a number of iterations.
_DERIVATIONS = tuple(
    [_PKCS5 + bytes([last]) for last in (0x0C, 1, 3, 4, 6, 10, 11)]
    + [_PKCS12_PBE + bytes([last]) for last in range(1, 7)]
)
_SCRYPT = bytes.fromhex("2b06010401da47040b")
# The hashes of a PKCS#12 file's MAC: digest, salt and iterations follow (RFC 7292 4).
_DIGESTS = tuple(
    bytes.fromhex(each)
    for each in ("2b0e03021a", "2a864886f70d0205", *(f"6086480165030402{last:02x}" for last in range(1, 11)))
)


def check_key_derivation(data: bytes) -> None:
    """See that no derivation of a key in a private key or PKCS#12 file takes very long. Raises ValueError.

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
    """Yield the numbers that follow each of some object identifiers."""
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
    """Read the numbers behind a salt, in the parameters of an algorithm."""
    start, end = _inside(data, at)
    return _numbers_behind_salt(data, start, end)


def _mac(data: bytes, at: int) -> list[int]:
    """Read the number behind a digest and a salt, after the algorithm of the digest (RFC 7292 4)."""
    if data[at : at + 1] == bytes([_NULL]):
        at = element(data, at, len(data))[2]
    while data[at : at + 2] == b"\0\0":
        at += 2  # the end of an indefinite length
    tag, _, at = element(data, at, len(data))
    return _numbers_behind_salt(data, at, len(data)) if tag == _OCTETS else []


def _inside(data: bytes, at: int) -> tuple[int, int]:
    """Return start and end of a sequence, also of one of indefinite length."""
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
