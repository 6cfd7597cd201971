"""Entries of an audit log that are chained by hashes: of a CA in its database, of a gateway in a file.

Whoever can write all of a log can also write another one: a `Head` that was noted elsewhere detects that.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from bothways.errors import ConfigError

GENESIS = "0" * 64  # the hash before the first entry
FIELDS = ("authority", "number", "at", "actor", "action", "subject", "details")


class ChainBroken(Exception):
    """A log was altered, replaced or shortened; the text says where."""


class Head(NamedTuple):
    """The number of entries and the hash of the last one; noted elsewhere, it detects a log that was rewritten."""

    number: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read a head as it is written, NUMBER:HASH, or raise ConfigError."""
        found = re.fullmatch(r"([1-9][0-9]{0,18}):([0-9a-f]{64})", text)
        if found is None:
            raise ConfigError(
                f"{text!a} is not the head of an audit log; write NUMBER:HASH as its verification prints it"
            )
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


def chained(previous: str, row: Mapping[str, object]) -> str:
    """Return the hash of an entry, over its fields and the hash of the entry before."""
    text = json.dumps([previous, *(row[name] for name in FIELDS)])
    return hashlib.sha256(text.encode()).hexdigest()


class ChainCheck:
    """Checks the entries of a log in order. noted: a head that must be in it.  `head`: that of the entries so far."""

    def __init__(self, noted: Head | None = None) -> None:
        self._noted = noted
        self.head = Head(0, GENESIS)

    def take(self, row: Mapping[str, object], stored: str) -> None:
        """Check the next entry. stored: its hash as it is in the log. Raises ChainBroken."""
        number, noted = self.head.number + 1, self._noted
        if row["number"] != number or stored != chained(self.head.hash, row):
            raise ChainBroken(f"the audit log is broken at entry {number}: it was altered")
        self.head = Head(number, stored)
        if noted is not None and noted.number == number and noted.hash != stored:
            raise ChainBroken(f"the audit log was replaced: entry {number} had the hash {noted.hash}")

    def end(self) -> Head:
        """Check that no noted entry is missing, and return the head. Raises ChainBroken."""
        if self._noted is not None and self._noted.number > self.head.number:
            raise ChainBroken(
                f"the audit log was shortened: it has {self.head.number} entries "
                f"and had {self._noted.number} before"
            )
        return self.head
