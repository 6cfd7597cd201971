"""Commands that may open few files: they say so at once; servers go on when connections take all."""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
import sys
import time

import pytest

import identities
from bothways.cli.commands import CLIENT_DESCRIPTORS, DESCRIPTORS, SERVER_DESCRIPTORS
from bothways.net import connect
from cli_scripting import Background, until_printed
from cli_talk import IDENTITY
from command_line import environment
from processes import free_port

pytestmark = pytest.mark.network

NEEDS_PRLIMIT = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="the limit of another process is Linux's to set"
)
EACH = """
import json, resource, sys
from bothways.cli.commands import bothways
from bothways.cli.output.terminal import run

for words in json.loads(sys.argv.pop()):
    resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
    sys.argv[1:] = words
    print(json.dumps([words[0], run(bothways)]), flush=True)
"""


def test_with_few_descriptors_each_command_ends_with_what_to_do(folder):
    """`demo` waited for ever, `run` and `gateway` too, and `ca serve` was aborted by libuv."""
    commands = [*([name] for name in DESCRIPTORS), ["ca", "serve", "ca"]]
    done = subprocess.run(
        [sys.executable, "-c", EACH, json.dumps([*commands, ["show", "ada.pem"]])],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    statuses = [json.loads(each) for each in done.stdout.splitlines() if each.startswith("[")]
    assert statuses == [*([words[0], 2] for words in commands), ["show", 0]], done.stderr
    for count in (CLIENT_DESCRIPTORS, SERVER_DESCRIPTORS):
        needing = [*DESCRIPTORS.values(), SERVER_DESCRIPTORS].count(count)
        assert done.stderr.count(f"files and sockets can be opened, and {count} are needed") == needing
    assert done.stderr.count("ulimit -n 1024") == len(commands)
    assert "Traceback" not in done.stderr


APP = """
import sys
sys.modules["uvloop"] = None  # asyncio reports each of 2,048 failures to accept in a second


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
"""


@NEEDS_PRLIMIT
@pytest.mark.parametrize("command", ["run", "tunnel"])
def test_connections_that_take_every_descriptor_fill_no_log_and_are_served_later(folder, command):
    (folder / "app.py").write_text(APP)
    words = {
        "run": ["app:app", "--listen", "127.0.0.1:0", *IDENTITY],
        "tunnel": [
            f"127.0.0.1:{free_port()}", "localhost:1", "--insecure-tcp",
            "--ca", "ca.pem", "--cert", "ada-whole.pem",
        ],
    }  # fmt: skip
    server = Background([command, *words[command]], folder)
    try:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (20, 20))
        flood = [socket.create_connection(("127.0.0.1", int(server.port))) for _ in range(40)]
        until_printed(server, "connections cannot be accepted for now: Too many open files")
        time.sleep(1.2)  # the event loop tries again after a second
        assert server.printed.count("connections cannot be accepted") == 1
        assert "Traceback" not in server.printed
        for each in flood:
            each.close()
        if command == "run":
            with connect("127.0.0.1", int(server.port), identities.client_config(), timeout=20) as channel:
                channel.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert channel.recv(100).startswith(b"HTTP/1.1 200 OK")
    finally:
        server.end(signal.SIGTERM)
