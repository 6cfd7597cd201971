"""Every TLS stack of the benchmarks behind one face: a mutual handshake in memory, then data."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from OpenSSL import SSL

from bench.identities import NAME, Identities
from bothways import (
    ClientConfig,
    Connection,
    Credentials,
    Data,
    ServerConfig,
    SessionStore,
    TicketKeys,
    TrustStore,
)
from bothways.tls.events import Observer

SUITE = "TLS_AES_128_GCM_SHA256"
# Those of TLS 1.2 by the names of OpenSSL, and by those of IANA's registry.
SUITES12 = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "AES128-GCM-SHA256": "TLS_RSA_WITH_AES_128_GCM_SHA256",
}


class Channel(Protocol):
    """Both ends of an established connection."""

    client: object
    server: object

    def carry(self, data: bytes) -> bytes:
        """Send `data` from the client in one call and return what the server reads."""


Stack = Callable[[], Channel]


# -- bothways ---------------------------------------------------------------------------------------------


@dataclass
class OurChannel:
    client: Connection
    server: Connection

    def carry(self, data: bytes) -> bytes:
        self.client.send(data)
        (event,) = self.server.receive(self.client.data_to_send())
        if not isinstance(event, Data):
            raise RuntimeError(f"no data but {event}")
        return event.data


def bothways(
    identities: Identities,
    group: str = "x25519",
    remember_paths: int = 0,
    *,
    mutual: bool = True,
    observer: Callable[[], Observer | None] = lambda: None,
    client_fields: Mapping[str, Any] | None = None,
    server_fields: Mapping[str, Any] | None = None,
) -> Stack:
    """Our own stack. observer: makes one for each end; the fields are added to those of the two configs."""
    client, server = configs(
        identities,
        group,
        remember_paths,
        mutual=mutual,
        client_fields=client_fields,
        server_fields=server_fields,
    )
    is_12 = client.versions == ("1.2",)

    def handshake() -> OurChannel:
        one = client.connection(NAME, observer=observer())
        other = server.connection(observer=observer())
        other.receive(one.data_to_send())
        one.receive(other.data_to_send())
        other.receive(one.data_to_send())
        if is_12:
            one.receive(other.data_to_send())
        if not (one.established and other.established and one.peer and (other.peer or not mutual)):
            raise RuntimeError(f"no handshake: {one.failure} {other.failure}")
        return OurChannel(one, other)

    return handshake


def bothways_resumed(
    identities: Identities, group: str = "x25519", fields: Mapping[str, Any] | None = None
) -> Stack:
    """Our own stack, each handshake with the ticket of the one before it; the fields are added to both configs."""
    client, server = configs(
        identities,
        group,
        remember_paths=1024,
        client_fields={"sessions": SessionStore()} | dict(fields or {}),
        server_fields={"tickets": TicketKeys()} | dict(fields or {}),
    )

    def handshake() -> OurChannel:
        one, other = client.connection(NAME), server.connection()
        other.receive(one.data_to_send())
        one.receive(other.data_to_send())
        other.receive(one.data_to_send())
        one.receive(other.data_to_send())
        if not (one.established and other.established and one.peer and other.peer):
            raise RuntimeError(f"no handshake: {one.failure} {other.failure}")
        return OurChannel(one, other)

    handshake()
    channel = handshake()
    if not (channel.client.resumed and channel.server.resumed):
        raise RuntimeError("nothing was resumed")
    return handshake


def bothways12(identities: Identities, cipher: str, remember_paths: int = 0) -> Stack:
    """Our own stack in TLS 1.2, by the suite that OpenSSL calls `cipher`."""
    suite = SUITES12[cipher]
    groups = ("x25519", "secp256r1")  # those of the exchange, and of the certificates (RFC 8422 5.1.1)
    fields: dict[str, Any] = {"versions": ("1.2",), "suites": (suite,), "groups": groups}
    if suite.startswith("TLS_RSA"):
        fields = {"versions": ("1.2",), "insecure_rsa_key_transport": True}
    stack = bothways(identities, "x25519", remember_paths, client_fields=fields, server_fields=fields)
    channel = stack()
    if channel.client.suite != suite:  # type: ignore[attr-defined]
        raise RuntimeError(f"{channel.client.suite} is no fair comparison")  # type: ignore[attr-defined]
    return stack


def configs(
    identities: Identities,
    group: str = "x25519",
    remember_paths: int = 0,
    *,
    mutual: bool = True,
    client_fields: Mapping[str, Any] | None = None,
    server_fields: Mapping[str, Any] | None = None,
) -> tuple[ClientConfig, ServerConfig]:
    """Both sides' configurations; each has anchors, and so a memory, of its own. Nothing is resumed."""

    def anchors() -> TrustStore:
        return TrustStore.from_pem(identities.ca.pem, remember_paths=remember_paths)

    client, server = identities.client, identities.server
    return (
        ClientConfig(
            anchors=anchors(),
            credentials=Credentials.from_pem(client.pem, client.key_pem),
            **{"sessions": None, "groups": (group,)} | dict(client_fields or {}),
        ),
        ServerConfig(
            client_anchors=anchors() if mutual else None,
            credentials=Credentials.from_pem(server.pem, server.key_pem),
            **{"tickets": None, "groups": (group,)} | dict(server_fields or {}),
        ),
    )


# -- ssl, through MemoryBIO -------------------------------------------------------------------------------


@dataclass
class StandardChannel:
    client: ssl.SSLObject
    server: ssl.SSLObject
    to_server: ssl.MemoryBIO
    from_client: ssl.MemoryBIO

    def carry(self, data: bytes) -> bytes:
        self.client.write(data)
        self.to_server.write(self.from_client.read())
        return self.server.read(len(data))


def standard_contexts(
    identities: Identities, tickets: int = 2, cipher: str | None = None, *, reported_chain: bool = False
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts that demand TLS 1.3 and a certificate of both sides; suite and group come from OPENSSL_CONF.

    A server of OpenSSL sends two tickets unless it is told otherwise. With a `cipher` it is TLS 1.2, in
    which there is at most one. told_chain: the CA's certificate stands behind their own in the file; where it
    does not, OpenSSL builds that chain from its anchors in each handshake. It is sent in either case.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.verify_mode = ssl.CERT_REQUIRED
    server.num_tickets = tickets
    for context, own in ((client, identities.client), (server, identities.server)):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if cipher is not None:
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(cipher)
            if not tickets:
                context.options |= ssl.OP_NO_TICKET
        context.load_verify_locations(cadata=identities.ca.pem.decode())
        chain = own.pem + identities.ca.pem if reported_chain else own.pem
        context.load_cert_chain(identities.file("own.pem", chain + own.key_pem))
    return client, server


def standard(
    identities: Identities, tickets: int = 2, cipher: str | None = None, *, reported_chain: bool = False
) -> Stack:
    client_context, server_context = standard_contexts(
        identities, tickets, cipher, reported_chain=reported_chain
    )

    def handshake() -> StandardChannel:
        to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        to_server, from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context.wrap_bio(to_client, from_client, server_hostname=NAME)
        server = server_context.wrap_bio(to_server, from_server, server_side=True)
        _expect_wait(client)
        to_server.write(from_client.read())
        _expect_wait(server)
        to_client.write(from_server.read())
        if cipher is not None:
            _expect_wait(client)
        else:
            client.do_handshake()
        to_server.write(from_client.read())
        server.do_handshake()
        if cipher is not None:
            to_client.write(from_server.read())
            client.do_handshake()
        return StandardChannel(client, server, to_server, from_client)

    channel = handshake()
    _check_same(channel.client.cipher()[0], channel.client.version(), cipher)  # type: ignore[index]
    if not (channel.client.getpeercert() and channel.server.getpeercert()):
        raise RuntimeError("ssl did not authenticate both sides")
    return handshake


def standard_resumed(identities: Identities, tickets: int = 1) -> Stack:
    """`ssl`, each handshake with the ticket of the one before it."""
    client_context, server_context = standard_contexts(identities, tickets)
    session: ssl.SSLSession | None = None

    def handshake() -> StandardChannel:
        nonlocal session
        to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        to_server, from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context.wrap_bio(to_client, from_client, server_hostname=NAME, session=session)
        server = server_context.wrap_bio(to_server, from_server, server_side=True)
        _expect_wait(client)
        to_server.write(from_client.read())
        _expect_wait(server)
        to_client.write(from_server.read())
        client.do_handshake()
        to_server.write(from_client.read())
        server.do_handshake()
        to_client.write(from_server.read())
        try:
            client.read(1)
        except ssl.SSLWantReadError:
            pass
        session = client.session
        return StandardChannel(client, server, to_server, from_client)

    handshake()
    channel = handshake()
    if not (channel.client.session_reused and channel.client.getpeercert() and channel.server.getpeercert()):
        raise RuntimeError("ssl did not resume")
    return handshake


def _expect_wait(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return
    raise RuntimeError("a handshake that is over too soon")


def _check_same(suite: str | None, version: str | None, cipher: str | None = None) -> None:
    if (suite, version) != ((SUITE, "TLSv1.3") if cipher is None else (cipher, "TLSv1.2")):
        raise RuntimeError(f"{version} with {suite} is no fair comparison; is OPENSSL_CONF heeded?")


# -- pyOpenSSL --------------------------------------------------------------------------------------------


@dataclass
class PyOpenSSLChannel:
    client: SSL.Connection
    server: SSL.Connection

    def carry(self, data: bytes) -> bytes:
        self.client.sendall(data)
        self.server.bio_write(self.client.bio_read(32 * 1024))
        return self.server.recv(len(data))


def pyopenssl(identities: Identities, group: str = "x25519", cipher: str | None = None) -> Stack:
    contexts = []
    for own, method in (
        (identities.client, SSL.TLS_CLIENT_METHOD),
        (identities.server, SSL.TLS_SERVER_METHOD),
    ):
        context = SSL.Context(method)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        if cipher is not None:
            context.set_min_proto_version(SSL.TLS1_2_VERSION)
            context.set_max_proto_version(SSL.TLS1_2_VERSION)
            context.set_cipher_list(cipher.encode())
            context.set_options(SSL.OP_NO_TICKET)
        context.use_certificate(own.certificate)
        context.use_privatekey(own.key)
        context.get_cert_store().add_cert(_pyopenssl_certificate(identities.ca.certificate))
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        contexts.append(context)
    client_context, server_context = contexts

    def handshake() -> PyOpenSSLChannel:
        client, server = SSL.Connection(client_context, None), SSL.Connection(server_context, None)
        client.set_connect_state()
        client.set_tlsext_host_name(NAME.encode())
        server.set_accept_state()
        _pyopenssl_wait(client)
        server.bio_write(client.bio_read(32 * 1024))
        _pyopenssl_wait(server)
        client.bio_write(server.bio_read(32 * 1024))
        if cipher is not None:
            _pyopenssl_wait(client)
        else:
            client.do_handshake()
        server.bio_write(client.bio_read(32 * 1024))
        server.do_handshake()
        if cipher is not None:
            client.bio_write(server.bio_read(32 * 1024))
            client.do_handshake()
        return PyOpenSSLChannel(client, server)

    channel = handshake()
    _check_same(channel.client.get_cipher_name(), channel.client.get_protocol_version_name(), cipher)
    if cipher is None and channel.client.get_group_name().lower() != group.lower():
        raise RuntimeError(f"group {channel.client.get_group_name()} is no fair comparison")
    if not (channel.client.get_peer_certificate() and channel.server.get_peer_certificate()):
        raise RuntimeError("pyOpenSSL did not authenticate both sides")
    return handshake


def _pyopenssl_certificate(certificate: object) -> object:
    from OpenSSL.crypto import X509

    return X509.from_cryptography(certificate)  # type: ignore[arg-type]


def _pyopenssl_wait(side: SSL.Connection) -> None:
    try:
        side.do_handshake()
    except SSL.WantReadError:
        return
    raise RuntimeError("a handshake that is over too soon")


# -- siotls -----------------------------------------------------------------------------------------------


@dataclass
class SioTLSChannel:
    client: object
    server: object

    def carry(self, data: bytes) -> bytes:
        self.client.send_data(data)  # type: ignore[attr-defined]
        self.server.receive_data(self.client.data_to_send())  # type: ignore[attr-defined]
        return self.server.data_to_read()  # type: ignore[attr-defined,no-any-return]


def siotls(identities: Identities) -> Stack:
    """The server alone proves itself: with a client's certificate, 0.0.5 cannot write its own ClientHello."""
    import siotls.crypto
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from siotls.configuration import TLSConfiguration
    from siotls.connection import TLSConnection
    from siotls.iana import CipherSuites, NamedGroup
    from siotls.trust.backends.openssl import OpensslTrustStore

    siotls.crypto.install("openssl", duplicate="skip")
    trust = OpensslTrustStore([identities.ca.der])
    choices = {
        "cipher_suites": [CipherSuites.TLS_AES_128_GCM_SHA256],
        "key_exchanges": [NamedGroup.x25519],
    }
    client_config = TLSConfiguration("client", truststore=trust, **choices)
    server_config = TLSConfiguration(
        "server",
        private_key=identities.server.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        certificate_chain=[identities.server.der],
        **choices,
    )

    def handshake() -> SioTLSChannel:
        client = TLSConnection(client_config, server_hostname=NAME)
        server = TLSConnection(server_config)
        client.initiate_connection()
        server.initiate_connection()
        for _ in range(3):
            for one, other in ((client, server), (server, client)):
                data = one.data_to_send()
                if data:
                    other.receive_data(bytes(data))
        if not (client.is_connected() and server.is_connected()):
            raise RuntimeError("siotls does not connect")
        return SioTLSChannel(client, server)

    return handshake


# -- tlslite-ng -------------------------------------------------------------------------------------------


class MemorySocket:
    """As much of a non-blocking socket as tlslite-ng asks for."""

    def __init__(self) -> None:
        self.incoming = bytearray()
        self.other = self

    def send(self, data: bytes) -> int:
        self.other.incoming += data
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.other.incoming += data

    def recv(self, size: int) -> bytes:
        if not self.incoming:
            raise OSError(errno.EWOULDBLOCK, "nothing there")
        data = bytes(self.incoming[:size])
        del self.incoming[:size]
        return data

    def close(self) -> None:
        pass


@dataclass
class TLSLiteChannel:
    client: object
    server: object

    def carry(self, data: bytes) -> bytes:
        for _ in self.client.writeAsync(data):  # type: ignore[attr-defined]
            pass
        got = b""
        while len(got) < len(data):
            for part in self.server.readAsync(max=len(data) - len(got), min=1):  # type: ignore[attr-defined]
                if isinstance(part, (bytes, bytearray)):
                    got += part
        return got


def tlslite(identities: Identities, cipher: str | None = None) -> Stack:
    from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 4)
    settings.cipherNames = ["aes128gcm"]
    settings.eccCurves = ["x25519", "secp256r1"]  # the second for signatures
    settings.keyShares = ["x25519"]
    settings.dhGroups = []
    settings.ticket_count = 0
    if cipher is not None:
        settings.minVersion = settings.maxVersion = (3, 3)
        settings.keyExchangeNames = [
            "rsa" if cipher.startswith("AES") else "_".join(cipher.lower().split("-")[:2])
        ]
    own = []
    for each in (identities.client, identities.server):
        chain = X509CertChain()
        chain.parsePemList(each.pem.decode())
        own.append((chain, parsePEMKey(each.key_pem.decode(), private=True)))

    def handshake() -> TLSLiteChannel:
        one, other = MemorySocket(), MemorySocket()
        one.other, other.other = other, one
        client, server = TLSConnection(one), TLSConnection(other)
        sides: list[Iterator[int]] = [
            client.handshakeClientCert(*own[0], settings=settings, serverName=NAME, async_=True),
            server.handshakeServerAsync(
                certChain=own[1][0], privateKey=own[1][1], reqCert=True, settings=settings
            ),
        ]
        while sides:
            sides = [each for each in sides if _goes_on(each)]
        if not (server.session.clientCertChain and client.session.serverCertChain):
            raise RuntimeError("tlslite-ng did not authenticate both sides")
        return TLSLiteChannel(client, server)

    return handshake


def _goes_on(side: Iterator[int]) -> bool:
    """Let one side run until it waits for the other."""
    return any(waits == 0 for waits in side)
