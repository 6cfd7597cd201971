"""Blocking sockets: `connect` to a server, `wrap` a socket that is already there. Both give a `Channel`."""

from bothways.net.channel import Channel, Confirmation, connect, wrap

__all__ = ["Channel", "Confirmation", "connect", "wrap"]
