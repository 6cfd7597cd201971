"""tlslite-ng, written in Python alone, in TLS 1.2 against our sockets, in both roles and in one process."""

from __future__ import annotations

import socket
import warnings
from typing import Any

import pytest

from bothways import Fault, PeerFault
from bothways.iana import Alert
from bothways.net import Channel, connect
from interop.identities import Identity
from interop.in_process import CLASSIC, our_client, our_server
from interop.our_side import parties
from interop.programs import PATIENCE, serving
from interop.tlslite_server import one_connection

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore, which nobody here needs
    from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
    from tlslite.errors import TLSRemoteAlert

pytestmark = [pytest.mark.interop, pytest.mark.network]

CIPHERS = {"aes128gcm": "AES_128_GCM_SHA256", "aes256gcm": "AES_256_GCM_SHA384"}
CIPHERS |= {"chacha20-poly1305": "CHACHA20_POLY1305_SHA256"}
CHOICES = [
    *[("ecdhe_rsa", cipher, "RSA") for cipher in CIPHERS],
    *[("ecdhe_ecdsa", cipher, "P-256") for cipher in CIPHERS],
    *[("rsa", cipher, "transport") for cipher in list(CIPHERS)[:2]],
]


def settings(exchange: str, cipher: str, **more: Any) -> HandshakeSettings:
    made = HandshakeSettings()
    made.minVersion = made.maxVersion = (3, 3)
    made.keyExchangeNames, made.cipherNames = [exchange], [cipher]
    for name, value in more.items():
        setattr(made, name, value)
    return made


def chain_and_key(who: Identity) -> tuple[X509CertChain, object]:
    chain = X509CertChain()
    chain.parsePemList(who.chain.decode())
    return chain, parsePEMKey(who.key.decode(), private=True, implementations=["python"])


def suite_named(exchange: str, cipher: str) -> str:
    return f"TLS_{exchange.upper()}_WITH_{CIPHERS[cipher]}"


@pytest.mark.parametrize(("exchange", "cipher", "kind"), CHOICES)
def test_tlslite_client_proves_itself_to_us(exchange: str, cipher: str, kind: str) -> None:
    """RFC 5246 7.3: every suite, with a client certificate."""
    who, own = parties(kind)
    config = our_server(who, auth="require", **CLASSIC if kind == "transport" else {})
    with serving(config) as ours, socket.create_connection(("127.0.0.1", ours.port)) as sock:
        theirs = TLSConnection(sock)
        theirs.handshakeClientCert(
            *chain_and_key(own), settings=settings(exchange, cipher), serverName="localhost"
        )
        theirs.write(b"there and back")
        assert theirs.read(min=14, max=14) == b"there and back"
        assert theirs.session.extendedMasterSecret
        theirs.close()
        ended = ours.outcome()
        assert isinstance(ended, Channel)
        assert (ended.version, ended.suite) == ("1.2", suite_named(exchange, cipher))
        assert ended.peer is not None


def test_tlslite_client_without_a_certificate_is_refused_where_one_is_required() -> None:
    """RFC 5246 7.4.6: handshake_failure."""
    with (
        serving(our_server(auth="require")) as ours,
        socket.create_connection(("127.0.0.1", ours.port)) as sock,
    ):
        theirs = TLSConnection(sock)
        with pytest.raises(TLSRemoteAlert) as refusal:
            theirs.handshakeClientCert(settings=settings("ecdhe_ecdsa", "aes128gcm"), serverName="localhost")
        assert refusal.value.description == Alert.HANDSHAKE_FAILURE
        ended = ours.outcome()
        assert isinstance(ended, PeerFault) and ended.fault is Fault.NO_CERTIFICATE


def test_tlslite_client_that_does_not_bind_keys_needs_leave() -> None:
    """RFC 7627 5.2: refused, and served where that is allowed by name."""
    plain = settings("ecdhe_ecdsa", "aes128gcm", useExtendedMasterSecret=False)
    with serving(our_server()) as ours, socket.create_connection(("127.0.0.1", ours.port)) as sock:
        with pytest.raises(TLSRemoteAlert):
            TLSConnection(sock).handshakeClientCert(settings=plain, serverName="localhost")
        ended = ours.outcome()
        assert isinstance(ended, PeerFault) and ended.fault is Fault.NO_EXTENDED_MAIN_SECRET
    allowed = our_server(insecure_without_extended_main_secret=True)
    with serving(allowed) as ours, socket.create_connection(("127.0.0.1", ours.port)) as sock:
        theirs = TLSConnection(sock)
        theirs.handshakeClientCert(settings=plain, serverName="localhost")
        theirs.write(b"there and back")
        assert theirs.read(min=14, max=14) == b"there and back"
        theirs.close()
        assert isinstance(ours.outcome(), Channel)


@pytest.mark.parametrize("version", [(3, 1), (3, 2)])
def test_tlslite_client_of_older_versions_is_refused(version: tuple[int, int]) -> None:
    """RFC 8996: protocol_version."""
    old = settings("rsa", "aes128", minVersion=version, maxVersion=version)
    with serving(our_server()) as ours, socket.create_connection(("127.0.0.1", ours.port)) as sock:
        with pytest.raises(TLSRemoteAlert) as refusal:
            TLSConnection(sock).handshakeClientCert(settings=old, serverName="localhost")
        assert refusal.value.description == Alert.PROTOCOL_VERSION
        ended = ours.outcome()
        assert isinstance(ended, PeerFault) and ended.fault is Fault.UNSUPPORTED_VERSION


@pytest.mark.parametrize(("exchange", "cipher", "kind"), CHOICES)
def test_tlslite_server_asks_and_we_prove_ourselves(exchange: str, cipher: str, kind: str) -> None:
    """RFC 5246 7.3, the other way round."""
    who, own = parties(kind)
    seen: list[object] = []

    def talk(theirs: TLSConnection) -> None:
        chain, key = chain_and_key(who)
        theirs.handshakeServer(
            certChain=chain, privateKey=key, reqCert=True, settings=settings(exchange, cipher)
        )
        seen.append(theirs.session.clientCertChain)
        theirs.write(bytes(theirs.read(min=14, max=14)))
        theirs.close()

    port, thread = one_connection(talk)
    config = our_client(own, **CLASSIC if kind == "transport" else {})
    with connect("127.0.0.1", port, config, "localhost", timeout=PATIENCE) as channel:
        channel.sendall(b"there and back")
        assert channel.recv(100) == b"there and back"
        assert (channel.version, channel.suite) == ("1.2", suite_named(exchange, cipher))
    thread.join(PATIENCE)
    assert seen != [None]
