"""The keys of a server for encrypted ClientHellos: made, written, read, replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bothways import ConfigError, ECHConfigList, ECHKey, ECHKeys
from bothways.tls.crypto.hpke import public_bytes
from bothways.tls.ech.configs import SUITES, encoded_list, entry_of


def test_a_new_key_has_its_configuration() -> None:
    """RFC 9849 9: the mandatory suite is offered."""
    key = ECHKey.generate("public.example", maximum_name_length=48)
    assert key.config.public_key == public_bytes(key.private_key)
    assert (key.config.public_name, key.config.maximum_name_length) == ("public.example", 48)
    assert key.config.suites == SUITES and (1, 1) in SUITES


def test_ids_of_keys_in_use_are_not_used_again() -> None:
    """RFC 9849 4.1."""
    keys: list[ECHKey] = []
    for _ in range(256):
        keys.append(ECHKey.generate("public.example", unlike=keys))
    assert len({each.config.config_id for each in keys}) == 256
    with pytest.raises(ConfigError, match="256 configuration ids"):
        ECHKey.generate("public.example", unlike=keys)
    assert ECHKeys(keys).with_id(keys[77].config.config_id) is keys[77]


def test_a_key_is_written_and_read_as_pem(tmp_path: Path) -> None:
    """RFC 9934: a PRIVATE KEY, then the ECHCONFIG."""
    key = ECHKey.generate("public.example")
    path = tmp_path / "ech.pem"
    path.write_bytes(key.to_pem())
    again = ECHKey.load(path)
    assert again.config == key.config
    assert public_bytes(again.private_key) == public_bytes(key.private_key)
    assert load_pem_private_key(key.to_pem(), None)


def test_the_first_key_is_published() -> None:
    new, old = ECHKey.generate("public.example"), None
    old = ECHKey.generate("public.example", unlike=[new])
    keys = ECHKeys([new, old])
    assert bytes(keys.config_list) == bytes(new.published)
    assert [ECHConfigList(bytes(new.published)).preferred] == [new.config]
    assert list(keys) == [new, old]
    assert keys.with_id(old.config.config_id) is old
    free = next(each for each in range(256) if each not in (new.config.config_id, old.config.config_id))
    assert keys.with_id(free) is None


def test_keys_that_cannot_be_told_apart_are_refused() -> None:
    key = ECHKey.generate("public.example")
    with pytest.raises(ConfigError, match="same configuration id"):
        ECHKeys([key, key])
    with pytest.raises(ConfigError, match="at least one"):
        ECHKeys([])
    with pytest.raises(ConfigError, match="expected ECHKey, not str"):
        ECHKeys(["key"])  # type: ignore[list-item]
    assert list(ECHKeys(key)) == [key]


def test_a_key_of_another_configuration_is_refused(tmp_path: Path) -> None:
    one, other = ECHKey.generate("public.example"), ECHKey.generate("public.example")
    with pytest.raises(ConfigError, match="not that of the configuration"):
        ECHKey(one.private_key, other.published)
    path = tmp_path / "ech.pem"
    config = other.to_pem()[other.to_pem().index(b"-----BEGIN ECHCONFIG") :]
    path.write_bytes(one.to_pem().split(b"-----BEGIN ECHCONFIG")[0] + config)
    with pytest.raises(ConfigError, match="not that of the configuration") as refusal:
        ECHKeys.load(path)
    assert str(refusal.value).startswith(f"{path}: the private key")


def test_a_list_of_several_configurations_is_refused() -> None:
    """Only one of them could be found by its id."""
    key = ECHKey.generate("public.example")
    other = ECHKey.generate("public.example", unlike=[key])
    both = ECHConfigList(encoded_list([entry_of(key.config.encoded), entry_of(other.config.encoded)]))
    assert len(both) == 2 and len(key.published) == 1
    with pytest.raises(ConfigError, match="with one configuration"):
        ECHKey(key.private_key, both)


def test_files_that_have_no_such_key_are_refused(tmp_path: Path) -> None:
    key = ECHKey.generate("public.example")
    config = key.to_pem()[key.to_pem().index(b"-----BEGIN ECHCONFIG") :]
    other = ec.generate_private_key(ec.SECP256R1())
    curve = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "ech.pem"
    for data, problem in (
        (config, "expected one PEM block PRIVATE KEY, found 0"),
        (key.to_pem()[: -len(config)], "expected one PEM block ECHCONFIG, found 0"),
        (curve + config, "expected an X25519 key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + config, "its PRIVATE KEY"),
    ):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=problem) as refusal:
            ECHKey.load(path)
        assert str(refusal.value).startswith(f"{path}: ")
    with pytest.raises(ConfigError, match="cannot be read"):
        ECHKey.load(tmp_path / "nothing.pem")


@pytest.mark.parametrize("name", ["", "192.0.2.1", "a b", "ä.example", "a" * 300])
def test_a_public_name_that_no_client_can_send_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="not a host name"):
        ECHKey.generate(name)


@pytest.mark.parametrize("length", [-1, 256])
def test_the_longest_name_has_one_byte(length: int) -> None:
    with pytest.raises(ConfigError, match="0 to 255"):
        ECHKey.generate("public.example", maximum_name_length=length)


def test_no_secret_is_in_a_repr() -> None:
    key = ECHKey.generate("public.example")
    raw = key.private_key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    for text in (repr(key), repr(ECHKeys(key)), str(key)):
        assert "public.example" in text and raw.hex() not in text
