"""A client and a server engine with a wire between them, a clock that stands still and known entropy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bothways import ClientConfig, Connection, Data, Event, Failed, ServerConfig
from bothways.tls.crypto.randomness import SystemRandomness
from bothways.tls.events import Note

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class FrozenClock:
    """A clock that moves only when a test says so."""

    at: datetime = NOON
    seconds: float = 1000.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.at += timedelta(seconds=seconds)


class SeededEntropy:
    """Bytes that are the same in every run."""

    def __init__(self, seed: bytes) -> None:
        self._state = hashlib.sha256(seed).digest()

    def __call__(self, size: int) -> bytes:
        drawn = b""
        while len(drawn) < size:
            self._state = hashlib.sha256(self._state).digest()
            drawn += self._state
        return drawn[:size]


def seeded_randomness(seed: bytes = b"bothways") -> SystemRandomness:
    return SystemRandomness(SeededEntropy(seed))


Tamper = Callable[[bytes], bytes]


def untouched(data: bytes) -> bytes:
    return data


@dataclass
class Pair:
    """Both ends of a conversation. `tamper_*` see every flight on its way."""

    client: Connection
    server: Connection
    to_server: Tamper = untouched
    to_client: Tamper = untouched
    client_events: list[Event] = field(default_factory=list)
    server_events: list[Event] = field(default_factory=list)

    def exchange(self, rounds: int = 20) -> None:
        """Carry bytes both ways until nobody has any left."""
        for _ in range(rounds):
            out = self.client.data_to_send()
            if out:
                self.server_events += self.server.receive(self.to_server(out))
            back = self.server.data_to_send()
            if back:
                self.client_events += self.client.receive(self.to_client(back))
            if not out and not back:
                return
        raise AssertionError("the conversation does not come to rest")

    @property
    def client_failure(self) -> Exception | None:
        return failure(self.client_events)

    @property
    def server_failure(self) -> Exception | None:
        return failure(self.server_events)


def failure(events: list[Event]) -> Exception | None:
    return next((event.error for event in events if isinstance(event, Failed)), None)


def received(events: list[Event]) -> bytes:
    """All application data in `events`."""
    return b"".join(event.data for event in events if isinstance(event, Data))


def pair(
    client: ClientConfig,
    server: ServerConfig,
    name: str = "localhost",
    *,
    client_notes: list[Note] | None = None,
    server_notes: list[Note] | None = None,
) -> Pair:
    """Connect `client` to `server`, without carrying a byte yet."""
    return Pair(
        client.connection(name, observer=None if client_notes is None else client_notes.append),
        server.connection(observer=None if server_notes is None else server_notes.append),
    )
