"""Keys in a store that is not trusted: what verifies, and what does not."""

from __future__ import annotations

import os

import pytest

from bothways import ConfigError
from bothways.ticket_keys.shared_ring import BadTicketKeys
from bothways.ticket_keys.wrapping import Wrapping, secret_in

SECRET = bytes(range(32))


def test_wrapped_keys_unwrap_under_the_same_secret_and_name() -> None:
    stored = Wrapping(SECRET, "service").wrap(b"keys", os.urandom)
    assert b"keys" not in stored
    assert Wrapping(SECRET, "service").unwrap(stored) == b"keys"
    assert stored != Wrapping(SECRET, "service").wrap(b"keys", os.urandom)


def test_every_altered_byte_is_found_out() -> None:
    wrapping = Wrapping(SECRET, "service")
    stored = wrapping.wrap(b"keys", os.urandom)
    for at in range(len(stored)):
        with pytest.raises(BadTicketKeys, match="does not verify"):
            wrapping.unwrap(stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :])
        with pytest.raises(BadTicketKeys):
            wrapping.unwrap(stored[:at])


@pytest.mark.parametrize(("secret", "name"), [(SECRET[::-1], "service"), (SECRET, "another")])
def test_another_secret_and_another_name_unwrap_nothing(secret: bytes, name: str) -> None:
    """A value cannot be copied from one service to another."""
    stored = Wrapping(SECRET, "service").wrap(b"keys", os.urandom)
    with pytest.raises(BadTicketKeys):
        Wrapping(secret, name).unwrap(stored)


@pytest.mark.parametrize("secret", [b"", SECRET[:31], "x" * 64])
def test_a_short_secret_is_a_config_error(secret: bytes) -> None:
    with pytest.raises(ConfigError, match="secret: expected 32 random bytes"):
        Wrapping(secret, "service")


@pytest.mark.parametrize(
    "data",
    [SECRET, SECRET.hex().encode(), SECRET.hex().upper().encode() + b"\n", b"  " + SECRET.hex().encode()],
)
def test_a_secret_is_hexadecimal_or_the_bytes_themselves(data: bytes) -> None:
    assert secret_in(data, "file") == SECRET


@pytest.mark.parametrize("data", [b"", b"correct horse", SECRET.hex()[:62].encode()])
def test_a_secret_that_is_too_short_says_how_one_is_made(data: bytes) -> None:
    with pytest.raises(ConfigError, match="file: expected 32 random bytes or more; openssl rand -hex 32"):
        secret_in(data, "file")
