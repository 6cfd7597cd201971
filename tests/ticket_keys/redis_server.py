"""A real server of Redis on a Unix socket, for the tests of those who keep something there."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from interop.peers import find


@dataclass
class RedisServer:
    """A server that runs. url: where it is."""

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it at once, as by a loss of power."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[str]:
    """Run a server while the block lasts, and return its URL."""
    with running_redis(folder, *options) as server:
        yield server.url


@contextlib.contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a server while the block lasts, or until it is killed."""
    path = folder / "redis.sock"
    command = [
        find("redis-server"),
        "--port",
        "0",
        "--unixsocket",
        str(path),
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(path)
            yield RedisServer(f"unix://{path}", process)
        finally:
            process.kill()


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while True:
        with redis.Redis(unix_socket_path=str(path), retry=None) as client:
            try:
                client.ping()
            except redis.AuthenticationError:
                return
            except redis.ConnectionError:
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.01)
            else:
                return
