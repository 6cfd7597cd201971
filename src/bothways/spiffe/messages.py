"""Decodes an X509SVIDResponse of the SPIFFE Workload API (SPIFFE Workload API 5.2.1), strictly and within limits.

Protocol Buffers have no canonical form, but what an honest agent sends has each single field once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bothways.trust.decoding.protobuf import NotProtobuf, fields
from bothways.trust.der import SEQUENCE, elements

MOST_BYTES = 1024 * 1024  # of a response
MOST_SVIDS = 16
MOST_BUNDLES = 64  # of federated trust domains
MOST_CERTIFICATES = 64  # in a chain or a bundle


class BadResponse(ValueError):
    """What an agent sent is no usable X509SVIDResponse; the text says why, and has nothing of a key."""


@dataclass(frozen=True, slots=True)
class SVID:
    """One X.509-SVID. chain, bundle: certificates in DER, the leaf first.  key: PKCS#8.  hint: what it is meant for."""

    spiffe_id: str
    chain: tuple[bytes, ...]
    key: bytes = field(repr=False)
    bundle: tuple[bytes, ...]
    hint: str = ""


@dataclass(frozen=True, slots=True)
class X509Response:
    """All identities of a workload, the default one first, and the bundles of federated trust domains by their IDs."""

    svids: tuple[SVID, ...]
    federated: dict[str, tuple[bytes, ...]]


def decoded(data: bytes) -> X509Response:
    """Decode a response. Raises BadResponse."""
    if len(data) > MOST_BYTES:
        raise BadResponse(f"a response of {len(data)} bytes; at most {MOST_BYTES} are accepted")
    try:
        return _response(data)
    except NotProtobuf as error:
        raise BadResponse(str(error)) from None


def _response(data: bytes) -> X509Response:
    svids: list[SVID] = []
    federated: dict[str, tuple[bytes, ...]] = {}
    for number, value in fields(data):
        if number == 1:
            svids.append(_svid(_bytes(value)))
        elif number == 3:
            name, bundle = _entry(_bytes(value))
            if name in federated:
                raise BadResponse("two bundles of one federated trust domain")
            federated[name] = bundle
        if len(svids) > MOST_SVIDS or len(federated) > MOST_BUNDLES:
            raise BadResponse(f"more than {MOST_SVIDS} SVIDs, or than {MOST_BUNDLES} federated trust domains")
    if not svids:
        raise BadResponse("a response without an SVID")
    return X509Response(tuple(svids), federated)


def _svid(data: bytes) -> SVID:
    found = _single(data, "an SVID")
    spiffe_id, chain, key, bundle = (found.get(number) for number in (1, 2, 3, 4))
    if spiffe_id is None or chain is None or key is None or bundle is None:
        raise BadResponse("an SVID without its SPIFFE ID, certificate, key or bundle")
    hint = _text(found.get(5, b""), "a hint")
    return SVID(
        _text(spiffe_id, "a SPIFFE ID"), _certificates(chain), bytes(key), _certificates(bundle), hint
    )


def _entry(data: bytes) -> tuple[str, tuple[bytes, ...]]:
    found = _single(data, "a federated bundle")
    return _text(found.get(1, b""), "a trust domain"), _certificates(found.get(2, b""))


def _single(data: bytes, what: str) -> dict[int, bytes]:
    """Return the fields of a message in which each occurs once."""
    found: dict[int, bytes] = {}
    for number, value in fields(data):
        if number in found:
            raise BadResponse(f"{what} has a field twice")
        if value is not None:
            found[number] = value
    return found


def _bytes(value: bytes | None) -> bytes:
    if value is None:
        raise BadResponse("a field of another type than expected")
    return value


def _text(value: bytes, what: str) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise BadResponse(f"{what} is not UTF-8") from None
    if not text.isprintable():
        raise BadResponse(f"{what} is not printable")
    return text


def _certificates(data: bytes) -> tuple[bytes, ...]:
    """Split concatenated certificates."""
    found: list[bytes] = []
    try:
        for tag, at, _, stop in elements(data, 0, len(data)):
            if tag != SEQUENCE:
                raise BadResponse("what is no certificate among the certificates")
            found.append(data[at:stop])
            if len(found) > MOST_CERTIFICATES:
                raise BadResponse(f"more than {MOST_CERTIFICATES} certificates in one place")
    except ValueError as error:
        raise BadResponse(f"certificates that are not DER: {error}") from None
    if not found:
        raise BadResponse("no certificate where one has to be")
    return tuple(found)
