"""Where the extensions are in each structure that has them, and the smallest such structure, to decode one alone.

`cryptography` decodes extensions only as part of such a structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from cryptography import x509
from cryptography.x509 import ocsp

from bothways.trust.decoding.parsing import attempt
from bothways.trust.der import OCTET_STRING, SEQUENCE, element, elements, encoded

Read = x509.Extension[x509.ExtensionType]

_EXTENSION_REQUEST = bytes.fromhex("06092a864886f70d01090e")


class Structure(Enum):
    """The structure that contains the extensions, which decides how `cryptography` decodes each."""

    CERTIFICATE = "certificate"
    REQUEST = "signing request"
    CRL = "CRL"
    CRL_ENTRY = "CRL entry"
    OCSP_REQUEST = "OCSP request"
    OCSP_RESPONSE = "OCSP response"
    OCSP_SINGLE_RESPONSE = "OCSP single response"


# -- finding them ----------------------------------------------------------------------------------------


def area_in(der: bytes, structure: Structure) -> bytes:
    """Return the DER of the list of extensions in a document; empty where it has none. Raises EncodingError."""
    return attempt("extensions", _AREAS[structure], der)


def read_alone(der: bytes, structure: Structure) -> Read:
    """Decode one extension, given as its DER, by `cryptography`, whose exceptions pass: call it by `attempt`."""
    (found,) = _READERS[structure](_sequence(der))
    return found


def _first(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return start and end of the content of the first element, whatever its tag is."""
    return element(data, at, end)[1:]


def _tagged(data: bytes, at: int, end: int, tag: int) -> bytes:
    """Return the content of the last element with a tag; empty where there is none."""
    found = [data[start:stop] for each, _, start, stop in elements(data, at, end) if each == tag]
    return found[-1] if found else b""


def _signed_area(tag: int) -> Callable[[bytes], bytes]:
    """Return a function that finds the extensions of a signed structure, which are in an element with this tag."""
    return lambda der: _tagged(der, *_first(der, *_first(der, 0, len(der))), tag)


def _request_area(der: bytes) -> bytes:
    attributes = _signed_area(0xA0)(der)
    for _, _, start, stop in elements(attributes, 0, len(attributes)):
        if attributes.startswith(_EXTENSION_REQUEST, start):
            return attributes[slice(*_first(attributes, start + len(_EXTENSION_REQUEST), stop))]
    return b""


def _entry_area(der: bytes) -> bytes:
    return b"".join(
        der[at:stop] for tag, at, _, stop in elements(der, *_first(der, 0, len(der))) if tag == SEQUENCE
    )


def _response_area(der: bytes) -> bytes:
    at, end = _first(der, 0, len(der))
    body = _tagged(der, at, end, 0xA0)
    octets = _tagged(body, *_first(body, 0, len(body)), OCTET_STRING)
    return _signed_area(0xA1)(octets)


_AREAS: dict[Structure, Callable[[bytes], bytes]] = {
    Structure.CERTIFICATE: _signed_area(0xA3),
    Structure.REQUEST: _request_area,
    Structure.CRL: _signed_area(0xA0),
    Structure.CRL_ENTRY: _entry_area,
    Structure.OCSP_REQUEST: _signed_area(0xA2),
    Structure.OCSP_RESPONSE: _response_area,
    Structure.OCSP_SINGLE_RESPONSE: lambda der: _tagged(der, *_first(der, 0, len(der)), 0xA1),
}


# -- the smallest structures ------------------------------------------------------------------------------


def _sequence(*content: bytes) -> bytes:
    return encoded(SEQUENCE, *content)


_ED25519 = _sequence(bytes.fromhex("06032b6570"))
_SIGNED = _ED25519 + encoded(0x03, bytes(65))
_PUBLIC_KEY = _sequence(_ED25519, encoded(0x03, bytes(33)))
_EMPTY_NAME = _sequence()
_ONE = bytes.fromhex("020101")
_UTC_TIME = encoded(0x17, b"250101000000Z")
_TIME = encoded(0x18, b"20250101000000Z")
_CERT_ID = _sequence(
    _sequence(bytes.fromhex("06052b0e03021a")),
    encoded(OCTET_STRING, bytes(20)),
    encoded(OCTET_STRING, bytes(20)),
    _ONE,
)
_BASIC_RESPONSE = bytes.fromhex("06092b0601050507300101")


def _in_certificate(area: bytes) -> Iterator[Read]:
    head = (bytes.fromhex("a003020102"), _ONE, _ED25519, _EMPTY_NAME, _sequence(_UTC_TIME, _UTC_TIME))
    signed = _sequence(*head, _EMPTY_NAME, _PUBLIC_KEY, encoded(0xA3, area))
    return iter(x509.load_der_x509_certificate(_sequence(signed, _SIGNED)).extensions)


def _in_request(area: bytes) -> Iterator[Read]:
    attribute = _sequence(_EXTENSION_REQUEST, encoded(0x31, area))
    signed = _sequence(b"\x02\x01\x00", _EMPTY_NAME, _PUBLIC_KEY, encoded(0xA0, attribute))
    return iter(x509.load_der_x509_csr(_sequence(signed, _SIGNED)).extensions)


def _in_crl(area: bytes) -> Iterator[Read]:
    signed = _sequence(_ONE, _ED25519, _EMPTY_NAME, _UTC_TIME, encoded(0xA0, area))
    return iter(x509.load_der_x509_crl(_sequence(signed, _SIGNED)).extensions)


def _in_crl_entry(area: bytes) -> Iterator[Read]:
    entry = _sequence(_ONE, _UTC_TIME, area)
    signed = _sequence(_ONE, _ED25519, _EMPTY_NAME, _UTC_TIME, _sequence(entry))
    return iter(x509.load_der_x509_crl(_sequence(signed, _SIGNED))[0].extensions)


def _in_ocsp_request(area: bytes) -> Iterator[Read]:
    signed = _sequence(_sequence(_sequence(_CERT_ID)), encoded(0xA2, area))
    return iter(ocsp.load_der_ocsp_request(_sequence(signed)).extensions)


def _basic_response(single: bytes, whole: bytes) -> ocsp.OCSPResponse:
    answer = _sequence(_CERT_ID, b"\x80\x00", _TIME, single)
    responder = encoded(0xA2, encoded(OCTET_STRING, bytes(20)))
    basic = _sequence(_sequence(responder, _TIME, _sequence(answer), whole), _SIGNED)
    body = encoded(0xA0, _sequence(_BASIC_RESPONSE, encoded(OCTET_STRING, basic)))
    return ocsp.load_der_ocsp_response(_sequence(b"\x0a\x01\x00", body))


def _in_ocsp_response(area: bytes) -> Iterator[Read]:
    return iter(_basic_response(b"", encoded(0xA1, area)).extensions)


def _in_single_response(area: bytes) -> Iterator[Read]:
    return iter(_basic_response(encoded(0xA1, area), b"").single_extensions)


_READERS: dict[Structure, Callable[[bytes], Iterator[Read]]] = {
    Structure.CERTIFICATE: _in_certificate,
    Structure.REQUEST: _in_request,
    Structure.CRL: _in_crl,
    Structure.CRL_ENTRY: _in_crl_entry,
    Structure.OCSP_REQUEST: _in_ocsp_request,
    Structure.OCSP_RESPONSE: _in_ocsp_response,
    Structure.OCSP_SINGLE_RESPONSE: _in_single_response,
}
