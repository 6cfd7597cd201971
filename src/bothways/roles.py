"""Values that all parts of a handshake use: role, version, ids of steps, progress of the connection."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum


class Role(Enum):
    """Which side of the connection we are."""

    CLIENT = "client"
    SERVER = "server"

    __hash__ = object.__hash__  # faster than the __hash__ of Enum, which is a Python function

    @property
    def peer(self) -> str:
        """The peer's role as errors name it: "client" or "server"."""
        return self.other.value

    @property
    def other(self) -> Role:
        """The role of the other side."""
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


class Version(IntEnum):
    """A TLS version that bothways supports; its value is its code on the wire."""

    TLS12 = 0x0303
    TLS13 = 0x0304

    __hash__ = int.__hash__

    @property
    def text(self) -> str:
        """Its number as text, such as "1.3"."""
        return "1.2" if self is Version.TLS12 else "1.3"


class Phase(StrEnum):
    """The parts of mutual authentication, in their order."""

    HELLO = "1"
    SERVER_AUTHENTICATION = "2"
    CLIENT_AUTHENTICATION = "3"
    OPEN = "4"


class StepId(StrEnum):
    """The id of a check: the same in errors, ladders, logs and tests.

    Ids are not in the order of messages. An id is a string; code uses `phase` to find its group, and never parses it.
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
    CLIENT_AUTHENTICATION = "3"  # one of the checks below, if it is not known which
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
        """Return the id of a part of a verdict. letter: "a" (path and name), "b" (validity) or "c" (revocation)."""
        return StepId(self + letter)


class Progress(Enum):
    """How far a connection has come: what of ours the peer has received and can refuse."""

    HELLO = "the peer has our hello at most"
    CHOSEN = "the server has answered our hello, and we, the client, have not sent our certificate yet"
    JUDGED = "the peer has our certificate, or knows that we sent none"
    ACCEPTED = "the peer has accepted us"

    __hash__ = object.__hash__
