"""The fields of heads: what is malformed, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bothways.http2.heads import check_request, check_response, check_trailers, length_of, split
from bothways.http2.violations import Rule, Violation

HEAD = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]


def rule_of(call: object, *given: object, **named: object) -> Rule | None:
    assert callable(call)
    try:
        call(*given, **named)
    except Violation as violation:
        return violation.rule
    return None


def refused(fields: Callable[[bytes], tuple[bytes, bytes]], rule: Rule) -> set[int]:
    """The bytes with which a field is malformed by this rule."""
    found = {each: rule_of(check_request, [*HEAD, fields(bytes((each,)))]) for each in range(256)}
    assert set(found.values()) == {None, rule}
    return {each for each, why in found.items() if why}


def test_a_name_is_a_token_without_upper_case() -> None:
    """RFC 9110 5.6.2, RFC 9113 8.2.1."""
    tokens = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
    assert refused(lambda each: (b"x" + each, b"y"), Rule.NAME) == set(range(256)) - set(tokens)


def test_a_value_has_no_line_end_and_no_space_around_it() -> None:
    """RFC 9113 8.2.1; other control characters are for others to refuse."""
    assert refused(lambda each: (b"x", b"a" + each + b"b"), Rule.VALUE) == set(b"\0\r\n")
    for around in (lambda each: each, lambda each: each + b"a", lambda each: b"a" + each):
        assert refused(lambda each, made=around: (b"x", made(each)), Rule.VALUE) == set(b"\0\r\n \t")


@pytest.mark.parametrize(
    ("values", "length"),
    [
        ([], None),
        ([b"0"], 0),
        ([b"007"], 7),
        ([b"7", b"7"], 7),
        ([b"9" * 19], int("9" * 19)),
        ([b"1" + b"0" * 19], int("9" * 20)),
        ([b"1" * 100_000], int("9" * 20)),
    ],
)
def test_a_length_is_a_number_and_a_huge_one_is_that_of_no_body(
    values: list[bytes], length: int | None
) -> None:
    assert length_of([(b"content-length", each) for each in values]) == length


@pytest.mark.parametrize(
    "values", [[b""], [b"+1"], [b"-1"], [b"1 "], [b"0x1"], [b"1,1"], [b"1", b"2"], [b"1", b"01"], [b"\xb2"]]
)
def test_what_is_no_single_length_is_malformed(values: list[bytes]) -> None:
    assert rule_of(length_of, [(b"content-length", each) for each in values]) is Rule.CONTENT_LENGTH


def test_each_kind_of_head_has_its_pseudo_header_fields() -> None:
    """RFC 9113 8.3."""
    response = [(b":status", b"200")]
    assert rule_of(check_request, HEAD) is None and rule_of(check_request, response) is Rule.PSEUDO_FIELD
    assert check_response(response, is_end=True) == 200
    assert rule_of(check_response, HEAD, is_end=True) is Rule.PSEUDO_FIELD
    assert rule_of(check_trailers, [(b"x", b"y")], is_end=True) is None
    assert rule_of(check_trailers, [(b"x", b"y")], is_end=False) is Rule.ORDER
    assert rule_of(check_trailers, response, is_end=True) is Rule.PSEUDO_FIELD
    assert rule_of(check_request, [(b":method", b"CONNECT"), (b":authority", b"a:1")]) is None
    assert rule_of(check_request, [*HEAD[:2], HEAD[3], (b"host", b"a")]) is None
    assert rule_of(check_request, [*HEAD, (b"host", b"A")]) is None


def test_pseudo_header_fields_and_others_are_told_apart() -> None:
    assert split([*HEAD, (b"x", b"y")]) == (dict(HEAD), [(b"x", b"y")])
