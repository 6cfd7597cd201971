"""Other stacks behind memory buffers, so that a conversation with one takes milliseconds and no socket."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from OpenSSL import SSL

from bothways import ClientConfig, Connection, Event, ServerConfig
from interop import identities
from interop.identities import Identity, client, server
from pair import failure, received

BOTH_ROLES = pytest.mark.parametrize("role", ["client", "server"])
GROUPS = ("x25519", "secp256r1", "secp384r1", "secp521r1")

# Suites of TLS 1.2, by the names that OpenSSL has for them.
ECDSA = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
RSA = {
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
TRANSPORT = {
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
}
CLASSIC = {"insecure_rsa_key_transport": True}


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

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server: bool,
        name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server, server_hostname=name, session=session
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

    def __init__(
        self,
        context: SSL.Context,
        *,
        server: bool,
        name: str | None = None,
        session: SSL.Session | None = None,
    ) -> None:
        self.object = SSL.Connection(context, None)
        if session is not None:
            self.object.set_session(session)
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


# -- a conversation with this machine's OpenSSL ------------------------------------------------------------


@dataclass(frozen=True)
class Theirs:
    """Makes OpenSSL's side, which speaks TLS up to `version`.

    ciphers: suites of TLS 1.2 as OpenSSL calls them.  settings: attributes of its context, and methods that
    are called with the value.
    """

    folder: Path
    version: str

    def server(
        self,
        who: Identity | None = None,
        asks: ssl.VerifyMode = ssl.CERT_NONE,
        ciphers: str | None = None,
        **settings: Any,
    ) -> StandardSSL:
        context = self._context(ssl.PROTOCOL_TLS_SERVER, who or server(), ciphers)
        context.verify_mode = asks
        return StandardSSL(_configured(context, settings), server=True)

    def client(
        self,
        who: Identity | None = None,
        name: str = "localhost",
        ciphers: str | None = None,
        **settings: Any,
    ) -> StandardSSL:
        context = self._context(ssl.PROTOCOL_TLS_CLIENT, who, ciphers)
        return StandardSSL(_configured(context, settings), server=False, name=name)

    def _context(self, protocol: int, who: Identity | None, ciphers: str | None) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.load_verify_locations(identities.root_file(self.folder))
        context.maximum_version = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}[self.version]
        if who is not None:
            context.load_cert_chain(*who.files(self.folder))
        if ciphers is not None:
            context.set_ciphers(ciphers)
        return context


def _configured(context: ssl.SSLContext, settings: dict[str, Any]) -> ssl.SSLContext:
    for name, value in settings.items():
        if callable(getattr(context, name)):
            getattr(context, name)(value)
        else:
            setattr(context, name, value)
    return context


def our_client(who: Identity | None = None, **fields: Any) -> ClientConfig:
    credentials = who.credentials if who is not None else None
    return ClientConfig(**{"anchors": identities.anchors(), "credentials": credentials} | fields)


def our_server(who: Identity | None = None, *, auth: str | None = None, **fields: Any) -> ServerConfig:
    if auth not in (None, "none"):
        fields |= {"client_anchors": identities.anchors(), "client_auth": auth}
    return ServerConfig(**{"credentials": (who or server()).credentials} | fields)


def mutual(
    role: str,
    theirs: Theirs,
    kind: str = "P-256",
    *,
    who: Identity | None = None,
    piece: int = 2**20,
    ciphers: str | None = None,
    settings: dict[str, Any] | None = None,
    **fields: Any,
) -> Meeting:
    """A sound conversation with us in `role`, both sides with certificates of the same kind of key.

    who: the server, where it has another key.  ciphers, settings: OpenSSL's.  fields: of our configuration.
    """
    serves, more = who or server(kind), {"ciphers": ciphers} | (settings or {})
    if role == "client":
        ours = our_client(client(kind), **fields).connection("localhost")
        meeting = Meeting(ours, theirs.server(serves, ssl.CERT_REQUIRED, **more), piece)
    else:
        ours = our_server(serves, auth="require", **fields).connection()
        meeting = Meeting(ours, theirs.client(client(kind), **more), piece)
    meeting.carry()
    assert meeting.failure is None and meeting.theirs.failure is None
    assert meeting.ours.established and meeting.theirs.established
    assert meeting.ours.peer is not None
    assert meeting.ours.version == theirs.version
    assert isinstance(meeting.theirs, StandardSSL)
    assert meeting.theirs.object.version() == f"TLSv{theirs.version}"
    assert meeting.theirs.object.getpeercert() is not None
    return meeting
