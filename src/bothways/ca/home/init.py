"""Creates a CA in a directory: a root, an issuing CA below it, their keys, the register and the root's CRL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import Authority, Now, Random, new_serial, utc_now
from bothways.ca.crl import ROOT_CRL_LIFETIME
from bothways.ca.crl_schedule import PARTITION_SIZE, publish
from bothways.ca.home import files
from bothways.ca.home.layout import (
    ISSUING,
    ROOT,
    addresses_of,
    default_database_url,
    identifier_of,
    register_row,
    write_authority,
)
from bothways.ca.keys import KeyType, SigningKey, new_key
from bothways.ca.profiles import UNCONSTRAINED, Constraints, Holder, Profile
from bothways.ca.register.register import Register
from bothways.ca.register.values import WHOLE
from bothways.ca.token_key import find_or_generate_key
from bothways.tokens.key_uri import KeyURI


@dataclass(frozen=True, slots=True)
class InitOptions:
    """The options of a new CA; see `create_authority`.

    Attributes: `name`: the common name; `key_type` of the keys; `database_url` of the register, empty for SQLite in the
    directory; `url` of the service, written into certificates; `intermediate`: whether an issuing CA is created;
    `constraints` and `path_length` of the CA that issues; `partition`: certificates in each CRL partition; `key_uri`:
    the PKCS#11 URI of the issuing key.
    """

    name: str
    key_type: KeyType = KeyType.P256
    database_url: str = ""
    url: str = ""
    intermediate: bool = True
    constraints: Constraints = UNCONSTRAINED
    path_length: int | None = 0
    partition: int = PARTITION_SIZE
    key_uri: str = ""


def create_authority(
    path: Path,
    options: InitOptions,
    passphrase: bytes | None,
    *,
    pin: str | None = None,
    actor: str = "",
    now: Now = utc_now,
    random: Random = os.urandom,
) -> None:
    """Create a root CA and, unless the options say otherwise, an issuing CA below it, in a directory.

    path: a directory that does not exist yet, or an empty one. passphrase: encrypts the keys; None to store them
    unencrypted. pin: of the token, if `key_uri` is given. actor: for the audit log. now, random: the clock, and the
    source of salts and serial numbers. Raises AuthorityError, and then only a key in a token is left, which the next
    call uses.
    """
    with files.new_directory(path) as new, _issuing_key(options, pin) as key:
        settings = settings_of(options)
        root = Authority.create(
            options.name if not options.intermediate else _named(options.name, "Root"),
            options.key_type,
            key=None if options.intermediate else key,
            now=now,
            random=random,
            constraints=options.constraints,
            addresses=addresses_of(settings.url, ROOT if options.intermediate else ISSUING),
        )
        write_authority(new, ROOT, root, passphrase)
        database_url = settings.database_url or default_database_url(new)
        with Register.create(
            database_url, identifier_of(root.certificate), *register_row(root.certificate)
        ) as register:
            if options.intermediate:
                issuing = _intermediate(root, options, key, register, actor)
                write_authority(new, ISSUING, issuing, passphrase)
                own = issuing.certificate
                Register.create(database_url, identifier_of(own), *register_row(own)).close()
            _publish_root_crl(root, register, actor, new / "root-crl.pem")
        files.write_settings(new, settings)


def _intermediate(
    root: Authority, options: InitOptions, key: SigningKey, register: Register, actor: str
) -> Authority:
    """Create the issuing CA, recorded in the root's register."""
    name = _named(options.name, "Issuing CA")
    with register.transaction(actor, root.now()) as transaction:
        serial = new_serial(root.random)
        transaction.reserve(serial, Profile.SUB_CA.value, name)
        certificate = root.sign_authority(
            name,
            key.public_key(),
            serial=serial,
            path_length=options.path_length,
            constraints=options.constraints,
        )
        transaction.record(certificate, Holder(name).names, "issue", {"profile": Profile.SUB_CA.value})
    return Authority(certificate, key, (root.certificate,), now=root.now, random=root.random)


def _publish_root_crl(authority: Authority, register: Register, actor: str, path: Path) -> None:
    """Sign the root's CRL while its key is available; there are no delta CRLs of it."""
    with register.transaction(actor, authority.now()) as transaction:
        crl = publish(authority, transaction, WHOLE, ROOT_CRL_LIFETIME, "")
    files.write(path, crl.public_bytes(Encoding.PEM), files.PUBLIC)


def settings_of(options: InitOptions) -> files.CASettings:
    """The settings that are stored in the directory."""
    url = options.url.rstrip("/")
    partition = options.partition if url else 0
    return files.CASettings(options.name, options.database_url, url, partition, options.key_uri)


@contextmanager
def _issuing_key(options: InitOptions, pin: str | None) -> Iterator[SigningKey]:
    """The issuing key: a new one, or one in a token, whose session is closed after the block."""
    if not options.key_uri:
        yield new_key(options.key_type)
        return
    key = find_or_generate_key(KeyURI.parse(options.key_uri), pin, options.key_type)
    try:
        yield key
    finally:
        key.close()


def _named(name: str, role: str) -> str:
    return name if not name or name.endswith(role) else f"{name} {role}"
