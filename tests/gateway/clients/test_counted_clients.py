"""Clients are counted by address and by identity, and nothing is left of one that has gone."""

from __future__ import annotations

from typing import Any

from bothways.gateway.clients.counted_clients import CountedClients
from bothways.gateway.config.gateway import GatewayLimits
from bothways.gateway.log.endings import Code
from bothways.trust.verdict import Names

ADA, BEA = Names("CN=ada", "ada", ("ada.example",)), Names("CN=bea", "bea", ("bea.example",))
HERE, THERE = "192.0.2.1", "192.0.2.2"


def some(count: int) -> list[Any]:
    return [object() for _ in range(count)]


def test_an_address_has_so_many_connections_and_another_one_its_own() -> None:
    clients, limits = CountedClients(), GatewayLimits(per_address=2)
    first, second, third, other = some(4)
    assert clients.arrive(first, HERE, limits) is clients.arrive(second, HERE, limits) is None
    refused = clients.arrive(third, HERE, limits)
    assert refused is not None and refused.code == Code.ADDRESS_LIMIT.name
    assert clients.arrive(other, THERE, limits) is None
    assert set(clients) == {first, second, third, other} and len(clients) == 4
    assert not clients.leave(third, HERE) and not clients.leave(second, HERE)
    assert clients.arrive(second, HERE, limits) is None


def test_clients_of_a_unix_socket_have_no_address_that_could_have_too_many() -> None:
    clients, limits = CountedClients(), GatewayLimits(per_address=1)
    assert [clients.arrive(each, "unix", limits) for each in some(5)] == [None] * 5


def test_an_identity_has_so_many_connections_and_they_are_told_by_its_text() -> None:
    clients, limits = CountedClients(), GatewayLimits(per_identity=2)
    first, second, third, other = everybody = some(4)
    for each in everybody:
        assert clients.arrive(each, HERE, limits) is None
    assert clients.establish(first, ADA, limits) is clients.establish(second, ADA, limits) is None
    refused = clients.establish(third, ADA, limits)
    assert refused is not None and refused.code == Code.IDENTITY_LIMIT.name
    assert clients.establish(other, BEA, limits) is None
    assert list(clients.established.items()) == [(first, ADA), (second, ADA), (other, BEA)]
    assert sorted(clients.by_text.values()) == [1, 2]
    assert [clients.leave(each, HERE) for each in everybody] == [True, True, False, True]
    assert not clients.established and not clients.by_text and not len(clients)


def test_verified_clients_count_against_the_limit_of_all_before_and_after_their_handshake() -> None:
    clients, limits = CountedClients(), GatewayLimits(connections=1)
    first, second, third = some(3)
    assert clients.arrive(first, HERE, limits) is clients.arrive(second, THERE, limits) is None
    assert clients.establish(first, ADA, limits) is None
    for refused in (clients.establish(second, BEA, limits), clients.arrive(third, HERE, limits)):
        assert refused is not None and refused.code == Code.CONNECTIONS_LIMIT.name
