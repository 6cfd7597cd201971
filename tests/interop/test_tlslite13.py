"""tlslite-ng in TLS 1.3 against our sockets: what no other peer here does, compressed certificates among it."""

from __future__ import annotations

import socket
import warnings
from typing import Any

import pytest

from bothways.iana import CertificateCompressionAlgorithm as Algorithm
from bothways.net import Channel, connect
from bothways.tls.events import Epoch, MessageSeen, Note, RecordSeen
from bothways.tls.wire.compression import installed
from bothways.tls.wire.tls13 import Certificate, CompressedCertificate
from interop.identities import client, server
from interop.in_process import our_client, our_server
from interop.programs import PATIENCE, serving
from interop.tlslite_server import one_connection

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore, which nobody here needs
    from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

pytestmark = [pytest.mark.interop, pytest.mark.network]

HERE = [Algorithm(each) for each in installed()]


def settings(**fields: Any) -> HandshakeSettings:
    made = HandshakeSettings()
    made.minVersion = made.maxVersion = (3, 4)
    for name, value in fields.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made


def compressing(algorithm: Algorithm) -> HandshakeSettings:
    names = [algorithm.name]
    return settings(certificate_compression_send=names, certificate_compression_receive=names)


def identity(role: str, kind: str = "P-256") -> tuple[X509CertChain, object]:
    who = server(kind) if role == "server" else client(kind)
    chain = X509CertChain()
    chain.parsePemList(who.chain.decode())
    return chain, parsePEMKey(who.key.decode(), private=True, implementations=["python"])


def certificates(notes: list[Note]) -> dict[bool, type]:
    """How a Certificate came, in each direction."""
    return {
        note.sent: type(note.message)
        for note in notes
        if isinstance(note, MessageSeen) and isinstance(note.content, Certificate)
    }


@pytest.mark.parametrize("algorithm", HERE, ids=lambda each: each.name)
def test_tlslite_client_and_we_compress_certificates(algorithm: Algorithm) -> None:
    """RFC 8879: its client decompresses our chain, and compresses its own for our CertificateRequest."""
    config = our_server(auth="require", accept_compressed=(algorithm.name,))
    with (
        serving(config) as ours,
        socket.create_connection(("127.0.0.1", ours.port)) as sock,
    ):
        theirs = TLSConnection(sock)
        chain, key = identity("client")
        theirs.handshakeClientCert(chain, key, settings=compressing(algorithm), serverName="localhost")
        theirs.write(b"there and back")
        assert theirs.read(min=14, max=14) == b"there and back"
        theirs.close()
        ended = ours.outcome()
    assert isinstance(ended, Channel) and ended.peer is not None
    assert certificates(ours.notes) == {True: CompressedCertificate, False: CompressedCertificate}


@pytest.mark.parametrize("algorithm", HERE, ids=lambda each: each.name)
def test_tlslite_server_and_we_compress_certificates(algorithm: Algorithm) -> None:
    """RFC 8879, the other way round."""
    notes: list[Note] = []

    def talk(theirs: TLSConnection) -> None:
        chain, key = identity("server")
        theirs.handshakeServer(certChain=chain, privateKey=key, reqCert=True, settings=compressing(algorithm))
        theirs.write(bytes(theirs.read(min=14, max=14)))
        theirs.close()

    port, thread = one_connection(talk)
    config = our_client(client(), accept_compressed=(algorithm.name,))
    with connect("127.0.0.1", port, config, "localhost", timeout=PATIENCE, observer=notes.append) as channel:
        channel.sendall(b"there and back")
        assert channel.recv(100) == b"there and back"
        assert channel.version == "1.3"
    thread.join(PATIENCE)
    assert certificates(notes) == {True: CompressedCertificate, False: CompressedCertificate}


SMALL = 200


def biggest_received(notes: list[Note]) -> int:
    """The largest protected record that came, without its header."""
    return max(
        note.size - 5
        for note in notes
        if isinstance(note, RecordSeen) and not note.sent and note.epoch is not Epoch.PLAINTEXT
    )


@pytest.mark.parametrize("version", [(3, 3), (3, 4)], ids=["1.2", "1.3"])
def test_tlslite_client_and_we_limit_records(version: tuple[int, int]) -> None:
    """RFC 8449, each side by its own limit: tlslite-ng ends a connection whose records are larger."""
    config = our_server(auth="require", record_size_limit=SMALL)
    # By default its client compresses for a server that did not offer it, which we refuse (RFC 8879 4).
    limited = settings(
        minVersion=version,
        maxVersion=version,
        record_size_limit=3 * SMALL,
        certificate_compression_send=[],
    )
    with serving(config) as ours, socket.create_connection(("127.0.0.1", ours.port)) as sock:
        theirs = TLSConnection(sock)
        chain, key = identity("client")
        theirs.handshakeClientCert(chain, key, settings=limited, serverName="localhost")
        theirs.write(bytes(5000))
        assert theirs.read(min=5000, max=5000) == bytes(5000)
        theirs.close()
        ended = ours.outcome()
    assert isinstance(ended, Channel) and ended.peer is not None
    assert biggest_received(ours.notes) in (SMALL + 16, SMALL + 24)


@pytest.mark.parametrize("version", [(3, 3), (3, 4)], ids=["1.2", "1.3"])
def test_tlslite_server_and_we_limit_records(version: tuple[int, int]) -> None:
    """RFC 8449, the other way round."""
    notes: list[Note] = []

    def talk(theirs: TLSConnection) -> None:
        chain, key = identity("server")
        limited = settings(minVersion=version, maxVersion=version, record_size_limit=3 * SMALL)
        theirs.handshakeServer(certChain=chain, privateKey=key, reqCert=True, settings=limited)
        theirs.write(bytes(theirs.read(min=5000, max=5000)))
        theirs.close()

    port, thread = one_connection(talk)
    config = our_client(client(), record_size_limit=SMALL)
    with connect("127.0.0.1", port, config, "localhost", timeout=PATIENCE, observer=notes.append) as channel:
        channel.sendall(bytes(5000))
        left = 5000
        while left:
            left -= len(channel.recv(5000))
    thread.join(PATIENCE)
    assert biggest_received(notes) in (SMALL + 16, SMALL + 24)
