"""What is looked at in a certificate before a parser reads it: what reading it will cost, and what is not worth it.

Whoever connects chooses the certificate, so each look is one walk over the octets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bothways.trust.der import SEQUENCE, element, elements, expect_element, extensions_in
from bothways.trust.parsing import EncodingError

ALTERNATIVE_NAMES = bytes.fromhex("551d11")
_OTHER_NAME, _DIRECTORY_NAME, _ADDRESS = 0xA0, 0xA4, 0x87
_CONSTRUCTED, _LONG = 0x20, 0x80
# What the parser takes apart into objects of Python, which take some 150 octets an element. Others are kept whole.
_TAKEN_APART = frozenset(
    bytes.fromhex(each)
    for each in (
        "551d11",  # subjectAltName
        "551d12",  # issuerAltName
        "551d1c",  # issuingDistributionPoint
        "551d1e",  # nameConstraints
        "551d1f",  # cRLDistributionPoints
        "551d20",  # certificatePolicies
        "551d21",  # policyMappings
        "551d23",  # authorityKeyIdentifier
        "551d25",  # extKeyUsage
        "551d2e",  # freshestCRL
        "2b06010505070101",  # authorityInfoAccess
        "2b0601050507010b",  # subjectInfoAccess
        "2b06010505070118",  # tlsFeature
        "2b24080303",  # admission
    )
)
# From so many octets on, elements have on average so many octets at least; those of honest certificates have ten.
_MANY_OCTETS, _OCTETS_AN_ELEMENT = 1024, 4
# Of an alternative name that holds no others, what is longer than this counts for an eighth.
_OCTETS_A_NAME = 8
# An IP address, or a network of them, is read by `ipaddress`, which takes microseconds.
_OCTETS_AN_ADDRESS = 24


Values = Iterable[tuple[bytes, bytes]]


def check_number_of_elements(octets: int, values: Callable[[], Values]) -> None:
    """See that what extensions hold is not so much and so short that to keep it takes many times its size.

    octets: how long they are together.  values: returns the identifier and the value of each; not asked where they
    are short.  Raises EncodingError, or what `values` raises.
    """
    if octets < _MANY_OCTETS:
        return
    size, count = 0, 0.0
    for identifier, value in _taken_apart(values()):
        size += len(value)
        count += _count(value, octets).elements
        if count * _OCTETS_AN_ELEMENT <= size + _MANY_OCTETS and identifier == ALTERNATIVE_NAMES:
            count += sum(1 for _ in _elements(value)) / 2  # read twice, by the parser and by ourselves
    if count * _OCTETS_AN_ELEMENT > size + _MANY_OCTETS:
        raise EncodingError("extensions", f"too many elements in {size} bytes")


def octets_to_read(octets: int, values: Callable[[], Values]) -> int:
    """Return for how many octets a list of extensions counts where reading is paid for.

    It is their length, but that long alternative names take hardly more time than short ones, and addresses take
    more than they are long. What will be refused when it is read counts whole, so that ValueError of `values` does.
    Arguments are those of `check_number_of_elements`.
    """
    if octets < _MANY_OCTETS:
        return octets
    counted = octets
    try:
        for identifier, value in _taken_apart(values()):
            found = _count(value, octets)
            if found.elements * _OCTETS_AN_ELEMENT > len(value) + _MANY_OCTETS:
                return octets
            counted += _OCTETS_AN_ADDRESS * found.addresses
            if identifier == ALTERNATIVE_NAMES and len(value) >= _MANY_OCTETS:
                counted -= _surplus(value)
    except ValueError:
        return octets
    return counted


def values_in(area: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield identifier and value of each extension in the DER of a list of them. Raises ValueError."""
    start, end = expect_element(area, 0, len(area), SEQUENCE, "extensions")
    return ((identifier, value) for identifier, _, value in extensions_in(area, start, end))


def _taken_apart(values: Values) -> Values:
    return (each for each in values if each[0] in _TAKEN_APART)


class _Count(NamedTuple):
    elements: int
    addresses: int


def _count(value: bytes, area: int) -> _Count:
    """Count elements, those inside of others too, and IP addresses among them.

    It ends where there are too many for all extensions together, of `area` octets, and where the DER ends: its
    parser refuses that.
    """
    elements = addresses = at = 0
    end = len(value)
    most = (area + _MANY_OCTETS) // _OCTETS_AN_ELEMENT
    try:
        while at < end and elements <= most:
            tag, length = value[at], value[at + 1]
            start, stop = at + 2, at + 2 + length
            if length >= _LONG:
                _, start, stop = element(value, at, end)
            at = start if tag & _CONSTRUCTED else stop
            elements += 1
            addresses += tag == _ADDRESS
    except (ValueError, IndexError):
        pass
    return _Count(elements, addresses)


def _surplus(names: bytes) -> int:
    """Return how many octets of alternative names do not count."""
    return sum(
        max(stop - at - _OCTETS_A_NAME, 0) * 7 // 8
        for tag, at, _, stop in _elements(names)
        if tag not in (_OTHER_NAME, _DIRECTORY_NAME)
    )


def _elements(value: bytes) -> Iterator[tuple[int, int, int, int]]:
    start, end = expect_element(value, 0, len(value), SEQUENCE, "names")
    return elements(value, start, end)
