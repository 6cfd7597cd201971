"""What is looked at in a certificate before a parser reads it: what reading it will cost, and what is not worth it.

Whoever connects chooses the certificate, so each look is one walk over the octets.
"""

from __future__ import annotations

from collections.abc import Iterator

from bothways.trust.der import SEQUENCE, elements, expect_element, extensions_in
from bothways.trust.parsing import EncodingError

ALTERNATIVE_NAMES = bytes.fromhex("551d11")
_DIRECTORY_NAME = 0xA4
# From so many octets on, alternative names have on average so many octets at least: to read one takes 170.
_MANY_OCTETS, _SHORTEST_NAME = 1024, 5
# Of an alternative name that is no directory name, what is longer than this counts for an eighth.
_OCTETS_A_NAME = 8


def check_number_of_names(area: bytes) -> None:
    """See that alternative names are not so many and so short that to keep them takes many times their size.

    area: the DER of a list of extensions.  Raises EncodingError, or ValueError for what is no DER.
    """
    for value in _alternative_names(area):
        count = sum(1 for _ in _elements(value))
        if count * _SHORTEST_NAME > len(value):
            raise EncodingError("subjectAltName", f"it has {count} names in {len(value)} bytes")


def octets_to_read(area: bytes) -> int:
    """Return for how many octets a list of extensions counts where reading is paid for.

    It is their length, but that long alternative names take hardly more time than short ones. What is no DER
    counts whole: it is refused when it is read.
    """
    try:
        return len(area) - sum(map(_surplus, _alternative_names(area)))
    except ValueError:
        return len(area)


def _surplus(names: bytes) -> int:
    """Return how many octets of alternative names do not count."""
    return sum(
        max(stop - at - _OCTETS_A_NAME, 0) * 7 // 8
        for tag, at, _, stop in _elements(names)
        if tag != _DIRECTORY_NAME
    )


def _alternative_names(area: bytes) -> Iterator[bytes]:
    """Yield the value of each subjectAltName that is long; there should be one at most."""
    if len(area) < _MANY_OCTETS:
        return
    start, end = expect_element(area, 0, len(area), SEQUENCE, "extensions")
    for identifier, _, value in extensions_in(area, start, end):
        if identifier == ALTERNATIVE_NAMES and len(value) >= _MANY_OCTETS:
            yield value


def _elements(value: bytes) -> Iterator[tuple[int, int, int, int]]:
    start, end = expect_element(value, 0, len(value), SEQUENCE, "names")
    return elements(value, start, end)
