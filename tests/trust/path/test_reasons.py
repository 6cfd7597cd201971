"""Which reasons are reported, and in which order."""

from __future__ import annotations

from bothways.faults import Fault, Reason
from bothways.trust.path.reasons import MOST_REASONS, by_precedence, first_few, select_reasons


def test_reasons_are_sorted_by_precedence_and_then_from_the_leaf():
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


def test_a_few_findings_of_a_kind_are_reported_and_the_others_counted():
    """The last reported one has the number of the others."""
    assert first_few([]) == []
    assert first_few([(Fault.NAME_EXCLUDED, "a")]) == [(Fault.NAME_EXCLUDED, "a")]
    many = first_few((Fault.NAME_EXCLUDED, number) for number in range(1000))
    assert [text for _, text in many] == ["0", "1", "2", "3 and 996 more"]


def test_one_reason_of_each_fault_is_always_reported():
    """The first fault must not hide others that have to be corrected too."""
    names = [Reason(Fault.NAME_NOT_PERMITTED, each) for each in range(100)]
    others = [Reason(Fault.NAME_MISMATCH, 0), Reason(Fault.CERTIFICATE_EXPIRED, 3)]
    kept, left_out = select_reasons([*names, *others])
    assert len(kept) == MOST_REASONS
    assert left_out == 102 - MOST_REASONS
    assert kept[0] is others[1]
    assert kept[-1] is others[0]
    each_once = [Reason(fault, 0) for fault in Fault if fault.check is not None]
    assert list(select_reasons(each_once * 2)[0]) == list(by_precedence(each_once))
    assert select_reasons(each_once * 2)[1] == len(each_once)
