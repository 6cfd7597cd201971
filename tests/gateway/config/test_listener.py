"""What a listener of the file says of proxies in front of it; the rest is in the tests of the whole file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways import ConfigError
from bothways.gateway.config.listener import ListenerConfig, listener_in
from bothways.gateway.config.strict_toml import parsed_toml


def listener(text: str) -> ListenerConfig:
    [table] = parsed_toml("gateway.toml", "[[listener]]\n" + text).tables("listener")
    return listener_in(table, Path("/etc/gateway"))


def test_without_a_word_of_proxies_nobody_announces_clients() -> None:
    assert listener("port = 1").proxies is None


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ('port = 1\nproxy_from = "192.0.2.0/24"', "192.0.2.7"),
        ('unix = "in.sock"\nproxy_from = ["unix"]', None),
        ('systemd = "https"\nproxy_from = ["::1", "unix"]', "::1"),
    ],
)
def test_a_listener_of_each_kind_has_proxies(text: str, host: str | None) -> None:
    proxies = listener(text).proxies
    assert proxies is not None and proxies.include(host)


def test_an_invalid_proxy_address_is_reported_with_its_line() -> None:
    with pytest.raises(
        ConfigError, match=r"gateway.toml, line 3: listener\[1\].proxy_from: 10.0.0.1/8 is neither"
    ):
        listener('port = 1\nproxy_from = ["10.0.0.1/8"]')


def test_an_abstract_socket_is_reported_with_its_line() -> None:
    """It would have no permissions; the folder before it must not make it the path of a file."""
    with pytest.raises(ConfigError, match=r"gateway.toml, line 2: listener\[1\].unix: @in is an abstract"):
        listener('unix = "@in"')
