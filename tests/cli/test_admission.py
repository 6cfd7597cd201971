"""Places for connections with threads: begun handshakes on one side, finished ones on the other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from bothways.cli.admission import Admission, Client
from bothways.cli.options import Address
from bothways.tls.events import Epoch, RecordSeen

pytestmark = pytest.mark.network


class Door:
    """An admission and clients that come to it; sockets are pairs, addresses what the test says."""

    def __init__(self, limit: int, **settings: bool) -> None:
        self.admission = Admission(limit, handshakes=limit, **settings)
        self.sockets: list[socket.socket] = []
        self._port = 1000

    def comes(self, host: str) -> Client | None:
        ours, theirs = socket.socketpair()
        self.sockets += [ours, theirs]
        self._port += 1
        return self.admission.arrive(ours, Address(host, self._port))

    def enters(self, host: str) -> Client:
        client = self.comes(host)
        assert client is not None
        return client

    def settles(self, host: str) -> Client:
        client = self.enters(host)
        assert client.may_begin(0)
        assert client.establish(0)
        return client


@pytest.fixture
def door() -> Iterator:
    made: list[Door] = []

    def make(limit: int, **settings: bool) -> Door:
        made.append(Door(limit, **settings))
        return made[-1]

    yield make
    for each in made:
        for sock in each.sockets:
            sock.close()


def test_a_flood_of_begun_handshakes_keeps_out_neither_who_is_in_nor_who_comes(door) -> None:
    """From one address, and from as many as there are places."""
    here = door(8)
    friends = [here.settles(f"192.0.2.{number}") for number in range(4)]
    flood = [here.comes("203.0.113.1") for _ in range(50)]
    flood += [here.comes(f"203.0.113.{number}") for number in range(2, 60)]
    assert here.admission.taken() == (8, 4)
    assert sum(each is not None and not each.ended for each in flood) == 8
    newcomer = here.settles("192.0.2.99")
    assert not any(each.ended for each in [*friends, newcomer])
    assert here.admission.taken() == (7, 5)


def test_who_is_ended_is_woken(door) -> None:
    here = door(4)
    first = here.enters("192.0.2.1")
    assert here.comes("192.0.2.1") is not None
    assert first.ended
    assert first.sock.recv(1) == b""


def test_whole_records_that_came_are_progress(door) -> None:
    """Crumbs of one are not, and what we send is not."""
    here = door(8)
    good, idle = here.enters("192.0.2.1"), here.enters("192.0.2.1")
    good(RecordSeen(False, 22, 500, Epoch.PLAINTEXT))
    idle(RecordSeen(True, 22, 5000, Epoch.PLAINTEXT))
    for client in (good, idle):
        client.place.since -= 5
    assert good.place.moved == 500
    here.enters("192.0.2.1")
    assert (good.ended, idle.ended) == (False, True)


def test_an_address_settles_in_a_quarter_of_the_places_and_then_waits(door) -> None:
    here = door(8)
    first, second = here.settles("192.0.2.1"), here.settles("192.0.2.1")
    third = here.enters("192.0.2.1")
    assert not third.may_begin(0.01)
    assert not third.establish(0.01)
    here.settles("192.0.2.2")
    timer = threading.Timer(0.05, first.leave)
    timer.start()
    assert third.may_begin(20)
    assert third.establish(0)
    timer.join()
    assert not second.ended


def test_loopback_may_be_exempt(door) -> None:
    here = door(8, exempt_loopback=True)
    for _ in range(8):
        here.settles("127.0.0.1")
    assert here.admission.taken() == (0, 8)
    here.settles("192.0.2.1")
    assert here.admission.taken() == (0, 8)


def test_when_all_places_are_settled_who_holds_most_and_was_silent_for_longest_gives_way(door) -> None:
    here = door(8)
    talking, silent = here.settles("192.0.2.1"), here.settles("192.0.2.1")
    ones = [here.settles(f"192.0.2.{number}") for number in range(2, 8)]
    for client in (talking, silent, *ones):
        client.place.since -= 60
    talking.note_activity()
    newcomer = here.settles("198.51.100.1")
    assert silent.ended
    assert not any(each.ended for each in (talking, newcomer, *ones))
    assert not here.enters("198.51.100.2").may_begin(0.01)


def test_who_waits_for_a_place_and_is_ended_waits_no_longer(door) -> None:
    here = door(4)
    here.settles("192.0.2.1")
    waiting = here.enters("192.0.2.1")
    timer = threading.Timer(0.05, here.comes, ["192.0.2.1"])
    timer.start()
    assert not waiting.may_begin(60)
    assert waiting.ended
    assert not waiting.establish(60)
    timer.join()


def test_leaving_gives_every_place_back(door) -> None:
    here = door(8)
    clients = [here.settles("192.0.2.1"), here.enters("192.0.2.1")]
    for client in clients:
        client.leave()
        client.leave()
    assert here.admission.taken() == (0, 0)


def test_handshakes_have_enough_places_however_few_connections_there_may_be(door) -> None:
    """Else who comes would end who is about to be in."""
    assert Admission(1).limit == 257
    assert Admission(1000).limit == 2000
