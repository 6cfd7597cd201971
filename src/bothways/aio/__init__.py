"""asyncio: `connect` and `start_server` with the shape of asyncio's own streams."""

from bothways.aio.client import connect
from bothways.aio.link import Confirmation
from bothways.aio.server import Server, start_server
from bothways.aio.streams import StreamReader, StreamWriter

__all__ = ["Confirmation", "Server", "StreamReader", "StreamWriter", "connect", "start_server"]
