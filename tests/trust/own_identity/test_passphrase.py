"""The passphrase in the first line of a file."""

from __future__ import annotations

import pytest

from bothways import ConfigError
from bothways.trust.own_identity.passphrase import passphrase_in


@pytest.mark.parametrize(
    "content",
    [b"p\xc3\xa4ss", b"p\xc3\xa4ss\n", b"\xef\xbb\xbfp\xc3\xa4ss\r\nsecond", b"p\xc3\xa4ss\rsecond"],
)
def test_the_first_line_is_the_passphrase_without_what_editors_add(content: bytes) -> None:
    assert passphrase_in(content, "words") == "päss"


def test_the_longest_passphrase_is_read_whole() -> None:
    assert passphrase_in("ä".encode() * 1024 + b"\nsecond", "words") == "ä" * 1024


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"\nx", "empty"),
        (b"\xef\xbb\xbf\n", "empty"),
        (b"\xff\n", "not a text in UTF-8"),
        (b"a" * 1025, "longer than 1024 characters"),
        (b"a" * 100_000, "longer than 1024 characters"),
    ],
)
def test_an_invalid_passphrase_is_refused_with_the_name_of_the_file_and_without_its_content(
    content: bytes, problem: str
) -> None:
    with pytest.raises(ConfigError, match=f"^words: its first line is {problem}"):
        passphrase_in(content, "words")
