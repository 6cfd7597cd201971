"""Addresses as they are written in files and logs."""

from __future__ import annotations

import pytest

from bothways import ConfigError
from bothways.addresses import TCPAddress, UnixAddress, host_and_address, is_loopback, parsed_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", TCPAddress("127.0.0.1", 80)),
        ("db.example:5432", TCPAddress("db.example", 5432)),
        ("[::1]:443", TCPAddress("::1", 443)),
        ("unix:/run/x", UnixAddress("/run/x")),
        ("unix:x", UnixAddress("x")),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: object) -> None:
    assert parsed_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("host", "expected HOST:PORT"),
        (":80", "expected HOST:PORT"),
        ("host:", "expected HOST:PORT"),
        ("host:0", "a port of 1 to 65535"),
        ("host:65536", "a port of 1 to 65535"),
        ("host:+80", "a port of 1 to 65535"),
        ("host:\u0663", "a port of 1 to 65535"),
        ("::1:443", "stands in brackets"),
        ("http://127.0.0.1:80", "is a URL; expected HOST:PORT"),
        ("https://host/", "is a URL; expected HOST:PORT"),
        ("a..b:80", "neither the name of a host"),
        ("unix:", "a path of 1 to 107 bytes"),
        ("unix:" + "x" * 108, "a path of 1 to 107 bytes"),
        ("unix:a\0b", "a path of 1 to 107 bytes"),
    ],
)
def test_an_invalid_address_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parsed_address(text)
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("name", "host", "text"),
    [
        (("192.0.2.1", 80), "192.0.2.1", "192.0.2.1:80"),
        (("2001:db8::1", 80, 0, 0), "2001:db8::1", "[2001:db8::1]:80"),
        ("", "unix", "unix"),
        (None, "unix", "unix"),
    ],
)
def test_a_client_is_called_by_its_address_or_unix(name: object, host: str, text: str) -> None:
    assert host_and_address(name) == (host, text)


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("localhost", True),
        ("128.0.0.1", False),
        ("::/64", False),
    ],
)
def test_loopback_addresses_are_recognized(host: str, is_here: bool) -> None:
    assert is_loopback(host) is is_here


def test_a_url_in_the_place_of_an_address_is_shown_without_its_password() -> None:
    with pytest.raises(ConfigError) as refused:
        parsed_address("https://me:sesame@localhost:8443/")
    assert str(refused.value).startswith("https://localhost:8443/ is a URL")
