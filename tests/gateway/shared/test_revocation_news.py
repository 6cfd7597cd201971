"""News between gateways by a real Redis: what one learns the others use, and what whoever holds the store can do."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bothways.gateway.shared import revocation_news
from bothways.gateway.store import news_index, news_kept, news_store, store_client
from bothways.gateway.store.news_index import Listed
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from gateway.news_talk import (
    ALICE,
    BOB,
    CA,
    HOUR,
    NOW,
    PATH,
    ROOT,
    Gateway,
    StoreHolder,
    files,
    gateways,
    listing,
    response,
)
from gateway_talk import until
from pki import intermediate, key, root
from ticket_keys.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.interop

FOREIGN = intermediate(root("Another root"), CA.certificate.subject, own_key=key("P-256", 7777))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation_news, "LOOK_SECONDS", 0.03)
    monkeypatch.setattr(revocation_news, "SPREAD_SECONDS", 0.03)
    monkeypatch.setattr(revocation_news, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(store_client, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(store_client, "LONGEST_PAUSE", 0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def holder(server: RedisServer) -> Iterator[tuple[RedisServer, StoreHolder]]:
    with contextlib.closing(StoreHolder(server)) as holder:
        holder.redis.flushall()
        holder.redis.config_resetstat()
        yield server, holder


Holder = tuple[RedisServer, StoreHolder]


def test_a_crl_in_the_file_of_one_gateway_is_used_by_the_others(holder: Holder) -> None:
    """Their own files stay as they are; each is told of it once, and then of nothing more."""
    server, _ = holder

    async def talk() -> None:
        old, new = listing(hours=3, number=1), listing(ALICE)
        one, other, third = (Gateway(server.url, files(old)) for _ in range(3))
        async with gateways(one, other, third):
            one.exchange.use(files(new))
            await until(lambda: other.news == {new.der} == third.news)
            assert one.news == set()
            await until(lambda: [each.der for each in other.judged] == [new.der])
            assert [each.der for each in other.held.lists[("crls",)].store] == [old.der]
            assert one.counted("published") == 1 and other.counted("taken") == 1
            assert "a CRL of CN=Intermediate with 1 entry" in other.told[0]
            before = list(other.told)
            await asyncio.sleep(0.2)
            assert other.told == before
            assert not any(each.counted("refused") for each in (one, other, third))

    asyncio.run(talk())


def test_a_crl_that_one_gateway_fetched_is_used_by_the_others(holder: Holder) -> None:
    """From the thread in which it was read; what revokes nobody is not published."""
    server, kept = holder

    async def talk() -> None:
        one, other = Gateway(server.url, files()), Gateway(server.url, files())
        async with gateways(one, other):
            revoking, crl = response(ALICE), listing(BOB)
            crl.prepare(ParsedCertificate(CA.der))
            for each in (revoking, crl, response(BOB, "good"), listing(number=9, hours=0.5)):
                await asyncio.to_thread(one.held.news.learned, each)
            await until(lambda: other.news == {revoking.der, crl.der})
            assert len(kept.redis.keys("*")) == 3

    asyncio.run(talk())


def test_a_gateway_that_starts_later_gets_earlier_news(holder: Holder) -> None:
    server, _ = holder

    async def talk() -> None:
        new = listing(ALICE)
        one = Gateway(server.url, files(new))
        async with gateways(one):
            await until(lambda: one.counted("published"))
        late = Gateway(server.url, files())
        async with gateways(late):
            await until(lambda: late.news == {new.der})

    asyncio.run(talk())


def test_news_of_a_ca_that_is_not_known_yet_wait_for_it(holder: Holder) -> None:
    server, _ = holder

    async def talk() -> None:
        new = listing(ALICE)
        one, other = Gateway(server.url, files(new)), Gateway(server.url, files(), path=())
        async with gateways(one, other):
            await until(lambda: other.counted("waiting"))
            assert other.news == set()
            other.exchange.saw(PATH)
            await until(lambda: other.news == {new.der})
            assert other.counted("waiting") == 1

    asyncio.run(talk())


def test_news_that_wait_are_tried_while_the_store_is_down(tmp_path: Path) -> None:
    async def talk() -> None:
        new = listing(ALICE)
        with running_redis(tmp_path) as server, contextlib.closing(StoreHolder(server)) as kept:
            other = Gateway(server.url, files(), path=())
            async with gateways(other):
                kept.publish(new)
                await until(lambda: other.counted("waiting"))
                server.kill()
                await until(lambda: any("not followed" in each for each in other.told))
                other.exchange.saw(PATH)
                await until(lambda: other.news == {new.der})

    asyncio.run(talk())


def test_a_gateway_without_the_secret_reads_and_writes_elsewhere(holder: Holder) -> None:
    server, kept = holder

    async def talk() -> None:
        one = Gateway(server.url, files(listing(ALICE)))
        other = Gateway(server.url, files(listing(BOB)), bytes(32))
        async with gateways(one, other):
            await until(lambda: one.counted("published") and other.counted("published"))
            await asyncio.sleep(0.1)
            assert one.news == other.news == set()
            for name in kept.redis.keys("*"):
                assert b"Intermediate" not in kept.redis.get(name)

    asyncio.run(talk())


# -- the store is down -----------------------------------------------------------------------------


def test_a_store_that_comes_later_or_again_and_empty_has_all_news_again(tmp_path: Path) -> None:
    async def talk() -> None:
        path, new = tmp_path / "redis.sock", listing(ALICE)
        one, other = (Gateway(f"unix://{path}", files(each)) for each in (new, listing(hours=9)))
        async with gateways(one, other):
            await until(lambda: all("not followed" in "".join(each.told) for each in (one, other)))
            with running_redis(tmp_path) as server:
                await until(lambda: other.news == {new.der})
                server.kill()
            path.unlink()
            later = listing(ALICE, BOB, number=3, hours=0.5)
            one.exchange.use(files(later))
            assert other.news == {new.der}
            with running_redis(tmp_path):
                await until(lambda: other.news == {later.der})
                third = Gateway(f"unix://{path}", files())
                async with gateways(third):
                    await until(lambda: third.news == {later.der})
            assert any("followed again" in each for each in one.told)

    asyncio.run(talk())


def test_a_server_that_says_nothing_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_store, "ANSWER_SECONDS", 0.05)

    async def talk() -> None:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        silent = await asyncio.start_unix_server(say_nothing, str(tmp_path / "redis.sock"))
        one = Gateway(f"unix://{tmp_path}/redis.sock", files(listing(ALICE)))
        async with gateways(one):
            await until(lambda: one.told)
        silent.close()

    asyncio.run(talk())


# -- somebody else holds the store -----------------------------------------------------------------


def _with_number(made: CRL) -> CRL:
    """The same CRL with a number that its CA has not signed."""
    before, after = (
        bytes.fromhex("0603551d1404030201") + b"\x02",
        bytes.fromhex("0603551d1404030201") + b"\x7f",
    )
    assert made.der.count(before) == 1
    return CRL(made.der.replace(before, after))


LIES: dict[str, Callable[[], Any]] = {
    "another CA of that name": lambda: listing(ALICE, by=FOREIGN, number=99),
    "signed by another key": lambda: listing(ALICE, number=99, signed_by=FOREIGN.key),
    "a forged number": lambda: _with_number(listing(ALICE)),
    "from the future": lambda: listing(ALICE, hours=-2),
    "out of date": lambda: listing(ALICE, hours=90, next_update=NOW - HOUR),
    "revokes nobody": lambda: listing(number=99),
    "good": lambda: response(ALICE, "good"),
    "on hold": lambda: response(ALICE, reason="certificate_hold"),
    "a response of another": lambda: response(ALICE, signer=FOREIGN),
    "an old response": lambda: response(ALICE, hours=99, next_update=NOW - HOUR),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_not_used_even_with_the_secret(holder: Holder, lie: str) -> None:
    """As of a gateway that was taken over; what is true arrives nevertheless."""
    server, kept = holder

    async def talk() -> None:
        truth = listing(BOB, by=ROOT)
        one = Gateway(server.url, files())
        generation = one.held.news.generation
        async with gateways(one):
            kept.publish(LIES[lie]())
            await until(lambda: one.counted("refused") or one.counted("waiting"))
            assert (one.news, one.judged, one.held.news.generation) == (set(), [], generation)
            kept.publish(truth)
            await until(lambda: one.news == {truth.der})

    asyncio.run(talk())


def test_news_older_than_a_file_or_than_earlier_news_is_not_used(holder: Holder) -> None:
    """Whatever the index says of its age."""
    server, kept = holder

    async def talk() -> None:
        older = listing(ALICE, BOB, hours=5, number=1)
        one, other = Gateway(server.url, files(listing(ALICE, hours=3))), Gateway(server.url, files())
        async with gateways(one, other):
            await until(lambda: len(other.news) == 1)
            before = other.news
            kept.publish(older, made=1 << 40)
            await until(lambda: one.counted("known") and other.counted("known"))
            assert (one.news, other.news) == (set(), before)

    asyncio.run(talk())


def _garbage(kept: StoreHolder, where: str) -> None:
    index, store = kept.box.index, kept.redis
    entry = Listed(b"s" * 16, b"d" * 16, 1 << 40, 0, 1)
    if where == "index":
        store.set(index, os.urandom(200))
    elif where == "huge index":
        store.set(index, bytes(30_000_000))
    elif where == "index of another kind":
        store.delete(index)
        store.hset(index, mapping={"a": "b"})
    elif where == "index of another version":
        store.set(index, kept.box.seal(index, b"\x09abc"))
    else:
        store.set(index, kept.box.sealed_index([entry]))
        name = kept.box.item(entry.digest)
        contents = {
            "item": os.urandom(300),
            "huge item": bytes(50_000_000),
            "item of another name": kept.box.sealed_item(listing(ALICE)),
        }
        if where == "item of another kind":
            store.hset(name, mapping={"a": "b"})
        elif where != "no item":
            store.set(name, contents[where])


@pytest.mark.parametrize(
    "where",
    [
        "index", "huge index", "index of another kind", "index of another version", "item", "huge item",
        "item of another name", "item of another kind", "no item",
    ],
)  # fmt: skip
def test_garbage_is_not_used_and_what_is_true_is_published_over_it(holder: Holder, where: str) -> None:
    server, kept = holder

    async def talk() -> None:
        _garbage(kept, where)
        new = listing(ALICE)
        one, other = Gateway(server.url, files(new)), Gateway(server.url, files())
        async with gateways(one, other):
            if where == "index of another kind":  # as if there were no store, until it is gone
                await until(lambda: one.told and other.told)
                kept.redis.delete(kept.box.index)
            await until(lambda: other.news == {new.der})
            if where not in ("index of another kind", "no item"):
                await until(lambda: other.counted("refused") or one.counted("refused"))

    asyncio.run(talk())


def test_an_index_that_was_put_back_takes_nothing_away_and_is_overwritten(holder: Holder) -> None:
    server, kept = holder

    async def talk() -> None:
        first, second = listing(ALICE, by=ROOT), listing(BOB)
        one, other = Gateway(server.url, files(first)), Gateway(server.url, files())
        async with gateways(one, other):
            await until(lambda: other.news == {first.der})
            before = kept.index()
            one.exchange.use(files(first, second))
            await until(lambda: other.news == {first.der, second.der})
            kept.redis.set(kept.box.index, before)
            await until(lambda: len(kept.box.opened_index(kept.index())) == 2)
            kept.redis.flushall()
            await until(lambda: kept.index() and len(kept.box.opened_index(kept.index())) == 2)
            assert other.news == {first.der, second.der}
            assert len(other.judged) == 2
            assert sum("was published" in each for each in one.told + other.told) == 2

    asyncio.run(talk())


def test_however_much_is_listed_a_look_reads_a_few(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation_news, "LOOK_SECONDS", 30.0)
    server, kept = holder

    async def talk() -> None:
        entries = [Listed(bytes([each]) * 16, bytes([each]) * 16, 1 << 40, 0, each) for each in range(200)]
        kept.redis.set(kept.box.index, kept.box.sealed_index(entries))
        for each in entries:
            kept.redis.set(kept.box.item(each.digest), b"garbage" * 10)
        one = Gateway(server.url, files())
        async with gateways(one):
            await until(lambda: one.counted("refused") == revocation_news.MOST_AT_ONCE)
            await asyncio.sleep(0.1)
            calls = kept.redis.info("commandstats")["cmdstat_getrange"]["calls"]
            assert calls == 2 + revocation_news.MOST_AT_ONCE

    asyncio.run(talk())


def test_lines_about_what_is_refused_are_few(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation_news, "QUIET_SECONDS", 60.0)
    server, kept = holder

    async def talk() -> None:
        one = Gateway(server.url, files())
        async with gateways(one):
            for count in range(1, 6):
                kept.redis.set(kept.box.index, os.urandom(100))
                await until(lambda expected=count: one.counted("refused") >= expected)
            assert len(one.told) == 1
            assert "were refused: it does not verify under our secret" in one.told[0]

    asyncio.run(talk())


def test_number_of_news_that_wait_for_their_signer_is_limited(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_kept, "MOST_WAITING", 3)
    server, kept = holder

    async def talk() -> None:
        one = Gateway(server.url, files())
        several = [listing(ALICE, by=intermediate(FOREIGN, f"CA {each}")) for each in range(8)]
        async with gateways(one):
            kept.publish(*several)
            await until(lambda: one.counted("waiting") == 8)
            one.exchange.saw([intermediate(FOREIGN, f"CA {each}").der for each in range(8)])
            await until(lambda: len(one.news) == 3)
            await asyncio.sleep(0.1)
            assert len(one.news) == 3

    asyncio.run(talk())


def test_a_crl_that_is_too_long_is_not_published(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    server, kept = holder
    short, long = listing(ALICE, by=ROOT), listing(ALICE, BOB, *[ALICE] * 20)
    for module in (news_index, news_store, revocation_news):
        monkeypatch.setattr(module, "LARGEST_NEWS", len(long.der) - 1)

    async def talk() -> None:
        one, other = Gateway(server.url, files(long, short)), Gateway(server.url, files())
        async with gateways(one, other):
            await until(lambda: other.news == {short.der})
            kept.publish(long)
            await until(lambda: other.counted("refused"))
            assert other.news == {short.der}

    asyncio.run(talk())


def test_gateways_that_publish_at_once_lose_nothing_of_each_other(holder: Holder) -> None:
    server, kept = holder

    async def talk() -> None:
        several = [listing(ALICE, by=intermediate(ROOT, f"CA {each}")) for each in range(8)]
        made = [Gateway(server.url, files(each)) for each in several]
        async with gateways(*made):
            await until(lambda: kept.index() and len(kept.box.opened_index(kept.index())) == 8)
            for each in made:
                await until(lambda other=each: other.counted("waiting") == 7)

    asyncio.run(talk())
