"""Addresses on the command line."""

from __future__ import annotations

import click
import pytest

from bothways.addresses import TCPAddress
from bothways.cli.options.addresses import ADDRESS, DIALLED, SERVER


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:443", TCPAddress("localhost", 443)),
        ("127.0.0.1:0", TCPAddress("127.0.0.1", 0)),
        ("[::1]:65535", TCPAddress("::1", 65535)),
    ],
)
def test_addresses_are_read_and_written_alike(text, address):
    """HOST:PORT, IPv6 in brackets."""
    assert ADDRESS.convert(text, None, None) == address
    assert ADDRESS.convert(address, None, None) is address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":443", "host:x", "host:65536", "::1:1", "host:-1", "h:٣", "h:" + "9" * 5000],
)
def test_other_texts_are_no_addresses(text):
    """Each says what was expected."""
    with pytest.raises(click.BadParameter, match=r"HOST|brackets|has no host"):
        ADDRESS.convert(text, None, None)


@pytest.mark.parametrize("kind", [DIALLED, SERVER], ids=["address", "server"])
@pytest.mark.parametrize("text", ["localhost:0", "[::1]:00", "https://localhost:0/"])
def test_nothing_is_connected_to_at_port_0(kind, text):
    """It stands for any free port of a listener."""
    with pytest.raises(click.BadParameter, match="a port of 1 to 65535|brackets"):
        kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://localhost", TCPAddress("localhost", 443)),
        ("HTTPS://localhost:8443/status?x=1", TCPAddress("localhost", 8443)),
        ("https://[::1]", TCPAddress("::1", 443)),
        ("https://user:word@localhost:1/", TCPAddress("localhost", 1)),
        ("ldaps://directory.example", TCPAddress("directory.example", 636)),
        ("localhost:443", TCPAddress("localhost", 443)),
    ],
)
def test_a_url_names_a_server_too(text, address):
    """RFC 3986 3.2; what follows the authority says nothing of the connection."""
    assert SERVER.convert(text, None, None) == address


@pytest.mark.parametrize("text", ["http://localhost", "ftp://localhost:21", "https://", "https://host:x/"])
def test_other_urls_name_none(text):
    """Of protocols without TLS there is nothing to connect to."""
    with pytest.raises(click.BadParameter):
        SERVER.convert(text, None, None)


@pytest.mark.parametrize("host", ["a..b", "n" * 300, "a\udcff", "a." + "n" * 64])
def test_a_host_that_python_would_ask_nobody_about_is_no_address(host):
    """Python's own encoding of names raises neither of the errors of a network."""
    with pytest.raises(click.BadParameter, match="this host is neither a valid name nor an IP address"):
        ADDRESS.convert(f"{host}:443", None, None)
