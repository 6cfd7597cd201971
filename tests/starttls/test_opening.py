"""Exchanges as state machines: what is sent and when, every split, what is refused, and what it costs."""

from __future__ import annotations

import time

import pytest

from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.starttls import PROTOCOLS, StartTLS
from starttls.conversations import AHEAD, FAILS, NAME, TURNS, Dialogue, failure, held

SIZES = (0, 1, 2, 3, 7)


@pytest.mark.parametrize("dialogue", TURNS, ids=lambda each: each.protocol)
def test_a_server_that_turns_to_tls_is_asked_as_its_protocol_says(dialogue: Dialogue):
    """The next byte is one of TLS then, and not before."""
    exchange, sent = held(dialogue)
    assert exchange.is_done
    if dialogue.sent:
        assert tuple(sent) == dialogue.sent


@pytest.mark.parametrize("dialogue", TURNS, ids=lambda each: each.protocol)
def test_how_what_a_server_says_is_cut_into_pieces_changes_nothing(dialogue: Dialogue):
    """TCP keeps no borders: whatever the pieces, the same is said back, and it is done at the same byte."""
    _, sent = held(dialogue)
    for size in SIZES:
        exchange, pieces = held(dialogue, size)
        assert exchange.is_done
        assert b"".join(pieces) == b"".join(sent)


@pytest.mark.parametrize("dialogue", TURNS, ids=lambda each: each.protocol)
def test_an_exchange_is_not_done_before_its_last_byte(dialogue: Dialogue):
    """Nor after any prefix of what turns to TLS."""
    whole = dialogue.parts[-1]
    for end in range(len(whole)):
        exchange, _ = held(Dialogue(dialogue.protocol, (*dialogue.parts[:-1], whole[:end])))
        assert not exchange.is_done


@pytest.mark.parametrize(
    ("dialogue", "problem", "words"), FAILS, ids=lambda each: getattr(each, "protocol", "")
)
def test_a_server_that_does_not_start_tls_is_reported_with_the_reason(
    dialogue: Dialogue, problem: StartTLSProblem, words: str
):
    """In its own words, short and printable."""
    failed = failure(dialogue)
    assert failed is not None
    assert failed.problem is problem
    assert words in failed.said
    assert str(failed).isascii() and str(failed).isprintable() and len(str(failed)) < 500


@pytest.mark.parametrize(
    ("dialogue", "problem", "words"), FAILS, ids=lambda each: getattr(each, "protocol", "")
)
def test_a_refusal_is_the_same_in_any_pieces(dialogue: Dialogue, problem: StartTLSProblem, words: str):
    """What tells why is decided by the bytes, not by when they came."""
    for size in SIZES:
        failed = failure(dialogue, size)
        assert failed is not None
        assert failed.problem is problem
        if problem is StartTLSProblem.OTHER_PROTOCOL:
            assert failed.start == failure(dialogue).start


@pytest.mark.parametrize("dialogue", AHEAD, ids=lambda each: each.protocol)
def test_an_answer_that_came_before_its_question_is_refused(dialogue: Dialogue):
    """Whoever wrote it did not hear us."""
    failed = failure(dialogue)
    assert failed is not None
    assert failed.problem is StartTLSProblem.SPOKE_AHEAD


def test_data_after_the_change_to_tls_is_no_part_of_the_exchange():
    """CVE-2011-0411, CVE-2021-23222: whoever is still fed with plain text refuses it."""
    for dialogue in TURNS:
        exchange, _ = held(dialogue)
        with pytest.raises(StartTLSFailed) as refused:
            exchange.receive(b"250 injected\r\n")
        assert refused.value.problem is StartTLSProblem.SPOKE_AHEAD


def test_an_end_and_a_time_limit_are_reported_with_the_last_text():
    """Whether a line was whole or not."""
    for came, dialogue in ((b"", ""), (b"220 wait", "220 wait"), (b"220-one\r\n", "220-one")):
        for tell, problem in (
            (StartTLS.receive_eof, StartTLSProblem.ENDED),
            (StartTLS.time_limit_reached, StartTLSProblem.LATE),
        ):
            exchange = StartTLS(PROTOCOLS["smtp"], NAME)
            if came:
                exchange.receive(came)
            with pytest.raises(StartTLSFailed) as ended:
                tell(exchange)
            assert (ended.value.problem, ended.value.said) == (problem, dialogue)


def test_a_name_cannot_write_markup_into_a_stream():
    """XMPP names the host in an attribute."""
    sent = StartTLS(PROTOCOLS["xmpp"], "a'><evil x='&").data_to_send()
    assert b"to='a&apos;&gt;&lt;evil x=&apos;&amp;'" in sent


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize(
    "flood",
    [
        b"220-x\r\n",
        b"* OK\r\n",
        b"+OK\r\n",
        b'"X"\r\n',
        b"<a b='>>>>>>>>'>",
        b"\x30\x84\0\0\x3f\xff",
        b"\0",
        b"'\"<>",
    ],
)
def test_a_flood_costs_no_more_than_its_bytes(name: str, flood: bytes):
    """Within limits that hold whoever sends: less than 2 us for each byte, and a bounded buffer."""
    exchange = StartTLS(PROTOCOLS[name], NAME)
    fed, began = 0, time.process_time()
    try:
        while fed < 1024 * 1024:
            exchange.receive((flood * (4096 // len(flood) + 1))[:4096])
            fed += 4096
    except StartTLSFailed:
        pass
    assert fed <= 80 * 1024
    assert time.process_time() - began < 0.5


def test_a_server_that_speaks_in_single_bytes_costs_no_more():
    """A line that grows byte by byte is searched once."""
    exchange = StartTLS(PROTOCOLS["smtp"], NAME)
    began = time.process_time()
    with pytest.raises(StartTLSFailed):
        for _ in range(5000):
            exchange.receive(b"2")
    assert time.process_time() - began < 1
