"""What a file may say of a route of HTTP."""

from __future__ import annotations

from importlib import util
from typing import Any

import pytest

from bothways import ConfigError
from bothways.gateway.config.http import BY_DEFAULT, HTTPConfig, check_installed, http_in
from bothways.gateway.config.strict_toml import parsed_toml


def read(text: str, *alpn: str) -> HTTPConfig | None:
    [table] = parsed_toml("gateway.toml", "[[route]]\nbackend = 'x:1'\n" + text).tables("route")
    return http_in(table, alpn)


def test_a_route_passes_on_bytes_unless_it_says_http() -> None:
    assert read("") is None
    assert read('mode = "tcp"') is None
    assert read('mode = "http"', "http/1.1") == HTTPConfig(BY_DEFAULT)
    assert read('mode = "http"\nidentity_headers = "client-cert-chain"') == HTTPConfig(("client-cert-chain",))


@pytest.mark.parametrize(
    ("text", "alpn", "reported"),
    [
        ('mode = "https"', (), "line 3: route[1].mode: https is none of tcp, http"),
        ('identity_headers = "client-cert"', (), 'has an effect only with `mode = "http"`'),
        (
            'mode = "http"\nidentity_headers = ["x-user"]',
            (),
            "x-user is none of client-cert, client-cert-chain",
        ),
        ('mode = "http"', ("postgresql",), "a route of HTTP speaks "),
    ],
)
def test_each_fault_of_the_file_is_reported_with_its_line(
    text: str, alpn: tuple[str, ...], reported: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read(text, *alpn)
    assert reported in str(refused.value)


def test_a_missing_package_is_reported_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()

    def found(name: str) -> Any:
        return None

    monkeypatch.setattr("bothways.gateway.config.http.find_spec", found)
    with pytest.raises(ConfigError, match=r"pip install 'bothways\[gateway\]'"):
        check_installed()
    assert util.find_spec("h11") is not None
