"""The values that every part of a handshake is told by: who we are, which version, which step."""

from __future__ import annotations

from enum import Enum, IntEnum


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


class Version(IntEnum):
    """A TLS version that is spoken here; its value is its code on the wire."""

    TLS12 = 0x0303
    TLS13 = 0x0304

    __hash__ = int.__hash__

    @property
    def text(self) -> str:
        """Its number as people write it, such as "1.3"."""
        return "1.2" if self is Version.TLS12 else "1.3"
