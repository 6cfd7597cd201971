"""Configurations for encrypted ClientHellos: which are used, which are left out, which are refused (RFC 9849 4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways import ConfigError, ECHConfigList, ECHKey
from bothways.tls.crypto.hpke import HpkeSuite, public_bytes
from bothways.tls.defaults import RANDOMNESS
from bothways.tls.ech import configs
from bothways.tls.ech.configs import MOST_IN_CONFIG, VERSION, encoded_list, is_public_name, preferred_config
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.extension_table import MOST_ECH_CONFIGS
from bothways.tls.wire.extensions import ECHConfigEntry

KEY = public_bytes(RANDOMNESS.private_key(29))
SUITE = bytes.fromhex("00010001")


def sized(data: bytes, size: int = 2) -> bytes:
    return len(data).to_bytes(size, "big") + data


def contents(
    kem: int = 0x20,
    key: bytes = KEY,
    suites: bytes = SUITE,
    name: bytes = b"public.example",
    extensions: bytes = b"",
    config_id: int = 7,
    longest: int = 0,
) -> bytes:
    """ECHConfigContents, written out by RFC 9849 4."""
    return (
        bytes([config_id])
        + kem.to_bytes(2, "big")
        + sized(key)
        + sized(suites)
        + bytes([longest])
        + sized(name, 1)
        + sized(extensions)
    )


def config_list(*entries: bytes, version: int = VERSION) -> bytes:
    return sized(b"".join(version.to_bytes(2, "big") + sized(each) for each in entries))


def test_a_configuration_is_read() -> None:
    """RFC 9849 4, field by field; the whole ECHConfig is what the encryption is bound to."""
    encoded = contents(config_id=9, longest=64)
    config = ECHConfigList(config_list(encoded)).preferred
    assert (config.config_id, config.public_key, config.maximum_name_length) == (9, KEY, 64)
    assert (config.suites, config.public_name) == ((HpkeSuite(1, 1),), "public.example")
    assert config.info == b"tls ech\0" + bytes.fromhex("fe0d") + sized(encoded)


def test_the_first_that_can_be_used_is_taken() -> None:
    """RFC 9849 4, 4.2, 6.1.7: left out are other versions, KEMs and suites, mandatory extensions, names of no host."""
    unknown_mandatory = bytes.fromhex("fa0a0000")
    skipped = [
        contents(kem=0x10, key=bytes(65)),
        contents(key=bytes(31)),
        contents(suites=bytes.fromhex("00010009")),
        contents(extensions=unknown_mandatory),
        contents(name=b"192.0.2.1"),
        contents(name=b"a..example"),
        contents(name=b"a.0x7f"),
        contents(name="ä.example".encode()),
    ]
    entries = [
        ECHConfigEntry(0xFE0C, b"of another version"),
        *(ECHConfigEntry(VERSION, each) for each in skipped),
    ]
    for each in entries:
        with pytest.raises(ConfigError, match="no configuration in it can be used"):
            ECHConfigList(encoded_list([each]))
    last = ECHConfigEntry(VERSION, contents(config_id=33))
    assert ECHConfigList(encoded_list([*entries, last])).preferred.config_id == 33


def test_an_unknown_extension_that_is_not_mandatory_is_ignored() -> None:
    """RFC 9849 4.2, and 6.2.2 for the values that servers send to test that."""
    extensions = bytes.fromhex("1a1a0001ff")
    assert ECHConfigList(config_list(contents(extensions=extensions))).public_name == "public.example"


def test_only_suites_that_we_have_are_kept() -> None:
    suites = bytes.fromhex("00090001 00010003 00010009 00020002")
    assert ECHConfigList(config_list(contents(suites=suites))).preferred.suites == (
        HpkeSuite(1, 3),
        HpkeSuite(2, 2),
    )


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\0\0",
        config_list(contents())[:-1],
        config_list(contents()) + b"\0",
        config_list(contents() + b"\0"),
        config_list(contents(suites=b"")),
        config_list(contents(suites=SUITE[:3])),
        config_list(contents(name=b"")),
        config_list(contents(key=b"")),
        config_list(contents(extensions=bytes.fromhex("1a1a00001a1a0000"))),
    ],
)
def test_an_invalid_list_is_refused(encoded: bytes) -> None:
    """RFC 9849 4: one encoding each, nothing left over, no extension twice."""
    with pytest.raises(ConfigError, match="ech: not an ECHConfigList"):
        ECHConfigList(encoded)


@pytest.mark.parametrize("order", [bytes(32), b"\1" + bytes(31)])
def test_a_key_that_gives_no_secret_is_left_out(order: bytes) -> None:
    """RFC 7748 6.1: with a point of small order everybody could decrypt."""
    with pytest.raises(ConfigError, match="no configuration in it can be used"):
        ECHConfigList(config_list(contents(key=order)))


def test_configurations_are_read_from_base64_and_from_pem() -> None:
    """The base64 of a DNS record (RFC 9848), with line ends or without; PEM (RFC 9934)."""
    key = ECHKey.generate("public.example")
    again = ECHConfigList.from_text(f" {str(key.published)[:20]}\n{str(key.published)[20:]}\n")
    assert bytes(again) == bytes(key.published)
    for wrong in ("", "!", "AAA"):
        with pytest.raises(ConfigError, match="ech: "):
            ECHConfigList.from_text(wrong)
    with pytest.raises(ConfigError, match="expected base64 as text, not bytes"):
        ECHConfigList.from_text(str(key.published).encode())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="expected PEM or DER as bytes"):
        ECHConfigList("text")  # type: ignore[arg-type]


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "ech.pem"
    key = ECHKey.generate("public.example")
    path.write_bytes(key.to_pem())
    assert ECHConfigList.load(path).preferred == key.config
    for data, problem in (
        (b"", "expected one PEM block ECHCONFIG, found 0"),
        (key.to_pem() + key.to_pem(), "found 2"),
        (key.to_pem()[:-20], "truncated"),
        (b"-----BEGIN ECHCONFIG-----\n!\n-----END ECHCONFIG-----\n", "not base64"),
        (b"-----BEGIN ECHCONFIG-----\nAAAA\n-----END ECHCONFIG-----\n", "not an ECHConfigList"),
    ):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=problem) as refusal:
            ECHConfigList.load(path)
        assert str(refusal.value).startswith(str(path))


@pytest.mark.parametrize("name", ["public.example", "a", "xn--d1acufc.example", "a-b.c1", "a.1b"])
def test_public_names(name: str) -> None:
    assert is_public_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "a." * 126 + "ab",
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a.b",
        "a-.b",
        "a_b",
        "a" * 64,
        "127.0.0.1",
        "a.0x",
        "a.0XfF",
        "1",
        "a b",
    ],
)
def test_names_that_are_no_public_names(name: str) -> None:
    """RFC 9849 6.1.7."""
    assert not is_public_name(name)


def test_undecodable_contents_are_an_error_of_the_sender() -> None:
    with pytest.raises(DecodeError):
        preferred_config([ECHConfigEntry(VERSION, b"\0")])


def test_nothing_but_the_public_name_is_in_the_repr() -> None:
    key = ECHKey.generate("public.example")
    assert repr(key.published) == "ECHConfigList(public_name='public.example')"


def test_a_list_of_many_configurations_costs_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come from a server that is not authenticated yet, and each key agreement takes time."""
    checked: list[bytes] = []

    def check(public_key: bytes) -> bool:
        checked.append(public_key)
        return False

    monkeypatch.setattr(configs, "is_valid_public_key", check)
    usable = contents()
    assert preferred_config([ECHConfigEntry(VERSION, usable)] * MOST_ECH_CONFIGS) is None
    assert len(checked) == MOST_ECH_CONFIGS
    for many in (
        config_list(*[usable] * (MOST_ECH_CONFIGS + 1)),
        config_list(contents(suites=SUITE * (MOST_IN_CONFIG + 1))),
        config_list(
            contents(extensions=b"".join(bytes((26, each, 0, 0)) for each in range(MOST_IN_CONFIG + 1)))
        ),
    ):
        with pytest.raises(ConfigError, match="more than"):
            ECHConfigList(many)
    assert len(checked) == MOST_ECH_CONFIGS


def test_no_key_is_checked_of_a_configuration_that_does_not_fit_or_is_not_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked: list[bytes] = []

    def check(public_key: bytes) -> bool:
        checked.append(public_key)
        return True

    monkeypatch.setattr(configs, "is_valid_public_key", check)
    unusable = contents(name=b"192.0.2.1"), contents(kem=0x10), contents(suites=bytes.fromhex("00010009"))
    ECHConfigList(config_list(*unusable, contents(), contents(config_id=34)))
    assert len(checked) == 1
