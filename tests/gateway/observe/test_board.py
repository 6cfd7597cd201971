"""The numbers of several worker processes: summed, and kept when one of them is killed."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways import PeerAlert
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting, behind
from http_callers import until
from operator_talk import asked, samples
from processes import children

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers"),
]


@contextlib.contextmanager
def running(setting: Setting) -> Iterator[Background]:
    server = Background(["gateway", "-c", "gateway.toml", "--workers", "2"], setting.folder)
    try:
        yield server
    finally:
        with contextlib.suppress(ValueError):
            server.end(signal.SIGTERM)


def test_counters_of_a_worker_that_is_killed_are_not_lost_and_not_counted_twice(setting: Setting) -> None:
    """It is not ready meanwhile; whoever is asked answers for all."""
    path = setting.folder / "m.sock"

    def ready() -> tuple[int, str]:
        status, _, text = asked(path, "/readyz")
        return status, text.decode()

    with behind() as port, contextlib.ExitStack() as stack:
        setting.write(
            f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 1}, metrics={"unix": "m.sock"}
        )
        server = stack.enter_context(running(setting))
        until(lambda: ready() == (200, "ready\n"))
        client = setting.mutual.client()

        def connect(count: int) -> list:
            made = [stack.enter_context(client.connect("127.0.0.1", int(server.port))) for _ in range(count)]
            for each in made:
                each.sendall(b"word\n")
                assert each.recv(100) == b"word\n"
            return made

        opened = connect(24)  # so many that each worker has some
        with contextlib.suppress(PeerAlert, OSError):
            setting.mutual.client("revoked").connect("127.0.0.1", int(server.port)).recv(1)
        until(lambda: samples(path).get(("connections",)) == 24)
        before = samples(path)
        assert before["handshakes_total", "", "completed"] == 24
        until(lambda: samples(path).get(("connections_ended_total", "REVOKED")) == 1)
        until(lambda: samples(path)["bytes_total", "in", "route 1"] == 120)

        pid = server.process.pid
        first = children(pid)[0]
        os.kill(first, signal.SIGKILL)
        until(lambda: samples(path).get(("workers_ended_total",)) == 1)
        until(lambda: ready() == (200, "ready\n"))
        connect(6)
        until(lambda: samples(path)["handshakes_total", "", "completed"] == 30)
        after = samples(path)
        assert after["decisions_total", "route 1", "any verified client", "allowed"] == 30
        until(lambda: samples(path)["bytes_total", "in", "route 1"] == 150)
        until(lambda: 6 < samples(path)["connections",] < 30)  # those of the worker that was killed are gone
        assert after["not_counted_total",] == 0
        for each in opened:
            each.close()

        generation = after["generation",]
        server.process.send_signal(signal.SIGHUP)
        until(lambda: samples(path)["generation",] == generation + 1 and ready()[0] == 200)
        setting.path.write_text(setting.path.read_text().replace("[metrics]", "[metrix]"))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: samples(path).get(("reloads_total", "refused")) == 1)
        assert samples(path)["reloads_total", "taken"] == 1 and ready()[0] == 200
        assert server.end() == 0
        assert not path.exists() and "Traceback" not in server.printed
