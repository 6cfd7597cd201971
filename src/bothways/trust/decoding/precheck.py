"""What a certificate costs to decode, and whether it is worth it, before a parser decodes it.

A stranger chooses the certificate, so each check is a single walk over its octets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bothways.trust.decoding.parsing import EncodingError
from bothways.trust.der import SEQUENCE, element, elements, expect_element, extensions_in

ALTERNATIVE_NAMES = bytes.fromhex("551d11")
_OTHER_NAME, _DIRECTORY_NAME, _ADDRESS = 0xA0, 0xA4, 0x87
_CONSTRUCTED, _LONG = 0x20, 0x80
# Extensions that the parser decodes to Python objects, of about 150 octets for each element.
_DECODED = frozenset(
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
# Above so many octets, elements must have on average so many octets; in usual certificates they have ten.
_MANY_OCTETS, _OCTETS_PER_ELEMENT = 1024, 4
# Further octets of an alternative name without inner elements count as an eighth.
_OCTETS_PER_NAME = 8
# An IP address or network is decoded by `ipaddress`, which takes microseconds.
_OCTETS_PER_ADDRESS = 24


Values = Iterable[tuple[bytes, bytes]]


def check_number_of_elements(octets: int, values: Callable[[], Values]) -> None:
    """Refuse extensions with so many short elements that their objects take many times their size.

    octets: the length of all extensions.  values: returns the object identifier and the value of each; not called for
    short extensions.  Raises EncodingError, or what `values` raises.
    """
    if octets < _MANY_OCTETS:
        return
    size, count = 0, 0.0
    for identifier, value in _decoded(values()):
        size += len(value)
        count += _count(value, octets).elements
        if count * _OCTETS_PER_ELEMENT <= size + _MANY_OCTETS and identifier == ALTERNATIVE_NAMES:
            count += (
                sum(1 for _ in _elements(value)) / 2
            )  # decoded twice, by the parser and in `names.general`
    if count * _OCTETS_PER_ELEMENT > size + _MANY_OCTETS:
        raise EncodingError("extensions", f"too many elements in {size} bytes")


def octets_to_read(octets: int, values: Callable[[], Values]) -> int:
    """Return how many octets a list of extensions counts as in the work budget.

    It is their length, less for long alternative names, which take little more time than short ones, and more for
    addresses. What decoding will refuse counts in full, also where `values` raises ValueError. Arguments are those of
    `check_number_of_elements`.
    """
    if octets < _MANY_OCTETS:
        return octets
    counted = octets
    try:
        for identifier, value in _decoded(values()):
            found = _count(value, octets)
            if found.elements * _OCTETS_PER_ELEMENT > len(value) + _MANY_OCTETS:
                return octets
            counted += _OCTETS_PER_ADDRESS * found.addresses
            if identifier == ALTERNATIVE_NAMES and len(value) >= _MANY_OCTETS:
                counted -= _octets_not_counted(value)
    except ValueError:
        return octets
    return counted


def values_in(area: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield object identifier and value of each extension, from the DER of a list of them. Raises ValueError."""
    start, end = expect_element(area, 0, len(area), SEQUENCE, "extensions")
    return ((identifier, value) for identifier, _, value in extensions_in(area, start, end))


def _decoded(values: Values) -> Values:
    return (each for each in values if each[0] in _DECODED)


class _Count(NamedTuple):
    elements: int
    addresses: int


def _count(value: bytes, area: int) -> _Count:
    """Count elements, also nested ones, and the IP addresses among them.

    area: the octets of all extensions. Counting ends where there are too many elements for them, and at invalid DER,
    which the parser refuses.
    """
    elements = addresses = at = 0
    end = len(value)
    most = (area + _MANY_OCTETS) // _OCTETS_PER_ELEMENT
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


def _octets_not_counted(names: bytes) -> int:
    """Return how many octets of alternative names do not count."""
    return sum(
        max(stop - at - _OCTETS_PER_NAME, 0) * 7 // 8
        for tag, at, _, stop in _elements(names)
        if tag not in (_OTHER_NAME, _DIRECTORY_NAME)
    )


def _elements(value: bytes) -> Iterator[tuple[int, int, int, int]]:
    start, end = expect_element(value, 0, len(value), SEQUENCE, "names")
    return elements(value, start, end)
