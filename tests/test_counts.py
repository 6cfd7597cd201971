"""Numbers of things in sentences."""

from __future__ import annotations

import pytest

from bothways.counts import counted


@pytest.mark.parametrize(
    ("what", "several"),
    [("entry", "entries"), ("day", "days"), ("revoked certificate", "revoked certificates"), ("CRL", "CRLs")],
)
def test_one_is_told_from_none_and_several(what: str, several: str) -> None:
    assert [counted(number, what) for number in (0, 1, 2)] == [f"0 {several}", f"1 {what}", f"2 {several}"]
