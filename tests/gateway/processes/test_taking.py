"""Workers that need long to take a change, and workers that hang: whom they serve, and which of them are ended."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways import ConfigError, PeerAlert, TLSError
from bothways.gateway.files.held import FileReader
from bothways.gateway.log.log import Log
from bothways.gateway.processes.generation import Generation
from bothways.gateway.processes.taking import LATE, routes_of
from bothways.gateway.reload.current import Current
from bothways.net import Channel
from bothways.no_op import do_nothing
from bothways.testing import Identity
from cli_scripting import Background
from gateway.reload.test_loading import READS_HTTP, without_what_reads_http
from gateway.tunnels.test_tunnels_by_keys import keys_of, replaced, table
from gateway_talk import ANYBODY, Setting, behind
from http_callers import until
from processes import children

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers"),
]


@contextlib.contextmanager
def slow(setting: Setting, how: str) -> Iterator[Background]:
    """Two workers that take no change before the file `go` is there."""

    def program(*words: str) -> list[str]:
        return [sys.executable, "-W", "error", str(Path(__file__).with_name("slow_gateway.py")), how, *words]

    server = Background(["gateway", "-c", "gateway.toml", "--workers", "2"], setting.folder, program)
    try:
        yield server
    finally:
        (setting.folder / "go").touch()
        server.end()


def says(channel: Channel, word: bytes) -> bool:
    channel.settimeout(30)
    channel.sendall(word + b"\n")
    return channel.recv(100) == word + b"\n"


def test_a_worker_that_takes_long_serves_nobody_meanwhile_and_loses_no_connection(setting: Setting) -> None:
    """Whoever it would serve by what is older could be revoked; it is not ended, since it makes progress."""
    mutual = setting.mutual
    revoked = mutual.identity("client", dns=["revoked.example"])
    with behind() as port, contextlib.ExitStack() as stack:

        def connect(who: Identity | str = "good") -> Channel:
            return stack.enter_context(mutual.client(who).connect("127.0.0.1", int(server.port)))

        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}')
        server = stack.enter_context(slow(setting, "progress"))
        pids = children(server.process.pid)
        good, leaving = [connect() for _ in range(6)], [connect(revoked) for _ in range(6)]
        assert all(says(each, b"one") for each in (*good, *leaving))
        mutual.revoke(revoked)
        until(lambda: server.printed.count(LATE) == 2)
        for each in (*good, *leaving):
            each.sendall(b"two\n")
        time.sleep(2.5)  # longer than the time after which a worker without progress is ended
        for each in (*good, *leaving):
            each.settimeout(0.01)
            with pytest.raises(TimeoutError):
                each.recv(100)
        (setting.folder / "go").touch()
        for each in leaving:
            each.settimeout(30)
            with pytest.raises(PeerAlert, match="certificate_revoked"):
                each.recv(100)
        for each in good:
            each.settimeout(30)
            assert each.recv(100) == b"two\n"
            assert says(each, b"three")
        until(lambda: "all workers use what was read" in server.printed)
        assert children(server.process.pid) == pids


def test_a_worker_that_hangs_serves_nobody_and_is_ended(setting: Setting) -> None:
    """Another one begins with what has changed."""
    mutual = setting.mutual
    revoked = mutual.identity("client", dns=["revoked.example"])
    with behind() as port, contextlib.ExitStack() as stack:

        def connect(who: Identity | str = "good") -> Channel:
            return stack.enter_context(mutual.client(who).connect("127.0.0.1", int(server.port)))

        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}')
        server = stack.enter_context(slow(setting, "hang"))
        pids = children(server.process.pid)
        leaving = [connect(revoked) for _ in range(6)]
        assert all(says(each, b"one") for each in leaving)
        mutual.revoke(revoked)
        for each in leaving:
            each.settimeout(30)
            with pytest.raises((TLSError, OSError)):
                assert each.recv(100)
        until(lambda: server.printed.count("does not apply the new configuration, and is ended") == 2)
        until(lambda: len(set(children(server.process.pid)) - set(pids)) == 2)
        assert says(connect(), b"two")
        with pytest.raises((TLSError, OSError)):
            says(connect(revoked), b"nothing")


def test_a_worker_goes_by_what_the_supervisor_has_read_and_not_by_what_a_file_is_by_now(
    setting: Setting,
) -> None:
    """Else a key that was removed would stay in use where somebody has just changed the permissions of its file."""
    keys = setting.folder / "keys.toml"
    replaced(keys, keys_of("laptop", "localhost", "removed.example"))
    setting.path.write_text(table(1, 'psk = "keys.toml"'))
    current = Current(str(setting.path), Log(setting.lines.append, "json"), None)
    replaced(keys, keys_of("laptop", "localhost"))
    change = current.read_again()
    current.close()
    keys.chmod(0o644)
    taken = Generation(2, None, change.contents, {}, change.changed, {}, 0.0)
    routes = routes_of(str(setting.path), taken, current.routes, None, do_nothing)
    assert [len(each) for each in routes.held.psks.values()] == [1]
    assert len(change.changed) == 1


def test_a_file_that_others_can_use_is_handed_to_nobody(setting: Setting) -> None:
    keys = setting.folder / "keys.toml"
    replaced(keys, keys_of("laptop", "localhost"))
    reader = FileReader()
    assert reader.private(str(keys)) == keys.read_bytes()
    assert str(keys) in reader.contents
    keys.chmod(0o644)
    other = FileReader()
    with pytest.raises(ConfigError, match="it contains secrets"):
        other.private(str(keys))
    assert not other.contents


def test_a_worker_loads_what_reads_http_with_the_first_route_that_needs_it(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor has loaded it for itself alone: workers were forked before."""
    route = f'backend = "127.0.0.1:1"\n{ANYBODY}'
    setting.write(route)
    current = Current(str(setting.path), Log(setting.lines.append, "json"), None)
    setting.write(f'mode = "http"\n{route}')
    change = current.read_again()
    current.close()
    without_what_reads_http(monkeypatch)
    taken = Generation(2, change.text, change.contents, {}, change.changed, {}, 0.0)
    routes_of(str(setting.path), taken, current.routes, None, do_nothing)
    assert READS_HTTP in sys.modules
