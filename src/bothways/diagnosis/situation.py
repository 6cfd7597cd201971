"""What we know of our own side of a connection, and what was seen of it: values, and no secret among them.

`OwnSide` comes from a configuration, `Seen` from `HandshakeFacts`. Nothing here says what went wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bothways.roles import Progress, Role
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.trust.anchors import TrustStore

Chain = tuple[bytes, ...]  # DER, the leaf first


@dataclass(frozen=True, slots=True)
class Files:
    """What our files are called, for the commands that a remedy names."""

    cert: str = "CERT"
    key: str = "KEY"
    ca: str = "CA"


UNNAMED = Files()


@dataclass(frozen=True, slots=True)
class OwnSide:
    """What we brought to a connection: never a private key.

    own: the chains that we may send.  anchors: whom we trust.  versions, suites, groups, schemes: codes that
    we offer or accept.  shares: groups of which our hello has a share.  protocols: ALPN names.
    server_name: whom a client wants to reach.  address: where the server is, "HOST:PORT".
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

    @classmethod
    def of(
        cls,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        *,
        address: str = "",
        files: Files = UNNAMED,
    ) -> OwnSide:
        """Take from a configuration what an explanation needs, and leave the keys where they are."""
        settings, offer = config.settings, config.settings.negotiation
        return cls(
            role=Role.CLIENT if isinstance(config, ClientConfig) else Role.SERVER,
            own=tuple(each.chain for each in settings.identity.own),
            anchors=None if settings.trust is None else settings.trust.anchors,
            versions=offer.versions,
            suites=offer.suites,
            groups=offer.groups,
            shares=offer.shares,
            schemes=offer.schemes,
            protocols=offer.protocols,
            server_name=server_name,
            address=address,
            files=files,
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client's hello offers."""

    versions: tuple[int, ...] = ()
    suites: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    schemes: tuple[int, ...] = ()
    protocols: tuple[bytes, ...] = ()
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a server asks of a client's certificate: schemes, and the DER names of CAs (none: any)."""

    schemes: tuple[int, ...] = ()
    authorities: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What passed, as far as it tells something about a failure.

    sent, received: the names of messages in order.  version: the one chosen.  shown: the chain that we sent,
    () for an empty Certificate, None where none was sent.  chain: the peer's.  data, said: application data
    came, and went.  progress: how far the connection had come.
    """

    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()
    version: int | None = None
    offer: Offer | None = None
    request: Request | None = None
    shown: Chain | None = None
    chain: Chain | None = None
    data: bool = False
    said: bool = False
    progress: Progress = Progress.HELLO


@dataclass(frozen=True, slots=True)
class Probed:
    """What hellos that offer more than we ever would found a server to choose; nothing of it is proved.

    versions, suites, groups: codes, the preferred first. Nothing in them: it refused even those hellos.
    after_proxy_header: whether only a hello behind a header of the PROXY protocol was answered.
    """

    versions: tuple[int, ...] = ()
    suites: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    after_proxy_header: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """All that an explanation goes by beside the failure itself. `now` is the time by our clock.

    probed: what probing connections found beside the one that failed, if there were any.
    """

    ours: OwnSide
    seen: Seen = Seen()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    probed: Probed | None = None

    @property
    def chain_for_peer(self) -> Chain | None:
        """The chain of ours that the peer judged, or would have: what was shown, else the only one."""
        if self.seen.shown is not None:
            return self.seen.shown or None
        only: Sequence[Chain] = self.ours.own
        return only[0] if len(only) == 1 and self.ours.role is Role.SERVER else None
