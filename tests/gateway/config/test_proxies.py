"""Which connections come from a proxy in front, and what a file may say of them."""

from __future__ import annotations

import pytest

from bothways import ConfigError
from bothways.gateway.config.proxies import MOST_NETWORKS, Proxies, parsed_proxies


def test_an_address_is_a_proxys_if_the_file_names_it_or_its_network() -> None:
    proxies = parsed_proxies(["192.0.2.1", "198.51.100.0/24", "2001:db8::/32", "fe80::1"], unix=False)
    inside = ("192.0.2.1", "198.51.100.9", "::ffff:192.0.2.1", "2001:db8:1::5", "fe80::1%eth0")
    outside = ("192.0.2.2", "198.51.101.1", "::ffff:192.0.2.2", "2001:db9::1", "127.0.0.1")
    assert [proxies.include(each) for each in inside] == [True] * len(inside)
    assert [proxies.include(each) for each in outside] == [False] * len(outside)
    assert not proxies.include(None)


def test_whoever_connects_to_a_unix_socket_is_a_proxy_where_that_is_said() -> None:
    assert parsed_proxies(["unix"], unix=True) == Proxies((), True)
    assert parsed_proxies(["unix"], unix=None).include(None)


@pytest.mark.parametrize(
    ("texts", "unix", "reported"),
    [
        (["proxy.example"], False, "neither an IP address nor a network such as 192.0.2.0/24"),
        (["192.0.2.1/24"], False, "without bits of a host"),
        (["0.0.0.0/0"], False, "contains all addresses, so that a client could announce another address"),
        (["::/0"], None, "contains all addresses"),
        (["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/2"], False, "0.0.0.0/0 contains all addresses"),
        (["::/1", "8000::/1"], False, "::/0 contains all addresses"),
        (["::ffff:0:0/96"], False, "0.0.0.0/0 contains all addresses"),
        (["192.0.2.1"], True, 'expected "unix" alone'),
        (["unix"], False, "expected the addresses of proxies"),
        (["192.0.2.1"] * (MOST_NETWORKS + 1), False, "at most 64"),
    ],
)
def test_an_invalid_proxy_address_is_refused(texts: list[str], unix: bool | None, reported: str) -> None:
    with pytest.raises(ConfigError, match=reported):
        parsed_proxies(texts, unix=unix)


def test_a_mapped_address_is_that_of_ipv4() -> None:
    """A connection from it has the address of IPv4, whichever socket it came to."""
    proxies = parsed_proxies(["::ffff:192.0.2.16/124"], unix=False)
    assert proxies.include("192.0.2.17") and proxies.include("::ffff:192.0.2.31")
    assert not proxies.include("192.0.2.32") and not proxies.include("::c000:211")
