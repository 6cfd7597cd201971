"""Blocking sockets: `connect` to a server, `wrap` a socket that is already there. Both give a `Channel`."""

from bothways.net.channel import Channel, connect, wrap
from bothways.tls.driver import Confirmation

__all__ = ["Channel", "Confirmation", "connect", "wrap"]
