"""asyncio: streams, transports and protocols with the interfaces of asyncio's own, and an authenticated peer."""

from bothways.aio.client import connect, create_connection
from bothways.aio.server import Server, create_server, start_server
from bothways.aio.start_tls import start_tls
from bothways.aio.streams import StreamReader, StreamWriter
from bothways.aio.transport import TLSTransport
from bothways.tls.driver import Confirmation

__all__ = [
    "Confirmation",
    "Server",
    "StreamReader",
    "StreamWriter",
    "TLSTransport",
    "connect",
    "create_connection",
    "create_server",
    "start_server",
    "start_tls",
]
