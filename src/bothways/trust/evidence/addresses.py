"""Which hosts may be contacted to fetch evidence: a certificate of a peer must not lead to internal addresses.

By the special-purpose address registries of IANA (RFC 6890). An IPv6 address that embeds an IPv4 address is treated
like that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.locations import URLParts

Address = IPv4Address | IPv6Address

# The first network that contains an address determines its description.
_SPECIAL4 = tuple(
    (IPv4Network(network), use)
    for network, use in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier's customers"),
        ("127.0.0.0/8", "this machine"),
        ("168.63.129.16/32", "a cloud's metadata"),
        ("169.254.169.254/32", "a cloud's metadata"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_SPECIAL6 = tuple(
    (IPv6Network(network), use)
    for network, use in (
        ("::/128", "unspecified"),
        ("::1/128", "this machine"),
        ("64:ff9b:1::/48", "reserved"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
)
# Where IPv6 addresses embed an IPv4 one: IPv4-mapped and NAT64 in the last 32 bits, 6to4 after the first 16.
_MAPPED, _TRANSLATED = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_GLOBAL6 = (IPv6Network("2000::/3"), _MAPPED, _TRANSLATED)
_ISATAP = (0x00005EFE, 0x02005EFE)


class NotAllowed(ValueError):
    """A host must not be contacted by the policy of fetching; `host` is its name, as in the URL."""

    def __init__(self, problem: str, host: str) -> None:
        super().__init__(problem)
        self.host = host


def refusal(address: str, location: URLParts, policy: Fetch) -> str | None:
    """Return why the host of a location, at this IP address, must not be contacted; None where it may be.

    address: to which the host's name was resolved.  policy: the addresses and ports that are allowed.
    """
    if location.host in policy.hosts:
        return None
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return "its host has no IP address"
    if any(read in network for network in policy.networks if network.version == read.version):
        return None
    use = special_purpose(read)
    if use is not None:
        return f"{address} is {use}, and not allowed"
    if location.port not in policy.ports:
        return f"port {location.port} is not allowed"
    return None


def special_purpose(address: Address) -> str | None:
    """Return what an address that is not globally reachable is used for (RFC 6890); None for a global one."""
    if isinstance(address, IPv4Address):
        return next((use for network, use in _SPECIAL4 if address in network), None)
    use = next((use for network, use in _SPECIAL6 if address in network), None)
    if use is not None:
        return use
    use = next(filter(None, map(special_purpose, _embedded(address))), None)
    if use is None and not any(address in network for network in _GLOBAL6):
        return "reserved"
    return use


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address embeds (RFC 4291, 6052, 3056, 5214)."""
    number = int(address)
    if address in _MAPPED or address in _TRANSLATED or number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
