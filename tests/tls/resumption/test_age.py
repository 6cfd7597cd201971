"""How old sessions are, and how long they live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bothways import ConfigError
from bothways.tls.resumption.age import (
    checked_max_age,
    claimed,
    lifetime,
    milliseconds,
    moment,
    obfuscated,
)
from pair import NOON

DAY = timedelta(days=1)


def test_a_moment_survives_as_milliseconds() -> None:
    assert moment(milliseconds(NOON)) == NOON
    assert milliseconds(datetime(1970, 1, 2, tzinfo=UTC)) == 86_400_000


@pytest.mark.parametrize("seconds", [1, 86_400, 7 * 86_400])
def test_an_age_of_up_to_seven_days_is_accepted(seconds: int) -> None:
    """RFC 9846 4.7.1: seven days at most."""
    assert checked_max_age(timedelta(seconds=seconds)) == timedelta(seconds=seconds)


@pytest.mark.parametrize("age", [0, 3600, None, timedelta(0), -DAY, timedelta(days=7, seconds=1)])
def test_any_other_age_is_a_config_error(age: object) -> None:
    with pytest.raises(ConfigError, match="max_age"):
        checked_max_age(age)


@pytest.mark.parametrize(
    ("age", "add", "reported"),
    [
        (0, 0, 0),
        (1, 5, 1005),
        (7 * 86_400, 0, 604_800_000),
        (10, 2**32 - 1, 9_999),
        (0, 2**32 - 1, 2**32 - 1),
    ],
)
def test_an_age_is_masked_and_unmasked(age: int, add: int, reported: int) -> None:
    """RFC 9846 4.3.11.1: in milliseconds, modulo 2^32."""
    assert obfuscated(timedelta(seconds=age), add) == reported
    assert claimed(reported, add) == timedelta(seconds=age)


@pytest.mark.parametrize(
    ("since", "ends", "seconds"),
    [
        (timedelta(0), (30 * DAY,), 86_400),
        (timedelta(hours=23), (30 * DAY,), 3600),
        (timedelta(hours=25), (30 * DAY,), 0),
        (timedelta(0), (30 * DAY, timedelta(seconds=90)), 90),
        (timedelta(0), (-DAY, 30 * DAY), 0),
        (timedelta(0), (timedelta(seconds=0.9),), 0),
    ],
)
def test_a_ticket_lives_no_longer_than_its_signatures_and_certificates(
    since: timedelta, ends: tuple[timedelta, ...], seconds: int
) -> None:
    """RFC 9846 4.7.1: counted from the last CertificateVerify, however often it was resumed since."""
    assert lifetime(NOON - since, NOON, DAY, [NOON + end for end in ends]) == seconds
