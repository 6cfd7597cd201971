"""Configurations by which a client encrypts its ClientHello, as servers publish them (RFC 9849 4)."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bothways.errors import ConfigError, UnusableFile
from bothways.iana import ExtensionType, HpkeAead, HpkeKdf, HpkeKem
from bothways.roles import Version
from bothways.tls.crypto.hpke import HpkeSuite, is_valid_public_key
from bothways.tls.wire.codec import decode, encode
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.extension_placement import first_repeated
from bothways.tls.wire.extension_table import ECH_CONFIG, MOST_ECH_CONFIGS
from bothways.tls.wire.extensions import ECHConfigEntry
from bothways.tls.wire.fields import opaque, record, single_field, uint, vector
from bothways.trust import files
from bothways.trust.decoding import pem

VERSION = int(ExtensionType.encrypted_client_hello)
FILE_LIMIT = 256 * 1024
PEM_LABEL = "ECHCONFIG"
# Those of our own configurations.
SUITES = tuple(HpkeSuite(HpkeKdf.HKDF_SHA256, aead) for aead in HpkeAead)
NAME_LIMIT = 253  # of a DNS name in text (RFC 1035 3.1)
MOST_IN_CONFIG = 32  # cipher suites, and extensions
_MANDATORY = 0x8000  # this bit of an extension's type: who does not know it must not use the configuration
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


@dataclass(frozen=True, slots=True)
class _SuiteCodes:
    kdf_id: int
    aead_id: int


@dataclass(frozen=True, slots=True)
class _ConfigExtension:
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Contents:
    config_id: int
    kem_id: int
    public_key: bytes
    cipher_suites: tuple[_SuiteCodes, ...]
    maximum_name_length: int
    public_name: bytes
    extensions: tuple[_ConfigExtension, ...]


@dataclass(frozen=True, slots=True)
class _ConfigList:
    configs: tuple[ECHConfigEntry, ...]


_CONTENTS = record(
    _Contents,
    title="ECHConfigContents",
    config_id=uint(1),
    kem_id=uint(2, HpkeKem),
    public_key=opaque(1, 2**16 - 1, title="HpkePublicKey"),
    cipher_suites=vector(
        record(_SuiteCodes, title="HpkeSymmetricCipherSuite", kdf_id=uint(2), aead_id=uint(2)),
        4,
        2**16 - 4,
        most=MOST_IN_CONFIG,
    ),
    maximum_name_length=uint(1),
    public_name=opaque(1, 255),
    extensions=vector(
        record(_ConfigExtension, title="ECHConfigExtension", type=uint(2), data=opaque(0, 2**16 - 1)),
        0,
        2**16 - 1,
        most=MOST_IN_CONFIG,
    ),
)
_LIST = single_field(
    _ConfigList, title="ECHConfigList", configs=vector(ECH_CONFIG, 4, 2**16 - 1, most=MOST_ECH_CONFIGS)
)


@dataclass(frozen=True, slots=True)
class ECHConfig:
    """One configuration that can be used (RFC 9849 4).

    public_key: an X25519 key.  suites: those that we support, the preferred one first.  public_name: the server name
    that is sent in the clear, for which a server that cannot decrypt must have a certificate.  encoded: the whole
    ECHConfig, to which the encryption is bound.
    """

    config_id: int
    public_key: bytes
    suites: tuple[HpkeSuite, ...]
    maximum_name_length: int
    public_name: str
    encoded: bytes

    @property
    def info(self) -> bytes:
        """What the HPKE context is bound to (RFC 9849 6.1)."""
        return b"tls ech\0" + self.encoded


class ECHConfigList:
    """The configurations that a server publishes, with which a client encrypts its ClientHello (RFC 9849 4).

    encoded: the ECHConfigList.  source: where it comes from, for errors.

    Those with another version, KEM or cipher suite than we support, with an unknown mandatory extension or a public
    name that is no host name, are left out; at least one must remain. Raises `ConfigError`, which names `source`.
    """

    def __init__(self, encoded: bytes, *, source: str = "ech") -> None:
        self._encoded = pem.require_bytes(encoded, source)
        try:
            entries = decode(_LIST, self._encoded, "ECHConfigList").configs
            preferred = preferred_config(entries)
        except DecodeError as error:
            raise UnusableFile(f"{source}: not an ECHConfigList: {error}") from None
        if preferred is None:
            raise UnusableFile(
                f"{source}: no configuration in it can be used; expected version 0xfe0d and DHKEM(X25519, HKDF-SHA256)"
            )
        self._preferred = preferred
        self._size = len(entries)

    @classmethod
    def from_text(cls, text: str) -> ECHConfigList:
        """Decode base64, as the parameter `ech` of a DNS HTTPS record has it (RFC 9848). Raises `ConfigError`."""
        if not isinstance(text, str):
            raise ConfigError(f"ech: expected base64 as text, not {type(text).__name__}")
        try:
            return cls(b64decode("".join(text.split()), validate=True))
        except (Error, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError("ech: expected an ECHConfigList in base64") from None

    @classmethod
    def load(cls, path: files.FilePath) -> ECHConfigList:
        """Read a PEM file with a block ECHCONFIG (RFC 9934). Raises `ConfigError`, which names the file."""
        source = str(path)
        return cls(config_block(files.content(path, most=FILE_LIMIT), source), source=source)

    @property
    def preferred(self) -> ECHConfig:
        """The first configuration that can be used."""
        return self._preferred

    @property
    def public_name(self) -> str:
        """The server name that is sent in the clear."""
        return self._preferred.public_name

    def __len__(self) -> int:
        """The number of configurations, with those that are left out."""
        return self._size

    def __bytes__(self) -> bytes:
        return self._encoded

    def __str__(self) -> str:
        return b64encode(self._encoded).decode("ascii")

    def __repr__(self) -> str:
        return f"ECHConfigList(public_name={self.public_name!r})"


def checked_ech(ech: object) -> ECHConfigList | None:
    """Return the configurations of a client; None for "grease" and for None. Raises ConfigError for anything else."""
    if not isinstance(ech, ECHConfigList | None) and ech != "grease":
        raise ConfigError('ech: expected an ECHConfigList, "grease" or None')
    return ech if isinstance(ech, ECHConfigList) else None


def versions_with_ech(versions: Sequence[str]) -> tuple[str, ...]:
    """Return the versions that an encrypted ClientHello may offer (RFC 9849 6.1). Raises ConfigError without one."""
    if Version.TLS13.text not in versions:
        raise ConfigError("ech: a ClientHello is encrypted in TLS 1.3 only, which is not in `versions`")
    return (Version.TLS13.text,)


def config_block(data: bytes, source: str) -> bytes:
    """Return the ECHConfigList of a PEM file, which has one (RFC 9934 2). Raises ConfigError."""
    pem.check_ended(data, {PEM_LABEL}, source)
    found = [block for label, block in pem.blocks(data) if label == PEM_LABEL]
    if len(found) != 1:
        raise UnusableFile(f"{source}: expected one PEM block {PEM_LABEL}, found {len(found)}")
    try:
        return pem.body(found[0])
    except ValueError as error:
        raise UnusableFile(f"{source}: its {PEM_LABEL}: {error}") from None


def preferred_config(entries: Iterable[ECHConfigEntry]) -> ECHConfig | None:
    """Return the first configuration that can be used; None without one (RFC 9849 6.1, 6.1.7).

    Raises `DecodeError` if any of them cannot be decoded. A key is checked, by a key agreement, only where all else
    fits and none before it does.
    """
    configs = [_config(entry) for entry in entries if entry.version == VERSION]
    return next((each for each in configs if each is not None and is_valid_public_key(each.public_key)), None)


def encoded_config(
    config_id: int, public_key: bytes, suites: Iterable[HpkeSuite], public_name: str, maximum_name_length: int
) -> bytes:
    """Return the encoding of an ECHConfig (RFC 9849 4). Raises ValueError for values that do not fit."""
    contents = _Contents(
        config_id,
        HpkeKem.DHKEM_X25519,
        public_key,
        tuple(_SuiteCodes(*suite) for suite in suites),
        maximum_name_length,
        public_name.encode("ascii"),
        (),
    )
    return encode(ECH_CONFIG, ECHConfigEntry(VERSION, encode(_CONTENTS, contents)))


def entry_of(encoded: bytes) -> ECHConfigEntry:
    """Return an encoded ECHConfig as its entry in a list."""
    return decode(ECH_CONFIG, encoded, "ECHConfig")


def encoded_list(entries: Iterable[ECHConfigEntry]) -> bytes:
    """Return the encoding of an ECHConfigList."""
    return encode(_LIST, _ConfigList(tuple(entries)))


def is_public_name(name: str) -> bool:
    """Whether a name can be a public name: a host name that is no IPv4 address (RFC 9849 6.1.7)."""
    labels = name.split(".")
    return (
        len(name) <= NAME_LIMIT
        and all(_LABEL.fullmatch(label) for label in labels)
        and not _NUMBER.fullmatch(labels[-1])
    )


def _config(entry: ECHConfigEntry) -> ECHConfig | None:
    contents = decode(_CONTENTS, entry.contents, "ECHConfigContents")
    types = [each.type for each in contents.extensions]
    if len(set(types)) != len(types):
        raise _repeated(first_repeated(types))
    suites = [HpkeSuite(each.kdf_id, each.aead_id) for each in contents.cipher_suites]
    known = tuple(suite for suite in suites if suite.is_known)
    name = contents.public_name.decode("latin-1")
    if (
        contents.kem_id != HpkeKem.DHKEM_X25519
        or not known
        or not is_public_name(name)
        or any(each & _MANDATORY for each in types)
    ):
        return None
    encoded = encode(ECH_CONFIG, entry)
    return ECHConfig(
        contents.config_id, contents.public_key, known, contents.maximum_name_length, name, encoded
    )


def _repeated(extension_type: int) -> DecodeError:
    error = DecodeError(f"the extension {extension_type:#06x} occurs twice")
    error.within("ECHConfigContents")
    error.locate()
    return error
