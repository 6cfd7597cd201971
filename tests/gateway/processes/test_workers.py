"""Several worker processes on one port: one that is killed, a file that is read again, the end."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bothways import PeerAlert, TLSError, Truncated
from bothways.gateway.log.log import Log
from bothways.gateway.processes import workers as workers_module
from bothways.gateway.processes.workers import Workers
from bothways.gateway.reload import current as current_module
from bothways.gateway.reload.current import LOOKS_FAIL, LOOKS_GO_ON, Current
from bothways.net import Channel, wrap
from bothways.servers import lasting_problem
from bothways.testing import Identity
from bothways.trust.crl import revocation_list
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting, behind
from http_callers import until
from processes import children
from ticket_keys.redis_server import running_redis

pytestmark = [pytest.mark.network, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


@contextlib.contextmanager
def running(setting: Setting, *more: str) -> Iterator[Background]:
    server = Background(["gateway", "-c", "gateway.toml", "--workers", "2", *more], setting.folder)
    try:
        yield server
    finally:
        with contextlib.suppress(ValueError):
            server.end(signal.SIGTERM)


def workers(server: Background) -> list[int]:
    return children(server.process.pid)


def says(channel: Channel, word: bytes) -> bool:
    """Whether a word comes back."""
    channel.settimeout(20)
    channel.sendall(word + b"\n")
    return channel.recv(100) == word + b"\n"


def reported(server: Background) -> list[dict]:
    return [json.loads(line) for line in server.printed.splitlines() if '"who"' in line]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers")
def test_workers_share_a_port_take_a_changed_file_and_one_that_dies_is_started_anew(setting: Setting) -> None:
    """The connections of the others stay; a revocation and a rule count in all of them."""
    mutual = setting.mutual
    denied, revoked = (
        mutual.identity("client", dns=["denied.example"]),
        mutual.identity("client", dns=["r.example"]),
    )

    def connect(who: Identity | str = "good") -> Channel:
        return stack.enter_context(mutual.client(who).connect("127.0.0.1", int(server.port)))

    with behind() as port, contextlib.ExitStack() as stack:
        route = f'backend = "127.0.0.1:{port}"\n{ANYBODY}'
        setting.write(route, times={"drain": 2})
        server = stack.enter_context(running(setting))
        first = workers(server)
        assert len(first) == 2
        channels = [connect() for _ in range(12)]
        assert all(says(each, b"one") for each in channels)

        os.kill(first[0], signal.SIGKILL)
        until(lambda: "ended with signal 9" in server.printed and len(set(workers(server)) - {first[0]}) == 2)
        alive = []
        for each in channels:
            with contextlib.suppress(Exception):
                if says(each, b"two"):
                    alive.append(each)
        assert 0 < len(alive) < 12
        later = [connect() for _ in range(8)] + [connect(denied) for _ in range(8)]
        assert all(says(each, b"three") for each in later)

        setting.write(f"{route}\n[[route.deny]]\ndns = 'denied.example'", times={"drain": 2})
        server.process.send_signal(signal.SIGHUP)
        until(
            lambda: (
                "reloaded: gateway.toml" in server.printed
                and "all workers use what was read" in server.printed
            )
        )
        for each in later[8:]:
            with pytest.raises(PeerAlert, match="access_denied"):
                each.recv(1)
        assert all(says(each, b"four") for each in (*alive, *later[:8]))

        leaving = [connect(revoked) for _ in range(6)]
        assert all(says(each, b"five") for each in leaving)
        mutual.revoke(revoked)
        for each in leaving:
            with pytest.raises(PeerAlert, match="certificate_revoked"):
                each.recv(1)
        assert all(says(each, b"six") for each in (*alive, *later[:8]))

        setting.path.write_text("broken")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "not reloaded, the earlier configuration stays in use" in server.printed)
        assert all(says(each, b"seven") for each in alive)
        for each in (*alive, *later[:8]):
            each.close()
        assert server.end() == 0
        assert "Traceback" not in server.printed
        assert {each["worker"] for each in reported(server)} == {1, 2}


def counts(server: Background) -> Counter[tuple[str, bool]]:
    """How often what was called, each in the supervisor or in a worker."""
    words = [line.split() for line in server.printed.splitlines() if line.startswith("counted ")]
    return Counter((name, int(pid) == server.process.pid) for _, name, pid in words)


def test_one_process_reads_and_checks_a_long_crl_for_all(setting: Setting) -> None:
    """Workers neither parse nor index nor hash it again, nor read the configuration, which has not changed."""
    mutual = setting.mutual

    def connect(who: Identity | str = "good") -> Channel:
        return stack.enter_context(mutual.client(who).connect("127.0.0.1", int(server.port)))

    with behind() as port, contextlib.ExitStack() as stack:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}')
        words = ["gateway", "-c", "gateway.toml", "--workers", "2"]
        server = Background(words, setting.folder, counted_gateway)
        stack.callback(server.end)
        good = [connect() for _ in range(6)]
        assert all(says(each, b"one") for each in good)
        before = counts(server)
        for place in range(2):
            revoked = mutual.identity("client", dns=[f"r{place}.example"])
            leaving = [connect(revoked) for _ in range(6)]
            assert all(says(each, b"two") for each in leaving)
            mutual.revoke(revoked)
            for each in leaving:
                with pytest.raises(PeerAlert, match="certificate_revoked"):
                    each.recv(1)
            until(lambda number=place + 1: server.printed.count("all workers use what was read") == number)
            with pytest.raises((PeerAlert, Truncated)):
                says(connect(revoked), b"nothing")
        crls = mutual.crl.read_bytes().count(b"BEGIN X509 CRL")
        read = counts(server) - before
        assert read == {("index_entries", True): 2 * crls, ("digest_of", True): 2 * crls}
        assert not {name for name, is_supervisor in counts(server) if not is_supervisor}  # since the start
        assert all(says(each, b"three") for each in good)


def test_the_audit_file_tells_a_change_before_whom_it_ends(setting: Setting) -> None:
    """The supervisor tells the one, and workers the other."""
    with behind() as port:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', audit={"file": "audit.log"})
        revoked = setting.mutual.identity("client", dns=["r.example"])
        with (
            running(setting) as server,
            setting.mutual.client(revoked).connect("127.0.0.1", int(server.port)) as channel,
        ):
            assert says(channel, b"one")
            setting.mutual.revoke(revoked)
            with pytest.raises(PeerAlert, match="certificate_revoked"):
                channel.recv(1)
            path = setting.folder / "audit.log"
            until(lambda: "withdrawn" in path.read_text())
        actions = [json.loads(line)["action"] for line in path.read_text().splitlines()]
        assert actions == ["start", "allowed", "reload", "withdrawn"]


def counted_gateway(*words: str) -> list[str]:
    program = Path(__file__).with_name("counted_gateway.py")
    return [sys.executable, "-W", "error", str(program), *words]


def test_listeners_that_are_new_in_the_file_are_handed_to_all_workers(setting: Setting) -> None:
    """A Unix socket is shared by them; it is gone when they are, and an address that is taken changes nothing."""
    with behind() as port, contextlib.ExitStack() as stack:
        route = f'backend = "127.0.0.1:{port}"\n{ANYBODY}'
        setting.write(route, times={"drain": 1})
        server = stack.enter_context(running(setting))
        text = setting.path.read_text()
        setting.path.write_text(text.replace("[[route]]", '[[listener]]\nunix = "in.sock"\n[[route]]'))
        server.process.send_signal(signal.SIGHUP)
        until(
            lambda: (
                "reloaded: gateway.toml" in server.printed
                and "all workers use what was read" in server.printed
            )
        )
        path = setting.folder / "in.sock"
        for _ in range(6):
            plain = socket.socket(socket.AF_UNIX)
            plain.connect(str(path))
            with wrap(plain, setting.mutual.client().config, server_name="localhost") as channel:
                assert says(channel, b"through a file")
        more = f'[audit]\nfile = "audit"\n[[listener]]\nport = {port}\n[[route]]'
        setting.path.write_text(text.replace("[[route]]", more))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "cannot listen on 127.0.0.1" in server.printed)
        held = [os.path.realpath(each) for each in Path(f"/proc/{server.process.pid}/fd").glob("*")]
        assert str(setting.folder / "audit") not in held  # it is tried again every few seconds
        assert server.end() == 0
        assert not path.exists()


def test_workers_that_share_ticket_keys_resume_the_sessions_of_each_other(setting: Setting) -> None:
    """RFC 9846 4.7.1; without a shared file a worker resumes its own only."""
    with behind() as port, contextlib.ExitStack() as stack:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 1})
        server = stack.enter_context(running(setting, "--ticket-keys", "tickets"))
        client = setting.mutual.client()
        resumed = []
        for _ in range(10):
            with client.connect("127.0.0.1", int(server.port)) as channel:
                assert says(channel, b"hello")
                resumed.append(channel.resumed)
        assert resumed == [False] + [True] * 9
        until(lambda: {each["worker"] for each in reported(server)} == {1, 2})


def test_an_address_that_is_taken_ends_it_before_a_worker_is_started(setting: Setting) -> None:
    with behind() as port:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}')
        setting.path.write_text(setting.path.read_text().replace("port = 0", f"port = {port}"))
        with pytest.raises(AssertionError, match="cannot listen on 127.0.0.1"):
            Background(["gateway", "-c", "gateway.toml", "--workers", "2"], setting.folder)


def test_a_second_gateway_does_not_take_a_part_of_the_clients_of_the_first(setting: Setting) -> None:
    """It might have other rules. Its own port is no obstacle to a listener on all addresses."""
    with behind() as port, contextlib.ExitStack() as stack:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 1})
        server = stack.enter_context(running(setting))
        text = setting.path.read_text()
        other = setting.folder / "other.toml"
        other.write_text(text.replace("port = 0", f"port = {server.port}"))
        with pytest.raises(AssertionError, match="address already in use"):
            Background(["gateway", "-c", "other.toml", "--workers", "2"], setting.folder)
        setting.path.write_text(text.replace("port = 0", f'host = "0.0.0.0"\nport = {server.port}'))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "all workers use what was read" in server.printed)
        with setting.mutual.client().connect("127.0.0.1", int(server.port)) as channel:
            assert says(channel, b"hello")
        assert server.end() == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers")
def test_a_worker_that_is_killed_while_files_change_begins_with_what_they_have_become(
    setting: Setting,
) -> None:
    """Whenever the kill comes, nobody is let in by an earlier file."""
    with behind() as port, contextlib.ExitStack() as stack:
        route = f'backend = "127.0.0.1:{port}"\n{ANYBODY}'
        setting.write(route, times={"drain": 1})
        server = stack.enter_context(running(setting))
        for turn in range(3):
            who = setting.mutual.identity("client", dns=[f"client{turn}.example"])
            setting.write(f"{route}\n[[route.deny]]\ndns = 'client{turn}.example'", times={"drain": 1})
            serving = workers(server)
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.02 * turn)
            os.kill(serving[0], signal.SIGKILL)
            until(lambda n=turn: server.printed.count("reloaded: gateway.toml") == n + 1)
            until(lambda old=serving[0]: len(set(workers(server)) - {old}) == 2)
            until(lambda n=turn: server.printed.count("all workers use what was read") >= n + 1)
            for _ in range(6):
                with pytest.raises((PeerAlert, ConnectionError)) as refused:
                    setting.mutual.client(who).connect("127.0.0.1", int(server.port)).recv(1)
                assert "access_denied" in str(refused.value) or isinstance(refused.value, ConnectionError)
        assert server.end() == 0
        assert "Traceback" not in server.printed


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers")
def test_workers_end_with_their_supervisor_even_if_it_is_killed(setting: Setting) -> None:
    """During a reload too; nobody goes on serving what nobody follows any more."""
    with behind() as port, contextlib.ExitStack() as stack:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 1})
        server = stack.enter_context(running(setting))
        channel = stack.enter_context(setting.mutual.client().connect("127.0.0.1", int(server.port)))
        assert says(channel, b"one")
        serving = workers(server)
        server.process.send_signal(signal.SIGHUP)
        server.process.kill()
        until(lambda: not any(Path(f"/proc/{each}/exe").exists() for each in serving))
        with contextlib.suppress(Truncated, OSError):
            assert not says(channel, b"two")
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", int(server.port)), 5)


def test_workers_count_the_connections_of_a_client_together(setting: Setting, tmp_path: Path) -> None:
    """Also by what the supervisor has handed out later."""
    (tmp_path / "redis").mkdir()
    (setting.folder / "secret").write_text("ab" * 32)
    with behind() as port, running_redis(tmp_path / "redis") as redis, contextlib.ExitStack() as stack:
        limits = {"per_identity": 1, "shared": redis.url, "shared_secret": "secret"}
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 1}, limits=limits)
        server = stack.enter_context(running(setting))
        client = setting.mutual.client()

        def refuses() -> bool:
            """Whether this or the other worker refuses one more; this one needs no answer of Redis for that."""
            with (
                client.connect("127.0.0.1", int(server.port)) as channel,
                contextlib.suppress(TLSError, OSError),
            ):
                return not says(channel, b"one more")
            return True

        holding = stack.enter_context(client.connect("127.0.0.1", int(server.port)))
        assert says(holding, b"hello")
        until(lambda: refuses() and "connections to all gateways" in server.printed)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "all workers use what was read" in server.printed)
        before = server.printed.count("connections to all gateways")
        until(lambda: refuses() and server.printed.count("connections to all gateways") > before)
        assert says(holding, b"still there")


def test_a_look_that_fails_again_and_again_is_told_once(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours: it was ten lines a second."""

    def fail(_: Current) -> bool:
        raise RuntimeError("a defect")

    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
    log = Log(setting.lines.append, "json")
    current = Current(str(setting.path), log, None)
    workers = Workers(str(setting.path), log, current, None, 2, list)
    with monkeypatch.context() as patch:
        patch.setattr(Current, "is_other_configuration", fail)
        for _ in range(20):
            workers.look()
    monkeypatch.setattr(lasting_problem, "OVER_SECONDS", 0.0)
    for _ in range(20):
        workers.look()
    assert setting.events() == [f"{LOOKS_FAIL}: RuntimeError('a defect')", LOOKS_GO_ON]
    current.close()


@pytest.mark.parametrize("how", ["a file", "the configuration"])
def test_a_change_for_which_there_is_no_memory_is_not_in_use_and_is_made_again(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Workers would go by the earlier one, and the supervisor believe that it was handed out."""
    monkeypatch.setattr(current_module, "TRY_AGAIN_SECONDS", 0.1)
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
    log = Log(setting.lines.append, "json")
    current = Current(str(setting.path), log, None)
    workers = Workers(str(setting.path), log, current, None, 2, list)
    before, failed = current.routes, []

    def sealed(*_: object) -> None:
        failed.append(1)
        raise OSError(errno.ENOSPC, "no room")

    def look_until(holds: Callable[[], object]) -> None:
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end
            workers.look()
            time.sleep(0.02)

    with monkeypatch.context() as patch:
        patch.setattr(workers_module, "SealedGeneration", sealed)
        if how == "a file":
            setting.mutual.revoke(setting.mutual.identity("client"))
        else:
            setting.write(f'backend = "127.0.0.1:2"\n{ANYBODY}')
        look_until(lambda: len(failed) >= 3)
        assert current.routes is before
        assert any("no room" in each for each in setting.events())
    if how == "a file":
        look_until(lambda: current.routes is not before)
    current.close()


def test_a_long_crl_that_has_not_changed_is_not_handed_out_again(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers have it already: a change of the configuration copies no large file."""
    monkeypatch.setattr(revocation_list, "LONG_CRL", 0)
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
    log, handed = Log(setting.lines.append, "json"), []
    current = Current(str(setting.path), log, None)
    workers = Workers(str(setting.path), log, current, None, 2, list)

    def sealed(_: int, text: str | None, contents: dict, changed: frozenset, lists: dict) -> None:
        handed.append((text is None, str(setting.mutual.crl) in contents, set(lists), changed))
        raise OSError(errno.ENOSPC, "not really")

    def handed_out() -> tuple[bool, bool, set[str], frozenset[str]]:
        handed.clear()
        end = time.monotonic() + 20
        while not handed:
            assert time.monotonic() < end
            workers.look()
            time.sleep(0.02)
        return handed[0]

    monkeypatch.setattr(workers_module, "SealedGeneration", sealed)
    setting.write(f'backend = "127.0.0.1:2"\n{ANYBODY}')
    assert handed_out() == (False, False, set(), frozenset())
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
    setting.mutual.revoke(setting.mutual.identity("client"))
    path = str(setting.mutual.crl)
    while path not in (found := handed_out())[3]:
        pass
    assert found[1:] == (False, {path}, {path})
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}', crl=False)
    current.take(current.read_again())
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')  # again, with the same content
    assert handed_out() == (False, False, {path}, frozenset())
    current.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers")
def test_a_file_that_is_gone_when_another_changes_ends_no_worker(setting: Setting) -> None:
    """What was in it stays in use, as without workers; the other file counts."""
    mutual = setting.mutual
    revoked = mutual.identity("client", dns=["revoked.example"])
    (setting.folder / "more.pem").write_bytes((setting.folder / "pki" / "ca.pem").read_bytes())
    with behind() as port, contextlib.ExitStack() as stack:

        def connect(who: Identity | str = "good") -> Channel:
            return stack.enter_context(mutual.client(who).connect("127.0.0.1", int(server.port)))

        own = 'client_ca = "more.pem"'
        setting.write(f'backend = "127.0.0.1:{port}"\n{own}\n{ANYBODY}')
        server = stack.enter_context(running(setting))
        pids = workers(server)
        leaving, good = connect(revoked), [connect() for _ in range(6)]
        assert says(leaving, b"one") and all(says(each, b"one") for each in good)
        (setting.folder / "more.pem").unlink()
        mutual.revoke(revoked)
        leaving.settimeout(30)
        with pytest.raises(PeerAlert, match="certificate_revoked"):
            leaving.recv(1)
        until(lambda: "all workers use what was read" in server.printed)
        assert all(says(each, b"two") for each in good)
        assert workers(server) == pids
