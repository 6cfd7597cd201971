"""Addresses of a name: a resolver that hangs holds up nothing but what waits for that name."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bothways import name_lookup
from bothways.name_lookup import MOST_OF_A_NAME, addresses_of, addresses_within, is_number

pytestmark = pytest.mark.network

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))]


class Resolver:
    """The system's resolver: what it is asked hangs until it may answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: list[Any] = []
        self.otherwise: Any = FOUND
        self.may_answer = threading.Event()

    def __call__(self, host: str, *_: object, **__: object) -> Any:
        self.asked.append(host)
        answer = self.answers.pop(0) if self.answers else self.otherwise
        if answer == "hangs":
            self.may_answer.wait(20)
            answer = FOUND
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """What stands for the system's resolver; its threads end with the test."""
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.may_answer.set()


async def until(count: int, resolver: Resolver) -> None:
    while len(resolver.asked) < count:
        await asyncio.sleep(0.001)


def test_names_and_numbers() -> None:
    """A number is none of a resolver's business."""
    assert "127.0.0.1" in {each[4][0] for each in asyncio.run(addresses_of("localhost", 80))}
    assert asyncio.run(addresses_of("::1", 443))[0][4][:2] == ("::1", 443)
    assert [is_number(each) for each in ("127.0.0.1", "fe80::1%lo", "localhost", "")] == [
        True,
        True,
        False,
        False,
    ]
    for bad in ("a\0b", "a" * 70 + ".example", "\udc80.example"):
        with pytest.raises(OSError):
            asyncio.run(addresses_of(bad, 80))


def test_a_resolver_that_hangs_takes_no_thread_of_others_and_keeps_nothing_from_ending(
    resolver: Resolver,
) -> None:
    """It is left to itself. Those who read files go on, and so does the lookup of another name."""
    resolver.answers = ["hangs"]

    async def impatient() -> None:
        waiting = [asyncio.create_task(addresses_of("slow.example", 80)) for _ in range(200)]
        await until(1, resolver)
        assert await asyncio.to_thread(len, "abc") == 3
        assert await addresses_of("other.example", 80) == FOUND
        assert resolver.asked == ["slow.example", "other.example"]
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(impatient())
    assert not resolver.may_answer.is_set()


def test_a_name_is_looked_up_again_beside_a_lookup_without_a_result(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost packet costs one client seconds, and not all that come meanwhile; all get the first result that is one."""
    monkeypatch.setattr(name_lookup, "AGAIN_SECONDS", 0.0)
    resolver.answers = ["hangs", socket.gaierror(socket.EAI_AGAIN, "try again"), FOUND]

    async def several() -> list[Any]:
        waiting = []
        for number in range(3):
            waiting.append(asyncio.create_task(addresses_of("lossy.example", 80)))
            await until(number + 1, resolver)
        return await asyncio.gather(*waiting)

    assert asyncio.run(several()) == [FOUND] * 3


def test_a_name_has_few_lookups_and_is_looked_up_anew_after_them(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_lookup, "AGAIN_SECONDS", 0.0)
    resolver.answers = ["hangs"] * 99

    async def many() -> None:
        waiting = [asyncio.create_task(addresses_of("slow.example", 80)) for _ in range(50)]
        await until(MOST_OF_A_NAME, resolver)
        waiting.pop().cancel()
        resolver.may_answer.set()
        assert await asyncio.gather(*waiting) == [FOUND] * 49
        assert len(resolver.asked) == MOST_OF_A_NAME
        resolver.answers, resolver.otherwise = [], []
        while await addresses_of("slow.example", 80) == FOUND:  # the other lookups end a moment later
            await asyncio.sleep(0.001)

    asyncio.run(many())


def test_all_who_wait_are_told_that_a_name_has_no_address(resolver: Resolver) -> None:
    resolver.answers = [socket.gaierror(socket.EAI_NONAME, "not known")]

    async def two() -> list[Any]:
        return await asyncio.gather(
            *(addresses_of("none.example", 80) for _ in range(2)), return_exceptions=True
        )

    one, other = asyncio.run(two())
    assert (one.errno, one.strerror, one is other) == (socket.EAI_NONAME, "not known", False)
    assert resolver.asked == ["none.example"]


def test_concurrent_look_ups_are_limited(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's certificates may name any number of hosts, and each lookup has a thread."""
    monkeypatch.setattr(name_lookup, "LOOKUPS", threading.BoundedSemaphore(3))
    resolver.answers = ["hangs"] * 3

    async def many() -> list[Any]:
        asking = [asyncio.create_task(addresses_of(f"{number}.example", 80)) for number in range(5)]
        await until(3, resolver)
        resolver.may_answer.set()
        return await asyncio.gather(*asking, return_exceptions=True)

    found = asyncio.run(many())
    assert found[:3] == [FOUND] * 3
    assert [str(each) for each in found[3:]] == ["too many names are being looked up already"] * 2
    assert asyncio.run(addresses_of("later.example", 80)) == FOUND


def test_a_look_up_without_a_thread_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is full: the host cannot be asked, which is no defect."""

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(name_lookup, "LOOKUPS", threading.BoundedSemaphore(1))
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", none_left)
        with pytest.raises(OSError, match="no thread is left"):
            asyncio.run(addresses_of("localhost", 80))
    assert asyncio.run(addresses_of("localhost", 80))


def test_without_an_event_loop_a_name_is_waited_for_so_long(resolver: Resolver) -> None:
    assert addresses_within("127.0.0.1", 80, 0.0) == FOUND
    assert addresses_within("quick.example", 80, 20.0) == FOUND
    resolver.answers = [socket.gaierror(socket.EAI_NONAME, "not known"), "hangs"]
    with pytest.raises(socket.gaierror, match="not known"):
        addresses_within("none.example", 80, 20.0)
    with pytest.raises(OSError, match=r"^its name was not resolved within 0.01 seconds$"):
        addresses_within("slow.example", 80, 0.01)
