"""Which connections come from a proxy in front of the gateway, by their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)

from bothways.errors import ConfigError
from bothways.faults import shown

UNIX = "unix"
MOST_NETWORKS = 64
_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class Proxies:
    """The addresses of proxies. unix: whether whoever connects to a Unix socket is one."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False

    def include(self, host: str | None) -> bool:
        """Whether a connection is from a proxy. host: its address; None for a Unix socket."""
        if host is None:
            return self.unix
        address = ip_address(host.partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in each for each in self.networks)


def parsed_proxies(texts: Sequence[str], *, unix: bool | None) -> Proxies:
    """Read IP addresses, networks, and "unix". Raises ConfigError.

    unix: whether the listener is a Unix socket; None where that is not known yet.
    """
    if len(texts) > MOST_NETWORKS:
        raise ConfigError(f"{len(texts)} addresses; at most {MOST_NETWORKS} are possible")
    networks = tuple(_network(each) for each in texts if each != UNIX)
    _check_extent(networks)
    if unix is True and networks:
        raise ConfigError(f'whoever connects to a Unix socket has no address; expected "{UNIX}" alone')
    if unix is False and UNIX in texts:
        raise ConfigError(f'"{UNIX}" is for a listener with `unix`; expected the addresses of proxies')
    return Proxies(networks, UNIX in texts)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ConfigError(
            f"{shown(text)} is neither an IP address nor a network such as 192.0.2.0/24 (without bits of a host)"
        ) from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped or IPv4Address(
            0
        )  # such a client has its address of IPv4
        return IPv4Network((mapped, network.prefixlen - _MAPPED.prefixlen))
    return network


def _check_extent(networks: Sequence[IPv4Network | IPv6Network]) -> None:
    """Raise ConfigError where they contain all addresses of IPv4 or of IPv6, by themselves or together."""
    fours = [each for each in networks if isinstance(each, IPv4Network)]
    sixes = [each for each in networks if isinstance(each, IPv6Network)]
    whole: list[IPv4Network | IPv6Network] = [*collapse_addresses(fours), *collapse_addresses(sixes)]
    for each in whole:
        if each.prefixlen == 0:
            raise ConfigError(
                f"{each} contains all addresses, so that a client could announce another address; name the proxies"
            )
