"""A session of one server shown to another, or later: drawn pairs of configurations that share their ticket keys.

The client is hostile: it offers the session whatever its own configuration says, and may have lost its credentials.
What holds: a resumed connection is one that a full handshake with those credentials, now and there, would have made,
with the same peer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any

import pki
from bothways import (
    ClientConfig,
    ConfigError,
    Peer,
    PeerRule,
    ServerConfig,
    SessionStore,
    TicketKeys,
    TrustStore,
)
from bothways.tls.handshake.session_binding import client_key, key_of_12
from bothways.tls.resumption.session import Session
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.path.name_matching import server_name
from bothways.trust.revocation import Revocation
from hostile.endings import ended_well, who
from pair import NOON, FrozenClock, pair
from tls.handshake.conversations import (
    anchors,
    authority,
    client_config,
    credentials,
    credentials_of,
    ech_keys,
    identity,
    pinned,
    psks,
    raw_key,
    server_config,
)

ANOTHER_ROOT = pki.root("Another root")
FAR = {"not_after": NOON + timedelta(days=30)}


@cache
def short_lived() -> pki.Issued:
    """A client whose certificate ends in an hour."""
    return pki.leaf(authority(), "client.example", not_after=NOON + timedelta(hours=1))


@cache
def lists(*revoked: pki.Issued) -> Revocation:
    """The lists of both CAs, with these leaves revoked."""
    number = 1 + len(revoked)
    made = [pki.crl(each, *revoked, number=number) for each in (authority(), authority().above[0])]
    return Revocation(crls=CRLStore([CRL(each) for each in made]))


def no_one_is_refused(peer: Peer | None) -> None:
    """Allow everybody."""


SERVER: dict[str, Sequence[Any]] = {
    "credentials": (
        lambda: credentials("localhost"),
        lambda: credentials_of(identity("localhost", "P-384")),
        lambda: [credentials("other.example"), credentials("localhost")],
    ),
    "client_anchors": (
        anchors,
        anchors,
        lambda: TrustStore.from_certificates([ANOTHER_ROOT.certificate, *anchors().certificates]),
        lambda: TrustStore.from_certificates([ANOTHER_ROOT.certificate]),
        lambda: None,
    ),
    "client_auth": (lambda: "require", lambda: "require", lambda: "request", lambda: "none", lambda: "later"),
    "client_pins": (
        lambda: None,
        lambda: None,
        lambda: pinned("client.example"),
        lambda: pinned("other.example"),
    ),
    "raw_key": (lambda: None, lambda: None, lambda: raw_key("localhost")),
    "psk_peers": (lambda: None, lambda: None, lambda: psks("localhost", "another.example")),
    "revocation": (
        lambda: None,
        lambda: None,
        lists,
        lambda: lists(identity("client.example")),
        lambda: Revocation(crls=CRLStore(), unknown="accept"),
    ),
    "allow": (
        lambda: None,
        lambda: no_one_is_refused,
        lambda: PeerRule(dns="client.example"),
        lambda: PeerRule(dns="other.example"),
    ),
    "schemes": (lambda: None, lambda: None, lambda: ("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384")),
    "certificate_schemes": (lambda: None, lambda: None, lambda: ("ecdsa_secp256r1_sha256",)),
    "suites": (
        lambda: None,
        lambda: ("TLS_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        lambda: ("TLS_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ),
    "alpn": (lambda: (), lambda: ("h2", "http/1.1"), lambda: ("http/1.1",)),
    "groups": (lambda: None, lambda: ("secp256r1", "x25519")),
    "ech_keys": (lambda: None, lambda: None, ech_keys),
    "unknown_server_name": (lambda: "first", lambda: "refuse"),
    "tickets": (lambda: "shared", lambda: "shared", lambda: "shared", lambda: "own"),
}
CLIENT: dict[str, Sequence[Any]] = {
    "credentials": (
        lambda: credentials("client.example"),
        lambda: credentials("client.example"),
        lambda: credentials_of(short_lived()),
        lambda: credentials("another.example"),
        lambda: None,
    ),
    "raw_key": (lambda: None, lambda: None, lambda: raw_key("client.example")),
    "pins": (lambda: None, lambda: None, lambda: pinned("localhost")),
    "ech": (lambda: None, lambda: None, lambda: ech_keys().config_list, lambda: "grease"),
    "alpn": (lambda: (), lambda: ("http/1.1",)),
    "suites": (lambda: None, lambda: ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256")),
}
ONLY_13 = {"client_pins", "raw_key", "psk_peers", "ech_keys", "pins", "ech"}
# What decides whether a peer passes: changed more often than the rest.
DECISIVE = {"allow", "client_anchors", "client_auth", "client_pins", "revocation", "credentials"}
WAITS = (0, 0, 0, 60, 2 * 3600, 23 * 3600, 25 * 3600, -5, -3600, 400 * 86_400)
NAMES = ("localhost", "localhost", "localhost", "other.example")

Options = dict[str, Any]


def _usual(choices: dict[str, Sequence[Any]]) -> Options:
    """The first choice of everything."""
    return {what: those[0]() for what, those in choices.items()}


def _given(options: Options) -> Options:
    """The options without those that say nothing."""
    return {what: value for what, value in options.items() if value is not None}


@dataclass(frozen=True)
class Shown:
    """What came of one session: whether there was one, and whether it was resumed where it was shown."""

    had_session: bool
    was_resumed: bool = False


class Showing:
    """Draws two servers and a client, has a session made at the first, and shows it at the second."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._keys = TicketKeys()
        self._version = chance.choice(("1.3", "1.3", "1.2"))
        self._server = self._changed(_usual(SERVER), SERVER, (0, 1, 2, 3))
        self._client = self._changed(_usual(CLIENT), CLIENT, (0, 0, 1, 2))

    def _changed(self, options: Options, choices: dict[str, Sequence[Any]], times: Sequence[int]) -> Options:
        new, chance = dict(options), self._chance
        usable = sorted(choices if self._version == "1.3" else choices.keys() - ONLY_13)
        decisive = [each for each in usable if each in DECISIVE]
        for _ in range(chance.choice(times)):
            what = chance.choice(decisive if chance.random() < 0.5 else usable)
            new[what] = chance.choice(choices[what])()
        return new

    def _server_config(self, options: Options, clock: FrozenClock, *, tickets: bool = True) -> ServerConfig:
        given = _given(options) | {"versions": (self._version,), "clock": clock}
        mine = self._keys if options["tickets"] == "shared" else TicketKeys()
        given["tickets"] = mine if tickets else None
        given["resume_tls12"] = tickets and self._version == "1.2"
        given.setdefault("client_anchors", None)
        if options["client_auth"] == "none":
            given |= dict.fromkeys(("client_anchors", "client_pins", "psk_peers", "allow", "revocation"))
        return server_config(**given)

    def _client_config(self, options: Options, *, sessions: bool = True) -> ClientConfig:
        given = _given(options) | {"versions": (self._version,)}
        given["sessions"] = SessionStore() if sessions else None
        given["resume_tls12"] = sessions and self._version == "1.2"
        given.setdefault("credentials", None)
        if self._version == "1.2":
            given["suites"] = server_config().suites
        return client_config(**given)

    def _key(self, client: ClientConfig, name: str) -> Any:
        key = client_key(client.settings, server_name(name))
        return key if self._version == "1.3" else key_of_12(key)

    def play(self) -> Shown | None:
        """Play it and check what holds; None for configurations that do not go together."""
        chance = self._chance
        clock = FrozenClock()
        there = self._changed(self._server, SERVER, (0, 1, 1, 2, 3))
        holder = self._changed(self._client, CLIENT, (0, 0, 1, 2))
        try:
            first, second = self._server_config(self._server, clock), self._server_config(there, clock)
            plain = self._server_config(there, clock, tickets=False)
            client, shower = self._client_config(self._client), self._client_config(holder)
            honest = self._client_config(self._client, sessions=False)
        except ConfigError:
            return None
        begun = chance.choice(NAMES)
        session = self._session(client, first, begun)
        if session is None:
            return Shown(False)
        clock.pass_time(chance.choice(WAITS))
        name = begun if chance.random() < 0.8 else chance.choice(NAMES)
        assert shower.sessions is not None
        shower.sessions.keep(self._key(shower, name), session)
        talk = pair(shower, second, name)
        if chance.random() < 0.3:
            talk.server = first.connection(select=lambda asked: second)
        talk.exchange()
        ended_well(talk)
        if not talk.server.resumed:
            return Shown(True)
        full = pair(honest, plain, name)
        full.exchange()
        what = f"{self._server} then {there}, {self._client} then {holder}"
        assert full.server.established, f"resumed without the right to: {what}: {full.server.failure}"
        assert who(talk.server) == who(full.server), what
        assert who(talk.client) == who(full.client), what
        return Shown(True, True)

    def share(self) -> Shown | None:
        """Two honest clients with one store: who resumes is who it would have been in a full handshake."""
        chance, store = self._chance, SessionStore()
        other = self._changed(self._client, CLIENT, (1, 1, 2, 3))
        self._server["tickets"] = "shared"
        try:
            server = self._server_config(self._server, FrozenClock())
            plain = self._server_config(self._server, FrozenClock(), tickets=False)
            first, second = (
                replace(self._client_config(each), sessions=store) for each in (self._client, other)
            )
            honest = self._client_config(other, sessions=False)
        except ConfigError:
            return None
        begun = chance.choice(NAMES)
        pair(first, server, begun).exchange()
        if not len(store):
            return Shown(False)
        name = begun if chance.random() < 0.8 else chance.choice(NAMES)
        talk = pair(second, server, name)
        talk.exchange()
        ended_well(talk)
        if not talk.server.resumed:
            return Shown(True)
        full = pair(honest, plain, name)
        full.exchange()
        what = f"{self._server}, {self._client} then {other}"
        assert full.server.established and full.client.established, what
        assert (who(talk.client), who(talk.server)) == (who(full.client), who(full.server)), what
        return Shown(True, True)

    def _session(self, client: ClientConfig, server: ServerConfig, name: str) -> Session | None:
        talk = pair(client, server, name)
        talk.exchange()
        ended_well(talk)
        if client.sessions is None:
            return None
        return client.sessions.take(self._key(client, name), NOON)
