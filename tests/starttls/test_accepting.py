"""Clients that request TLS of us: what they are told, every split, what is refused, and what it costs."""

from __future__ import annotations

import pytest

from bothways.errors import StartTLSFailed, StartTLSProblem, UsageError
from bothways.starttls import ACCEPTED, PROTOCOLS, AcceptTLS, StartTLS, accepted_named, greeting_of
from starttls.clients_that_ask import ASKS, CAPABILITY, FAILS, HELLO, Asking, failure, held

ASKED = [each for each in ASKS if HELLO not in each.said]


@pytest.mark.parametrize("asking", ASKED, ids=lambda each: each.protocol)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
def test_a_client_is_answered_as_its_protocol_says_however_its_bytes_are_cut(asking: Asking, size: int):
    """RFC 3207 4, RFC 9051 6.2.1, RFC 4511 4.14, PostgreSQL 55.2.10: the next byte is one of TLS then."""
    exchange, replies = held(asking, size)
    assert exchange.is_done
    assert tuple(replies) == asking.replies


@pytest.mark.parametrize("asking", ASKED, ids=lambda each: each.protocol)
def test_tls_does_not_begin_before_the_last_byte_of_the_request(asking: Asking):
    last = asking.said[-1]
    for end in range(len(last)):
        exchange, _ = held(
            Asking(asking.protocol, (*asking.said[:-1], last[:end]) if end else asking.said[:-1], ())
        )
        assert not exchange.is_done


def test_only_postgresql_begins_with_tls_at_once_and_its_first_bytes_are_kept():
    exchange, _ = held(Asking("postgres", (HELLO + b"more",), ()))
    assert (exchange.is_done, exchange.rest) == (True, HELLO + b"more")
    assert [each.name for each in ACCEPTED.values() if each.alpn is not None] == ["postgres"]


@pytest.mark.parametrize(("protocol", "said", "problem", "last"), FAILS)
def test_a_client_that_does_not_begin_tls_as_it_should_is_refused(
    protocol: str, said: tuple[bytes, ...], problem: StartTLSProblem, last: bytes
):
    """Nothing that it has sent is kept for later; a client that can read it gets a last reply."""
    failed, words = failure(protocol, said)
    assert failed is not None
    assert (failed.problem, failed.peer) == (problem, "client")
    assert words.startswith(last) if last else words == b""
    assert str(failed).startswith("the client ")
    assert str(failed).isascii() and str(failed).isprintable() and len(str(failed)) < 500


SECRETS: list[tuple[str, tuple[bytes, ...], str]] = [
    ("smtp", (b"EHLO me\r\n", b"AUTH PLAIN c2VjcmV0\r\n", b"QUIT\r\n"), "AUTH"),
    ("smtp", (b"EHLO me\r\n", b"mail FROM:<secret@example>\r\n"), "MAIL"),
    ("smtp", (b"EHLO me\r\n", b"AUTH PLAIN\r\n", b"c2VjcmV0\r\n"), "AUTH"),
    ("smtp", (b"EHLO me\r\n", b"AUTH PLAIN secret\n"), ""),
    ("smtp", (b"EHLO me\r\n", b"AUTH PLAIN sec"), ""),
    ("imap", (b"a1 LOGIN ada secret\r\n", b"a2 LOGOUT\r\n"), "LOGIN"),
    ("imap", (b"a1 STARTTLS\r\na2 LOGIN ada secret\r\n",), ""),
    ("imap", (b"secret\r\n",), ""),
    ("ldap", (b"\x30\x16\x02\x01\x01\x60\x11\x02\x01\x03\x04\x04cn=a\x80\x06sec",), ""),
    ("postgres", (b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01secret",), ""),
]


@pytest.mark.parametrize(("protocol", "said", "told"), SECRETS)
def test_of_what_a_client_says_before_tls_no_more_than_a_command_is_told(
    protocol: str, said: tuple[bytes, ...], told: str
):
    """It goes into logs, and may be a password."""
    failed, _ = failure(protocol, said)
    if failed is None:
        exchange, _ = held(Asking(protocol, said, ()))
        failed = exchange.ended()
    assert failed.said == told
    assert not any(each in str(failed) for each in ("secret", "sec", "c2VjcmV0", "ada"))


def test_the_last_reply_to_a_client_of_postgresql_without_tls_is_an_error_that_it_shows():
    """PostgreSQL 55.7: ErrorResponse, FATAL, 28000 (invalid authorization)."""
    _, words = failure("postgres", (bytes.fromhex("0000000900030000") + b"\0",))
    assert int.from_bytes(words[1:5]) == len(words) - 1
    assert b"SFATAL\0" in words and b"C28000\0" in words and words.endswith(b"\0\0")


@pytest.mark.parametrize("name", ACCEPTED)
def test_our_own_client_begins_tls_with_our_own_server(name: str):
    """Each holds the other to the strict reading of the protocol."""
    client, server = StartTLS(PROTOCOLS[name], "mail.example"), AcceptTLS(ACCEPTED[name])
    while not (client.is_done and server.is_done):
        for one, other in ((server, client), (client, server)):
            if data := one.data_to_send():
                other.receive(data)
    assert client.data_to_send() == server.data_to_send() == b""


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_client_that_leaves_or_is_late_is_reported_as_that(name: str):
    exchange = AcceptTLS(ACCEPTED[name])
    assert exchange.ended().problem is StartTLSProblem.ENDED
    with pytest.raises(StartTLSFailed, match="the client did not begin TLS in time") as late:
        exchange.time_limit_reached()
    assert late.value.problem is StartTLSProblem.LATE


def test_nothing_is_offered_before_tls_but_starttls():
    """No login and no extension that a client could use in plain text."""
    assert AcceptTLS(ACCEPTED["imap"]).data_to_send() == b"* OK [" + CAPABILITY + b"] TLS is required\r\n"
    _, replies = held(Asking("smtp", (b"EHLO me\r\n",), ()))
    assert replies[1].count(b"\r\n") == 2


@pytest.mark.parametrize(
    ("name", "greeting"),
    [("smtp", b"220-hello\r\n220 here\r\n"), ("imap", b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] here\r\n")],
)
def test_the_greeting_of_a_service_is_read_once_and_nothing_behind_it(name: str, greeting: bytes):
    for size in (1, 5, 100):
        exchange = greeting_of(ACCEPTED[name])
        assert exchange is not None
        for at in range(0, len(greeting), size):
            assert not exchange.is_done
            exchange.receive(greeting[at : at + size])
        assert exchange.is_done
        assert exchange.data_to_send() == b""
    exchange = greeting_of(ACCEPTED[name])
    with pytest.raises(StartTLSFailed) as ahead:
        exchange.receive(greeting + b"250 injected\r\n")
    assert ahead.value.problem is StartTLSProblem.SPOKE_AHEAD


@pytest.mark.parametrize(
    ("name", "greeting", "problem"),
    [
        ("smtp", b"554 not you\r\n", StartTLSProblem.TURNED_AWAY),
        ("imap", b"* BYE busy\r\n", StartTLSProblem.TURNED_AWAY),
        ("imap", b"* PREAUTH as root\r\n", StartTLSProblem.REFUSED),
        ("smtp", b"SSH-2.0-x\r\n", StartTLSProblem.OTHER_PROTOCOL),
        ("smtp", b"220 " + b"x" * 5000, StartTLSProblem.TOO_MUCH),
    ],
)
def test_another_greeting_of_a_service_is_refused(name: str, greeting: bytes, problem: StartTLSProblem):
    exchange = greeting_of(ACCEPTED[name])
    with pytest.raises(StartTLSFailed) as refused:
        exchange.receive(greeting)
    assert refused.value.problem is problem


def test_services_whose_clients_speak_first_have_no_greeting():
    assert greeting_of(ACCEPTED["postgres"]) is greeting_of(ACCEPTED["ldap"]) is greeting_of(None) is None


def test_names_are_those_of_the_option_of_clients_and_others_are_refused_with_the_choice():
    assert accepted_named("PostgreSQL") is ACCEPTED["postgres"]
    assert set(ACCEPTED) <= set(PROTOCOLS)
    with pytest.raises(UsageError, match="'ftp'; they can in postgres, smtp, imap, ldap"):
        accepted_named("ftp")
