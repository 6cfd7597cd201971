"""From when to when, and how far that is from now."""

from __future__ import annotations

from datetime import timedelta

import pytest

import pki
from bothways.describe.documents.asn1 import whole
from bothways.describe.documents.times import period_text, since_text, until_text
from described_files import der, facts, one


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (pki.NOW - 31 * pki.DAY, "NOT YET VALID: in 1 day"),
        (pki.NOW + 337 * pki.DAY, "EXPIRED 2 days ago"),
        (pki.NOW + 335 * pki.DAY + 1000 * pki.DAY, "EXPIRED 2 years ago"),
        (pki.NOW + 335 * pki.DAY + 700 * pki.DAY, "EXPIRED 700 days ago"),
        (pki.NOW + 335 * pki.DAY - timedelta(hours=2), "2 hours left"),
        (pki.NOW + 335 * pki.DAY - timedelta(minutes=1), "1 minute left"),
        (pki.NOW + 335 * pki.DAY - timedelta(seconds=1), "less than a minute left"),
    ],
)
def test_a_validity_period_is_compared_with_the_clock(moment, words):
    """What a person wants to know first."""
    assert facts(one(pki.leaf(pki.root()).pem, now=moment))["valid"].endswith(words)


def time(text: str, tag: int = 0x17):
    return whole(der(tag, text.encode()), "time", tag)


def test_an_end_before_the_start_is_reported():
    """Such a period contains no time."""
    words = period_text(time("270101000000Z"), time("260101000000Z"), pki.NOW)
    assert (
        words == "2027-01-01 00:00:00 to 2026-01-01 00:00:00 UTC, NEVER VALID: notAfter is before notBefore"
    )


def test_an_invalid_time_is_shown_as_it_is():
    """The rest of the period is described."""
    words = period_text(time("soon"), time("260101000000Z"), pki.NOW)
    assert words == '"soon" (which is not a valid time) to 2026-01-01 00:00:00 UTC'
    assert until_text(time("soon"), pki.NOW) == '"soon" (which is not a valid time)'
    assert since_text(time("soon"), pki.NOW) == '"soon" (which is not a valid time)'


def test_evidence_from_the_future_is_marked():
    """A CRL or OCSP response that is not valid yet."""
    assert since_text(time("260603120000Z"), pki.NOW) == "2026-06-03 12:00:00 UTC, NOT YET: in 2 days"
    assert since_text(time("260530120000Z"), pki.NOW) == "2026-05-30 12:00:00 UTC"
