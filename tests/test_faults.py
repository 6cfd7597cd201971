"""The table of everything that a peer can do wrong, and the words it makes."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime

import pytest

from bothways.faults import FACT_LIMIT, Blame, Check, Fault, Reason, blame, sentence, shown
from bothways.iana import Alert


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_every_row_of_faults_has_an_alert_a_sentence_and_a_rule(fault: Fault) -> None:
    """Each has an alert, a sentence that completes "the peer ...", and a rule that can be looked up."""
    row = fault.value
    assert isinstance(row.alert, Alert)
    assert row.sentence[0].islower()
    assert not row.sentence.endswith(".")
    assert row.rule
    assert not row.hint.endswith(".")


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_a_row_makes_a_sentence_of_any_facts_or_none(fault: Fault) -> None:
    fields = {name.split(".")[0] for _, name, _, _ in string.Formatter().parse(fault.value.sentence) if name}
    with_dates = dict.fromkeys(fields, datetime(2026, 1, 3, tzinfo=UTC))
    for facts in ({}, dict.fromkeys(fields, "x"), with_dates, dict.fromkeys(fields, None)):
        assert "{" not in sentence(fault.value.sentence, facts)


def test_no_two_rows_say_the_same() -> None:
    """Enum members with equal values would be one member under two names."""
    assert len(set(Fault)) == len(Fault.__members__)


def test_blame_says_nothing_of_place_and_party() -> None:
    with pytest.raises(Blame) as caught:
        blame(Fault.EMPTY_FRAGMENT, content_type="handshake")
    assert caught.value.fault is Fault.EMPTY_FRAGMENT
    assert caught.value.facts == {"content_type": "handshake"}


def test_checks_take_precedence_in_their_order() -> None:
    ranks = [check.rank for check in Check]
    assert ranks == sorted(set(ranks))
    assert Check.PATH.rank < Check.SIGNATURE.rank < Check.REVOCATION.rank < Check.VALIDITY.rank


@pytest.mark.parametrize(
    "text",
    ["\x1b[31mred", "a\nb", "a\u202eb", "\ud800", "<script>\x00", "é" * 500, "x" * 10_000],
)
def test_a_peers_words_are_shown_as_printable_ascii_of_bounded_length(text: str) -> None:
    made = shown(text)
    assert re.fullmatch(r"[\x20-\x7e]*", made)
    assert len(made) <= FACT_LIMIT


def test_values_of_every_kind_are_shown() -> None:
    assert shown(b"\x01\x02") == "0102"
    assert shown(("a", "b")) == "a, b"
    assert shown([]) == "none"
    assert shown(0x1301) == "4865"
    assert shown(bytes(10_000)) == "00" * (FACT_LIMIT // 2)


def test_of_very_many_values_no_more_are_read_than_can_be_shown() -> None:
    read: list[int] = []

    class Value:
        def __str__(self) -> str:
            read.append(1)
            return "x"

    assert len(shown([Value()] * 100_000)) == FACT_LIMIT
    assert len(read) <= FACT_LIMIT


def test_a_reason_says_where_in_the_path() -> None:
    facts = {"not_after": datetime(2026, 1, 3, tzinfo=UTC)}
    reported = str(Reason(Fault.CERTIFICATE_EXPIRED, 1, "CN=x\x00", facts))
    assert reported.startswith(r"certificate 1 (CN=x\x00): ")
    assert not str(Reason(Fault.CERTIFICATE_EXPIRED, None, "", facts)).startswith("certificate 1")
