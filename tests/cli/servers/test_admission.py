"""Places for connections of `serve`: begun handshakes on one side, finished ones on the other."""

from __future__ import annotations

import asyncio
from typing import Any

from aio_talk import run
from bothways.addresses import TCPAddress
from bothways.cli.servers.admission import ServeAdmission, ServedClient


class Door:
    """An admission and clients that come to it; addresses are what the test says."""

    def __init__(self, limit: int, **settings: Any) -> None:
        self.admission = ServeAdmission(limit, handshakes=limit, **settings)
        self.cut: list[int] = []
        self._port = 1000

    def comes(self, host: str) -> ServedClient | None:
        self._port += 1
        port = self._port
        return self.admission.arrive(TCPAddress(host, port), lambda: self.cut.append(port))

    def enters(self, host: str) -> ServedClient:
        client = self.comes(host)
        assert client is not None
        return client

    async def settles(self, host: str) -> ServedClient:
        client = self.enters(host)
        assert await client.may_begin(0)
        assert await client.establish(0)
        return client


@run
async def test_a_flood_of_begun_handshakes_keeps_out_neither_who_is_in_nor_who_comes() -> None:
    """From one address, and from as many as there are places."""
    here = Door(8)
    friends = [await here.settles(f"192.0.2.{number}") for number in range(4)]
    flood = [here.comes("203.0.113.1") for _ in range(50)]
    flood += [here.comes(f"203.0.113.{number}") for number in range(2, 60)]
    assert here.admission.taken() == (8, 4)
    assert sum(each is not None and not each.ended for each in flood) == 8
    newcomer = await here.settles("192.0.2.99")
    assert not any(each.ended for each in [*friends, newcomer])
    assert here.admission.taken() == (7, 5)


@run
async def test_client_whose_place_is_taken_is_disconnected() -> None:
    here = Door(4)
    first = here.enters("192.0.2.1")
    assert here.comes("192.0.2.1") is not None
    assert first.ended
    assert here.cut == [first.address.port]


@run
async def test_the_handshake_with_more_progress_keeps_its_place() -> None:
    """By the bytes that came for their age."""
    here = Door(8)
    good, idle = here.enters("192.0.2.1"), here.enters("192.0.2.1")
    good.note_progress(500)
    for client in (good, idle):
        client.place.since -= 5
    assert good.place.moved == 500
    here.enters("192.0.2.1")
    assert (good.ended, idle.ended) == (False, True)


@run
async def test_an_address_settles_in_a_quarter_of_the_places_and_then_waits() -> None:
    here = Door(8)
    first, second = await here.settles("192.0.2.1"), await here.settles("192.0.2.1")
    third = here.enters("192.0.2.1")
    assert not await third.may_begin(0.01)
    assert not await third.establish(0.01)
    await here.settles("192.0.2.2")
    asyncio.get_running_loop().call_later(0.05, first.leave)
    assert await third.may_begin(20)
    assert await third.establish(0)
    assert not second.ended


@run
async def test_a_waiting_connection_is_reported_with_the_reason_and_not_again_at_once() -> None:
    """Otherwise a healthy log hides that all clients behind one address hang."""
    told: list[str] = []
    here = Door(8, on_wait=told.append)
    for _ in range(2):
        await here.settles("192.0.2.1")
    for _ in range(3):
        assert not await here.enters("192.0.2.1").may_begin(0.01)
    assert len(told) == 1
    assert "192.0.2.1" in told[0] and "2 of 8 connections, as many as one address may have" in told[0]
    full = Door(1, on_wait=told.append)
    await full.settles("192.0.2.1")
    assert not await full.enters("192.0.2.2").may_begin(0.01)
    assert len(told) == 2 and "all 1 connections are taken" in told[1]


@run
async def test_loopback_may_be_exempt() -> None:
    here = Door(8, exempt_loopback=True)
    for _ in range(8):
        await here.settles("127.0.0.1")
    assert here.admission.taken() == (0, 8)
    await here.settles("192.0.2.1")
    assert here.admission.taken() == (0, 8)


@run
async def test_when_all_places_are_settled_who_holds_most_and_was_silent_for_longest_gives_way() -> None:
    here = Door(8)
    talking, silent = await here.settles("192.0.2.1"), await here.settles("192.0.2.1")
    ones = [await here.settles(f"192.0.2.{number}") for number in range(2, 8)]
    for client in (talking, silent, *ones):
        client.place.since -= 60
    talking.note_activity()
    newcomer = await here.settles("198.51.100.1")
    assert silent.ended
    assert not any(each.ended for each in (talking, newcomer, *ones))
    assert not await here.enters("198.51.100.2").may_begin(0.01)


@run
async def test_a_waiting_connection_that_is_ended_waits_no_longer() -> None:
    here = Door(4)
    await here.settles("192.0.2.1")
    waiting = here.enters("192.0.2.1")
    asyncio.get_running_loop().call_later(0.05, here.comes, "192.0.2.1")
    assert not await waiting.may_begin(60)
    assert waiting.ended
    assert not await waiting.establish(60)


@run
async def test_leaving_gives_every_place_back() -> None:
    here = Door(8)
    clients = [await here.settles("192.0.2.1"), here.enters("192.0.2.1")]
    for client in clients:
        client.leave()
        client.leave()
    assert here.admission.taken() == (0, 0)


def test_handshakes_have_enough_places_however_few_connections_there_may_be() -> None:
    """Else who comes would end who is about to be in."""
    assert ServeAdmission(1).limit == 257
    assert ServeAdmission(1000).limit == 2000
