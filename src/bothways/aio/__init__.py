"""asyncio: `connect` and `start_server` with the shape of asyncio's own streams."""

from bothways.aio.client import connect, create_connection
from bothways.aio.server import Server, start_server
from bothways.aio.streams import StreamReader, StreamWriter
from bothways.tls.driver import Confirmation

__all__ = [
    "Confirmation",
    "Server",
    "StreamReader",
    "StreamWriter",
    "connect",
    "create_connection",
    "start_server",
]
