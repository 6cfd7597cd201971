"""The passphrase in the first line of a file."""

from __future__ import annotations

import re

from bothways.errors import UnusableFile

PASSPHRASE_LIMIT = 1024


def passphrase_in(data: bytes, source: str) -> str:
    """Return the passphrase in the first line of the content of a file. Raises ConfigError, which names `source`.

    A byte order mark, which editors write, is no part of it.
    """
    first = re.split(rb"[\r\n]", data[: 4 * PASSPHRASE_LIMIT + 4], maxsplit=1)[0]
    try:
        words = first.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableFile(f"{source}: its first line is not a text in UTF-8") from None
    if len(words) > PASSPHRASE_LIMIT:
        raise UnusableFile(f"{source}: its first line is longer than {PASSPHRASE_LIMIT} characters")
    if not words:
        raise UnusableFile(f"{source}: its first line is empty, and a passphrase was expected there")
    return words
