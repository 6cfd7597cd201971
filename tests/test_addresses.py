"""Addresses as they are written in files and logs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bothways import ConfigError
from bothways.addresses import (
    TCPAddress,
    UnixAddress,
    host_and_address,
    is_loopback,
    parsed_address,
    tcp_address,
    without_user,
)
from bothways.gateway.store.store_client import StoreClient, check_usable
from bothways.http import location
from bothways.ticket_keys.redis_store import RedisStore
from bothways.ticket_keys.store_url import client_url, without_password
from bothways.trust.path.name_matching import server_name


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
        ("[127.0.0.1:1]:80", "neither the name of a host"),
        ("unix:", "a path of 1 to 107 bytes"),
        ("unix:" + "x" * 108, "a path of 1 to 107 bytes"),
        ("unix:a\0b", "a path of 1 to 107 bytes"),
        ("unix:@a", "@a is an abstract socket, which has no permissions"),
    ],
)
def test_an_invalid_address_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parsed_address(text)
    assert problem in str(refused.value)


def test_the_path_of_a_socket_is_relative_to_a_folder(tmp_path: Path) -> None:
    """The limit is that of the whole path; an abstract socket does not become a file of its name."""
    assert parsed_address("unix:../x", tmp_path / "a") == UnixAddress(str(tmp_path / "x"))
    assert parsed_address("unix:/x", tmp_path) == UnixAddress("/x")
    assert parsed_address("unix:./@x", tmp_path) == UnixAddress(str(tmp_path / "@x"))
    for path, problem in (
        ("x" * 100, "a path of 1 to 107 bytes"),
        ("", "a path of"),
        ("@x", r"\./@x for a file"),
    ):
        with pytest.raises(ConfigError, match=problem):
            parsed_address(f"unix:{path}", tmp_path)


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


SECRET = "hunter2"
# Where a password may end up in what was meant as a URL, and what a reader of URLs makes of it.
SPELLINGS = [
    f"https://u:{SECRET}@h/",
    f"HTTPS://u:{SECRET}@h:99999/",
    f"https://u:x@{SECRET}@h/",
    *(f"https://u:{SECRET}{each}x@h/" for each in "#/?[]"),
    *(f"https://u:x{each}{SECRET}@h/" for each in "#/?[]"),
    f"https://u:[{SECRET}]@h/",
    f"https://[{SECRET}@h",
    f"https://u:{SECRET}@ho\u2100st/",
    *(f"https://u:{SECRET}{at}h/" for at in ("\uff20", "\ufe6b", "%40")),
    f"https://u :{SECRET}@h/",
    f"https://u:\n{SECRET}\n@h/",
    *(f"https:{slashes}u:{SECRET}@h" for slashes in ("", "/", "\\\\")),
    f"u:{SECRET}@h",
    f"u:{SECRET}@h:443",
    f"{SECRET}@h:443",
    f"//u:{SECRET}@h/",
]


@pytest.mark.parametrize("url", SPELLINGS)
def test_no_text_contains_the_password_of_a_url(url: str) -> None:
    """However it is written: what reads URLs may take a part of the password for a port, a path or a host."""
    readers: list[Callable[[str], object]] = [parsed_address, location.parse, client_url, check_usable]
    readers += [lambda url: location.redirected(location.parse("https://h/"), url)]
    readers += [lambda url: RedisStore(url, "name"), lambda url: StoreClient(url, 1.0)]
    readers += [lambda url: tcp_address(url, 443), server_name]
    schemes = ("https", "redis", "valkeys", "unix")
    for text in [re.sub("^https", each, url, flags=re.IGNORECASE) for each in schemes]:
        assert SECRET not in without_user(text)
        assert SECRET not in without_password(text)
        for read in readers:
            try:
                found = read(text)
            except ConfigError as error:
                assert SECRET not in str(error)
            else:
                assert SECRET not in getattr(found, "where", "")


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://u:p%23w@h:6379/3?db=1", "redis://h:6379/3"),
        ("rediss://[::1]:6379", "rediss://[::1]:6379"),
        ("unix:///run/user@1000/redis.sock", "unix:///run/user@1000/redis.sock"),
        ("unix://:pw@/run/user@1000/redis.sock", "unix:///run/user@1000/redis.sock"),
    ],
)
def test_where_a_store_is_remains_readable(url: str, where: str) -> None:
    assert client_url(url) == url
    assert without_password(url) == where
