"""The order of reasons."""

from __future__ import annotations

from bothways.faults import Fault, Reason
from bothways.trust.verdict import by_precedence


def test_reasons_stand_by_precedence_and_then_from_the_leaf_upwards():
    """Undecodable; no path; bad signature; revoked; expired; constraint; name."""
    expected = [
        Reason(Fault.BAD_ENCODING, 2),
        Reason(Fault.NO_PATH, None),
        Reason(Fault.NO_PATH, 1),
        Reason(Fault.WEAK_HASH, 0),
        Reason(Fault.CERTIFICATE_EXPIRED, 0),
        Reason(Fault.CERTIFICATE_EXPIRED, 2),
        Reason(Fault.NOT_A_CA, 1),
        Reason(Fault.NAME_MISMATCH, 0),
    ]
    assert list(by_precedence(expected[::-1])) == expected
