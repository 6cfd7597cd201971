"""Drawn conversations of TLS 1.3 in which several of its options meet: how both sides are set up, and who is who.

Options: what each side is authenticated by, a session, a retry, an encrypted ClientHello, compressed certificates,
limits of records, a request after the handshake.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from bothways import ClientConfig, Connection, ServerConfig, SessionStore, TicketKeys
from bothways.iana import CertificateCompressionAlgorithm
from bothways.tls.handshake.session_binding import client_key, key_of_12
from bothways.tls.resumption.session import Session
from bothways.tls.resumption.session_store import SessionKey
from bothways.tls.wire.compression import installed
from bothways.trust.path.name_matching import server_name
from hostile.endings import who
from pair import NOON, Pair, pair
from tls.handshake import encrypted_hellos
from tls.handshake.conversations import (
    ANONYMOUS_LATER,
    PSK_CLIENT,
    PSK_SERVER,
    RAW_CLIENT,
    RAW_SERVER,
    RETRY,
    client_config,
    credentials,
    server_config,
)
from tls.handshake.conversations12 import ECDSA_SUITES

Options = dict[str, Any]
Identities = tuple[bytes | None, bytes | None]
LATER = {"client_auth": "later"}
# By what each side is authenticated: the options of both.
AUTHENTICATION: dict[str, tuple[Options, Options]] = {
    "certificates": ({}, {}),
    "anonymous": ({"credentials": None}, {"client_auth": "request"}),
    "one-way": ({}, {"client_auth": "none"}),
    "later": ({"post_handshake_auth": True}, LATER),
    "again": ({"post_handshake_auth": True}, {}),
    "anonymous later": (ANONYMOUS_LATER, LATER),
    "raw": (RAW_CLIENT, RAW_SERVER),
    "raw client": ({"raw_key": RAW_CLIENT["raw_key"]}, RAW_SERVER),
    "raw server": (
        {"pins": RAW_CLIENT["pins"]},
        {"raw_key": RAW_SERVER["raw_key"], "client_auth": "request"},
    ),
    "key": (PSK_CLIENT, PSK_SERVER),
    "key or certificate": (
        {"psk_peers": PSK_CLIENT["psk_peers"]},
        {"psk_peers": PSK_SERVER["psk_peers"]},
    ),
}
SIGNED = ("certificates", "anonymous", "one-way", "later", "again", "anonymous later")
RAW = ("raw", "raw client", "raw server")
KEYED = ("key", "key or certificate")
ALGORITHMS = tuple(CertificateCompressionAlgorithm(each).name for each in installed())
LIMITS = (None, 64, 65, 100, 512, 16_384, 16_385)


@dataclass(frozen=True)
class Scene:
    """One set-up: by what each side is authenticated, and what else meets.

    ech: "accepted", "outdated", "grease" or "".  compressed: the algorithms that both accept; compresses: and use.
    limits: of the client's and the server's records.  wide: with SHA-384.
    """

    authentication: str
    resumed: bool = False
    retry: bool = False
    ech: str = ""
    compressed: tuple[str, ...] = ()
    compresses: bool = True
    limits: tuple[int | None, int | None] = (16_385, 16_385)
    wide: bool = False
    version: str = "1.3"
    protocols: tuple[str, ...] = ()
    selected: bool = False
    padding: int = 0

    def __str__(self) -> str:
        return ", ".join([f"{each.name}={getattr(self, each.name)}" for each in fields(self)])

    @property
    def is_asked(self) -> bool:
        """Whether the client's certificate is requested on the open connection."""
        return self.authentication in ("later", "again", "anonymous later") and "h2" not in self.protocols

    def pair(self, **notes: Any) -> Pair:
        """Start it, with the one session at hand again."""
        client, server, session = _made(self)
        if client.sessions is not None:
            client.sessions.clear()
            if session is not None:
                client.sessions.keep(_key(self, client), session)
        talk = pair(client, server, **notes)
        if self.selected:
            observer = notes.get("server_notes")
            talk.server = _front(self).connection(
                observer=None if observer is None else observer.append, select=lambda asked: server
            )
        return talk

    def play(self, **notes: Any) -> Pair:
        """Play it to its end."""
        return self.go_on(self.pair(**notes))

    def go_on(self, talk: Pair) -> Pair:
        """Exchange what there is; then request the client's certificate, and send data both ways."""
        talk.exchange(400)
        if not (talk.client.established and talk.server.established):
            return talk
        if self.is_asked:
            talk.server.authenticate_client(required=False)
            talk.exchange(400)
        for end in (talk.client, talk.server):
            if end.established and end.failure is None:
                end.send(b"data")
        talk.exchange(400)
        return talk

    def identities(self) -> Identities:
        """Whom the client and the server report where nobody lies."""
        return _identities(self)

    def stored(self) -> Iterator[Session]:
        """Take out what the client has stored, the newest first."""
        client, _, _ = _made(self)
        assert client.sessions is not None
        while (session := client.sessions.take(_key(self, client), NOON)) is not None:
            yield session

    def other_identities(self) -> tuple[Identities, ...]:
        """Whom they may report besides, where one side does not use all that it has."""
        if self.authentication in ("key or certificate", *RAW):
            return (replace(self, authentication="certificates").identities(),)
        if self.authentication in ("later", "anonymous later"):
            return ((self.identities()[0], None),)
        return ()


@cache
def _identities(scene: Scene) -> Identities:
    talk = scene.play()
    return who(talk.client), who(talk.server)


@cache
def _made(scene: Scene) -> tuple[ClientConfig, ServerConfig, Session | None]:
    ours, theirs = (dict(each) for each in AUTHENTICATION[scene.authentication])
    ours |= {"accept_compressed": scene.compressed, "alpn": scene.protocols, "sessions": SessionStore()}
    if not scene.compresses:
        ours["compress_with"] = theirs["compress_with"] = ()
    theirs |= {"accept_compressed": scene.compressed, "alpn": scene.protocols, "tickets": TicketKeys()}
    ours["record_padding"] = theirs["record_padding"] = scene.padding
    ours["record_size_limit"], theirs["record_size_limit"] = scene.limits
    if scene.retry:
        theirs |= RETRY
    if scene.wide:
        ours["suites"] = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256")
        theirs["suites"] = ("TLS_AES_256_GCM_SHA384",)
    if scene.version == "1.2":
        suites = ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",) if scene.wide else ECDSA_SUITES
        for each in (ours, theirs):
            each |= {"versions": ("1.2",), "suites": suites, "resume_tls12": True, "key_shares": None}
        del theirs["key_shares"]
    if scene.ech == "grease":
        ours["ech"] = "grease"
    elif scene.ech:
        ours |= encrypted_hellos.outdated() if scene.ech == "outdated" else encrypted_hellos.client()
    if scene.ech in ("accepted", "outdated"):
        own = theirs.get("credentials")
        theirs |= encrypted_hellos.server()
        theirs["credentials"] = theirs["credentials"] if own is None else own
    client, server = client_config(**ours), server_config(**theirs)
    return client, server, _session(scene, client, server) if scene.resumed else None


@cache
def _front(scene: Scene) -> ServerConfig:
    """The configuration with which a connection begins: of another host, which verifies nobody."""
    _, server, _ = _made(scene)
    return server_config(
        credentials=credentials("other.example"),
        client_auth="none",
        versions=("1.3", "1.2"),
        ech_keys=server.ech_keys,
        tickets=server.tickets,
    )


def _key(scene: Scene, client: ClientConfig) -> SessionKey:
    key = client_key(client.settings, server_name("localhost"))
    return key if scene.version == "1.3" else key_of_12(key)


def _session(scene: Scene, client: ClientConfig, server: ServerConfig) -> Session:
    talk = pair(client, server)
    talk.exchange(400)
    assert client.sessions is not None
    session = client.sessions.take(_key(scene, client), NOON)
    assert session is not None, (talk.client.failure, talk.server.failure)
    return session


def drawn(
    chance: random.Random,
    authentication: Sequence[str] = tuple(AUTHENTICATION),
    *,
    opens: bool = False,
    **fixed: Any,
) -> Scene:
    """A scene by chance. opens: the connection is established in it.  fixed: what it has in any case."""
    how = chance.choice(authentication)
    ways = ["", "", "accepted", "grease"] + (["outdated"] if how in SIGNED and not opens else [])
    those: dict[str, Callable[[], Any]] = {
        "resumed": lambda: how not in KEYED and chance.random() < 0.3,
        "retry": lambda: chance.random() < 0.3,
        "ech": lambda: chance.choice(ways),
        "compressed": lambda: tuple(chance.sample(ALGORITHMS, chance.choice((0, 0, 1, len(ALGORITHMS))))),
        "compresses": lambda: True,
        "limits": lambda: (chance.choice(LIMITS), chance.choice(LIMITS)),
        "wide": lambda: chance.random() < 0.2,
        "version": lambda: "1.3",
        "padding": lambda: chance.choice((0, 0, 0, 2, 64, 100, 16_384)),
        "selected": lambda: chance.random() < 0.2,
        "protocols": lambda: chance.choice(((), (), ("http/1.1",), ("h2",))),
    }
    values = {what: fixed[what] if what in fixed else draw() for what, draw in those.items()}
    if values["ech"] == "outdated" and values["resumed"]:
        values["ech"] = "accepted"
    return Scene(how, **values)


def succeeds(scene: Scene) -> bool:
    """Whether both sides establish the connection where nobody lies."""
    return scene.ech != "outdated"


def ends(talk: Pair) -> tuple[Connection, Connection]:
    return talk.client, talk.server
