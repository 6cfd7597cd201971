"""Which certificates of ours should have been renewed by now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import pki
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.own_identity.renewal import Overdue, is_overdue, overdue

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("lifetime", "before"),
    [(400 * DAY, 7 * DAY), (90 * DAY, 7 * DAY), (42 * DAY, 7 * DAY), (DAY, 4 * HOUR), (HOUR, HOUR / 6)],
)
def test_renewal_is_overdue_in_the_last_sixth_of_the_lifetime_or_the_last_seven_days(
    lifetime: timedelta, before: timedelta
) -> None:
    end = BEGIN + lifetime
    assert not is_overdue(BEGIN, end, end - before - timedelta(seconds=1))
    assert is_overdue(BEGIN, end, end - before)
    assert is_overdue(BEGIN, end, end + DAY)


def made(end: datetime, number: int = 0) -> Credentials:
    issued = pki.leaf(
        pki.root(), "own.example", own_key=pki.key("P-256", number), not_before=BEGIN, not_after=end
    )
    return Credentials.from_pem(issued.chain_pem, issued.key_pem)


def test_each_certificate_is_told_once_and_once_more_when_it_has_ended() -> None:
    own, late = made(BEGIN + 60 * DAY), Overdue()
    several = [("own.pem", own)]
    assert late.news(several, BEGIN + 50 * DAY) == []
    [line] = late.news(several, BEGIN + 55 * DAY)
    assert line.startswith(
        "own.pem: our certificate (CN=own.example) expires on 2026-07-31 00:00, and was not"
    )
    assert late.news(several, BEGIN + 56 * DAY) == []
    [line] = late.news([("", own)], BEGIN + 60 * DAY)
    assert line.startswith("our certificate (CN=own.example) expired on 2026-07-31 00:00")
    assert late.news(several, BEGIN + 61 * DAY) == []
    [line] = late.news([*several, ("b", made(BEGIN + 61 * DAY, 1))], BEGIN + 60 * DAY)
    assert line.startswith("b: ")
    assert overdue(made(BEGIN + 90 * DAY), BEGIN + 60 * DAY) is None


def test_the_chain_counts_as_a_whole() -> None:
    """A leaf is of no use when its intermediate has ended."""
    middle = pki.intermediate(pki.root(), not_before=BEGIN, not_after=BEGIN + 30 * DAY)
    issued = pki.leaf(middle, not_before=BEGIN - DAY, not_after=BEGIN + 300 * DAY)
    own = Credentials.from_pem(issued.chain_pem, issued.key_pem)
    assert (own.not_before, own.not_after) == (BEGIN, BEGIN + 30 * DAY)
    assert overdue(own, BEGIN + 28 * DAY) is not None
