"""Who talks in the tests of TLS 1.2: the identities, configurations and legal courses that it adds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

import pki
from bothways import ClientConfig, Credentials, ServerConfig, SessionStore, TicketKeys
from bothways.iana import HandshakeType
from bothways.tls.events import MessageSeen, Note
from bothways.tls.handshake.session_binding import key_of_12
from bothways.tls.resumption.session_store import SessionKey
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import (
    Certificate,
    CertificateRequest,
    ClientKeyExchange,
    HelloRequest,
    NewSessionTicket,
    ServerHelloDone,
    ServerKeyExchange,
)
from bothways.tls.wire.tls13 import CertificateVerify, Finished
from pair import Pair
from tls.handshake import conversations
from tls.handshake.conversations import (
    Conversation,
    Resumed,
    asking,
    authority,
    credentials,
    credentials_of,
    good_status,
)

ECDSA_SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
)
RSA_SUITES = (
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)
TRANSPORT_SUITES = ("TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384")
KEY_KINDS = ("P-256", "P-384", "P-521", "Ed25519", "Ed448", "RSA-2048", "RSA-PSS")
BOTH = {"versions": ("1.2",), "groups": ("x25519", "secp256r1", "secp384r1", "secp521r1")}


def client_config(**options: Any) -> ClientConfig:
    """A client of TLS 1.2 alone, unless the options say otherwise."""
    return conversations.client_config(**BOTH | {"key_shares": None} | options)


def server_config(**options: Any) -> ServerConfig:
    """A server of TLS 1.2 alone, which requires a certificate unless the options say otherwise."""
    return conversations.server_config(**BOTH | options)


@cache
def deciphering(name: str = "localhost", *usages: str) -> Credentials:
    """An RSA key for what `usages` say; by default for deciphering alone."""
    usage = usages or ("key_encipherment",)
    return credentials_of(pki.leaf(authority(), name, key_kind="RSA-2048", key_usage=usage))


@cache
def bound_to_pss(name: str) -> Credentials:
    """An RSA key whose certificate allows PSS alone, which `cryptography` does not issue (RFC 4055 1.2)."""
    plain = pki.leaf(authority(), name, key_kind="RSA-2048")
    tbs = plain.certificate.tbs_certificate_bytes
    fields = [tbs[at:end] for at, end in pki.parts(tbs)]
    _, bits = (fields[6][at:end] for at, end in pki.parts(fields[6]))
    pss = pki.der(0x30, bytes.fromhex("06092a864886f70d01010a"))
    fields[6] = pki.der(0x30, pss + bits)
    altered = pki.der(0x30, b"".join(fields))
    signature = plain.above[0].key.sign(altered, ec.ECDSA(SHA256()))
    der = pki.der(0x30, altered + fields[2] + pki.der(0x03, b"\0" + signature))
    leaf = pki.Issued(x509.load_der_x509_certificate(der), plain.key, plain.above)
    return credentials_of(leaf)


def credentials_with(kind: str, name: str) -> Credentials:
    """Sound credentials for `name` with a key of any kind."""
    return bound_to_pss(name) if kind == "RSA-PSS" else credentials(name, kind)


def conversation(name: str, client: dict[str, Any], server: dict[str, Any]) -> Conversation:
    """One legal course of a handshake of TLS 1.2."""
    return Conversation(name, BOTH | {"key_shares": None} | client, BOTH | server)


RESUMING = {"resume_tls12": True}


def ticketed() -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of both sides for a session that can be resumed."""
    return RESUMING | {"sessions": SessionStore()}, RESUMING | {"tickets": TicketKeys()}


class Resumed12(Resumed):
    """A course of TLS 1.2 that resumes the session of a full handshake, and gets the next ticket."""

    def key_in(self, key: SessionKey) -> SessionKey:
        return key_of_12(key)


class ResumedById(Resumed12):
    """The same for a client that knows no tickets: by the session ID that it got."""

    def __post_init__(self) -> None:
        with knowing_no_tickets():
            super().__post_init__()

    def pair(self, *configs: Any, **notes: Any) -> Pair:
        with knowing_no_tickets():
            return super().pair(*configs, **notes)


@contextmanager
def knowing_no_tickets() -> Iterator[None]:
    """Within, our clients know no tickets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bothways.tls.handshake.client.start.ticket_extension", lambda settings, offered: ())
        yield


def resumed(
    name: str, client: dict[str, Any], server: dict[str, Any], kind: type[Resumed] = Resumed12
) -> Resumed:
    """One course that resumes a session of TLS 1.2."""
    return kind(name, BOTH | {"key_shares": None} | RESUMING | client, BOTH | RESUMING | server)


def classic(**more: Any) -> dict[str, Any]:
    """Allow RSA key transport, and nothing else."""
    return {"insecure_rsa_key_transport": True, "suites": TRANSPORT_SUITES} | more


ONE_WAY = {"client_auth": "none"}
ASKING = {"revocation": asking()}
STAPLED = {"staples": good_status(credentials("localhost"))}
CLASSIC_STAPLED = classic(credentials=deciphering(), staples=good_status(deciphering()))
CONVERSATIONS = {
    each.name: each
    for each in (
        conversation("one-way", {}, ONE_WAY),
        conversation("mutual", {}, {}),
        conversation("mutual by request", {}, {"client_auth": "request"}),
        conversation("anonymous by request", {"credentials": None}, {"client_auth": "request"}),
        conversation("with ALPN", {"alpn": ("h2", "http/1.1")}, {"alpn": ("http/1.1",)}),
        conversation("with RSA keys", {}, {"credentials": credentials("localhost", "RSA-2048")}),
        conversation("stapled", ASKING, STAPLED),
        conversation("stapled, one-way", ASKING, STAPLED | ONE_WAY),
        conversation("key transport, stapled", classic(**ASKING), CLASSIC_STAPLED),
        conversation("key transport, stapled, one-way", classic(**ASKING), CLASSIC_STAPLED | ONE_WAY),
        conversation("AES-256", {"suites": ECDSA_SUITES[1:2]}, {}),
        conversation("mutual, with a ticket", *ticketed()),
        conversation("one-way, with a ticket", ticketed()[0], ticketed()[1] | ONE_WAY),
        resumed("resumed", {}, {}),
        resumed("resumed, one-way", {}, ONE_WAY),
        resumed("resumed, anonymous by request", {"credentials": None}, {"client_auth": "request"}),
        resumed("resumed by ID", {}, {}, ResumedById),
        conversation("ChaCha20", {"suites": ECDSA_SUITES[2:]}, {}),
        conversation("key transport, one-way", classic(), classic(credentials=deciphering()) | ONE_WAY),
        conversation("key transport", classic(), classic(credentials=deciphering())),
        conversation(
            "key transport, anonymous",
            classic(credentials=None),
            classic(credentials=deciphering(), client_auth="request"),
        ),
    )
}


def kinds(notes: list[Note], *, sent: bool) -> list[str]:
    """The messages that went one way, by their names."""
    return [
        type(note.message).__name__ for note in notes if isinstance(note, MessageSeen) and note.sent is sent
    ]


ZEROS = bytes(32)

# One well-formed message of every type: whoever gets it where it may not come refuses it for that alone.
EXAMPLES: dict[HandshakeType, Message] = {
    HandshakeType.hello_request: HelloRequest(),
    HandshakeType.client_hello: ClientHello(
        0x0303,
        ZEROS,
        b"",
        (0xC02B,),
        b"\0",
        (
            ext.SupportedGroups((29,)),
            ext.SignatureAlgorithms((0x0403,)),
            ext.ExtendedMainSecret(),
            ext.RenegotiationInfo(b""),
        ),
    ),
    HandshakeType.server_hello: ServerHello(
        0x0303, ZEROS, b"", 0xC02B, 0, (ext.ExtendedMainSecret(), ext.RenegotiationInfo(b""))
    ),
    HandshakeType.new_session_ticket: NewSessionTicket(3600, b"ticket"),
    HandshakeType.certificate: Certificate((b"certificate",)),
    HandshakeType.server_key_exchange: ServerKeyExchange(29, bytes([9]) + bytes(31), 0x0403, ZEROS),
    HandshakeType.certificate_request: CertificateRequest((64,), (0x0403,), ()),
    HandshakeType.server_hello_done: ServerHelloDone(),
    HandshakeType.certificate_verify: CertificateVerify(0x0403, ZEROS),
    HandshakeType.client_key_exchange: ClientKeyExchange(bytes([32, 9]) + bytes(31)),
    HandshakeType.finished: Finished(bytes(12)),
}
