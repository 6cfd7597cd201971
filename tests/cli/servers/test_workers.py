"""`--workers` of `serve` and `ca serve`: processes that share a port, are replaced, and are started anew."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

import identities
from bothways.addresses import TCPAddress
from bothways.cli.servers.workers import Reloadable, listening_sockets
from bothways.errors import ConfigError
from ca_commands import init
from cli_scripting import Background
from cli_talk import ada
from http_callers import until
from processes import children

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]
ANY_PORT = TCPAddress("127.0.0.1", 0)


def workers(server: Background) -> set[int]:
    """The processes of its workers."""
    return set(children(server.process.pid))


def answers(server: Background) -> bool:
    with ada(server) as channel:
        channel.sendall(b"x")
        return channel.recv(1) == b"x"


def test_workers_have_sockets_of_one_port_and_one_process_shares_its_port_with_nobody() -> None:
    """Port 0 is any free one, the same for all."""
    several = listening_sockets(ANY_PORT, 3)
    ports = {each.getsockname()[1] for each in several}
    assert len(several) == 3 and len(ports) == 1
    (alone,) = listening_sockets(ANY_PORT, None)
    for workers in (None, 2):
        with pytest.raises(OSError, match="in use"):
            listening_sockets(TCPAddress("127.0.0.1", alone.getsockname()[1]), workers)
    for each in (*several, alone):
        each.close()


def test_whoever_waits_in_one_queue_is_accepted_by_any_worker() -> None:
    """One that is busy delays nobody."""
    with contextlib.ExitStack() as opened:
        several = [opened.enter_context(each) for each in listening_sockets(ANY_PORT, 2, one_queue=True)]
        where = several[0].getsockname()
        assert [each.getsockname() for each in several] == [where] * 2
        for _ in range(4):
            opened.enter_context(socket.create_connection(where))
        for worker in (several[1], several[1], several[0], several[1]):
            worker.settimeout(20)
            opened.enter_context(worker.accept()[0])
        with pytest.raises(OSError, match="in use"):
            listening_sockets(TCPAddress(*where), 2, one_queue=True)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers")
def test_workers_of_serve_are_started_anew_and_replaced_and_end_together(start, folder) -> None:
    """One that is killed has a successor; SIGHUP replaces all by what files say, unless that is wrong."""
    server = start("--client-ca", "ca.pem", "--echo", "--workers", "2")
    first = workers(server)
    assert len(first) == 2 and all(answers(server) for _ in range(6))
    os.kill(min(first), signal.SIGKILL)
    until(lambda: len(workers(server)) == 2 and min(first) not in workers(server))
    assert all(answers(server) for _ in range(6))
    assert "ended with signal 9" in server.printed
    good = (folder / "ca.pem").read_bytes()
    (folder / "ca.pem").write_bytes(b"no certificate any more")
    second = workers(server)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "the workers are not replaced: " in server.printed)
    assert workers(server) == second
    (folder / "ca.pem").write_bytes(good + identities.root("Another Root").pem)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: len(workers(server)) == 2 and not workers(server) & second)
    assert answers(server)
    assert server.end() == 0
    assert server.printed.count("is Ada") == 13


def test_workers_of_serve_end_with_the_reason_where_none_can_start(folder) -> None:
    """As one process does: its own port is in use."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = [
            "serve",
            f"127.0.0.1:{taken.getsockname()[1]}",
            "--cert",
            "server.pem",
            "--key",
            "server.key",
        ]
        with pytest.raises(AssertionError, match="in use"):
            Background([*words, "--echo", "--workers", "2"], folder)


def test_workers_of_a_ca_serve_its_crl_and_count_what_each_has_served(tmp_path, monkeypatch) -> None:
    """Their metrics are on ports of their own; together they have served all."""
    monkeypatch.chdir(tmp_path)
    init("--url", "http://127.0.0.1")
    words = ["ca", "serve", "ca", "--listen", "127.0.0.1:0", "--insecure-no-passphrase"]
    server = Background([*words, "--metrics", "127.0.0.1:0", "--workers", "2"], tmp_path)
    try:
        until(lambda: "metrics of worker 2 on " in server.printed)
        for _ in range(8):
            assert fetched(f"http://127.0.0.1:{server.port}/crl/issuing.crl")[:1] == b"\x30"
        ports = re.findall(r"metrics of worker [12] on 127.0.0.1:(\d+)", server.printed)
        counts = [
            sum(
                map(
                    float,
                    re.findall(
                        rb'downloads_total\{kind="crl"\} (\S+)', fetched(f"http://127.0.0.1:{port}/metrics")
                    ),
                )
            )
            for port in ports
        ]
        assert len(counts) == 2 and sum(counts) == 8
    finally:
        assert server.end() == 0


def test_a_ca_that_cannot_be_opened_is_refused_before_there_are_workers(tmp_path) -> None:
    with pytest.raises(AssertionError, match="nowhere: contains no CA"):
        Background(["ca", "serve", "nowhere", "--listen", "127.0.0.1:0", "--workers", "2"], tmp_path)


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as response:
        body: bytes = response.read()
        return body


def test_files_that_cannot_be_used_leave_what_is_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Whether reading them raises, or exits after it has said why: the workers go on with what they have."""
    outcomes: list[str | Exception | SystemExit] = [
        "first",
        ConfigError("a.pem: is empty"),
        SystemExit(2),
        "second",
    ]

    def load() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, str):
            return outcome
        raise outcome

    loaded = Reloadable(load)
    assert [loaded.read_again(), loaded.read_again()] == [False, False]
    assert loaded.current == "first"
    printed = capsys.readouterr().err
    assert "the workers are not replaced: a.pem: is empty" in printed
    assert printed.count("the workers are not replaced") == 2
    assert loaded.read_again() and loaded.current == "second"
