"""Responses of the Workload API: what is read, and that everything else is refused within limits."""

from __future__ import annotations

import pytest

from bothways.spiffe.messages import (
    MOST_BUNDLES,
    MOST_BYTES,
    MOST_CERTIFICATES,
    MOST_SVIDS,
    BadResponse,
    decoded,
)
from bothways.trust.decoding.protobuf import MOST_FIELDS
from spiffe.encoded import certificate, federated, field, response, svid, varint

WHOLE = response(
    svid(f5=b"internal"),
    svid(b"spiffe://example.org/b"),
    more=federated(b"spiffe://o.example", certificate()),
)


def test_a_response_has_identities_in_their_order_and_bundles_by_domain() -> None:
    found = decoded(WHOLE)
    first, second = found.svids
    assert (first.spiffe_id, first.hint, second.spiffe_id) == (
        "spiffe://example.org/a", "internal", "spiffe://example.org/b",
    )  # fmt: skip
    assert first.chain == (certificate(),) and first.bundle == (certificate(4), certificate(5))
    assert found.federated == {"spiffe://o.example": (certificate(),)}


def test_a_key_is_in_no_text() -> None:
    assert b"secret" not in repr(decoded(response(svid(f3=b"secret")))).encode()


def test_fields_that_are_not_known_are_skipped() -> None:
    """Later versions may add some; CRLs (field 2) are not used."""
    numbers = varint(9 << 3) + varint(2**63) + varint(10 << 3 | 1) + bytes(8) + varint(11 << 3 | 5) + bytes(4)
    more = field(2, b"crl") + numbers
    assert decoded(response(svid(more=varint(7 << 3) + b"\x01"), more=more)).svids[0].key == b"key"


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_no_part_of_a_response_is_taken_for_a_whole(end: int) -> None:
    """But where it ends between two of its fields."""
    first, second = svid(f5=b"internal"), svid(b"spiffe://example.org/b")
    ends = len(response(first)), len(response(first, second))
    if end in ends:
        assert decoded(WHOLE[:end]).svids
        return
    with pytest.raises(BadResponse):
        decoded(WHOLE[:end])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "without an SVID"),
        (response(svid(f3=b"")), "without its SPIFFE ID, certificate, key or bundle"),
        (response(svid(f4=b"")), "without its SPIFFE ID, certificate, key or bundle"),
        (response(svid(more=field(3, b"other"))), "a field twice"),
        (response(svid(b"\xff")), "a SPIFFE ID is not UTF-8"),
        (response(svid(b"a\x1b[2J")), "not printable"),
        (response(svid(f2=b"\x31\x00")), "no certificate among"),
        (response(svid(f2=b"\x30\x80")), "not DER"),
        (response(svid(f2=b"\x30\x05ab")), "not DER"),
        (
            response(svid(f2=certificate() * (MOST_CERTIFICATES + 1))),
            f"more than {MOST_CERTIFICATES} certificates",
        ),
        (response(*[svid()] * (MOST_SVIDS + 1)), f"more than {MOST_SVIDS} SVIDs"),
        (
            response(
                svid(), more=b"".join(federated(b"d%d" % n, certificate()) for n in range(MOST_BUNDLES + 1))
            ),
            f"or than {MOST_BUNDLES} federated",
        ),
        (response(svid(), more=federated(b"d", certificate()) * 2), "two bundles of one federated"),
        (response(svid(), more=federated(b"d", b"")), "no certificate where one has to be"),
        (varint(1 << 3) + b"\x01", "another type than expected"),
        (varint(1 << 3 | 3), "type that is not known"),
        (varint(0 << 3 | 2) + b"\x00", "without a number"),
        (b"\xff" * 11, "too many bytes"),
        (b"\x80", "cut off"),
        (varint(1 << 3 | 2) + varint(2**62), "cut off"),
        (bytes(MOST_BYTES + 1), "at most"),
        ((varint(9 << 3) + b"\x01") * 2000, f"more than {MOST_FIELDS} fields"),
    ],
)
def test_an_invalid_response_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(BadResponse, match=problem):
        decoded(data)
