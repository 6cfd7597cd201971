"""A client's sessions: bounded, used once, and nobody else's."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from bothways import ConfigError, SessionStore
from bothways.tls.resumption.session import Session
from bothways.tls.resumption.session_store import LARGEST_TICKET, SESSIONS_EACH, SessionKey
from pair import NOON
from tls.resumption.test_session import SESSION

KEY = SessionKey(b"configuration", b"identity", ("dns", "a.example"))


def ticket(number: int) -> Session:
    return replace(SESSION, ticket=b"%d" % number)


def test_a_session_is_used_once() -> None:
    """RFC 9846 C.4: who uses one twice can be followed."""
    store = SessionStore()
    store.keep(KEY, SESSION)
    assert store.take(KEY, NOON) is SESSION
    assert store.take(KEY, NOON) is None


def test_the_newest_comes_first() -> None:
    store = SessionStore()
    for number in range(3):
        store.keep(KEY, ticket(number))
    assert [store.take(KEY, NOON).ticket for _ in range(3)] == [b"2", b"1", b"0"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "other",
    [
        KEY._replace(configuration=b"another"),
        KEY._replace(identity=b"another"),
        KEY._replace(server=("dns", "b.example")),
        KEY._replace(server=("uri", "a.example")),
    ],
)
def test_a_session_is_for_its_configuration_identity_and_server_alone(other: SessionKey) -> None:
    store = SessionStore()
    store.keep(KEY, SESSION)
    assert store.take(other, NOON) is None
    assert store.take(KEY, NOON) is SESSION


def test_each_server_has_few_sessions() -> None:
    store = SessionStore()
    for number in range(100):
        store.keep(KEY, ticket(number))
    assert len(store) == SESSIONS_EACH
    assert store.take(KEY, NOON).ticket == b"99"  # type: ignore[union-attr]


def test_session_store_keeps_sessions_of_a_limited_number_of_servers() -> None:
    """The one without a new session for longest goes first."""
    store = SessionStore(servers=3)
    keys = [KEY._replace(server=("dns", f"{number}.example")) for number in range(4)]
    for key in (*keys[:3], keys[0], keys[3]):
        store.keep(key, SESSION)
    assert store.take(keys[1], NOON) is None
    assert all(store.take(key, NOON) is not None for key in (keys[0], keys[2], keys[3]))


def test_a_long_ticket_is_not_kept() -> None:
    """It would take memory here, and its whole length in every ClientHello."""
    store = SessionStore()
    store.keep(KEY, replace(SESSION, ticket=bytes(LARGEST_TICKET + 1)))
    assert len(store) == 0
    store.keep(KEY, replace(SESSION, ticket=bytes(LARGEST_TICKET)))
    assert len(store) == 1


def test_sessions_that_are_too_old_are_not_returned() -> None:
    store = SessionStore(max_age=timedelta(hours=1))
    store.keep(KEY, replace(SESSION, authenticated=NOON - timedelta(minutes=30)))
    store.keep(KEY, replace(SESSION, authenticated=NOON - timedelta(hours=2)))
    found = store.take(KEY, NOON)
    assert found is not None and found.authenticated == NOON - timedelta(minutes=30)
    assert len(store) == 0


def test_a_forked_process_starts_with_an_empty_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent may use the same session."""
    store = SessionStore()
    store.keep(KEY, SESSION)
    monkeypatch.setattr("bothways.tls.resumption.session_store.process_id", lambda: -1)
    assert store.take(KEY, NOON) is None
    store.keep(KEY, SESSION)
    assert store.take(KEY, NOON) is SESSION


def test_threads_never_get_the_same_session() -> None:
    store = SessionStore(servers=4)
    got: list[list[bytes]] = [[] for _ in range(4)]
    ready = threading.Barrier(5)

    def use(mine: list[bytes]) -> None:
        ready.wait()
        for _ in range(3000):
            found = store.take(KEY, NOON)
            if found is not None:
                mine.append(found.ticket)

    threads = [threading.Thread(target=use, args=(each,)) for each in got]
    for each in threads:
        each.start()
    ready.wait()
    for number in range(3000):
        store.keep(KEY, ticket(number))
        store.keep(KEY._replace(identity=b"%d" % (number % 9)), SESSION)
    for each in threads:
        each.join()
    counts = Counter(each for mine in got for each in mine)
    assert counts and max(counts.values()) == 1
    assert len(store) <= 4 * SESSIONS_EACH


@pytest.mark.parametrize("options", [{"servers": 0}, {"max_age": timedelta(days=8)}])
def test_impossible_arguments_are_a_config_error(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SessionStore(**options)  # type: ignore[arg-type]


def test_clear_forgets_all() -> None:
    store = SessionStore()
    store.keep(KEY, SESSION)
    store.clear()
    assert store.take(KEY, NOON) is None and repr(store) == "<SessionStore of 0>"
