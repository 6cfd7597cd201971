"""The inside of a connection, for tests that have it say what no user of the engine could have it say.

What stands here is all of the engine's state that tests reach without a public way to it, each with the reason.
"""

from __future__ import annotations

from bothways import Connection
from bothways.tls.handshake.context import HandshakeContext


def machinery(connection: Connection) -> HandshakeContext:
    """Messages in and out, with their keys: a user of the engine must never alter them, and a liar does."""
    return connection._hs
