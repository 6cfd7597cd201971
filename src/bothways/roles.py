"""The values that every part of a handshake is told by: who we are, which version, which step."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum


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


class Phase(StrEnum):
    """The parts of mutual authentication, in their order."""

    HELLO = "1"
    SERVER_AUTHENTICATION = "2"
    CLIENT_AUTHENTICATION = "3"
    OPEN = "4"


class StepId(StrEnum):
    """The id of a check: the same in errors, ladders, logs and tests.

    Ids name checks, not their order on the wire. Each is its text, so that it can be written and looked up as one;
    what it belongs to is asked of it, and never read from its letters.
    """

    CLIENT_HELLO = "1.1"
    SERVER_HELLO = "1.2"
    SERVER_CERTIFICATE = "2.1"
    SERVER_SIGNATURE = "2.2"
    SERVER_VERDICT = "2.3"
    SERVER_PATH = "2.3a"
    SERVER_VALIDITY = "2.3b"
    SERVER_REVOCATION = "2.3c"
    KEY_EXCHANGE = "2.4"
    SESSION_KEYS = "2.5"
    CLIENT_AUTHENTICATION = "3"  # one of those below: which of them is not known
    CLIENT_CERTIFICATE = "3.1"
    CLIENT_SIGNATURE = "3.2"
    CLIENT_VERDICT = "3.3"
    CLIENT_PATH = "3.3a"
    CLIENT_VALIDITY = "3.3b"
    CLIENT_REVOCATION = "3.3c"
    CLIENT_SIGNATURE_CHECK = "3.4"
    CLIENT_FINISHED = "4.1"
    SERVER_FINISHED = "4.2"
    APPLICATION_DATA = "4.3"

    @property
    def phase(self) -> Phase:
        """The part of the handshake that it belongs to."""
        return Phase(self[0])

    def part(self, letter: str) -> StepId:
        """Return a part of a verdict: a (path and name), b (validity) or c (revocation)."""
        return StepId(self + letter)


class Progress(Enum):
    """How far a connection has come, by what the peer can object to."""

    HELLO = "the peer has our hello at most"
    CHOSEN = "the server has answered the hello, and we, a client, have shown nothing of ourselves yet"
    JUDGED = "the peer has our certificate, or knows that we sent none"
    ACCEPTED = "the peer has accepted us"

    __hash__ = object.__hash__
