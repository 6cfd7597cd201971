"""Ladders as JSON: what is written is read again, and what is not exactly that is refused with its place."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.describe.documents import Unreadable
from bothways.ladder.html import as_page
from bothways.ladder.json_form import (
    ISLAND,
    ITEM_LIMIT,
    SIZE_LIMIT,
    TEXT_LIMIT,
    as_json,
    from_json,
    from_page,
)
from bothways.ladder.model import Ladder
from explain_talks import ladder_of, swapped


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    return ladder_of("elsewhere.example")


@pytest.mark.parametrize(
    "options",
    [{}, {"name": "elsewhere.example"}, {"versions": ("1.2",)}, {"who": False}, {"to_client": swapped}],
)
def test_a_written_ladder_is_read_again(options):
    """Also compact, and as bytes."""
    ladder = ladder_of(**options)
    assert from_json(as_json(ladder)) == ladder
    assert from_json(as_json(ladder, None).encode()) == ladder
    assert as_json(ladder).isascii()


def test_a_page_contains_its_ladder(ladder):
    """Reopened from the page, it is the same; hostile texts do not end the island early."""
    failure = replace(ladder.failures[0], text="</script><script>alert(1)</script><!-- ")
    hostile = replace(ladder, failures=(failure,))
    assert from_page(as_page(hostile)) == hostile
    with pytest.raises(Unreadable, match="a page without a recorded handshake"):
        from_page("<!doctype html><p>Hello")
    with pytest.raises(Unreadable, match="not a recorded handshake"):
        from_page(f"<!doctype html>{ISLAND}")


def place(value, path: tuple):
    for each in path:
        value = value[each]
    return value


@pytest.mark.parametrize(
    ("path", "key", "value", "problem"),
    [
        ((), "format", "other", 'not a recorded handshake: "format" is not "bothways-handshake"'),
        ((), "version", 3, "of version 3; known are 1 and 2"),
        ((), "version", True, "of version true; known are 1 and 2"),
        ((), "version", None, "of version null; known are 1 and 2"),
        (("steps", 0), "name", "server_hello", 'steps[0].name: expected "client_hello"'),
        ((), "extra", 1, 'has "extra", which is not known there'),
        ((), "recorded", "yesterday", "recorded: expected a date and time with a time zone"),
        ((), "recorded", "2026-06-01T12:00:00", "recorded: expected a date and time with a time zone"),
        ((), "events", {}, "events: expected a list, found an object"),
        ((), "tls", 13, "tls: expected a text, found 13"),
        ((), "sides", ["client", "device"], 'sides[1]: expected "client" or "server", found "device"'),
        ((), "certificates", [None], "certificates[0]: expected an object, found null"),
        (("events", 0), "kind", "picture", "events[0].kind: expected"),
        (("events", 0), "kind", ["message"], "events[0].kind: expected"),
        (("events", 0), "by", "\x1b[31mred", 'events[0].by: expected "client" or "server", found "\\u001b'),
        (("events", 0), "at", True, "events[0].at: expected a number, found true"),
        (("events", 0), "at", -1.0, "events[0].at: expected a number of at least 0"),
        (("events", 0), "size", 1.5, "events[0].size: expected a whole number"),
        (("events", 0), "bytes", "0g", "events[0].bytes: expected bytes in hex"),
        (("events", 0), "bytes", "00\n", "events[0].bytes: expected bytes in hex"),
        (("events", 0), "steps", ["9.9"], "events[0].steps[0]: expected the id of a step"),
        (("events", 0), "certificates", [99], "events[0].certificates: expected indices"),
        (("events", 0), "name", "x" * (TEXT_LIMIT + 1), "events[0].name is longer than"),
        (("certificates", 0), "facts", [["one"]], "facts[0]: expected a list of 2"),
        (("failures",), 0, 7, "failures[0]: expected an object, found 7"),
    ],
)
def test_an_invalid_ladder_is_refused_with_the_position(ladder, path, key, value, problem):
    """A file may come from anybody."""
    whole = json.loads(as_json(ladder))
    place(whole, path)[key] = value
    with pytest.raises(Unreadable) as refused:
        from_json(json.dumps(whole))
    assert problem in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_missing_key_is_named(ladder):
    """Every key is needed."""
    whole = json.loads(as_json(ladder))
    del whole["events"][0]["summary"]
    with pytest.raises(Unreadable, match=r'events\[0\] lacks "summary"'):
        from_json(json.dumps(whole))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": ' + "9" * 5000 + "}",
        "\x00",
    ],
)
def test_malformed_json_is_refused(text):
    """Deep nesting, repeated keys, invalid numbers."""
    with pytest.raises(Unreadable, match="not a recorded handshake"):
        from_json(text)


def test_sizes_are_bounded(ladder):
    """A list, and the whole."""
    whole = json.loads(as_json(ladder))
    whole["sides"] = ["client"] * (ITEM_LIMIT + 1)
    with pytest.raises(Unreadable, match="sides has more than 10000 items"):
        from_json(json.dumps(whole))
    with pytest.raises(Unreadable, match="at most"):
        from_json(" " * (SIZE_LIMIT + 1))


def test_bytes_that_are_not_utf8_are_refused():
    """Only `Unreadable` comes out."""
    with pytest.raises(Unreadable):
        from_json(b"{\xff")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_value_is_read_or_raises_unreadable(ladder, data):
    """Any value in any place: read as it was meant, or refused."""
    whole = json.loads(as_json(ladder))
    inner = whole
    for _ in range(data.draw(st.integers(1, 5))):
        key = data.draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
        if not isinstance(inner[key], (dict, list)) or not inner[key]:
            break
        last, inner = (inner, key), inner[key]
    else:
        inner, key = last
    inner[key] = data.draw(ANY)
    try:
        assert json.loads(as_json(from_json(json.dumps(whole)))) == whole
    except Unreadable as error:
        assert str(error).isprintable()
