"""How an authority comes to be: a root, an authority under it that issues, their keys, lists and registers."""

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
from bothways.ca.home import files as directory
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
from bothways.ca.pkcs11 import KeyURI, find_or_generate_key
from bothways.ca.profiles import UNCONSTRAINED, Constraints, Holder, Profile
from bothways.ca.register.register import Register
from bothways.ca.register.values import WHOLE


@dataclass(frozen=True, slots=True)
class InitOptions:
    """With what an authority is made; see `found`."""

    name: str
    key_type: KeyType = KeyType.P256
    store: str = ""
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
    """Make a root and, unless the terms say otherwise, an intermediate that issues; put both on disk.

    path: a directory that is not there yet, or empty. passphrase: seals both keys; None for none. pin: of the token
    that holds the issuing key, where the terms name one. now and random: the clock and the source of salts and
    serials. Raises AuthorityError, and leaves nothing behind but a key on a token, which is found there the next time.
    """
    with directory.new_directory(path) as draft, _issuing_key(options, pin) as key:
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
        write_authority(draft, ROOT, root, passphrase)
        store = settings.store or default_database_url(draft)
        with Register.create(
            store, identifier_of(root.certificate), *register_row(root.certificate)
        ) as register:
            if options.intermediate:
                issuing = _intermediate(root, options, key, register, actor)
                write_authority(draft, ISSUING, issuing, passphrase)
                own = issuing.certificate
                Register.create(store, identifier_of(own), *register_row(own)).close()
            _publish_roots(root, register, actor, draft / "root-crl.pem")
        directory.write_settings(draft, settings)


def _intermediate(
    root: Authority, options: InitOptions, key: SigningKey, register: Register, actor: str
) -> Authority:
    """Make the authority that issues, recorded in the root's register."""
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


def _publish_roots(authority: Authority, register: Register, actor: str, path: Path) -> None:
    """Sign the list of the root while its key is here; who comes for deltas of it finds none."""
    with register.transaction(actor, authority.now()) as transaction:
        crl = publish(authority, transaction, WHOLE, ROOT_CRL_LIFETIME, "")
    directory.write(path, crl.public_bytes(Encoding.PEM), directory.PUBLIC)


def settings_of(options: InitOptions) -> directory.Settings:
    """What of the terms is written down."""
    url = options.url.rstrip("/")
    partition = options.partition if url else 0
    return directory.Settings(options.name, options.store, url, partition, options.key_uri)


@contextmanager
def _issuing_key(options: InitOptions, pin: str | None) -> Iterator[SigningKey]:
    """The key of who issues: made here, or made or found on a token, whose session ends with the block."""
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
