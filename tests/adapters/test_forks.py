"""Processes that fork: one of the copies of a connection goes on with it, and the others say nothing at their end."""

from __future__ import annotations

import http.client
import http.server
import os
import socketserver
import threading
from typing import Any

import pytest

from bothways.adapters import forks
from ssl_pair import client_context, server_context

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


class Slow(http.server.BaseHTTPRequestHandler):
    """Answers after its server has closed its own copy of the connection."""

    def do_GET(self) -> None:
        threading.Event().wait(0.1)
        content = b"from a child" * 1000
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Forking(socketserver.ForkingMixIn, http.server.HTTPServer):
    """A process for each request, as the standard library has it."""


@pytest.mark.parametrize("at_once", [True, False], ids=["handshake in the parent", "handshake in the child"])
def test_a_parent_that_closes_its_copy_says_nothing_in_the_childs_name(at_once: bool) -> None:
    with Forking(("127.0.0.1", 0), Slow) as server:
        server.socket = server_context().wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=at_once
        )
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        connection = http.client.HTTPSConnection(
            "localhost", server.server_port, context=client_context(), timeout=10
        )
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"from a child" * 1000
        connection.close()
        serving.join(5)


def test_forks_are_counted_on_both_sides() -> None:
    before = forks.count()
    child = os.fork()
    if child == 0:
        os._exit(forks.count() - before)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert forks.count() == before + 1
