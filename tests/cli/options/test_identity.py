"""Our identity on the command line."""

from __future__ import annotations

import pytest

from bothways import ConfigError, Credentials
from bothways.cli.options import identity
from bothways.cli.options.anchors import load_anchors
from bothways.cli.options.identity import load_identity
from bothways.trust.decoding.parsing import PassphraseNeeded, WrongPassphrase


def test_identities_are_read_with_a_passphrase_from_a_file_or_a_person(folder, monkeypatch):
    """Nothing prompts when standard input is not a terminal."""
    cert, locked = str(folder / "ada.pem"), str(folder / "locked.key")
    assert load_identity(None, None, None) is None
    assert load_identity(cert, str(folder / "ada.key"), None).names.common_name == "Ada"
    assert load_identity(cert, locked, str(folder / "password.txt")).names.common_name == "Ada"
    with pytest.raises(ConfigError, match="no password was given"):
        load_identity(cert, locked, None)
    asked: list[str | None] = []
    monkeypatch.setattr(identity, "passphrase", lambda file, what: asked.append(what) or "opensesame")
    assert load_identity(cert, locked, None).names.common_name == "Ada"
    assert asked == [locked]
    with pytest.raises(ConfigError, match="server"):
        load_identity(cert, str(folder / "server.key"), None)
    with pytest.raises(SystemExit):
        load_identity(None, locked, None)
    assert load_anchors(str(folder / "ca.pem")) is not None


@pytest.mark.parametrize(
    "name", ["store.pem", "password-store.pem", "passphrase.p12", "no password was given"]
)
@pytest.mark.parametrize(
    "data", [b"garbage", b"", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]
)
def test_whether_a_passphrase_is_asked_for_does_not_depend_on_what_a_file_is_called(
    tmp_path, monkeypatch, name, data
):
    """What holds nothing encrypted needs no passphrase, whatever words its name brings into the error."""
    path = tmp_path / name
    path.write_bytes(data)
    monkeypatch.setattr(identity, "passphrase", lambda *_: pytest.fail("asked for a passphrase"))
    with pytest.raises(ConfigError) as caught:
        load_identity(str(path), None, None)
    assert not isinstance(caught.value, PassphraseNeeded)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["locked.key", "ada.p12"])
def test_encrypted_files_and_wrong_passphrases_are_reported_with_the_type_of_the_file(folder, name):
    """A program asks for a passphrase where one is needed, without reading what the error says."""
    cert = str(folder / ("ada.pem" if name.endswith(".key") else name))
    key = str(folder / name) if name.endswith(".key") else None
    for password, kind in ((None, PassphraseNeeded), ("wrong", WrongPassphrase)):
        with pytest.raises(kind) as caught:
            Credentials.from_files(cert, key, password)
        assert isinstance(caught.value, ConfigError)
