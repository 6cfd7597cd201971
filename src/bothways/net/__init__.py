"""Blocking sockets: `connect` to a server, or `wrap` an existing socket. Both return a `Channel`."""

from bothways.net.channel import Channel
from bothways.net.connecting import connect, wrap
from bothways.tls.driver import Confirmation

__all__ = ["Channel", "Confirmation", "connect", "wrap"]
