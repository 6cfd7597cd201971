"""Who talks in the tests of the handshake: identities, configurations, every legal course of a handshake."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import pytest

import pki
from bothways import (
    ClientConfig,
    Credentials,
    ECHKey,
    ECHKeys,
    Event,
    ExternalPSK,
    ExternalPSKs,
    PinnedKeys,
    RawKeyCredentials,
    ServerConfig,
    SessionStore,
    TicketKeys,
    TrustStore,
)
from bothways.iana import HandshakeType
from bothways.roles import Role
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.session_binding import client_key
from bothways.tls.handshake.steps import Step
from bothways.tls.resumption.session import Session
from bothways.tls.resumption.session_store import SessionKey
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import RETRY_RANDOM, ClientHello, ServerHello
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    CompressedCertificate,
    EncryptedExtensions,
    Finished,
    KeyUpdate,
    NewSessionTicket,
)
from bothways.trust.anchors import NO_ANCHORS
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.path.name_matching import server_name
from bothways.trust.revocation import Revocation
from pair import FrozenClock, Pair, pair


@cache
def authority() -> pki.Issued:
    return pki.intermediate(pki.root())


@cache
def identity(name: str, key_kind: str = "P-256") -> pki.Issued:
    return pki.leaf(authority(), name, key_kind=key_kind)


@cache
def credentials(name: str, key_kind: str = "P-256") -> Credentials:
    return credentials_of(identity(name, key_kind))


def credentials_of(issued: pki.Issued) -> Credentials:
    return Credentials.from_pem(issued.chain_pem, issued.key_pem)


@cache
def external(name: str) -> Credentials:
    """Credentials whose key is elsewhere."""
    return Credentials.external(identity(name).chain_pem)


@cache
def anchors() -> TrustStore:
    return TrustStore.from_pem(authority().above[0].pem)


@cache
def ech_keys() -> ECHKeys:
    """The keys of a server that decrypts ClientHellos."""
    return ECHKeys(ECHKey.generate("public.example"))


@cache
def raw_key(name: str) -> RawKeyCredentials:
    """The key of an identity, without its certificate."""
    return RawKeyCredentials.from_pem(identity(name).key_pem)


def pinned(*names: str) -> PinnedKeys:
    """The keys of these identities, each pinned by its name."""
    return PinnedKeys.from_digests({raw_key(each).public.fingerprint: each for each in names})


def psk(own: str, peer: str, number: int = 0, **options: Any) -> ExternalPSK:
    """A key of these two sides, from the point of view of the first."""
    both = "|".join(sorted((own, peer)))
    secret = hashlib.sha256(f"{both} {number}".encode()).digest()
    return ExternalPSK(**{"identity": f"key {number}", "secret": secret, "own": own, "peer": peer} | options)


def psks(own: str, *peers: str, **options: Any) -> ExternalPSKs:
    """A key for each of these peers."""
    return ExternalPSKs(psk(own, peer, number, **options) for number, peer in enumerate(peers))


def responses(*responses: bytes) -> OCSPStore:
    """OCSP responses, for either use."""
    return OCSPStore(map(OCSPResponse, responses))


@cache
def good_status(own: Credentials) -> OCSPStore:
    """What to staple: a good response for these credentials' leaf."""
    issued = pki.Issued(own.certificate, own.key, (authority(), *authority().above))
    return responses(pki.ocsp_response(issued))


def asking(staples: str = "use", **options: Any) -> Revocation:
    """Ask for staples, and have lists that revoke nothing."""
    lists = CRLStore([CRL(pki.crl(each)) for each in (authority(), authority().above[0])])
    return Revocation(**{"crls": lists, "staples": staples} | options)


def client_config(**options: Any) -> ClientConfig:
    """A client with a certificate, one cheap group, and a clock that stands still. It begins anew each time."""
    defaults: dict[str, Any] = {
        "anchors": anchors(),
        "credentials": credentials("client.example"),
        "versions": ("1.3",),
        "groups": ("x25519", "secp256r1"),
        "key_shares": ("x25519",),
        "sessions": None,
        "clock": FrozenClock(),
    }
    return ClientConfig(**defaults | options)


def server_config(**options: Any) -> ServerConfig:
    """A server that requires a certificate, unless the options say otherwise, and issues no tickets."""
    defaults: dict[str, Any] = {
        "credentials": credentials("localhost"),
        "versions": ("1.3",),
        "groups": ("x25519", "secp256r1"),
        "tickets": None,
        "clock": FrozenClock(),
    }
    if options.get("client_auth") != "none":
        defaults["client_anchors"] = anchors()
    return ServerConfig(**defaults | options)


@dataclass(frozen=True)
class Conversation:
    """One legal course of a handshake: how each side is set up for it."""

    name: str
    client: dict[str, Any]
    server: dict[str, Any]

    def __str__(self) -> str:
        return self.name

    def pair(
        self, client: dict[str, Any] | None = None, server: dict[str, Any] | None = None, **notes: Any
    ) -> Pair:
        """Start it; options may differ from its own."""
        ours, theirs = self.configs
        if client:
            ours = client_config(**self.client | client)
        if server:
            theirs = server_config(**self.server | server)
        if ours.sessions is not None:
            ours.sessions.clear()
        return pair(ours, theirs, **notes)

    @cached_property
    def configs(self) -> tuple[ClientConfig, ServerConfig]:
        """Made once: tests play a conversation hundreds of times."""
        return client_config(**self.client), server_config(**self.server)


@dataclass(frozen=True)
class Resumed(Conversation):
    """A course that resumes the session of a full handshake by the same configurations, and gets the next ticket."""

    def __post_init__(self) -> None:
        assert self._session  # begun here, before messages are altered

    def pair(
        self, client: dict[str, Any] | None = None, server: dict[str, Any] | None = None, **notes: Any
    ) -> Pair:
        """Start it, with the one session at hand again."""
        ours, theirs = self._configs
        key, session = self._session
        if client:
            ours = client_config(**{"sessions": ours.sessions} | self.client | client)
        if server:
            theirs = server_config(**{"tickets": theirs.tickets} | self.server | server)
        store = ours.sessions
        assert store is not None
        store.clear()
        store.keep(key, session)
        return pair(ours, theirs, **notes)

    def key_in(self, key: SessionKey) -> SessionKey:
        """Under what a client keeps the session, where `key` is that of TLS 1.3."""
        return key

    @cached_property
    def _configs(self) -> tuple[ClientConfig, ServerConfig]:
        ours = client_config(**{"sessions": SessionStore()} | self.client)
        return ours, server_config(**{"tickets": TicketKeys()} | self.server)

    @cached_property
    def _session(self) -> tuple[SessionKey, Session]:
        ours, theirs = self._configs
        talk = pair(ours, theirs)
        talk.exchange()
        assert talk.client.established and talk.server.established and not talk.client.resumed
        key = self.key_in(client_key(ours.settings, server_name("localhost")))
        assert ours.sessions is not None
        session = ours.sessions.take(key, ours.clock.now())
        assert session is not None
        return key, session


@dataclass
class AskingPair(Pair):
    """A pair whose server requests the client's certificate as soon as the connection is open, once."""

    has_asked: bool = False

    def exchange(self, rounds: int = 20) -> None:
        super().exchange(rounds)
        if not self.has_asked and self.client.established and self.server.established:
            self.has_asked = True
            self.server.authenticate_client(required=False)
            super().exchange(rounds)


@dataclass(frozen=True)
class Asked(Conversation):
    """A course in which the client's certificate is requested after the handshake (RFC 9846 4.7.2)."""

    def pair(
        self, client: dict[str, Any] | None = None, server: dict[str, Any] | None = None, **notes: Any
    ) -> Pair:
        """Start it; options may differ from its own."""
        talk = super().pair(client, server, **notes)
        return AskingPair(talk.client, talk.server)


RETRY = {"groups": ("secp256r1", "x25519")}
ANONYMOUS_LATER = {"credentials": None, "post_handshake_auth": True}
RAW_CLIENT: dict[str, Any] = {"raw_key": raw_key("client.example"), "pins": pinned("localhost")}
RAW_SERVER: dict[str, Any] = {"raw_key": raw_key("localhost"), "client_pins": pinned("client.example")}
PSK_CLIENT: dict[str, Any] = {
    "psk_peers": psks("client.example", "localhost"),
    "anchors": NO_ANCHORS,
    "credentials": None,
}
PSK_SERVER: dict[str, Any] = {
    "psk_peers": psks("localhost", "client.example"),
    "client_anchors": None,
    "credentials": (),
}
PLAIN = {"insecure_without_importer": True}
CONVERSATIONS = {
    each.name: each
    for each in (
        Conversation("one-way", {}, {"client_auth": "none"}),
        Conversation("mutual", {}, {}),
        Conversation("mutual by request", {}, {"client_auth": "request"}),
        Conversation("anonymous by request", {"credentials": None}, {"client_auth": "request"}),
        Conversation("one-way after a retry", {}, {"client_auth": "none"} | RETRY),
        Conversation("mutual after a retry", {}, RETRY),
        Conversation("retry without a cookie", {}, {"retry_cookie": False} | RETRY),
        Conversation("with ALPN", {"alpn": ("h2", "http/1.1")}, {"alpn": ("http/1.1",)}),
        Conversation("TLS 1.2 offered too", {"versions": ("1.3", "1.2")}, {"versions": ("1.2", "1.3")}),
        Conversation(
            "stapled by both",
            {"revocation": asking(), "staples": good_status(credentials("client.example"))},
            {"revocation": asking(), "staples": good_status(credentials("localhost"))},
        ),
        Conversation(
            "compressed by both", {"accept_compressed": ("zlib",)}, {"accept_compressed": ("zlib",)}
        ),
        Conversation("AES-256", {"suites": ("TLS_AES_256_GCM_SHA384",)}, {}),
        Conversation("ChaCha20", {"suites": ("TLS_CHACHA20_POLY1305_SHA256",)}, {}),
        Conversation(
            "post-quantum hybrid",
            {"groups": ("X25519MLKEM768",), "key_shares": None},
            {"groups": ("X25519MLKEM768",)},
        ),
        Conversation("encrypted ClientHello", {"ech": ech_keys().config_list}, {"ech_keys": ech_keys()}),
        Conversation(
            "encrypted ClientHello after a retry",
            {"ech": ech_keys().config_list},
            {"ech_keys": ech_keys()} | RETRY,
        ),
        Conversation("mutual, with a ticket", {"sessions": SessionStore()}, {"tickets": TicketKeys()}),
        Resumed("resumed", {}, {}),
        Resumed("resumed after a retry", {}, RETRY),
        Resumed("resumed, anonymous by request", {"credentials": None}, {"client_auth": "request"}),
        Resumed("resumed, one-way", {}, {"client_auth": "none"}),
        Asked("mutual, asked later", {"post_handshake_auth": True}, {"client_auth": "later"}),
        Asked("anonymous, asked later", ANONYMOUS_LATER, {"client_auth": "later"}),
        Conversation("raw public keys", RAW_CLIENT, RAW_SERVER),
        Conversation("raw public key of the client", {"raw_key": RAW_CLIENT["raw_key"]}, RAW_SERVER),
        Conversation(
            "raw public key of the server",
            {"pins": RAW_CLIENT["pins"]},
            {"raw_key": RAW_SERVER["raw_key"], "client_auth": "request"},
        ),
        Resumed("resumed, raw public keys", RAW_CLIENT, RAW_SERVER),
        Conversation("external PSK", PSK_CLIENT, PSK_SERVER),
        Conversation("external PSK after a retry", PSK_CLIENT, PSK_SERVER | RETRY),
        Conversation(
            "external PSK beside certificates",
            {"psk_peers": PSK_CLIENT["psk_peers"], "sessions": SessionStore()},
            {"psk_peers": PSK_SERVER["psk_peers"]},
        ),
        Conversation(
            "unknown external PSK beside certificates",
            {"psk_peers": PSK_CLIENT["psk_peers"]},
            {"psk_peers": psks("localhost", "other.example")},
        ),
        Conversation(
            "external PSK without the importer",
            PSK_CLIENT | {"psk_peers": psks("client.example", "localhost", **PLAIN)},
            PSK_SERVER | {"psk_peers": psks("localhost", "client.example", **PLAIN)},
        ),
        Conversation(
            "external PSK in an encrypted ClientHello",
            {"psk_peers": PSK_CLIENT["psk_peers"], "ech": ech_keys().config_list},
            {"psk_peers": PSK_SERVER["psk_peers"], "ech_keys": ech_keys()},
        ),
    )
}


@contextmanager
def steps_taken() -> Iterator[list[tuple[Role, Step, Step]]]:
    """Within, every step that any connection takes is written down: whose, from where, to where."""
    taken: list[tuple[Role, Step, Step]] = []
    enter = Position.enter

    def watched(position: Position, step: Step) -> None:
        start = position.step
        enter(position, step)
        taken.append((position.role, start, step))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Position, "enter", watched)
        yield taken


def reported(events: Iterable[Event]) -> list[str]:
    """Events as texts that can be compared between runs of a conversation."""
    texts = []
    for event in events:
        peer = getattr(event, "peer", None)
        error = getattr(event, "error", None)
        extra = getattr(event, "data", b"")
        names = str(peer.verdict.by_key or peer.names.subject) if peer is not None else ""
        texts.append(" ".join([type(event).__name__, names, extra.hex(), str(error or "")]).strip())
    return texts


ZEROS = bytes(32)
_X25519_BASE = bytes([9]) + bytes(31)

# One well-formed message of every type: whoever gets it where it may not come refuses it for that alone.
EXAMPLES: dict[HandshakeType, Message | bytes] = {
    HandshakeType.client_hello: ClientHello(
        0x0303,
        ZEROS,
        ZEROS,
        (0x1301,),
        b"\0",
        (
            ext.SupportedVersions((0x0304,)),
            ext.SupportedGroups((29,)),
            ext.SignatureAlgorithms((0x0403,)),
            ext.KeyShares((ext.KeyShareEntry(29, _X25519_BASE),)),
        ),
    ),
    HandshakeType.server_hello: ServerHello(
        0x0303,
        ZEROS,
        ZEROS,
        0x1301,
        0,
        (ext.SelectedVersion(0x0304), ext.ServerShare(ext.KeyShareEntry(29, _X25519_BASE))),
    ),
    HandshakeType.new_session_ticket: NewSessionTicket(3600, 0, b"\0", b"ticket", ()),
    HandshakeType.encrypted_extensions: EncryptedExtensions(()),
    HandshakeType.certificate: Certificate(b"", (CertificateEntry(b"certificate", ()),)),
    HandshakeType.compressed_certificate: CompressedCertificate(1, 16, zlib.compress(bytes(16))),
    HandshakeType.certificate_request: CertificateRequest(b"", (ext.SignatureAlgorithms((0x0403,)),)),
    HandshakeType.certificate_verify: CertificateVerify(0x0403, ZEROS),
    HandshakeType.finished: Finished(ZEROS),
    HandshakeType.key_update: KeyUpdate(0),
}
RETRY_EXAMPLE = ServerHello(
    0x0303, RETRY_RANDOM, ZEROS, 0x1301, 0, (ext.SelectedVersion(0x0304), ext.RetryGroup(23))
)
