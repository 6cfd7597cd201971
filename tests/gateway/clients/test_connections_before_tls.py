"""Connections without TLS are counted, and none stays when the gateway ends."""

from __future__ import annotations

from functools import partial

from bothways.gateway.clients.connections_before_tls import ConnectionsBeforeTLS
from bothways.servers.places import Place


class Waiting:
    """A connection without TLS."""

    def __init__(self) -> None:
        self.ends = 0

    def end(self) -> None:
        self.ends += 1


def test_so_many_connections_may_await_the_header_of_a_proxy() -> None:
    connections = ConnectionsBeforeTLS(2)
    waiting = [Waiting() for _ in range(3)]
    for each in waiting:
        connections.add(each)
    assert [connections.awaits_header(each) for each in waiting] == [True, True, False]
    connections.discard(waiting[0])
    connections.discard(waiting[2])
    assert connections.awaits_header(waiting[0])
    assert len(connections) == 1
    connections.resize(1)
    assert not connections.awaits_header(waiting[0])


def test_at_the_limit_a_connection_without_tls_ends_another_one() -> None:
    connections, ended = ConnectionsBeforeTLS(2), []
    places = [Place(f"192.0.2.{number}", partial(ended.append, number), number * 60.0) for number in range(3)]
    for each in places:
        connections.enter(each)
    assert ended == [0]
    connections.leave(places[2])
    connections.enter(Place("192.0.2.4", partial(ended.append, 4), 180.0))
    assert ended == [0]


def test_all_are_ended_with_the_gateway() -> None:
    connections, waiting = ConnectionsBeforeTLS(2), [Waiting() for _ in range(3)]
    for each in waiting:
        connections.add(each)
    connections.end_all()
    assert [each.ends for each in waiting] == [1, 1, 1]
