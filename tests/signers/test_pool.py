"""Threads that sign: so many at once, so many that wait, and no longer than was said."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable

import pytest

from bothways import ClientConfig, Credentials, ServerConfig
from bothways.aio import connect as aio_connect
from bothways.aio import start_server
from bothways.errors import TimedOut, TLSError
from bothways.iana import SignatureScheme
from bothways.net import connect
from bothways.signers import SignerBusy, SigningPool
from bothways.tls.crypto.signing import sign
from interop.programs import serving
from tls.handshake.conversations import anchors, credentials, identity

pytestmark = pytest.mark.network

PATIENCE = 20.0


def by_key(scheme: str, data: bytes) -> bytes:
    return sign(SignatureScheme[scheme], identity("localhost").key, data)


def server(pool: SigningPool) -> ServerConfig:
    own = Credentials.external(identity("localhost").chain_pem, pool)
    return ServerConfig(credentials=own, client_anchors=anchors(), groups=("x25519", "secp256r1"))


def client(**options: object) -> ClientConfig:
    fields = {
        "anchors": anchors(),
        "credentials": credentials("client.example"),
        "groups": ("x25519", "secp256r1"),
    }
    return ClientConfig(**fields | options)  # type: ignore[arg-type]


class Gate:
    """A signer whose calls wait until the gate is opened; `most` is how many were in it at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._now = self.most = 0

    def __call__(self, scheme: str, data: bytes) -> bytes:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self.inside.release()
        assert self.open.wait(PATIENCE)
        with self._lock:
            self._now -= 1
        return by_key(scheme, data)


def test_sessions_sign_at_once_and_the_rest_waits() -> None:
    gate = Gate()
    pool = SigningPool(gate, at_once=3, waiting=4)
    futures = [pool.submit("ecdsa_secp256r1_sha256", bytes([n])) for n in range(7)]
    for _ in range(3):
        assert gate.inside.acquire(timeout=PATIENCE)
    with pytest.raises(SignerBusy, match="7 signatures are waited for already"):
        pool.submit("ecdsa_secp256r1_sha256", b"one more")
    gate.open.set()
    assert all(future.result(PATIENCE) for future in futures)
    assert gate.most == 3
    assert pool.submit("ecdsa_secp256r1_sha256", b"again").result(PATIENCE)


def test_work_that_nobody_waits_for_any_more_is_not_done() -> None:
    gate = Gate()
    seen: list[bytes] = []

    def noted(scheme: str, data: bytes) -> bytes:
        seen.append(data)
        return gate(scheme, data)

    pool = SigningPool(noted, at_once=1, waiting=2)
    first, second = (pool.submit("ecdsa_secp256r1_sha256", data) for data in (b"1", b"2"))
    assert gate.inside.acquire(timeout=PATIENCE)
    assert second.cancel()
    gate.open.set()
    first.result(PATIENCE)
    third = pool.submit("ecdsa_secp256r1_sha256", b"3")
    third.result(PATIENCE)
    assert seen == [b"1", b"3"]


@pytest.mark.parametrize(
    "arguments",
    [{"at_once": 0}, {"waiting": -1}, {"seconds": 0.0}, {"seconds": float("inf")}, {"seconds": float("nan")}],
)
def test_impossible_limits_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="SigningPool"):
        SigningPool(by_key, **arguments)  # type: ignore[arg-type]


def _in_a_child(pool: SigningPool, result: Callable[[bytes], None]) -> None:
    result(pool.submit("ecdsa_secp256r1_sha256", b"data").result(PATIENCE))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking with threads, which is what is tested
def test_a_forked_process_signs_with_threads_of_its_own() -> None:
    pool = SigningPool(by_key, at_once=1)
    pool.submit("ecdsa_secp256r1_sha256", b"data").result(PATIENCE)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=_in_a_child, args=(pool, results.put))
    child.start()
    child.join(PATIENCE)
    assert child.exitcode == 0 and results.get()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_process_that_is_forked_while_a_thread_begins_to_sign_is_not_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lock that this thread has is held by nobody in the new process."""
    begins, may_go_on, parent = threading.Event(), threading.Event(), os.getpid()

    class Slow(threading.Thread):
        def start(self) -> None:
            if os.getpid() == parent:
                begins.set()
                assert may_go_on.wait(PATIENCE)
            super().start()

    pool = SigningPool(by_key)
    starter = threading.Thread(target=pool.submit, args=("ecdsa_secp256r1_sha256", b"data"))
    with monkeypatch.context() as patched:
        patched.setattr(threading, "Thread", Slow)
        starter.start()
        assert begins.wait(PATIENCE)
        context = multiprocessing.get_context("fork")
        results = context.SimpleQueue()
        child = context.Process(target=_in_a_child, args=(pool, results.put))
        child.start()
        child.join(PATIENCE)
        may_go_on.set()
    starter.join(PATIENCE)
    assert child.exitcode == 0 and results.get()


@pytest.mark.parametrize(
    "end", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration()]
)
def test_an_exception_of_a_signer_ends_no_process_and_no_loop(end: BaseException) -> None:
    def ending(scheme: str, data: bytes) -> bytes:
        raise end

    with pytest.raises(RuntimeError, match=f"the signer raised {type(end).__name__}"):
        SigningPool(ending).submit("ecdsa_secp256r1_sha256", b"data").result(PATIENCE)


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_channels_prove_themselves_by_a_pool_in_both_roles(version: str) -> None:
    """No signer is passed: the credentials have it."""
    own = Credentials.external(
        identity("client.example").chain_pem,
        SigningPool(lambda scheme, data: sign(SignatureScheme[scheme], identity("client.example").key, data)),
    )
    with serving(server(SigningPool(by_key))) as ours:
        config = client(credentials=own, versions=(version,))
        with connect("127.0.0.1", ours.port, config, "localhost", timeout=PATIENCE) as channel:
            channel.sendall(b"there and back")
            assert channel.recv(100) == b"there and back"
            assert channel.version == version and channel.peer is not None
        ended = ours.outcome()
        assert getattr(ended, "peer", None) is not None, ended


def test_a_blocking_handshake_ends_when_no_signature_comes() -> None:
    gate = Gate()
    with serving(server(SigningPool(gate, at_once=1, seconds=0.2))) as ours:
        with (
            pytest.raises((OSError, TLSError)),
            connect("127.0.0.1", ours.port, client(), "localhost", timeout=PATIENCE),
        ):
            pass
        ended = ours.outcome()
        assert isinstance(ended, TimedOut) and "within 0.2 s" in str(ended)
        gate.open.set()


def test_no_signature_waits_while_fewer_than_allowed_are_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes when a thread has taken the first and not begun with it."""
    taken, may_go_on = threading.Semaphore(0), threading.Event()

    class Halting(queue.SimpleQueue):  # type: ignore[type-arg]
        def get(self, block: bool = True, timeout: float | None = None) -> object:
            found = super().get(block, timeout)
            taken.release()
            assert may_go_on.wait(PATIENCE)
            return found

    monkeypatch.setattr(queue, "SimpleQueue", Halting)
    gate = Gate()
    pool = SigningPool(gate, at_once=2)
    monkeypatch.undo()
    first = pool.submit("ecdsa_secp256r1_sha256", b"1")
    assert taken.acquire(timeout=PATIENCE)
    second = pool.submit("ecdsa_secp256r1_sha256", b"2")
    may_go_on.set()
    for _ in range(2):
        assert gate.inside.acquire(timeout=PATIENCE / 4)
    gate.open.set()
    assert first.result(PATIENCE)
    assert second.result(PATIENCE)


def test_an_error_of_a_signer_ends_its_handshake_alone() -> None:
    calls: list[str] = []

    def fails_once(scheme: str, data: bytes) -> bytes:
        calls.append(scheme)
        if len(calls) == 1:
            raise OSError("the token is on fire")
        return by_key(scheme, data)

    with serving(server(SigningPool(fails_once))) as ours:
        with (
            pytest.raises((OSError, TLSError)),
            connect("127.0.0.1", ours.port, client(), "localhost", timeout=PATIENCE),
        ):
            pass
        assert "on fire" in str(ours.outcome())
        with connect("127.0.0.1", ours.port, client(), "localhost", timeout=PATIENCE) as channel:
            assert channel.peer is not None


def test_an_event_loop_goes_on_while_many_handshakes_sign_at_once() -> None:
    """Ten handshakes are in the signer together, and the loop still turns."""
    gate = Gate()

    async def talk() -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read(100))
            await writer.drain()
            writer.close()

        config = server(SigningPool(gate, at_once=10))
        listening = await start_server(handle, "127.0.0.1", 0, config)
        port = listening.sockets[0].getsockname()[1]

        async def call() -> bytes:
            reader, writer = await aio_connect("127.0.0.1", port, client(), "localhost")
            writer.write(b"hello")
            data = await reader.read(100)
            writer.close()
            return data

        calls = [asyncio.ensure_future(call()) for _ in range(10)]
        turns = 0
        entered = 0
        while entered < 10:
            entered += gate.inside.acquire(blocking=False)
            turns += 1
            await asyncio.sleep(0.001)
        gate.open.set()
        assert await asyncio.gather(*calls) == [b"hello"] * 10
        listening.close()
        await listening.wait_closed()
        return turns

    assert asyncio.run(asyncio.wait_for(talk(), PATIENCE)) > 1
    assert gate.most == 10


def test_an_event_loop_refuses_a_handshake_whose_signature_does_not_come() -> None:
    """The queue is full or the signer hangs: that handshake fails, in time."""
    gate = Gate()

    async def talk() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        config = server(SigningPool(gate, at_once=1, waiting=0, seconds=0.2))
        listening = await start_server(handle, "127.0.0.1", 0, config)
        port = listening.sockets[0].getsockname()[1]
        for _ in range(2):  # the first waits in vain, the second finds no place
            with pytest.raises((OSError, TLSError)):
                await aio_connect("127.0.0.1", port, client(), "localhost")
        gate.open.set()
        started = time.monotonic()
        while True:  # its thread is free again soon
            try:
                _, writer = await aio_connect("127.0.0.1", port, client(), "localhost")
                break
            except (OSError, TLSError):
                assert time.monotonic() - started < PATIENCE
                await asyncio.sleep(0.01)
        writer.close()
        listening.close()
        await listening.wait_closed()

    asyncio.run(asyncio.wait_for(talk(), PATIENCE))
