"""What is known of our own side of a connection, and what was observed of it: values without secrets.

`OwnSide` comes from a configuration, `Observed` from `HandshakeFacts`. Nothing here decides what went wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from bothways.roles import Progress, Role
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.handshake.access import ByRules
from bothways.tls.handshake.history import FailureFacts, ech_of, known_anchors
from bothways.tls.handshake.settings import Negotiation, PeerTrust
from bothways.trust.access.peer_rules import Rule
from bothways.trust.anchors import TrustStore
from bothways.trust.crl_store import CRLStore

Chain = tuple[bytes, ...]  # DER, the leaf first
LISTS_LOOKED_AT = 8


@dataclass(frozen=True, slots=True)
class Files:
    """The names of our files, for the commands of a remedy.

    cert, key, ca: of our certificate, of its private key, and of the trust anchors.  options: further options of our
    command that those commands keep, each in words.  starttls: the protocols in which our command can request TLS; None
    for all.
    """

    cert: str = "CERT"
    key: str = "KEY"
    ca: str = "CA"
    options: tuple[tuple[str, ...], ...] = ()
    starttls: tuple[str, ...] | None = None


UNNAMED = Files()
OF_SYSTEM = "the trust anchors of this system"  # the name of `ca` where no file was given


@dataclass(frozen=True, slots=True)
class OwnSide:
    """Our side of a connection: never a private key.

    role: client or server.  files: the names of our files, for remedies.  own: the chains that we may send.  anchors:
    our trust anchors.  versions, suites, groups, schemes: codes that we offer or accept.  shares: groups for which our
    hello has a key share.  protocols: ALPN names. server_name: the server that a client wants to reach.  address: where
    the server is, "HOST:PORT". starttls: the protocol in which TLS was requested first, such as "smtp"; "" for none.
    local: a server's own IP address, to which the client connected; "" where that is not known.  ech: by which the
    ClientHello was encrypted. rules: which of the trusted clients a server allows; () for all, or where a function
    decides.  lists: thisUpdate and nextUpdate of the CRLs that we have, of at most `LISTS_LOOKED_AT`.  has_psks:
    whether we have external PSKs. fetches: whether we fetch CRLs and OCSP responses.  crls: the CRLs that we have.
    """

    role: Role
    own: tuple[Chain, ...] = ()
    anchors: TrustStore | None = None
    versions: tuple[int, ...] = ()
    suites: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    shares: tuple[int, ...] = ()
    schemes: tuple[int, ...] = ()
    protocols: tuple[bytes, ...] = ()
    server_name: str | None = None
    address: str = ""
    files: Files = UNNAMED
    starttls: str = ""
    local: str = ""
    ech: str = ""
    rules: tuple[Rule, ...] = ()
    lists: tuple[tuple[datetime, datetime | None], ...] = ()
    has_psks: bool = False
    fetches: bool = False
    crls: CRLStore | None = None

    @classmethod
    def of(
        cls,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        *,
        address: str = "",
        files: Files = UNNAMED,
        starttls: str = "",
        local: str = "",
    ) -> OwnSide:
        """Return what an explanation needs of a configuration, without private keys.

        config: that of the connection. The other arguments are as for `OwnSide`.
        """
        settings = config.settings
        own = cls._offering(settings.negotiation)
        return replace(
            own,
            role=Role.CLIENT if isinstance(config, ClientConfig) else Role.SERVER,
            own=tuple(each.chain for each in settings.identity.own),
            **_verifying(settings.trust),
            server_name=server_name,
            address=address,
            files=files,
            ech=ech_of(settings),
            starttls=starttls,
            local=local,
        )

    @classmethod
    def of_failure(cls, facts: FailureFacts) -> OwnSide:
        """Return our side of a connection that failed, by the facts that the engine kept of it."""
        return replace(
            cls._offering(facts.offer),
            role=facts.role,
            own=facts.own,
            **_verifying(facts.trust),
            server_name=facts.server_name,
            address=facts.address,
            starttls=facts.starttls,
            ech=facts.ech,
        )

    @classmethod
    def _offering(cls, offer: Negotiation) -> OwnSide:
        return cls(
            role=Role.CLIENT,
            versions=offer.versions,
            suites=offer.suites,
            groups=offer.groups,
            shares=offer.shares,
            schemes=offer.schemes,
            protocols=offer.protocols,
        )


def _verifying(trust: PeerTrust | None) -> dict[str, Any]:
    """Return what is known of how we verify peers."""
    if trust is None:
        return {}
    crls = None if trust.revocation is None else trust.revocation.crls
    looked_at = () if crls is None else islice(crls, LISTS_LOOKED_AT)
    return {
        "anchors": known_anchors(trust),
        "has_psks": trust.psks is not None,
        "fetches": trust.revocation is not None and trust.revocation.fetch is not None,
        "rules": trust.decide.rules if isinstance(trust.decide, ByRules) else (),
        "crls": crls,
        "lists": tuple((each.this_update, each.next_update) for each in looked_at),
    }


@dataclass(frozen=True, slots=True)
class HelloOffer:
    """What a ClientHello offers. wants_staple: whether it asks for a stapled OCSP response."""

    versions: tuple[int, ...] = ()
    suites: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    schemes: tuple[int, ...] = ()
    protocols: tuple[bytes, ...] = ()
    server_name: str | None = None
    wants_staple: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedCertificates:
    """What a CertificateRequest asks for: signature schemes, and the DER names of CAs (none: any CA)."""

    schemes: tuple[int, ...] = ()
    authorities: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed of a connection, as far as it helps to explain a failure.

    sent, received: the names of messages in order.  version: the code of the chosen version.  offer: what the client's
    hello offers.  request: what the peer's CertificateRequest accepts.  shown: the chain that we sent,
    () for an empty Certificate, None where none was sent.  chain: the peer's.  data, said: whether application
    data was received, and sent.  closed: whether we sent close_notify.  progress: how far the connection had come.
    protocol: what the server chose by ALPN.  shows_raw_key, sees_raw_key: whether our Certificate message, and the
    peer's, contains a raw public key, so that there is no chain.  by_psk: the server chose a PSK.
    stapled: whether we sent an OCSP response with our certificate.
    offers_raw_keys: the sides for which our ClientHello offers raw public keys and no certificate.
    """

    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()
    version: int | None = None
    offer: HelloOffer | None = None
    request: AcceptedCertificates | None = None
    shown: Chain | None = None
    chain: Chain | None = None
    data: bool = False
    said: bool = False
    closed: bool = False
    progress: Progress = Progress.HELLO
    protocol: bytes | None = None
    shows_raw_key: bool = False
    sees_raw_key: bool = False
    by_psk: bool = False
    stapled: bool = False
    offers_raw_keys: tuple[Role, ...] = ()


Differs = Literal["schemes", "groups", "size", "nothing"]


@dataclass(frozen=True, slots=True)
class Probed:
    """What a server chose in probes with hellos that offer more than ours; it is not authenticated.

    versions, suites, groups: codes, the preferred first; empty where it refused even those hellos.
    after_proxy_header: whether it answered only a hello after a header of the PROXY protocol.
    starttls: the protocol in which it answered a request for TLS, where it answered no hello; "" for none.
    plain: whether it answered there that it has no TLS.
    without_name: whether it answered only a hello without a server name.
    pre_shared: whether it answered only a hello with cipher suites of pre-shared keys or passwords (PSK, SRP).
    closes_at_once: whether it closes a connection on which nothing was sent.
    reads_hello: whether it closes a connection for a hello, and not before the hello's last byte.
    closes_early: whether it closes a connection for the first part of a hello.
    differs_by_name: of a server that we reach by address, whether a hello with a server name is answered otherwise than
    one without; None if that was not tried.
    answer: what it answers to a line of plain text, where it says nothing to a hello; escaped, of limited length.
    unanswered: whether it answered nothing that was tried.
    speaks_unasked: whether it refuses, in HTTP or by an alert, before anything was sent to it.
    http_status: the status by which it did that in HTTP, or answered a request in plain HTTP.
    allows_old: of a server that refuses every hello, whether it refuses TLS 1.1 or 1.0 for another reason than the
    version: by another alert than protocol_version.
    differs: what it refuses in our hello, by pairs of hellos that differ in that alone; None if that was not tried.
    """

    versions: tuple[int, ...] = ()
    suites: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    after_proxy_header: bool = False
    starttls: str = ""
    plain: bool = False
    without_name: bool = False
    pre_shared: bool = False
    closes_at_once: bool = False
    reads_hello: bool = False
    closes_early: bool = False
    differs_by_name: bool | None = None
    answer: str = ""
    unanswered: bool = False
    speaks_unasked: bool = False
    http_status: int | None = None
    allows_old: bool = False
    differs: Differs | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that an explanation takes into account besides the failure. `now` is the time by our clock.

    own_side: our configuration.  observed: what was observed of the connection.
    probed: what additional connections found, if any were made.
    connected: where nothing was sent, whether TCP was connected when a time limit passed; None if that is not known.
    """

    own_side: OwnSide
    observed: Observed = Observed()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    probed: Probed | None = None
    connected: bool | None = False

    @property
    def chain_for_peer(self) -> Chain | None:
        """Our chain that the peer verified, or would have: the one that was sent, or else the only one."""
        if self.observed.shown is not None:
            return self.observed.shown or None
        only: Sequence[Chain] = self.own_side.own
        return only[0] if len(only) == 1 and self.own_side.role is Role.SERVER else None
