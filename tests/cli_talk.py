"""What tests of `bothways serve` share: our server as a process, and a client of it."""

from __future__ import annotations

import socket

import identities
from bothways.net import Channel, connect
from cli_scripting import Background

IDENTITY = ["--cert", "server.pem", "--key", "server.key"]


def ada(server: Background, host: str = "127.0.0.1", **options) -> Channel:
    channel = connect(host, int(server.port), identities.client_config(identities.client()), **options)
    channel.settimeout(20)
    return channel


def read_all(channel: Channel | socket.socket) -> bytes:
    parts = []
    while part := channel.recv(65536):
        parts.append(part)
    return b"".join(parts)
