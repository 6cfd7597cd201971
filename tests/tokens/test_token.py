"""Tokens, their drivers and PINs: what lacks is said at once; SoftHSM2 has the keys of other tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import pki
from bothways.ca.errors import KeyUnavailable
from bothways.ca.token_key import find_key
from bothways.errors import ConfigError, UnusableFile
from bothways.signers import token_credentials
from bothways.tokens.errors import PinNeeded, TokenUnavailable
from bothways.tokens.key_uri import KeyURI
from bothways.tokens.token import MODULE, pin_for, token_at, token_errors

URI = KeyURI("web", "server")
TEXT = "pkcs11:token=web;object=server"


def test_a_server_without_the_package_for_tokens_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By an error of tokens, not of a CA, which it has not; a CA gets one of its own."""
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    needed = r"keys in hardware need python-pkcs11: pip install 'bothways\[pkcs11\]'"
    with pytest.raises(TokenUnavailable, match=needed):
        token_credentials(pki.leaf(pki.root(), "localhost").chain_pem, TEXT, "1234")
    with pytest.raises(KeyUnavailable, match=needed):
        find_key(URI, "1234")


def test_a_driver_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pkcs11")
    monkeypatch.delenv(MODULE, raising=False)
    with pytest.raises(ConfigError, match=f"no PKCS#11 driver is configured: set .{MODULE}"):
        token_at(URI)


def test_a_pin_is_the_first_line_of_the_file_that_the_uri_names_else_the_one_that_is_given(
    tmp_path: Path,
) -> None:
    file = tmp_path / "pin"
    file.write_bytes(b"1234\r\nsecond")
    named = KeyURI("web", "server", pin_file=str(file))
    assert (pin_for(named, "5678"), pin_for(URI, "5678")) == ("1234", "5678")
    for absent in (None, ""):
        with pytest.raises(PinNeeded, match="^the token 'web' needs its PIN$"):
            pin_for(URI, absent)
    file.write_bytes(b"\xff1234")
    with pytest.raises(UnusableFile, match="pin: the PIN cannot be read: not UTF-8 text") as caught:
        pin_for(named, None)
    assert "1234" not in str(caught.value)
    file.unlink()
    with pytest.raises(UnusableFile, match="pin: the PIN cannot be read: No such file"):
        pin_for(named, None)


def test_errors_that_are_not_of_the_driver_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="^of somebody else$"), token_errors("the token 'web'"):
        raise RuntimeError("of somebody else")
