"""Ticket keys in a real Redis: shared, expiring, encrypted; and what it costs when it is gone."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from bothways import ConfigError, SessionStore, SharedTicketKeys
from bothways.testing import MutualTLS
from bothways.ticket_keys.file_store import StoreFailed
from bothways.ticket_keys.redis_store import LARGEST_STORED, RedisStore
from bothways.ticket_keys.shared import DEFAULT_NAME
from bothways.ticket_keys.shared_ring import decoded
from bothways.ticket_keys.store_answers import encoded
from bothways.ticket_keys.wrapping import Wrapping
from bothways.tls.defaults import CLOCK
from pair import FrozenClock, pair
from processes import free_port
from ticket_keys.redis_server import redis_server, running_redis
from tls.handshake.conversations import client_config, server_config

DAY = timedelta(days=1)
SECRET = bytes(range(32))

pytestmark = [pytest.mark.interop, pytest.mark.network]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        client.flushall()
        yield client


def test_a_value_is_put_read_and_replaced_once(url: str, client: redis.Redis) -> None:
    store, other = RedisStore(url, "name"), RedisStore(url, "name")
    assert store.load() is None
    assert store.replace(None, b"one", DAY)
    assert not other.replace(None, b"of another", DAY)
    assert other.load() == b"one"
    assert other.replace(b"one", b"two", DAY)
    assert not store.replace(b"one", b"three", DAY)
    assert store.load() == b"two"
    assert 0 < client.pttl("name") <= DAY.total_seconds() * 1000
    assert RedisStore(url, "another name").load() is None


def test_a_value_that_another_server_changed_meanwhile_is_not_overwritten(
    url: str, client: redis.Redis, tmp_path: Path
) -> None:
    """WATCH: between our look and our write."""
    RedisStore(url, "name").replace(None, b"one", DAY)
    path = tmp_path / "front.sock"

    def pass_on(data: bytes) -> None:
        if data.startswith(encoded(["MULTI"])):
            client.set("name", b"of another")

    with in_front_of(url, path, pass_on):
        assert not RedisStore(f"unix://{path}", "name").replace(b"one", b"two", DAY)
    assert RedisStore(url, "name").load() == b"of another"


@contextlib.contextmanager
def in_front_of(url: str, path: Path, told: Callable[[bytes], None]) -> Iterator[None]:
    """Takes one connection to a server, and is told what is asked before it is passed on."""

    def serve() -> None:
        ours, _ = listener.accept()
        with ours, socket.socket(socket.AF_UNIX) as theirs:
            theirs.connect(url.removeprefix("unix://"))
            while data := ours.recv(65536):
                told(data)
                theirs.sendall(data)
                ours.sendall(theirs.recv(65536))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize(
    "answer", [b"$2000000000\r\n", b"+", b"*1000000000\r\n:1\r\n", b"*9\r\n" + b":1\r\n" * 8]
)
def test_of_an_answer_without_end_no_more_is_read_than_was_asked_for(tmp_path: Path, answer: bytes) -> None:
    """By whoever answers in the place of the server; it is left, and sees no question again."""
    sent = 0

    def serve() -> None:
        nonlocal sent
        taken, _ = listener.accept()
        with taken, contextlib.suppress(ConnectionError):
            taken.recv(65536)
            taken.sendall(answer)
            while sent < 1 << 26:
                taken.sendall(b"x" * 65536)
                sent += 65536

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(StoreFailed, match="it answers with more|it does not answer as"):
            RedisStore(f"unix://{tmp_path}/s", "name").load()
        thread.join()
    assert sent < 1 << 21  # what fits into the buffers of a socket


def test_tls_verifies_the_server(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    with MutualTLS(tmp_path / "pki") as mutual:
        mine, port = mutual.identity("server"), free_port()
        tls: list[object] = ["--tls-port", port, "--tls-cert-file", mine.cert, "--tls-key-file", mine.key]
        others = ["--tls-ca-cert-file", mutual.ca, "--tls-auth-clients", "no"]
        with running_redis(tmp_path, *map(str, [*tls, *others])):
            store = RedisStore(f"rediss://localhost:{port}?ssl_ca_certs={mutual.ca}", "name")
            assert store.replace(None, b"one", DAY) and store.load() == b"one"
            with pytest.raises(StoreFailed, match="certificate verify failed"):
                RedisStore(f"rediss://localhost:{port}", "name").load()


def test_a_value_of_others_is_read_up_to_a_limit_only(url: str, client: redis.Redis) -> None:
    store = RedisStore(url, "name")
    client.set("name", bytes(LARGEST_STORED + 1))
    with pytest.raises(StoreFailed, match="no value of ours"):
        store.load()
    client.delete("name")
    client.lpush("name", "a list")
    with pytest.raises(StoreFailed, match="WRONGTYPE"):
        store.load()


def test_servers_share_keys_that_nobody_reads_in_the_store(url: str, client: redis.Redis) -> None:
    now = CLOCK.now()
    ours = client_config(sessions=SessionStore(), clock=FrozenClock(now))
    resumed = []
    for _ in range(3):
        keys = SharedTicketKeys.in_redis(url, secret=SECRET)
        keys.close()
        keys.refresh()
        talk = pair(ours, server_config(tickets=keys, clock=FrozenClock(now)))
        talk.exchange()
        resumed.append(talk.client.resumed)
    assert resumed == [False, True, True]
    stored = client.get(DEFAULT_NAME)
    assert isinstance(stored, bytes)
    ring = decoded(Wrapping(SECRET, DEFAULT_NAME).unwrap(stored), DAY)
    for key in (ring.current, ring.next):
        assert key.secret not in stored and key.secret.hex().encode() not in stored
    other = SharedTicketKeys.in_redis(url, secret=SECRET[::-1])
    other.close()
    other.refresh()
    assert other.ring(now, os.urandom) is None
    assert client.get(DEFAULT_NAME) == stored


def test_a_server_that_is_gone_or_wants_a_password_is_a_failure_that_names_no_password(
    tmp_path: Path,
) -> None:
    with redis_server(tmp_path, "--requirepass", "right") as url:
        store = RedisStore(f"{url}?password=wrong", "name")
        with pytest.raises(StoreFailed, match="it cannot be reached: ") as caught:
            store.load()
        assert "wrong" not in f"{caught.value} {store.where}".replace("WRONGPASS", "")
        good = RedisStore(f"{url}?password=right", "name")
        assert good.load() is None
    for write in (
        good.load,
        lambda: good.replace(None, b"one", DAY),
        lambda: good.replace(b"one", b"two", DAY),
    ):
        with pytest.raises(StoreFailed, match=r"it cannot be reached: .*[^.]$"):
            write()


def test_a_server_that_takes_connections_and_says_nothing_is_left_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bothways.ticket_keys.redis_store.ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = RedisStore(f"redis://user:secret@127.0.0.1:{silent.getsockname()[1]}/3", "name")
        assert store.where == f"name in redis://127.0.0.1:{silent.getsockname()[1]}/3"
        with pytest.raises(StoreFailed, match="it cannot be reached: "):
            store.load()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://localhost", "http://localhost: expected one of redis://"),
        ("localhost:6379", "expected one of redis://"),
        ("redis://localhost:port", "redis://localhost:port: "),
    ],
)
def test_an_address_that_cannot_be_is_a_config_error(url: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RedisStore(url, "name")
    assert problem in str(caught.value)


def test_names_of_valkey_are_the_same(url: str) -> None:
    for scheme in ("valkey", "valkeys"):
        assert RedisStore(f"{scheme}://localhost:1/0", "name").where == f"name in {scheme}://localhost:1/0"


def test_without_the_client_library_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r"require the package redis: pip install 'bothways\[redis\]'"):
        RedisStore("redis://localhost", "name")


def test_a_short_secret_is_refused_before_anything_is_connected() -> None:
    with pytest.raises(ConfigError, match="secret: expected 32 random bytes"):
        SharedTicketKeys.in_redis("redis://127.0.0.1:1", secret=os.urandom(16))
