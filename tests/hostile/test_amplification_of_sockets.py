"""Bounded work beyond the engine, by the same allowance: sockets, asyncio, what is told, logged and drawn of a refusal.

The hostile side is at the other end of a socket. Only the calls of our side are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

import pki
from bothways import Connection, TLSError
from bothways.aio.protocol import TLSProtocol
from bothways.aio.server import start_server
from bothways.describe.recorder import Recorder
from bothways.diagnosis import Files, HandshakeFacts, explain
from bothways.errors import LOG_LIMIT
from bothways.ladder.layout import lay_out
from bothways.ladder.text import as_text
from bothways.net.connecting import wrap
from bothways.tls.handshake.steps import Role
from hostile import chains, messages
from hostile.allowance import (
    CALLS_A_MICROSECOND,
    CALLS_AT_ONCE,
    COURSES,
    FIXED_OCTETS,
    SIZES,
    UNPAID_MICROSECONDS,
    Draw,
    drawn_chain,
    draws,
    hold_calls,
)
from hostile.meters import Calls, budgets, memory_of
from hostile.talks import Attack, showing
from tamper import altering

pytestmark = pytest.mark.network

WORST_CHAINS = (
    "names below constraints: registeredID",
    "names below constraints: directoryName",
    "names below constraints: URI",
    "names: dNSName",
    "unknown critical extensions and many names",
    "paths: CAs of one name",
    "paths: self-issued",
    "many kinds of extensions",
    "distinguished names: many relative names",
    "distinguished names: one long string of signs",
    "keys: RSA of 16384 bits with an exponent of 64",
)
WORST_MESSAGES = (
    "ClientHello: host names (1.3, by the client)",
    "ClientHello: protocols (1.3, by the client)",
    "ClientHello: cipher suites that nobody has (1.2, by the client)",
    "ClientHello: schemes (1.3, by the client)",
    "ClientHello: unknown extensions (1.2, by the client)",
    "ClientHello: authorities that are names (1.3, by the client)",
    "CertificateRequest: authorities that are names (1.3, by the server)",
    "CertificateRequest: filters (1.3, by the server)",
    "CertificateRequest: one large authority (1.2, by the server)",
    "Certificate: unknown extensions in an entry (1.3, mutual, by the server)",
    "ServerHello: unknown extensions (1.3, by the server)",
)
# A handshake of one's own, with its sockets and locks.
HONEST_CALLS = 8_000
# Where a picture is wanted, each certificate is told in words too.
EXPLANATION_MICROSECONDS_PER_BYTE = 1.5
LONGEST_LINE = 1_000


def attacks(full: bool) -> Iterator[tuple[str, Attack]]:
    """Those that were worst, or in full all of them."""
    worst = [Draw(each, SIZES[-1], 0, "both") for each in WORST_CHAINS]
    drawn_chains = draws(list(chains.KINDS), 1, 1, full) if full else worst
    for number, (kind, size, seed, _) in enumerate(drawn_chains):
        course, sender = COURSES[number % len(COURSES)]
        yield f"{kind}, {size}", showing(drawn_chain(kind, min(size, 40_000), seed), sender, course)
    titles = [each for each in messages.KINDS if "a call" not in each and "anonymous" not in each]
    for kind in titles if full else WORST_MESSAGES:
        yield kind, messages.KINDS[kind](random.Random(kind), SIZES[-1])


def send_hostile(sock: socket.socket, sender: Connection, sent: list[int]) -> None:
    """Play the stranger's part over a socket until one side has had enough."""
    with contextlib.suppress(OSError), sock:
        sock.settimeout(20)
        while True:
            if out := sender.data_to_send():
                sent.append(len(out))
                sock.sendall(out)
            if sender.failure is not None or sender.established:
                return
            data = sock.recv(65536)
            if not data:
                return
            sender.receive(data)


@contextlib.contextmanager
def stranger(attack: Attack) -> Iterator[tuple[socket.socket, Any, list[int]]]:
    """A socket with the hostile side at its other end, our side's configuration, and how much was sent."""
    configs = attack.course.configs
    own, theirs = (configs[1], configs[0]) if attack.sender is Role.CLIENT else configs
    sent: list[int] = []
    with altering(attack.sender, attack.edit):
        sender = theirs.connection("localhost") if attack.sender is Role.CLIENT else theirs.connection()
        here, there = socket.socketpair()
        thread = threading.Thread(target=send_hostile, args=(there, sender, sent))
        thread.start()
        try:
            yield here, own, sent
        finally:
            here.close()
            thread.join()


def shake_hands(sock: socket.socket, config: Any, observer: Callable[[Any], None] | None) -> Exception | None:
    name = "localhost" if hasattr(config, "target") else None
    try:
        wrap(sock, config, name, observer=observer).close()
    except (TLSError, OSError) as error:
        return error
    return None


def test_a_blocking_channel_works_no_more_for_a_stranger_than_its_engine(full: bool) -> None:
    """`net`: both roles, all of it in the thread that called."""
    for what, attack in attacks(full):
        with stranger(attack) as (sock, config, sent), budgets() as made:
            calls = Calls()
            calls.during(partial(shake_hands, sock, config, None))
        paid = sum(each.used for each in made)
        hold_calls(what, calls.count - HONEST_CALLS, paid + 2 * UNPAID_MICROSECONDS, sum(sent))


def reported(
    sock: socket.socket, config: Any, observed: HandshakeFacts, recorder: Recorder, side: str
) -> list[str]:
    """Shake hands as `serve` and `connect` do, and return what can be told of it: causes and the ladder."""
    error = shake_hands(sock, config, observed)
    why = None if error is None else explain(error, observed.situation())
    notes = {each: recorder.notes if each == side else [] for each in ("client", "server")}
    ends = {f"{side}_error": error, f"{side}_causes": why}
    picture = lay_out(**notes, recorded=pki.NOW, **ends)
    return [*([] if why is None else why.lines()), *as_text(picture).split("\n")]


def test_explaining_and_drawing_a_refusal_is_bounded_in_work_and_words(full: bool) -> None:
    """`serve` and `connect` watch the handshake, explain its end and draw it, whatever a stranger sent."""
    for what, attack in attacks(full):
        recorder, calls = Recorder(), Calls()
        with stranger(attack) as (sock, config, sent), budgets() as made:
            observed = HandshakeFacts(
                config, address="192.0.2.1:443", files=Files("CERT", "KEY", "CA"), also=recorder
            )
            side = attack.sender.other.value
            lines = calls.during(partial(reported, sock, config, observed, recorder, side))
        paid = sum(each.used for each in made)
        hold_calls(
            f"{what}: told",
            calls.count,
            paid + 10 * UNPAID_MICROSECONDS,
            sum(sent),
            EXPLANATION_MICROSECONDS_PER_BYTE,
        )
        assert max(map(len, lines)) <= LONGEST_LINE, what
        assert sum(map(len, lines)) <= 40_000, what


def test_observers_keep_no_more_than_their_allowance(full: bool) -> None:
    """A recorder keeps messages as they were read: the memory of a byte is theirs."""
    for what, attack in attacks(full):
        recorder = Recorder()
        with stranger(attack) as (sock, config, sent):
            _, kept, _ = memory_of(partial(shake_hands, sock, config, recorder))
        assert kept <= 4 * FIXED_OCTETS + 64 * sum(sent), f"{what}: {kept} bytes kept of {sum(sent)}"


def test_an_event_loop_is_held_by_a_stranger_for_no_longer_than_it_may_be(
    full: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """`aio`: of all that a connection does, no call takes longer, and no line of the log grows."""
    caplog.set_level(logging.INFO, "bothways")
    for what, attack in attacks(full):
        if attack.sender is Role.CLIENT:
            longest, paid = asyncio.run(_served(attack))
            allowed = CALLS_AT_ONCE + paid * CALLS_A_MICROSECOND
            assert longest <= allowed, f"{what}: {longest} calls at once"
    assert caplog.records
    assert max(len(each.getMessage()) for each in caplog.records) <= LOG_LIMIT + 100


async def _served(attack: Attack) -> tuple[int, float]:
    """Serve one stranger, and count the calls of the dearest call that the loop makes into our connection."""
    longest = 0
    calls = Calls()

    def metered(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            nonlocal longest
            before = calls.count
            try:
                return calls.during(lambda: method(*arguments))
            finally:
                longest = max(longest, calls.count - before)

        return run

    client, server = attack.course.configs
    with pytest.MonkeyPatch.context() as patch, altering(attack.sender, attack.edit), budgets() as made:
        for name in ("data_received", "_feed", "eof_received", "connection_lost"):
            patch.setattr(TLSProtocol, name, metered(getattr(TLSProtocol, name)))
        listening = await start_server(_silent, "127.0.0.1", 0, server)
        async with listening:
            sender = client.connection("localhost")
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            with contextlib.suppress(OSError):
                while True:
                    writer.write(sender.data_to_send())
                    await writer.drain()
                    if sender.failure is not None or sender.established:
                        break
                    async with asyncio.timeout(20):
                        data = await reader.read(65536)
                    if not data:
                        break
                    sender.receive(data)
                writer.close()
                await writer.wait_closed()
    return longest, max((each.used for each in made), default=0.0)


async def _silent(reader: Any, writer: Any) -> None:
    await reader.read()
