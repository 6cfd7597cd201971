"""What evidence may be fetched, from where, and how much of it: one frozen object, part of a `Revocation`.

It does not interpret evidence, and fetches nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Literal
from weakref import WeakKeyDictionary

from bothways.arguments import duration, number, several, whole
from bothways.errors import ConfigError
from bothways.trust import files
from bothways.trust.evidence.cache import EvidenceCache
from bothways.trust.evidence.http_exchange import MAX_RESPONSE_BYTES, Evidence
from bothways.trust.evidence.locations import is_host
from bothways.trust.names.general import lower_ascii
from bothways.trust.verdict import EvidenceRequest

Network = IPv4Network | IPv6Network

LONGEST_KEEP = timedelta(days=3660)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fetch:
    """What may be fetched to check peers for revocation. All users of this object share what was fetched.

    ocsp: whether to send requests to the OCSP responders that certificates name (authorityInfoAccess).  crls: whether
    CRLs are fetched from distribution points where no OCSP response is sufficient.  nonce (RFC 9654): "use" sends one
    with every OCSP request, and refuses a response with another nonce; "require" also refuses a response without a
    nonce, as those of responders that sign in advance; "none" sends no nonce, and sends short requests by GET, so that
    HTTP caches may answer them.  https: whether HTTPS URLs are fetched too; their servers are verified by the system's
    trust anchors and not checked for revocation.  ports: TCP ports that may be contacted.  allow: hosts by name, and
    networks such as "10.0.0.0/8", that may be contacted although they are internal or use other ports.  directory:
    where evidence is stored for later processes.  keep: how long evidence is used before it is fetched again, if it
    does not expire earlier. seconds: the time limit for each round of fetching.  requests: the number of requests for
    one peer. redirects: the number of redirects for one request.  max_list_bytes: the size of the largest CRL that is
    fetched, in bytes. by_caller: whether the caller of the connection answers `EvidenceWanted` itself, so that httpcore
    is not needed. learned: called, in a thread of its own, with evidence that was fetched and whose signature was
    verified; it must not raise. Raises ConfigError.
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
    learned: Callable[[Evidence], object] | None = field(default=None, repr=False)

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
        ports = tuple(whole("ports", port) for port in several("ports", self.ports, "ports"))
        object.__setattr__(self, "ports", ports)
        if not all(0 < port < 65536 for port in ports):
            raise ConfigError("ports: expected numbers of 1 to 65535")
        if isinstance(self.allow, str):
            raise ConfigError(
                f"allow: expected several hosts or networks, not the single text {self.allow!r}"
            )
        object.__setattr__(self, "allow", several("allow", self.allow, "hosts or networks", str))
        if not timedelta(0) <= duration("keep", self.keep) <= LONGEST_KEEP:
            raise ConfigError(f"keep: expected a duration of zero to {LONGEST_KEEP.days} days")
        for name in ("seconds", "requests", "max_list_bytes"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: expected a number above zero")
        object.__setattr__(self, "redirects", whole("redirects", self.redirects))
        if self.redirects < 0:
            raise ConfigError("redirects: expected a number of zero or more")
        if not self.by_caller and not _is_installed("httpcore"):
            raise ConfigError(
                "fetching evidence needs more than the base install: pip install 'bothways[fetch]'"
            )
        networks, hosts = allowed(self.allow)
        object.__setattr__(self, "networks", networks)
        object.__setattr__(self, "hosts", hosts)
        object.__setattr__(self, "cache", EvidenceCache(self.keep))
        object.__setattr__(self, "fetchers", WeakKeyDictionary())  # the fetcher of each event loop

    def limit(self, request: EvidenceRequest) -> int:
        """Return the maximum length of the answer to a request, in bytes."""
        return MAX_RESPONSE_BYTES if request.kind == "ocsp" else self.max_list_bytes


def allowed(texts: Sequence[str], field: str = "allow") -> tuple[tuple[Network, ...], frozenset[str]]:
    """Return the networks and the hosts that texts name. Raises ConfigError. field: their name in messages."""
    networks = {text: _network(text) for text in texts}
    hosts = frozenset(_host(text, field) for text, network in networks.items() if network is None)
    return tuple(filter(None, networks.values())), hosts


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _host(text: str, field: str) -> str:
    host = lower_ascii(text).rstrip(".")
    if not is_host(host):
        raise ConfigError(
            f"{field}: {text!r} is neither a host nor a network; expected one like ocsp.example or 10.0.0.0/8"
        )
    return host


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:
        return False
