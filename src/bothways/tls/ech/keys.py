"""The keys with which a server decrypts ClientHellos, each with the configuration that it publishes (RFC 9849 4.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bothways.arguments import several, text, whole
from bothways.errors import ConfigError, UnusableFile
from bothways.iana import NamedGroup
from bothways.roles import Version
from bothways.tls.crypto.hpke import public_bytes
from bothways.tls.defaults import RANDOMNESS
from bothways.tls.ech.configs import (
    FILE_LIMIT,
    PEM_LABEL,
    SUITES,
    ECHConfigList,
    config_block,
    encoded_config,
    encoded_list,
    entry_of,
    is_public_name,
)
from bothways.tls.wire.extensions import RetryConfigs
from bothways.trust import files
from bothways.trust.decoding import parsing, pem


class ECHKey:
    """One key, and the configuration by which clients encrypt to it. The key does not appear in the repr.

    private_key: an X25519 key.  config: an ECHConfigList with one configuration, which has its public key.  source:
    where they come from, for errors. Raises `ConfigError`, which names `source`.
    """

    def __init__(self, private_key: object, config: ECHConfigList, *, source: str = "ech") -> None:
        if not isinstance(private_key, X25519PrivateKey):
            raise ConfigError(f"{source}: expected an X25519 key, not {type(private_key).__name__}")
        if len(config) != 1:
            raise UnusableFile(f"{source}: expected an ECHConfigList with one configuration")
        if config.preferred.public_key != public_bytes(private_key):
            raise UnusableFile(f"{source}: the private key is not that of the configuration")
        self.private_key = private_key
        self.config = config.preferred
        self.published = config

    @classmethod
    def generate(
        cls, public_name: str, *, maximum_name_length: int = 0, unlike: Collection[ECHKey] = ()
    ) -> ECHKey:
        """Return a new key with a configuration for clients. Raises `ConfigError`.

        public_name: the server name that clients send in the clear. The server needs a certificate for it, by which a
        client that has an old configuration gets the new one.  maximum_name_length: the length of the longest server
        name, up to which clients pad; 0 if unknown.  unlike: keys in use, whose configuration ids are not used again.
        """
        if not is_public_name(text("ech", public_name)):
            raise ConfigError(f"ech: {public_name!r} is not a host name that clients can send in the clear")
        maximum_name_length = whole("ech", maximum_name_length)
        if not 0 <= maximum_name_length <= 255:
            raise ConfigError("ech: expected 0 to 255 as the length of the longest name")
        free = sorted(
            set(range(256)) - {each.config.config_id for each in several("ech", unlike, "ECHKey", ECHKey)}
        )
        if not free:
            raise ConfigError("ech: all 256 configuration ids are in use; remove old keys")
        config_id = free[int.from_bytes(RANDOMNESS.random(4), "big") % len(free)]
        private_key = RANDOMNESS.private_key(NamedGroup.x25519)
        encoded = encoded_config(
            config_id, public_bytes(private_key), SUITES, public_name, maximum_name_length
        )
        return cls(private_key, ECHConfigList(encoded_list([entry_of(encoded)])))

    @classmethod
    def load(cls, path: files.FilePath) -> ECHKey:
        """Read a PEM file with a private key and a block ECHCONFIG (RFC 9934). Raises `ConfigError`."""
        data = files.content(path, most=FILE_LIMIT)
        return cls.from_pem(data, source=str(path))

    @classmethod
    def from_pem(cls, data: bytes, *, source: str = "ech") -> ECHKey:
        """Decode PEM with a private key and a block ECHCONFIG (RFC 9934). Raises `ConfigError`.

        data: the content of a file.  source: its name in errors.
        """
        config = config_block(pem.require_bytes(data, source), source)
        keys = [block for label, block in pem.blocks(data) if label == "PRIVATE KEY"]
        if len(keys) != 1:
            raise UnusableFile(f"{source}: expected one PEM block PRIVATE KEY, found {len(keys)}")
        try:
            private_key = parsing.private_key(keys[0])
        except parsing.EncodingError as error:
            raise UnusableFile(f"{source}: its PRIVATE KEY: {error}") from None
        return cls(private_key, ECHConfigList(config, source=source), source=source)

    def to_pem(self) -> bytes:
        """Return the key, not encrypted, and its configuration as PEM (RFC 9934): a secret."""
        key = self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + pem.encoded(PEM_LABEL, bytes(self.published))

    def __repr__(self) -> str:
        return f"ECHKey(config_id={self.config.config_id}, public_name={self.config.public_name!r})"


class ECHKeys:
    """The keys with which a server decrypts ClientHellos; the first is the current one (RFC 9849 4.1).

    keys: each with a configuration id of its own. Clients that cannot be decrypted get the configuration of the first,
    so the others are those that clients may still use: keep them as long as resolvers keep the DNS record. Raises
    `ConfigError`.
    """

    def __init__(self, keys: ECHKey | Iterable[ECHKey]) -> None:
        self._keys = (keys,) if isinstance(keys, ECHKey) else several("ech", keys, "ECHKey", ECHKey)
        if not self._keys:
            raise ConfigError("ech: at least one key is needed")
        self._by_id = {each.config.config_id: each for each in self._keys}
        if len(self._by_id) != len(self._keys):
            raise ConfigError("ech: two keys have the same configuration id, by which a client names its key")

    @classmethod
    def load(cls, *paths: files.FilePath) -> ECHKeys:
        """Read keys from PEM files (RFC 9934), the current one first. Raises `ConfigError`, which names the file."""
        return cls(ECHKey.load(path) for path in paths)

    @property
    def config_list(self) -> ECHConfigList:
        """The configuration to publish: that of the current key."""
        return self._keys[0].published

    @property
    def retry_configs(self) -> RetryConfigs:
        """What a client gets whose ClientHello cannot be decrypted (RFC 9849 7.1)."""
        return RetryConfigs((entry_of(self._keys[0].config.encoded),))

    def with_id(self, config_id: int) -> ECHKey | None:
        """Return the key whose configuration has this id; None if it is unknown."""
        return self._by_id.get(config_id)

    def __iter__(self) -> Iterator[ECHKey]:
        return iter(self._keys)

    def __repr__(self) -> str:
        return f"ECHKeys({list(self._keys)!r})"


def checked_ech_keys(keys: object, versions: Collection[Version]) -> ECHKeys | None:
    """Return the keys of a server that supports these versions. Raises ConfigError for anything else."""
    if keys is not None and Version.TLS13 not in versions:
        raise ConfigError("ech_keys: a ClientHello is encrypted in TLS 1.3 only, which is not in `versions`")
    if not isinstance(keys, ECHKeys | None):
        raise ConfigError("ech_keys: expected ECHKeys, or None to decrypt nothing")
    return keys
