"""tlslite-ng in process: a third implementation that shares no code with the others.

It checks no chain; what is held against it is the protocol.
"""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bothways import Alert, ClientConfig, Connection, Fault, PeerFault, ServerConfig
from interop import identities
from interop.identities import Identity, client, server
from interop.in_process import Meeting

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it brings asyncore along
    from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
    from tlslite.errors import TLSRemoteAlert

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tlslite")

BOTH_ROLES = pytest.mark.parametrize("role", ["client", "server"])
GROUPS = {
    "x25519": "x25519",
    "secp256r1": "secp256r1",
    "secp384r1": "secp384r1",
    "secp521r1": "secp521r1",
}
SUITES = {
    "TLS_AES_128_GCM_SHA256": "aes128gcm",
    "TLS_AES_256_GCM_SHA384": "aes256gcm",
    "TLS_CHACHA20_POLY1305_SHA256": "chacha20-poly1305",
}
KINDS = ("P-256", "P-384", "P-521", "RSA", "Ed25519")


class Wire:
    """As much of a non-blocking socket as tlslite-ng asks for."""

    def __init__(self) -> None:
        self.incoming, self.outgoing = bytearray(), bytearray()

    def send(self, data: bytes) -> int:
        self.outgoing += data
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.outgoing += data

    def recv(self, size: int) -> bytes:
        if not self.incoming:
            raise OSError(errno.EWOULDBLOCK, "nothing there")
        data = bytes(self.incoming[:size])
        del self.incoming[:size]
        return data

    def close(self) -> None:
        pass


class TLSLite:
    """tlslite-ng behind memory buffers, as `interop.in_process` has the others."""

    def __init__(self, start: Callable[[TLSConnection], Iterator[int]]) -> None:
        self._wire = Wire()
        self.object = TLSConnection(self._wire)
        self.object.closeSocket = False
        self._work: Iterator[Any] = start(self.object)
        self.established = False
        self.received = b""
        self.failure: Exception | None = None
        self.peer_closed = False
        self._go_on()

    def receive(self, data: bytes) -> None:
        self._wire.incoming += data
        self._go_on()

    def data_to_send(self) -> bytes:
        data = bytes(self._wire.outgoing)
        self._wire.outgoing.clear()
        return data

    def send(self, data: bytes) -> None:
        for _ in self.object.writeAsync(data):
            pass

    def close(self) -> None:
        for waits in self.object.closeAsync():
            if waits == 0:
                break

    @property
    def alert(self) -> str | None:
        return (
            Alert(self.failure.description).name.lower() if isinstance(self.failure, TLSRemoteAlert) else None
        )

    def _go_on(self) -> None:
        """Let it work until it waits for us: first the handshake, then reading without end."""
        try:
            while self.failure is None and not self.peer_closed:
                for result in self._work:
                    if isinstance(result, (bytes, bytearray)):
                        self.received += result
                        self.peer_closed = self.object.closed
                    elif result == 0 and not self._wire.incoming:
                        return
                self.established = True
                self._work = self.object.readAsync(max=2**14, min=1)
        except Exception as error:  # noqa: BLE001
            self.failure = error


def their_side(role: str, who: Identity | None, *, asks: bool = True, **settings: Any) -> TLSLite:
    """Start the other side, with `role` ours."""
    chosen = HandshakeSettings()
    chosen.minVersion = chosen.maxVersion = (3, 4)
    chosen.ticket_count = 2
    # Its client compresses its certificate for servers that have not asked for that.
    chosen.certificate_compression_send = []
    for name, value in settings.items():
        setattr(chosen, name, value)
    chain, key = None, None
    if who is not None:
        chain = X509CertChain()
        chain.parsePemList(who.chain.decode())
        key = parsePEMKey(who.key.decode(), private=True)
    if role == "client":
        return TLSLite(
            lambda side: side.handshakeServerAsync(
                certChain=chain, privateKey=key, reqCert=asks, settings=chosen
            )
        )
    return TLSLite(
        lambda side: side.handshakeClientCert(
            chain, key, settings=chosen, serverName="localhost", async_=True
        )
    )


def our_side(role: str, kind: str = "P-256", **terms: Any) -> Connection:
    trusted = identities.anchors()
    if role == "client":
        config = ClientConfig(**{"anchors": trusted, "credentials": client(kind).credentials} | terms)
        return config.connection("localhost")
    return ServerConfig(
        **{"client_anchors": trusted, "credentials": server(kind).credentials} | terms
    ).connection()


def theirs(role: str, kind: str = "P-256") -> Identity:
    return server(kind) if role == "client" else client(kind)


@BOTH_ROLES
@pytest.mark.parametrize("group", GROUPS)
def test_tlslite_agrees_on_every_group_with_us(role: str, group: str) -> None:
    """RFC 10024 and RFC 9846 4.3.8: where its shares or ours are for others, this takes a retry."""
    meeting = Meeting(our_side(role, groups=(group,)), their_side(role, theirs(role))).carry()
    meeting.talk()
    assert meeting.ours.group == group


@BOTH_ROLES
@pytest.mark.parametrize("suite", SUITES)
def test_tlslite_chooses_the_suite_and_we_follow(role: str, suite: str) -> None:
    """RFC 9846 B.4."""
    other = their_side(role, theirs(role), cipherNames=[SUITES[suite]])
    meeting = Meeting(our_side(role), other).carry()
    meeting.talk(b"o" * 40_000, b"t" * 40_000)
    assert meeting.ours.suite == suite


@BOTH_ROLES
@pytest.mark.parametrize("kind", KINDS)
def test_tlslite_and_we_prove_ourselves_with_every_kind_of_key(role: str, kind: str) -> None:
    """RFC 9846 4.3.3."""
    meeting = Meeting(our_side(role, kind), their_side(role, theirs(role, kind))).carry()
    meeting.talk()
    assert meeting.ours.peer is not None
    shown = meeting.theirs.object.session
    chain = shown.clientCertChain if role == "client" else shown.serverCertChain
    mine = client(kind) if role == "client" else server(kind)
    assert bytes(chain.x509List[0].bytes) == mine.credentials.chain[0]


@BOTH_ROLES
@pytest.mark.parametrize("asked", [True, False])
def test_tlslite_changes_its_keys_and_may_ask_for_ours(role: str, asked: bool) -> None:
    """RFC 9846 4.7.3: started by the other side."""
    meeting = Meeting(our_side(role), their_side(role, theirs(role))).carry()
    for _ in range(3):
        for _ in meeting.theirs.object.send_keyupdate_request(1 if asked else 0):
            pass
        meeting.talk()


@pytest.mark.parametrize("limit", [64, 1000, 2**14])
@BOTH_ROLES
def test_tlslite_with_a_record_size_limit_hears_us(role: str, limit: int) -> None:
    """RFC 8449: what we do not speak binds neither side."""
    meeting = Meeting(our_side(role), their_side(role, theirs(role), record_size_limit=limit)).carry()
    meeting.talk()


@BOTH_ROLES
def test_tlslite_closes_and_sees_us_close(role: str) -> None:
    """RFC 9846 6.1."""
    meeting = Meeting(our_side(role), their_side(role, theirs(role))).carry()
    meeting.ours.send(b"the last word")
    meeting.ours.close()
    meeting.carry()
    assert meeting.theirs.received == b"the last word"
    assert meeting.theirs.peer_closed


def test_tlslite_client_that_compresses_its_certificate_unasked_is_refused() -> None:
    """RFC 8879 4: only towards a peer that offered it, and we do not."""
    other = their_side("server", client(), certificate_compression_send=["zlib"])
    meeting = Meeting(our_side("server"), other).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert meeting.failure.fault is Fault.UNEXPECTED_MESSAGE
    assert meeting.theirs.alert == "unexpected_message"


def test_tlslite_client_without_a_certificate_is_told_so() -> None:
    """RFC 9846 4.5.1.4."""
    meeting = Meeting(our_side("server"), their_side("server", None)).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert meeting.failure.fault is Fault.NO_CERTIFICATE
    assert meeting.theirs.alert == "certificate_required"
