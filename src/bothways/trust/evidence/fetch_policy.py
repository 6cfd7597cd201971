"""What evidence may be fetched, from whom, and how much of it: one frozen object, part of a `Revocation`.

It says nothing about what evidence means, and fetches nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Literal
from weakref import WeakKeyDictionary

from bothways.errors import ConfigError
from bothways.trust import files
from bothways.trust.evidence.cache import EvidenceCache
from bothways.trust.evidence.http_exchange import MAX_RESPONSE_BYTES
from bothways.trust.evidence.locations import is_host
from bothways.trust.general_names import lower_ascii
from bothways.trust.verdict import EvidenceRequest

Network = IPv4Network | IPv6Network

LONGEST_KEEP = timedelta(days=3660)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fetch:
    """What may be fetched to know whether peers are revoked; what comes is kept for all who share this object.

    ocsp: ask the responders that certificates name (AIA).  crls: fetch CRLs from their distribution points,
    where no response settles it.  nonce: "use" one with every OCSP request, so that an answer to somebody else
    is refused; "require" it back, which only responders that sign on demand can do; or "none", where
    short requests go out by GET and may be answered from caches on the way.
    https: fetch by it too; those servers are trusted by the system's anchors, and not asked about in turn.
    ports: where responders may listen.  allow: hosts by name, and networks such as "10.0.0.0/8", that may be
    asked although they are inner ones or listen elsewhere.  directory: where evidence outlives the process.
    keep: how long evidence is used before it is asked for anew; never beyond its own end.
    seconds: for each round of a judgement that waits.  requests: for one peer.  redirects: in a row.
    max_list_bytes: the largest CRL that is read, on a peer's word.  by_caller: whoever drives the connection answers
    `EvidenceWanted` itself, so that httpcore is not needed.
    """

    ocsp: bool = True
    crls: bool = True
    nonce: Literal["none", "use", "require"] = "use"
    https: bool = False
    ports: Sequence[int] = (80, 443)
    allow: Sequence[str] = ()
    directory: files.FilePath | None = None
    keep: timedelta = timedelta(hours=1)
    seconds: float = 5.0
    requests: int = 8
    redirects: int = 3
    max_list_bytes: int = 4 * 1024 * 1024
    by_caller: bool = False

    hosts: frozenset[str] = field(init=False, repr=False)
    networks: tuple[Network, ...] = field(init=False, repr=False)
    cache: EvidenceCache = field(init=False, repr=False)
    fetchers: WeakKeyDictionary[Any, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("ocsp", "crls", "https", "by_caller"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}: expected True or False; available evidence is not part of fetch")
        if not self.ocsp and not self.crls:
            raise ConfigError("fetch: one of ocsp and crls has to be True")
        if self.nonce not in ("none", "use", "require"):
            raise ConfigError(f"nonce: {self.nonce!r} is none of none, use, require")
        if not all(0 < port < 65536 for port in self.ports):
            raise ConfigError("ports: expected numbers of 1 to 65535")
        if isinstance(self.allow, str):
            raise ConfigError(
                f"allow: expected several hosts or networks, not the single text {self.allow!r}"
            )
        if not timedelta(0) <= self.keep <= LONGEST_KEEP:
            raise ConfigError(f"keep: expected a duration of zero to {LONGEST_KEEP.days} days")
        for name in ("seconds", "requests", "max_list_bytes"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: expected a number above zero")
        if self.redirects < 0:
            raise ConfigError("redirects: expected a number of zero or more")
        if not self.by_caller and not _is_installed("httpcore"):
            raise ConfigError(
                "fetching evidence needs more than the base install: pip install 'bothways[fetch]'"
            )
        networks = tuple(filter(None, map(_network, self.allow)))
        object.__setattr__(self, "networks", networks)
        hosts = frozenset(_host(each) for each in self.allow if _network(each) is None)
        object.__setattr__(self, "hosts", hosts)
        object.__setattr__(self, "cache", EvidenceCache(self.keep))
        object.__setattr__(self, "fetchers", WeakKeyDictionary())  # who fetches by it, for each event loop

    def limit(self, request: EvidenceRequest) -> int:
        """Return how many bytes of an answer are read."""
        return MAX_RESPONSE_BYTES if request.kind == "ocsp" else self.max_list_bytes


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _host(text: str) -> str:
    host = lower_ascii(text).rstrip(".")
    if not is_host(host):
        raise ConfigError(
            f"allow: {text!r} is neither a host nor a network; expected one like ocsp.example or 10.0.0.0/8"
        )
    return host


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:
        return False
