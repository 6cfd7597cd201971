"""The inside of our objects, for tests that need what no user may have, each with the reason.

`tests/architecture/test_privates.py` holds that tests of the engine, of sockets and of asyncio reach no private name
of ours but here.
"""

from __future__ import annotations

from bothways import Connection
from bothways.aio.link import Link
from bothways.aio.streams import StreamWriter
from bothways.aio.watch import Watch
from bothways.net.channel import Channel
from bothways.tls.handshake.context import HandshakeContext


def machinery(connection: Connection) -> HandshakeContext:
    """Messages in and out, with their keys: who alters them can send anything, as `tamper` does."""
    return connection._hs


def link_of(writer: StreamWriter) -> Link:
    """What is between streams and the engine: users have the streams, and nothing could be done with it but harm."""
    return writer._link


def connection_of(either: Channel | StreamWriter) -> Connection:
    """The engine's connection: who fed it beside the socket would take bytes away from its stream."""
    return either._pipe.driver.connection if isinstance(either, Channel) else either._link.connection


def has_timer(link: Link) -> bool:
    """Whether it waits for a deadline: what a timer does is public, and comes hours later."""
    return link.tls._timer is not None


def run_timer(link: Link) -> None:
    """Have its timer go off now: a test cannot wait for hours, and the loop's clock is not ours."""
    link.tls._tick()


def looks_later(watch: Watch) -> bool:
    """Whether a timer runs: it is there to do nothing that can be seen, until evidence changes."""
    return watch._timer is not None
