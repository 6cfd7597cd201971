"""What each side keeps of a session."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bothways.tls.crypto.suites import SUITES13
from bothways.tls.keys.schedule13 import resumption_psk
from bothways.tls.resumption.session import (
    Origin,
    Session,
    TicketContent,
    decoded_content,
    encoded_content,
    new_content,
)
from pair import NOON, SeededEntropy

SUITE = SUITES13[0x1301]
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
SESSION = Session(
    SUITE, b"ticket", bytes(32), 7, received=NOON, expires=NOON + DAY, authenticated=NOON, chain=(b"leaf",)
)
CONTENT = new_content(SUITE, bytes(32), (b"leaf", b"issuer"), (1, 2, 3), SeededEntropy(b"content"))


def test_each_ticket_has_a_key_of_its_own() -> None:
    """RFC 9846 4.7.1."""
    origin = Origin(SUITE, NOON, b"s" * 32)
    assert origin.key(b"\0") == resumption_psk(b"s" * 32, b"\0", SUITE)
    assert origin.key(b"\0") != origin.key(b"\1")


@pytest.mark.parametrize(
    ("later", "usable"),
    [(timedelta(0), True), (DAY - SECOND, True), (DAY, False), (-SECOND, False)],
)
def test_a_ticket_is_used_within_its_lifetime(later: timedelta, usable: bool) -> None:
    """RFC 9846 4.3.11.1: and not when the clock was set back before it came."""
    assert SESSION.is_usable(NOON + later, 7 * DAY) is usable


@pytest.mark.parametrize(("hours", "usable"), [(1, True), (3, False)])
def test_a_session_ends_by_its_signatures_whatever_its_ticket_says(hours: int, usable: bool) -> None:
    old = replace(SESSION, authenticated=NOON - timedelta(hours=22), expires=NOON + 7 * DAY)
    assert old.is_usable(NOON + timedelta(hours=hours), DAY) is usable


def test_the_ticket_age_is_obfuscated() -> None:
    """RFC 9846 4.3.11.1."""
    assert SESSION.obfuscated_age(NOON + SECOND) == 1007


def test_the_content_of_a_ticket_is_decoded_unchanged() -> None:
    plain = encoded_content(CONTENT)
    content = decoded_content(plain)
    assert content is not None
    assert content == replace(CONTENT, padding=content.padding)
    assert content.suite is SUITE


def test_tickets_have_few_lengths() -> None:
    """The length of a certificate does not show in a ClientHello."""
    lengths = {len(encoded_content(replace(CONTENT, chain=(bytes(size),)))) for size in range(400, 650)}
    assert len(lengths) <= 2
    assert all(length % 256 == 0 for length in lengths)


@pytest.mark.parametrize(
    "strange",
    [
        replace(CONTENT, format=2),
        replace(CONTENT, suite_code=0x1304),
        replace(CONTENT, suite_code=0x1302),
        replace(CONTENT, key=bytes(48)),
    ],
    ids=["another form", "a suite that is not spoken", "a suite of another hash", "a key of another hash"],
)
def test_tickets_of_another_release_are_no_sessions(strange: TicketContent) -> None:
    assert decoded_content(encoded_content(strange)) is None


@pytest.mark.parametrize("plain", [b"", b"\1", encoded_content(CONTENT)[:40]])
def test_undecodable_tickets_are_no_sessions(plain: bytes) -> None:
    assert decoded_content(plain) is None


def test_no_secret_shows() -> None:
    for each in (SESSION, CONTENT, Origin(SUITE, NOON, b"s" * 32)):
        text = repr(replace(each))
        assert "ssss" not in text and "\\x00\\x00" not in text and "ticket=" not in text
