"""What tests of `bothways serve` share: our server as a process, and a client of it."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import identities
from bothways.net import Channel, connect
from cli_scripting import Background
from command_line import bothways, environment, run_command

IDENTITY = ["--cert", "server.pem", "--key", "server.key"]


def ada(server: Background, host: str = "127.0.0.1", **options) -> Channel:
    channel = connect(host, int(server.port), identities.client_config(identities.client()), **options)
    channel.settimeout(20)
    return channel


def there_and_back(folder: Path, port: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `bothways connect` to an echo server, and send it this line."""
    return run_command(
        bothways("connect", f"127.0.0.1:{port}", *options),
        cwd=folder,
        env=environment(),
        input="there and back\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def read_all(channel: Channel | socket.socket) -> bytes:
    parts = []
    while part := channel.recv(65536):
        parts.append(part)
    return b"".join(parts)
