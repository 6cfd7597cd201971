"""How a server's words are read and quoted."""

from __future__ import annotations

import pytest

from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.starttls.talk import BYTES_LIMIT, SAID, Talk, quoted


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (b" ready \r\n", "ready"),
        (b"\x1b[2Jgone", "\\x1b[2Jgone"),
        ("gr\u00fc\u00df \u202egood".encode(), "gr\\xfc\\xdf \\u202egood"),
        (b"\xff\xfe", "\\xff\\xfe"),
    ],
)
def test_a_servers_words_are_quoted_as_plain_text(words: bytes, shown: str):
    """They move no cursor and turn no direction."""
    assert quoted(words) == shown


def test_a_servers_words_are_short():
    """However long they are."""
    assert len(quoted(b"x" * 10_000)) <= SAID


def test_nothing_is_sent_while_unread_bytes_wait():
    """What is there already cannot be an answer to what we are about to say."""
    talk = Talk("SMTP")
    talk.feed(b"250 ok\r\n")
    with pytest.raises(StartTLSFailed) as refused:
        talk.send(b"EHLO\r\n")
    assert refused.value.problem is StartTLSProblem.SPOKE_AHEAD
    assert talk.outgoing() == b""


def test_a_size_beyond_the_limit_is_not_waited_for():
    """It is refused when it is announced."""
    with pytest.raises(StartTLSFailed) as refused:
        next(Talk("LDAP").read_exactly(BYTES_LIMIT + 1))
    assert refused.value.problem is StartTLSProblem.TOO_MUCH
