"""Which machines may be asked for evidence: none of ours by a stranger's certificate, unless it is allowed.

By the special-purpose registries of IANA (RFC 6890). An IPv6 address that carries an IPv4 one is as good as that.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.locations import Location

Address = IPv4Address | IPv6Address

# The first network that holds an address says what it is.
_INNER4 = tuple(
    (IPv4Network(network), words)
    for network, words in (
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
_INNER6 = tuple(
    (IPv6Network(network), words)
    for network, words in (
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
# Where IPv4 addresses stand in IPv6 ones: mapped and translated at the end, by 6to4 after 16 bits.
_MAPPED, _TRANSLATED = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_OPEN6 = (IPv6Network("2000::/3"), _MAPPED, _TRANSLATED)
_ISATAP = (0x00005EFE, 0x02005EFE)


def refusal(address: str, location: Location, policy: Fetch) -> str | None:
    """Say why a machine to which a location's host leads is not asked, or None where it is."""
    if location.host in policy.hosts:
        return None
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return "its host has no IP address"
    if any(read in network for network in policy.networks if network.version == read.version):
        return None
    words = inner(read)
    if words is not None:
        return f"{address} is {words}, and not allowed"
    if location.port not in policy.ports:
        return f"port {location.port} is not allowed"
    return None


def inner(address: Address) -> str | None:
    """Say what keeps an address from being one of the open Internet, or None."""
    if isinstance(address, IPv4Address):
        return next((words for network, words in _INNER4 if address in network), None)
    words = next((words for network, words in _INNER6 if address in network), None)
    if words is not None:
        return words
    words = next(filter(None, map(inner, _carried(address))), None)
    if words is None and not any(address in network for network in _OPEN6):
        return "reserved"
    return words


def _carried(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address carries (RFC 4291, 6052, 3056, 5214)."""
    number = int(address)
    if address in _MAPPED or address in _TRANSLATED or number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
