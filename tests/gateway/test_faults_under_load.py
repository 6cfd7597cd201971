"""What fails beside or behind many open connections: those end that the page names, no other.

Every client and the service check each byte by content; see `gateway_load`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import identities
from bothways import PeerAlert, Truncated
from bothways.aio import StreamReader, StreamWriter, connect
from bothways.gateway.routes.routes import LOOK_SECONDS
from bothways.tls.defaults import SystemClock
from fetch.authorities import Authority, authority
from gateway_load import LARGEST, by_turns, codes, loaded, pattern
from gateway_talk import ANYBODY, Setting, service
from processes import children, free_port
from ticket_keys.redis_server import redis_server

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]
WEB = '[[listener]]\nname = "web"\nport = {}\n'


@pytest.fixture
def count(full: bool) -> int:
    return 1000 if full else 24


def test_services_that_fail_end_their_own_clients(setting: Setting, count: int) -> None:
    """One that dies cuts its client, one that hangs stops it, one that closes half still gets all that it is sent."""

    async def fail() -> None:
        async with loaded(setting, count) as load:
            dying, hanging, halves, others = by_turns(load.talks, 4)
            async with load.talking([*dying, *hanging, *others]):
                load.service.hang({each.number for each in hanging})
                await asyncio.sleep(0.2)
                for talk in dying:
                    load.service.die(talk.number)
                await load.until(lambda: all(talk.error for talk in dying))
                load.service.refuse()
                with pytest.raises((Truncated, ConnectionError, EOFError)):
                    await load.open(1)
                await load.service.start()
                assert len(await load.open(1)) == 1
                load.service.go_on()
            for talk in halves:
                load.service.close_half(talk.number)
                load.send(talk, LARGEST)
            assert all(isinstance(talk.error, (Truncated, ConnectionError)) for talk in dying)
            await load.finish({"BACKEND_LOST": dying})
            assert codes(load.lines())["BACKEND_UNREACHABLE"] == 1

    asyncio.run(fail())


def test_clients_that_stall_or_vanish_are_ended_in_time_and_nobody_else(setting: Setting, count: int) -> None:
    """In every step, each by the limit of that step, also one that sends a byte now and then."""

    async def stall() -> None:
        async with loaded(setting, count) as load:
            mutual, text, web = setting.mutual, setting.path.read_text(), free_port()
            times = "[times]\ndrain = 1\nhello = 2\nhandshake = 4\nidle = 3\nrequest_head = 2\n"
            text = text.replace("[times]\ndrain = 1\n", times).replace(
                "[[route]]", f"{WEB.format(web)}[[route]]", 1
            )
            one = text.partition("[[route]]")[2].replace("server_names", 'listeners = ["web"]\nserver_names')
            text = text.replace("[[route]]", f'[[route]]\nmode = "http"{one}[[route]]', 1)
            await load.reload(lambda: setting.path.write_text(text))
            flight = mutual.client().config.connection("localhost").data_to_send()
            port = int(load.gateway.port or 0)
            async with load.talking(load.talks):
                before = [
                    await _sent(port, b""),
                    await _sent(port, flight[: len(flight) // 2]),
                    await _sent(port, flight),
                ]
                drip = asyncio.create_task(_drip(await _sent(port, b""), flight))
                reader, writer = await connect("127.0.0.1", web, mutual.client().config, "localhost")
                writer.write(b"GET / HTTP/1.1\r\nHost: local")
                silent = await load.open(3)
                for each in silent:
                    each.writer.transport.pause_reading()
                ended = await asyncio.gather(*map(_read_to_end, before), drip)
                assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
                writer.transport.abort()
                await load.until(lambda: codes(load.lines())["IDLE_TIMEOUT"] == 3)
                for each in silent:
                    each.writer.transport.resume_reading()
                await load.until_ended(silent)
            assert ended[0] == ended[1] == ended[3] == 0 and ended[2] > 1000  # the server's flight
            await load.finish({"IDLE_TIMEOUT": silent})
            found = codes(load.lines())
            assert (found["HELLO_TIMEOUT"], found["HANDSHAKE_TIMEOUT"]) == (3, 1), found

    asyncio.run(stall())


async def _sent(port: int, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def _drip(pair: tuple[asyncio.StreamReader, asyncio.StreamWriter], data: bytes) -> int:
    """Send a byte now and then for as long as that is possible."""

    async def send() -> None:
        for index in range(len(data)):
            pair[1].write(data[index : index + 1])
            await asyncio.sleep(0.1)

    sending = asyncio.create_task(send())
    try:
        return await _read_to_end(pair)
    finally:
        sending.cancel()


async def _read_to_end(pair: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> int:
    """Return how many bytes come until the end, by whatever."""
    got = 0
    try:
        while data := await asyncio.wait_for(pair[0].read(1 << 16), 60):
            got += len(data)
    except ConnectionError:
        pass
    pair[1].close()
    return got


def test_files_that_break_leave_the_earlier_ones_in_use_and_nobody_notices(
    setting: Setting, count: int
) -> None:
    """Each is told of with what is wrong; then a good CRL still ends whom it lists, and nobody else."""

    async def spoil() -> None:
        mutual = setting.mutual
        leaving = mutual.identity("client", dns=["leaving.example"])
        async with loaded(setting, count) as load:
            mine, text = mutual.identity("server"), setting.path.read_text()
            gone = await load.open(5, leaving, revocation=None)

            async def replaced(path: Path, content: bytes, words: str) -> None:
                before = path.read_bytes()
                await load.until_said(words, lambda: path.write_bytes(content))
                await asyncio.sleep(0.1)
                path.write_bytes(before)

            async def refused(content: str, words: str) -> None:
                def change() -> None:
                    setting.path.write_text(content)
                    load.gateway.process.send_signal(signal.SIGHUP)

                await load.until_said(words, change)

            async with load.talking(load.talks):
                crl, other = mutual.crl.read_bytes(), mutual.identity("client").key.read_bytes()
                await asyncio.gather(
                    replaced(mine.cert, mine.cert.read_bytes()[:300], f"{mine.cert.name}: "),
                    replaced(mutual.ca, b"-----BEGIN CERTIFICATE-----\nno\n", "ca.pem: "),
                    replaced(mutual.crl, crl[: len(crl) // 2], "crl.pem: "),
                )
                await replaced(mine.key, other, "does not belong to")
                await refused("[identity\n", "gateway.toml")
                await refused(text.replace(ANYBODY, "allow = 'everybody'"), "route[1].allow: expected")
                await refused(text.replace("ca.pem", "gone.pem"), "gone.pem")
                setting.path.write_text(text)
                assert len(await load.open(3)) == 3
                mutual.revoke(leaving)
                await load.until(lambda: all(talk.error for talk in gone))
            assert {str(getattr(talk.error, "name", talk.error)) for talk in gone} == {"certificate_revoked"}
            assert load.gateway.printed.count("stays in use") >= 7
            await load.finish({"REVOKED": gone})

    asyncio.run(spoil())


def test_a_worker_that_is_killed_takes_its_own_clients_with_it_and_no_others(
    setting: Setting, count: int
) -> None:
    async def kill() -> None:
        async with loaded(setting, count) as load:
            one = children(load.gateway.process.pid)[0]
            async with load.talking(load.talks):
                await asyncio.sleep(0.2)
                os.kill(one, signal.SIGKILL)
                await load.until(lambda: len({*children(load.gateway.process.pid)} - {one}) == 2)
                await load.until(lambda: load.gateway.printed.count("ended with signal 9") == 1)
            lost = [talk for talk in load.talks if talk.error is not None]
            assert 0 < len(lost) < count
            assert all(isinstance(talk.error, (Truncated, ConnectionError)) for talk in lost)
            for talk in lost:
                party = load.service.parties[talk.number]
                assert party.received <= talk.sent and talk.got <= party.sent
            assert len(await load.open(4)) == 4
            await load.finish({}, untold=lost)

    asyncio.run(kill())


def test_a_clock_that_is_set_ends_whose_certificate_has_expired_by_it_and_nobody_else(
    setting: Setting, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all connections at once, though no timer of theirs is due for an hour."""
    ahead = timedelta()
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + ahead)

    async def echo(pair: tuple[StreamReader, StreamWriter], number: int) -> None:
        data = pattern("up", number, 0, 500)
        pair[1].write(data)
        assert await pair[0].readexactly(len(data)) == data

    async def jump() -> None:
        nonlocal ahead
        short = setting.mutual.identity("client", dns=["short.example"], lifetime=timedelta(days=2))
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                staying = [await setting.open(gateway) for _ in range(count // 2)]
                ending = [await setting.open(gateway, short) for _ in range(count // 2)]
                for at in (timedelta(), timedelta(hours=-1)):
                    ahead = at
                    await asyncio.sleep(2 * LOOK_SECONDS)
                    for number, each in enumerate([*staying, *ending]):
                        await echo(each, number)
                ahead = timedelta(days=3)
                for reader, _ in ending:
                    with pytest.raises(PeerAlert, match="certificate_expired"):
                        await reader.read()
                for number, each in enumerate(staying):
                    await echo(each, number)
                with pytest.raises(PeerAlert, match="certificate_expired"):
                    await (await setting.open(gateway, short))[0].read()
                reported = await setting.until_reported(len(ending) + 1)
        assert [each["code"] for each in reported] == ["CERTIFICATE_EXPIRED"] * (len(ending) + 1)

    asyncio.run(jump())


def test_ticket_keys_whose_redis_is_gone_end_nobody_and_keep_nobody_out(setting: Setting, count: int) -> None:
    """Both workers resume sessions by the keys at hand, and one that is started meanwhile serves without."""
    secret = setting.folder / "secret"
    secret.write_text("5a" * 32 + "\n")
    secret.chmod(0o600)

    async def lose(url: str, stop: Callable[[], None]) -> None:
        words = ("--ticket-keys", url, "--ticket-secret", "secret")
        async with loaded(setting, count, "", *words) as load:
            stop()
            config = setting.mutual.client().config
            resumed = [(await load.open(1, config))[0].writer.resumed for _ in range(8)]
            assert resumed == [False] + [True] * 7
            async with load.talking(load.talks):
                old = children(load.gateway.process.pid)
                os.kill(old[0], signal.SIGKILL)
                await load.until(lambda: len({*children(load.gateway.process.pid)} - {old[0]}) == 2)
            lost = [talk for talk in load.talks if talk.error is not None]
            assert len(lost) < len(load.talks)
            assert len(await load.open(8, config)) == 8
            await load.finish({}, untold=lost)

    with contextlib.ExitStack() as stack:
        asyncio.run(lose(stack.enter_context(redis_server(setting.folder)), stack.close))


def test_a_responder_that_is_gone_ends_nobody_and_only_new_clients_are_refused(
    setting: Setting, count: int
) -> None:
    """Who is connected was found good by it; evidence at hand is used for who comes again."""

    async def lose(known: Authority, stop: Callable[[], None]) -> None:
        (setting.folder / "root.pem").write_bytes(identities.root().pem)
        route = 'client_ca = "root.pem"\nfetch = true\nfetch_allow = ["127.0.0.1"]'
        ada, bea, _ = (identities.client_config(each, anchors=mutual.anchors) for each in known.clients)
        async with loaded(setting, count, route, who=ada, crl=False) as load:
            asked = len(known.asked)
            async with load.talking(load.talks):
                stop()
                with pytest.raises((PeerAlert, ConnectionError)):
                    await load.open(1, bea)
                assert len(await load.open(6, ada)) == 6
            assert len(known.asked) == asked
            await load.finish({})
            assert codes(load.lines())["REVOCATION_UNKNOWN"] == 1

    mutual = setting.mutual
    with contextlib.ExitStack() as stack:
        asyncio.run(lose(stack.enter_context(authority()), stack.close))
