"""StoreAnswers of a store, however they are cut: each is read whole, or refused as soon as it cannot be one."""

from __future__ import annotations

import random

import pytest

from bothways.ticket_keys.store_answers import Answer, BadAnswer, StoreAnswers, StoreRefused, encoded

WHOLE: list[tuple[bytes, list[Answer]]] = [
    (b"+OK\r\n:-17\r\n", [b"OK", -17]),
    (b"$-1\r\n$4\r\na\r\nb\r\n", [None, b"a\r\nb"]),
    (b"*3\r\n:1\r\n$0\r\n\r\n$-1\r\n*-1\r\n", [[1, b"", None], None]),
]


@pytest.mark.parametrize(("came", "expected"), WHOLE)
def test_answers_are_the_same_however_they_are_cut(came: bytes, expected: list[Answer]) -> None:
    assert StoreAnswers(2).take(came) == expected
    answers = StoreAnswers(2)
    assert [answers.take(came[at : at + 1]) for at in range(len(came) - 1)] == [None] * (len(came) - 1)
    assert answers.take(came[-1:]) == expected


@pytest.mark.parametrize(
    ("came", "problem"),
    [
        (b"$-1\r\n:1\r\n:2\r\n", "more than was asked for"),
        (b"$101\r\n", "more than was asked for"),
        (b"x" * 101, "more than was asked for"),
        (b"$1\r\nabc", "does not answer as"),
        (b"*1\r\n*1\r\n", "does not answer as"),
        (b"%1\r\n", "does not answer as"),
        (b"$1_0\r\n", "does not answer as"),
        (b"$-2\r\n:1\r\n", "does not answer as"),
        (b"*-17\r\n:1\r\n", "does not answer as"),
        (b"*1025\r\n", "more than 1024 values"),
    ],
)
def test_what_is_no_answer_is_refused_before_more_of_it_comes(came: bytes, problem: str) -> None:
    with pytest.raises(BadAnswer, match=problem):
        StoreAnswers(2, 100).take(came)


def test_the_first_error_is_told_once_all_answers_are_there() -> None:
    answers = StoreAnswers(3)
    assert answers.take(b"+OK\r\n-ERR one\x1b\r\n") is None
    with pytest.raises(StoreRefused, match=r"^it answers: ERR one\\x1b$"):
        answers.take(b"-ERR two\r\n")
    with pytest.raises(EOFError):
        StoreAnswers(1).take(b"")


def test_an_error_within_an_array_is_a_refusal_once_all_of_it_is_there() -> None:
    """A server answers so to EXEC where a command of the transaction fails: nothing is stored."""
    answers = StoreAnswers(2)
    assert answers.take(b"*2\r\n-NOPERM no\r\n") is None
    assert answers.take(b"+OK\r\n") is None
    with pytest.raises(StoreRefused, match=r"^it answers: NOPERM no$"):
        answers.take(b"+OK\r\n")


def test_single_bytes_take_no_quadratic_time() -> None:
    """A line is searched once, and not anew for each byte that comes."""
    answers = StoreAnswers(1, 1 << 20)
    for _ in range(200_000):
        answers.take(b"x")
    with pytest.raises(BadAnswer):
        answers.take(b"\r\n")


def test_any_pieces_are_answers_or_refused() -> None:
    chance = random.Random(30)
    pieces = [
        b":1\r\n",
        b"$-1\r\n",
        b"$5\r\nhello\r\n",
        b"*2\r\n",
        b"+OK\r\n",
        b"-E\r\n",
        b"\r\n",
        b"$",
        b"\xff",
    ]
    answered = 0
    for _ in range(500):
        came = b"".join(chance.choices(pieces, k=chance.randrange(1, 6)))
        try:
            answered += StoreAnswers(2).take(came) is not None
        except (BadAnswer, StoreRefused):
            continue
    assert 0 < answered < 250


def test_a_command_is_encoded() -> None:
    assert encoded(["SET", b"\0", 7]) == b"*3\r\n$3\r\nSET\r\n$1\r\n\0\r\n$1\r\n7\r\n"
