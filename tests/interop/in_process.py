"""Other stacks behind memory buffers, so that a conversation with one takes milliseconds and no socket."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Protocol

from OpenSSL import SSL

from bothways import Connection, Event
from pair import failure, received


class Foreign(Protocol):
    """One side of a conversation that is not ours. `alert` is the alert by which it saw us refuse it."""

    established: bool
    received: bytes
    failure: Exception | None
    peer_closed: bool

    def receive(self, data: bytes) -> None: ...
    def data_to_send(self) -> bytes: ...
    def send(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    @property
    def alert(self) -> str | None: ...


class StandardSSL:
    """Python's own `ssl`, which is this machine's OpenSSL."""

    def __init__(self, context: ssl.SSLContext, *, server: bool, name: str | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server, server_hostname=name
        )
        self.established = False
        self.received = b""
        self.failure: Exception | None = None
        self.peer_closed = False
        self._go_on()

    def receive(self, data: bytes) -> None:
        self._incoming.write(data)
        self._go_on()

    def data_to_send(self) -> bytes:
        return self._outgoing.read()

    def send(self, data: bytes) -> None:
        sent = self.object.write(data)
        assert sent == len(data)

    def close(self) -> None:
        try:
            self.object.unwrap()
        except ssl.SSLWantReadError:
            pass

    @property
    def alert(self) -> str | None:
        return alert_named(str(self.failure))

    def _go_on(self) -> None:
        if self.failure is not None or self.peer_closed:
            return
        try:
            if not self.established:
                self.object.do_handshake()
                self.established = True
            while data := self.object.read(64 * 1024):
                self.received += data
            self.peer_closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.failure = error


class PyOpenSSL:
    """pyOpenSSL over the OpenSSL inside the wheel of `cryptography`."""

    def __init__(self, context: SSL.Context, *, server: bool, name: str | None = None) -> None:
        self.object = SSL.Connection(context, None)
        if name is not None:
            self.object.set_tlsext_host_name(name.encode())
        self.object.set_accept_state() if server else self.object.set_connect_state()
        self.established = False
        self.received = b""
        self.failure: Exception | None = None
        self.peer_closed = False
        self._go_on()

    def receive(self, data: bytes) -> None:
        while data:
            data = data[self.object.bio_write(data) :]
            self._go_on()

    def data_to_send(self) -> bytes:
        data = b""
        try:
            while True:
                data += self.object.bio_read(64 * 1024)
        except (SSL.WantReadError, SSL.SysCallError):
            return data

    def send(self, data: bytes) -> None:
        self.object.sendall(data)

    def close(self) -> None:
        self.object.shutdown()

    @property
    def alert(self) -> str | None:
        return alert_named(str(self.failure))

    def _go_on(self) -> None:
        if self.failure is not None or self.peer_closed:
            return
        try:
            if not self.established:
                self.object.do_handshake()
                self.established = True
            while True:
                self.received += self.object.recv(64 * 1024)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.peer_closed = True
        except SSL.Error as error:
            self.failure = error


def alert_named(text: str) -> str | None:
    """The alert in a text of OpenSSL, such as "sslv3 alert bad certificate" or "tlsv1 unrecognized name"."""
    found = re.search(r"(?:tlsv1|alert) (?!alert)([a-z ]+)", text)
    return found.group(1).strip().replace(" ", "_") if found else None


@dataclass
class Meeting:
    """Our engine and another one, with a wire between them; `piece` cuts what travels into such bits."""

    ours: Connection
    theirs: Foreign
    piece: int = 2**20
    events: list[Event] = field(default_factory=list)

    def carry(self) -> Meeting:
        """Carry bytes both ways until nobody has any left."""
        for _ in range(200):
            ours, theirs = self.ours.data_to_send(), self.theirs.data_to_send()
            if not ours and not theirs:
                return self
            for at in range(0, len(ours), self.piece):
                self.theirs.receive(ours[at : at + self.piece])
            for at in range(0, len(theirs), self.piece):
                self.events += self.ours.receive(theirs[at : at + self.piece])
        raise AssertionError("the conversation does not come to rest")

    def talk(self, to_them: bytes = b"from us", to_us: bytes = b"from them") -> None:
        """Let both speak, and hear the other."""
        heard, before = len(self.theirs.received), len(received(self.events))
        self.ours.send(to_them)
        self.theirs.send(to_us)
        self.carry()
        assert self.failure is None and self.theirs.failure is None
        assert self.theirs.received[heard:] == to_them
        assert received(self.events)[before:] == to_us

    @property
    def failure(self) -> Exception | None:
        return failure(self.events)
