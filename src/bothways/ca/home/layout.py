"""Where the things of an authority are: its key, its certificates, its register, and what it is entered under."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import NO_ADDRESSES, Addresses, Authority, Now, Random, pem
from bothways.ca.crl_schedule import crl_url
from bothways.ca.errors import FileUnusable
from bothways.ca.home import files as directory
from bothways.ca.home.key_encryption import decode_key, encode_key
from bothways.ca.keys import HeldKey, SigningKey
from bothways.ca.pkcs11 import KeyURI, find_key
from bothways.ca.register.register import Register
from bothways.ca.register.values import WHOLE
from bothways.trust import parsing

ROOT, ISSUING = "root", "issuing"


def write_authority(draft: Path, name: str, authority: Authority, passphrase: bytes | None) -> None:
    """Write an authority's key, unless hardware holds it, and its certificate, then those between it and the root."""
    if not isinstance(authority.key, HeldKey):
        key = encode_key(authority.key, passphrase, authority.random)
        directory.write(draft / f"{name}.key", key, directory.PRIVATE)
    chain = (authority.certificate, *authority.parents[:-1])
    directory.write(draft / f"{name}.pem", pem(chain), directory.PUBLIC)


def load_authority(
    path: Path,
    settings: directory.Settings,
    passphrase: bytes | None,
    *,
    pin: str | None,
    now: Now,
    random: Random,
) -> Authority:
    """Read who issues, with the key.

    Raises FileUnusable, ConfigError for a key that does not open, and TokenUnavailable for one in hardware.
    """
    name = _issuer_name(path)
    own, *between = _certificates(path / f"{name}.pem")
    parents = tuple(between)
    if name == ISSUING:
        parents += tuple(_certificates(path / f"{ROOT}.pem"))
    key = _open_key(path, settings, name, passphrase, pin)
    if key.public_key() != own.public_key():
        close_key(key)
        raise FileUnusable(f"{settings.key or f'{path / name}.key'}: is not the key of {name}.pem")
    return Authority(own, key, parents, addresses_of(settings.url, ISSUING), now, random)


def _open_key(
    path: Path, settings: directory.Settings, name: str, passphrase: bytes | None, pin: str | None
) -> SigningKey:
    if settings.key:
        return find_key(KeyURI.parse(settings.key), pin)
    return decode_key(directory.read(path / f"{name}.key"), passphrase, f"{path / name}.key")


def close_key(key: SigningKey) -> None:
    """Let go of a key that is held elsewhere."""
    if isinstance(key, HeldKey):
        key.close()


def open_register(path: Path, settings: directory.Settings, certificate: x509.Certificate) -> Register:
    """Open the register in which an authority is entered."""
    if not settings.store and not (path / "register.db").is_file():
        raise FileUnusable(f"{path / 'register.db'}: is missing, and nothing is issued without a register")
    return Register.open(settings.store or default_database_url(path), identifier_of(certificate))


def register_of(path: Path) -> Register:
    """Open the register of a directory's issuing authority to read it; no key is needed."""
    return _register_of(path, _issuer_name(path))


def root_register_of(path: Path) -> Register:
    """Open the register of a directory's root, which without an intermediate is the issuing authority's."""
    return _register_of(path, ROOT)


def _register_of(path: Path, name: str) -> Register:
    settings = directory.read_settings(path)
    return open_register(path, settings, _certificates(path / f"{name}.pem")[0])


def root_pem(path: Path) -> bytes:
    """The certificate that others take as their anchor, in PEM."""
    directory.read_settings(path)
    return pem(tuple(_certificates(path / f"{ROOT}.pem")))


def _certificates(path: Path) -> list[x509.Certificate]:
    """One certificate or more, as they were written there."""
    try:
        return parsing.certificates_from_pem(directory.read(path))
    except parsing.EncodingError:
        raise FileUnusable(f"{path}: is damaged: it holds no certificates in PEM") from None


def root_crl_pem(path: Path) -> bytes | None:
    """The list that the root signed when it was made, in PEM, where it is here."""
    place = path / "root-crl.pem"
    if not place.exists():
        return None
    try:
        return parsing.crl(directory.read(place)).public_bytes(Encoding.PEM)
    except parsing.EncodingError:
        raise FileUnusable(f"{place}: is damaged: it holds no revocation list in PEM") from None


def _issuer_name(path: Path) -> str:
    return ISSUING if (path / f"{ISSUING}.pem").exists() else ROOT


def default_database_url(path: Path) -> str:
    """The URL of the register that stands in a directory."""
    return f"sqlite:///{(path / 'register.db').absolute()}"


def identifier_of(certificate: x509.Certificate) -> str:
    """Under what an authority is entered in a register."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def register_row(certificate: x509.Certificate) -> tuple[str, bytes]:
    """What a register says of an authority: its name and its certificate."""
    return parsing.name_text(certificate.subject), certificate.public_bytes(Encoding.DER)


def addresses_of(url: str, name: str) -> Addresses:
    """What certificates of the root or of who issues say of where to ask; nothing without a URL."""
    if not url:
        return NO_ADDRESSES
    # The root is offline and answers nothing: for its few certificates there is its list.
    ocsp = (f"{url}/ocsp",) if name == ISSUING else ()
    return Addresses((crl_url(url, WHOLE, name),), ocsp, (f"{url}/ca/{name}.cer",))
