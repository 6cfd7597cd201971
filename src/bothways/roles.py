"""The values that every part of a handshake is told by: who we are, which version, which step."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """Which side of the connection we are."""

    CLIENT = "client"
    SERVER = "server"

    __hash__ = object.__hash__  # Enum's own is a call in Python, and the table is looked up for every message

    @property
    def peer(self) -> str:
        """The other side, as errors name it."""
        return self.other.value

    @property
    def other(self) -> Role:
        """The role of the other side."""
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT
