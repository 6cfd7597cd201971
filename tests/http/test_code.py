"""Programs that are printed: Python as it stands, whatever stands in the values, and nothing but what was asked."""

from __future__ import annotations

import ast

import pytest

from bothways.http.code import LIBRARIES, RequestAsCode, code
from bothways.http.location import parse

NASTY = "x'\"\\\n{}%s\x00é\U0001f511"
URL = parse("https://api.example:8443/a?b=c")
EVERYTHING = RequestAsCode(
    "POST",
    URL,
    headers=(("Accept", "a"), ("X", NASTY), ("accept", "b")),
    data=NASTY,
    output=NASTY,
    ca=NASTY,
    profile="web",
    cert=NASTY,
    key=NASTY,
    password_file=NASTY,
    crls=(NASTY, "b.crl"),
    revocation="leaf",
    version="1.3",
    name=NASTY,
)


def literals(text: str) -> list[object]:
    return [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_text_of_the_command_line_becomes_a_literal_in_printed_code(library):
    """A text of the command line becomes a literal, never code."""
    plain = RequestAsCode(**{name: getattr(EVERYTHING, name) for name in EVERYTHING.__slots__})
    found = literals(code(library, plain))
    assert found.count(NASTY) == 8  # six files, a name and a header
    assert NASTY.encode() in found
    assert "a, b" in found
    calm = literals(code(library, RequestAsCode("POST", URL, data="x")))
    assert NASTY not in calm


@pytest.mark.parametrize("library", LIBRARIES)
def test_only_what_was_asked_for_is_written(library):
    text = code(library, RequestAsCode("GET", URL))
    for word in ("Credentials", "Revocation", "Path", "headers", "content=", "data=", "versions", "hostname"):
        assert word not in text, word
    assert "TrustStore.system()" in text
    assert "from bothways.ssl import SSLContext" in text
    assert "https://api.example:8443/a?b=c" in literals(text)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("source", ["-", "body.json"])
def test_a_body_is_read_from_where_the_command_would_read_it(library, source):
    text = code(library, RequestAsCode("POST", URL, data_file=source))
    assert ("sys.stdin.buffer.read()" in text) == (source == "-")
    assert ("Path('body.json').read_bytes()" in text) == (source != "-")
