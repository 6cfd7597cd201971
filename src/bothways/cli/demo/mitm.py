"""Devices between two peers: one that inverts a bit, one with stolen keys that forges a message.

They are between real sockets and see the connection record by record, as a router would.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.hashes import Hash

from bothways.iana import ContentType, HandshakeType
from bothways.tls.crypto.groups import KeyOffer, finish
from bothways.tls.crypto.randomness import SystemRandomness
from bothways.tls.crypto.signing import PrivateKey
from bothways.tls.crypto.suites import SUITES13, Suite
from bothways.tls.keys.schedule13 import EarlySecret
from bothways.tls.record.protection import Protection
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Flight, decode_message
from bothways.tls.wire.hello import ServerHello

HEADER_SIZE = 5

# Alters one record: (sent by the server?, record) -> record.
Alteration = Callable[[bool, bytes], bytes]


class Device:
    """Listens on loopback and relays one connection to `target`, with an alteration.

    Clients connect to `address`.
    """

    def __init__(self, target: tuple[str, int], alteration: Alteration) -> None:
        self._target = target
        self._alter = alteration
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)

    def __enter__(self) -> Device:
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._listener.close()
        self._thread.join(5)

    def _pass_on(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            with client, socket.create_connection(self._target) as server:
                back = threading.Thread(target=self._relay, args=(server, client, True), daemon=True)
                back.start()
                self._relay(client, server, False)
                back.join()

    def _relay(self, source: socket.socket, sink: socket.socket, from_server: bool) -> None:
        waiting = b""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                waiting += data
                while len(waiting) >= HEADER_SIZE:
                    end = HEADER_SIZE + int.from_bytes(waiting[3:5], "big")
                    if len(waiting) < end:
                        break
                    record, waiting = waiting[:end], waiting[end:]
                    sink.sendall(self._alter(from_server, record))
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def invert_a_bit(from_server: bool, record: bytes) -> bytes:
    """Invert one bit in every protected record of the server: the most that a device without keys can do."""
    if from_server and record[0] == ContentType.application_data:
        return record[:-1] + bytes((record[-1] ^ 1,))
    return record


class StolenShare(SystemRandomness):
    """The randomness of a client whose private keys are known to a device."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        super().__init__(random)
        self.keys: list[Any] = []

    def private_key(self, group: int, /) -> Any:
        """Return a new private key, and store it for the device."""
        key = super().private_key(group)
        self.keys.append(key)
        return key


class BorrowedCertificate(SystemRandomness):
    """The randomness of a client that shows a certificate without having its key, and signs with another one."""

    def __init__(self, random: Callable[[int], bytes], other: PrivateKey) -> None:
        super().__init__(random)
        self._other = other

    def sign(self, scheme: int, private_key: PrivateKey, data: bytes, /) -> bytes:  # noqa: ARG002 - that is the fraud
        """Sign with the key that the client has."""
        return super().sign(scheme, self._other, data)


class ForgedFinished:
    """Has the handshake keys through a stolen key share, decrypts the server's messages and alters its Finished.

    Every other byte is unchanged, so only the comparison of Finished can detect it (RFC 9846 4.5.3).
    """

    def __init__(self, stolen: StolenShare, group: int) -> None:
        self._stolen = stolen
        self._group = group
        self._hellos = b""
        self._opening: Protection | None = None
        self._sealing: Protection | None = None
        self._flight = Flight()

    def __call__(self, from_server: bool, record: bytes) -> bytes:
        """Read the keys from the hellos, alter the Finished, and return every other record unchanged."""
        if record[0] == ContentType.handshake and self._opening is None:
            self._hellos += record[HEADER_SIZE:]
            if from_server:
                self._take_keys(record[HEADER_SIZE:])
        elif from_server and record[0] == ContentType.application_data and self._opening and self._sealing:
            return self._altered(record, self._opening, self._sealing)
        return record

    def _take_keys(self, raw: bytes) -> None:
        hello = decode_message(HandshakeType.server_hello, raw[4:])
        share = ext.find(hello.extensions or (), ext.ServerShare) if isinstance(hello, ServerHello) else None
        if not isinstance(hello, ServerHello) or share is None:
            raise TypeError("the server's first message is no ServerHello with a share")
        suite = SUITES13[hello.cipher_suite]
        offer = KeyOffer(self._group, b"", tuple(self._stolen.keys[:1]))
        secret = finish(offer, _share_bytes(share))
        secrets = EarlySecret(suite).handshake(secret, _digest(suite, self._hellos), suite)
        self._opening = Protection(suite, secrets.server)
        self._sealing = Protection(suite, secrets.server)

    def _altered(self, record: bytes, opening: Protection, sealing: Protection) -> bytes:
        content_type, content = opening.open(record[:HEADER_SIZE], record[HEADER_SIZE:])
        self._flight.feed(content)
        while (message := self._flight.next()) is not None:
            if message[0] == HandshakeType.finished:
                content = content[:-1] + bytes((content[-1] ^ 1,))
                self._opening = None
        return sealing.seal(content_type, content)


def _share_bytes(share: ext.ServerShare) -> bytes:
    return share.entry.key_exchange


def _digest(suite: Suite, data: bytes) -> bytes:
    digest = Hash(suite.hash)
    digest.update(data)
    return digest.finalize()
