"""The clients of `serve` at its end, in every state of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from typing import Any

import pytest

import identities
from aio_talk import run
from bothways import TLSError
from bothways.addresses import TCPAddress
from bothways.cli.servers.admission import ServeAdmission
from bothways.cli.servers.reports import Reports
from bothways.cli.servers.services import Service
from bothways.cli.servers.serving import Serving
from bothways.diagnosis import Files
from bothways.net import Channel
from bothways.servers.garbage import THRESHOLDS
from bothways.servers.listening import tcp_socket
from cli_talk import ada

pytestmark = pytest.mark.network


def test_the_end_of_the_server_is_no_end_in_order_of_its_connections(start) -> None:
    """Whoever is silent, in a handshake, waits for a place, or is served: nobody takes a part for the whole."""
    server = start("--client-ca", "ca.pem", "--echo", "--connections", "1")
    with contextlib.ExitStack() as stack:
        served: Channel = stack.enter_context(ada(server))
        served.sendall(b"x")
        assert served.recv(1) == b"x"
        hello = identities.client_config().connection("localhost").data_to_send()
        others = [
            stack.enter_context(socket.create_connection(("127.0.0.1", int(server.port)), 20))
            for _ in range(3)
        ]
        others[1].sendall(hello[:100])
        others[2].sendall(hello)
        assert server.end(signal.SIGTERM) == 0
        with pytest.raises((TLSError, OSError)):
            served.recv(1)
        for each in others:
            with contextlib.suppress(ConnectionResetError):
                # Nothing, or messages of the handshake if it had begun: no alert, so no close_notify.
                assert each.recv(1) in (b"", b"\x16")
    assert server.printed.count("\n") == 2, server.printed


@run
async def test_the_garbage_collector_looks_at_what_is_new_while_it_serves() -> None:
    """Full passes of everything would hold the event loop for long where there are many connections."""
    seen, before = [], gc.get_threshold()

    def ready() -> None:
        seen.append(gc.get_threshold())
        os.kill(os.getpid(), signal.SIGTERM)

    serving = Serving(
        identities.server_config(), Files(), nobody_can_be_served, None, Reports(), ServeAdmission(4)
    )
    with tcp_socket(TCPAddress("127.0.0.1", 0)) as listener:
        await serving.run(listener, ready)
    assert (seen, gc.get_threshold()) == ([THRESHOLDS], before)


@run
async def test_a_defect_ends_the_connection_of_its_client_and_frees_its_place() -> None:
    """Here nobody can be served; the server accepts the next one all the same."""
    loop, ready, defects = asyncio.get_running_loop(), asyncio.Event(), list[dict[str, Any]]()
    admission = ServeAdmission(4)
    serving = Serving(identities.server_config(), Files(), nobody_can_be_served, None, Reports(), admission)
    with tcp_socket(TCPAddress("127.0.0.1", 0)) as listener:
        task = loop.create_task(serving.run(listener, ready.set))
        await ready.wait()
        loop.set_exception_handler(lambda _, context: defects.append(context))
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(identities.client_config().connection("localhost").data_to_send())
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
        assert admission.taken() == (0, 0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert [str(each["exception"]) for each in defects] == ["a defect"] * 3


def nobody_can_be_served() -> Service:
    raise RuntimeError("a defect")
