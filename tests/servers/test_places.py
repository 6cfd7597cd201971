"""Who holds how many places, and whose is given away: accounting without a socket."""

from __future__ import annotations

import random

import pytest

from bothways.servers import places as rules
from bothways.servers.places import Place, Places, progress, source_of, source_of_peer

NOW = 1000.0


def place(source: str, *, age: float = 2.0, moved: int = 0, waits: bool = True) -> Place:
    return Place(source, lambda: None, NOW - age, moved, waits)


def filled(*there: Place, limit: int | None = None, **settings: bool) -> Places:
    """Places that are all taken, unless `limit` says otherwise; whoever is `there` entered in this order."""
    places = Places(limit or len(there), **settings)
    for each in there:
        assert places.enter(each, NOW) is None
    return places


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("/run/a.socket", "/run/a.socket"),
        ("", ""),
    ],
)
def test_an_address_is_counted_whole_in_ipv4_and_by_its_64_in_ipv6(host: str, source: str) -> None:
    assert source_of(host) == source


def test_each_client_of_a_unix_socket_is_a_source_of_its_own() -> None:
    one, other = object(), object()
    assert source_of_peer(("2001:db8::1", 443, 0, 0), one) == source_of_peer(("2001:db8::2", 80, 0, 0), other)
    for name in ("", None, "/run/client"):
        assert source_of_peer(name, one) == source_of_peer(name, one) != source_of_peer(name, other)


def test_a_place_is_free_until_all_are_taken() -> None:
    places = Places(4)
    there = [place(f"192.0.2.{number}") for number in range(4)]
    for number, each in enumerate(there):
        assert places.enter(each, NOW) is None
        assert len(places) == number + 1
    places.leave(there[0])
    places.leave(there[0])
    assert (len(places), places.held_by("192.0.2.0"), places.held_by("192.0.2.1")) == (3, 0, 1)


def test_an_address_holds_a_quarter_and_then_gives_way_to_itself() -> None:
    """Its own slowest is ended for its newcomer though three quarters of the places are free."""
    places = Places(16)
    mine = [place("192.0.2.1", age=2.0 + number) for number in range(4)]
    for each in mine:
        assert places.enter(each, NOW) is None
    assert places.enter(place("192.0.2.1"), NOW) is mine[3]
    assert (len(places), places.held_by("192.0.2.1")) == (4, 4)


def test_an_address_at_its_quarter_with_nothing_but_work_of_ours_is_turned_away() -> None:
    places = filled(*(place("192.0.2.1", waits=False) for _ in range(4)), limit=16)
    newcomer = place("192.0.2.1")
    assert places.enter(newcomer, NOW) is newcomer
    assert places.held_by("192.0.2.1") == 4


def test_loopback_may_be_exempt_and_gives_way_to_others_all_the_same() -> None:
    """Behind a local proxy every client is 127.0.0.1."""
    mine = [place("127.0.0.1") for _ in range(8)]
    places = filled(*mine, exempt_loopback=True)
    assert places.enter(place("192.0.2.1"), NOW) in mine
    assert (places.held_by("127.0.0.1"), places.held_by("192.0.2.1")) == (7, 1)
    assert Places(8).share == 2


def test_the_place_of_the_address_that_holds_most_goes_first_whatever_its_progress() -> None:
    """The others are slower by far, and older."""
    many = [place("192.0.2.1", age=1.5, moved=9000), place("192.0.2.1", age=1.5, moved=8000)]
    few = [place(f"198.51.100.{number}", age=60.0) for number in range(6)]
    places = filled(*few, *many)
    assert places.enter(place("203.0.113.1"), NOW) is many[1]


def test_a_newcomer_of_the_address_that_holds_most_costs_that_address() -> None:
    many = [place("192.0.2.1"), place("192.0.2.1")]
    places = filled(*many, *(place(f"198.51.100.{number}", age=60.0) for number in range(10)))
    assert places.enter(place("192.0.2.1", age=0.0), NOW) in many


def test_a_newcomer_never_takes_from_an_address_that_holds_less() -> None:
    busy = [place("192.0.2.1", waits=False), place("192.0.2.1", waits=False)]
    places = filled(*busy, *(place(f"198.51.100.{number}") for number in range(10)))
    newcomer = place("192.0.2.1")
    assert places.enter(newcomer, NOW) is newcomer
    assert len(places) == 12


def test_where_the_largest_only_works_the_next_gives_way_and_at_last_the_newcomer() -> None:
    busy = [place("192.0.2.1", waits=False), place("192.0.2.1", waits=False)]
    idle = [place("198.51.100.1")]
    places = filled(*busy, *idle, *(place(f"203.0.113.{number}", waits=False) for number in range(5)))
    assert places.enter(place("192.0.2.9", waits=False), NOW) is idle[0]
    newcomer = place("192.0.2.10")
    assert places.enter(newcomer, NOW) is newcomer


@pytest.mark.parametrize(
    ("kept", "given"),
    [
        # an honest slow client, and one of those that are always young
        ({"age": 4.0, "moved": 4000}, {"age": 3.0, "moved": 120}),
        ({"age": 9.0, "moved": 4500}, {"age": 1.5, "moved": 111}),
        # two that had little time yet, whatever they said in it: beginnings cost those who flood nothing
        ({"age": 0.1}, {"age": 0.2, "moved": 111}),
        ({"age": 0.05, "moved": 1}, {"age": 0.9}),
        ({"age": 0.2, "moved": 300}, {"age": 0.3, "moved": 120_000}),
        # one that had time, however much it said, and one that had little
        ({"age": 0.5, "moved": 300}, {"age": 1.5, "moved": 120_000}),
        ({"age": 0.5}, {"age": 1.5, "moved": 111}),
        # two that said nothing: the time of the older is over first
        ({"age": 0.1}, {"age": 0.2}),
        ({"age": 3.0}, {"age": 4.0}),
        ({"age": 0.5}, {"age": 1.5}),
        # the same progress in less time
        ({"age": 2.0, "moved": 900}, {"age": 3.0, "moved": 900}),
    ],
)
def test_among_equals_the_least_progress_for_its_age_gives_way(
    kept: dict[str, float], given: dict[str, float]
) -> None:
    for order in (0, 1):
        pair = [place("192.0.2.1", **kept), place("192.0.2.2", **given)]  # type: ignore[arg-type]
        places = filled(*(pair if order else reversed(pair)))
        assert places.enter(place("192.0.2.3", age=0.0), NOW) is pair[1]


def test_progress_starts_at_the_least_rate_and_restarts_with_each_activity() -> None:
    one = place("192.0.2.1", age=0.0)
    assert progress(one, NOW) == rules.LEAST_RATE
    one.moved = 5000
    assert progress(one, NOW) > rules.LEAST_RATE
    one.begin(NOW + 9, waits=False)
    assert (progress(one, NOW + 9), one.moved, one.waits) == (rules.LEAST_RATE, 0, False)


def test_places_that_are_worth_more_are_taken_only_from_who_holds_more_than_the_newcomer_would() -> None:
    many = [place("192.0.2.1", age=age) for age in (9.0, 5.0, 7.0)]
    two = [place("192.0.2.2"), place("192.0.2.2")]
    ones = [place(f"198.51.100.{number}", age=60.0) for number in range(7)]
    places = filled(*many, *two, *ones, only_from_larger=True)
    assert places.has_room_for("192.0.2.3")
    assert not places.has_room_for("192.0.2.1")
    assert places.has_room_for("198.51.100.1")
    assert places.enter(place("192.0.2.3"), NOW) is many[0]
    assert not places.has_room_for("198.51.100.1")
    newcomer = place("198.51.100.1")
    assert places.enter(newcomer, NOW) is newcomer
    assert places.enter(place("192.0.2.4"), NOW) in [*many, *two]
    assert places.enter(place("192.0.2.5"), NOW) in [*many, *two]
    assert not places.has_room_for("192.0.2.6")
    newcomer = place("192.0.2.6")
    assert places.enter(newcomer, NOW) is newcomer
    assert len(places) == 12


def test_an_address_with_its_share_waits_for_one_of_its_own_to_end() -> None:
    places = filled(*(place("192.0.2.1") for _ in range(3)), limit=12, only_from_larger=True)
    newcomer = place("192.0.2.1")
    assert not places.has_room_for("192.0.2.1")
    assert places.enter(newcomer, NOW) is newcomer
    assert places.has_room_for("192.0.2.2")
    assert Places(1).has_room_for("192.0.2.1")


@pytest.mark.parametrize("prefixes", [1, 3, 100, 500])
def test_renewed_beginnings_from_many_prefixes_never_cost_a_client_its_place(
    prefixes: int, full: bool
) -> None:
    """Each /64 renews its begun requests for ever; a client that needs three round trips is never ended."""
    drawn = random.Random(prefixes)
    places = Places(512)
    for number in range(600):
        places.enter(place(source_of(f"2001:db8:0:{number % prefixes:x}::1"), moved=111), NOW)
    for round_ in range(40 if full else 3):
        now = NOW + round_
        good = Place(source_of("2001:db8:ffff::1"), lambda: None, now)
        assert places.enter(good, now) is not good
        for number in range(600):  # three times in a fifth of a second, from prefixes as they come
            now += 0.0003
            host = f"2001:db8:0:{drawn.randrange(prefixes):x}::{number:x}"
            newcomer = Place(source_of(host), lambda: None, now)
            assert places.enter(newcomer, now) is not good
            newcomer.moved = 111
            if number % 200 == 199:
                good.moved += 200
        places.leave(good)
    assert len(places) <= 512


@pytest.mark.parametrize("prefixes", [600, 100_000])
@pytest.mark.parametrize("sent", [0, 120_000])
def test_whatever_is_sent_from_however_many_prefixes_costs_nobody_a_place_that_is_needed_for_a_moment(
    prefixes: int, sent: int
) -> None:
    """With as many prefixes as places each holds one; who is done before so many have come is not ended for them."""
    drawn = random.Random(prefixes)
    places = Places(512)
    for number in range(512):
        places.enter(place(source_of(f"2001:db8:0:{number:x}::1"), moved=sent), NOW)
    good, now = Place(source_of("2001:db8:ffff::1"), lambda: None, NOW), NOW
    assert places.enter(good, now) is not good
    good.moved = 300
    for _ in range(500):
        now += 0.0005
        number = drawn.randrange(prefixes)
        host = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"
        newcomer = Place(source_of(host), lambda: None, now)
        assert places.enter(newcomer, now) is not good
        newcomer.moved = sent


def test_the_work_for_a_new_connection_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many places there are, so many are compared."""
    monkeypatch.setattr(rules, "LOOKED_AT", 10)
    there = [place(f"192.0.{number // 200}.{number % 200}", waits=number > 40) for number in range(100)]
    places = filled(*there)
    newcomer = place("203.0.113.1")
    assert places.enter(newcomer, NOW) is newcomer
    compared: list[Place] = []
    monkeypatch.setattr(rules, "rank", lambda each, now: compared.append(each) or (False, 0.0))
    for each in there[:41]:
        each.waits = True
    assert places.enter(newcomer, NOW) is there[0]
    assert len(compared) == 10


def test_no_more_addresses_are_looked_at_than_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with most connections come first; after so many without one that waits, the newcomer is turned away."""
    monkeypatch.setattr(rules, "LOOKED_AT", 10)
    busy = [place(f"192.0.2.{count}", waits=False) for count in (5, 4, 3) for _ in range(count)]
    others = [place(f"198.51.100.{number}") for number in range(8)]
    newcomer = place("203.0.113.1")
    assert filled(*busy, *others, limit=20).enter(newcomer, NOW) is newcomer
    monkeypatch.setattr(rules, "LOOKED_AT", 13)
    assert filled(*busy, *others, limit=20).enter(newcomer, NOW) in others


def test_the_numbers_add_up_whatever_happens() -> None:
    """Drawn comings and goings against a plain count."""
    drawn = random.Random(5)
    places = Places(24)
    there: list[Place] = []
    for _ in range(5000):
        if there and drawn.random() < 0.4:
            gone = there.pop(drawn.randrange(len(there)))
            places.leave(gone)
        else:
            new = place(f"192.0.2.{drawn.randrange(9)}", age=drawn.random() * 5, waits=drawn.random() < 0.7)
            there.append(new)
            loser = places.enter(new, NOW)
            if loser is not None:
                there.remove(loser)
        counts = {each.source: 0 for each in there}
        for each in there:
            counts[each.source] += 1
        assert len(places) == len(there) <= 24
        assert all(places.held_by(source) == count <= 6 for source, count in counts.items())
