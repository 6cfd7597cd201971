"""Where a CA keeps its key, its certificates and its register, and how it is identified in a register."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import NO_ADDRESSES, Addresses, Authority, Now, Random, pem
from bothways.ca.crl_schedule import crl_url
from bothways.ca.errors import FileUnusable
from bothways.ca.home import files
from bothways.ca.home.key_encryption import decode_key, encode_key
from bothways.ca.keys import HeldKey, SigningKey
from bothways.ca.register.register import Register
from bothways.ca.register.values import WHOLE
from bothways.ca.token_key import find_key
from bothways.tokens.key_uri import KeyURI
from bothways.trust.decoding import parsing

ROOT, ISSUING = "root", "issuing"


def write_authority(path: Path, name: str, authority: Authority, passphrase: bytes | None) -> None:
    """Write a CA's key, unless it is in a token, and its certificate with the intermediates above it."""
    if not isinstance(authority.key, HeldKey):
        key = encode_key(authority.key, passphrase, authority.random)
        files.write(path / f"{name}.key", key, files.PRIVATE)
    chain = (authority.certificate, *authority.parents[:-1])
    files.write(path / f"{name}.pem", pem(chain), files.PUBLIC)


def load_authority(
    path: Path,
    settings: files.CASettings,
    passphrase: bytes | None,
    *,
    pin: str | None,
    now: Now,
    random: Random,
) -> Authority:
    """Read the issuing CA with its key.

    Raises FileUnusable, ConfigError for a key that cannot be decrypted, and KeyUnavailable for one in a token.
    """
    name = _issuer_name(path)
    own, *between = _certificates(path / f"{name}.pem")
    parents = tuple(between)
    if name == ISSUING:
        parents += tuple(_certificates(path / f"{ROOT}.pem"))
    key = _open_key(path, settings, name, passphrase, pin)
    if key.public_key() != own.public_key():
        close_key(key)
        raise FileUnusable(f"{settings.key_uri or f'{path / name}.key'}: is not the key of {name}.pem")
    return Authority(own, key, parents, addresses_of(settings.url, ISSUING), now, random)


def _open_key(
    path: Path, settings: files.CASettings, name: str, passphrase: bytes | None, pin: str | None
) -> SigningKey:
    if settings.key_uri:
        return find_key(KeyURI.parse(settings.key_uri), pin)
    return decode_key(files.read(path / f"{name}.key"), passphrase, f"{path / name}.key")


def close_key(key: SigningKey) -> None:
    """Close a key that is in a token."""
    if isinstance(key, HeldKey):
        key.close()


def open_register(
    path: Path,
    settings: files.CASettings,
    certificate: x509.Certificate,
    lock_seconds: float | None = None,
    *,
    reads: bool = False,
) -> Register:
    """Open the register of a CA; `lock_seconds` and `reads` as for `Register.open`."""
    if not settings.database_url and not (path / "register.db").is_file():
        raise FileUnusable(
            f"{path / 'register.db'}: is missing; without the register no certificate can be issued"
        )
    url = settings.database_url or default_database_url(path)
    return Register.open(url, identifier_of(certificate), lock_seconds, reads=reads)


def register_of(path: Path) -> Register:
    """Open the register of the issuing CA in a directory, to read it; no key and no permission to write is needed."""
    return _register_of(path, _issuer_name(path))


def root_register_of(path: Path) -> Register:
    """Do the same for the root CA in a directory; without an intermediate it is that of the issuing CA."""
    return _register_of(path, ROOT)


def _register_of(path: Path, name: str) -> Register:
    settings = files.read_settings(path)
    return open_register(path, settings, _certificates(path / f"{name}.pem")[0], reads=True)


def root_pem(path: Path) -> bytes:
    """The root certificate in PEM: the trust anchor of relying parties."""
    files.read_settings(path)
    return pem(tuple(_certificates(path / f"{ROOT}.pem")))


def _certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates of a file that `write_authority` wrote."""
    try:
        return parsing.certificates_from_pem(files.read(path))
    except parsing.EncodingError:
        raise FileUnusable(f"{path}: is damaged: it contains no certificates in PEM") from None


def root_crl_pem(path: Path) -> bytes | None:
    """The CRL that the root signed when it was created, in PEM; None if there is none."""
    file = path / "root-crl.pem"
    if not file.exists():
        return None
    try:
        return parsing.crl(files.read(file)).public_bytes(Encoding.PEM)
    except parsing.EncodingError:
        raise FileUnusable(f"{file}: is damaged: it contains no CRL in PEM") from None


def _issuer_name(path: Path) -> str:
    return ISSUING if (path / f"{ISSUING}.pem").exists() else ROOT


def default_database_url(path: Path) -> str:
    """The database URL of the register in a directory."""
    return f"sqlite:///{(path / 'register.db').absolute()}"


def identifier_of(certificate: x509.Certificate) -> str:
    """The identifier of a CA in a register: the SHA-256 digest of its certificate."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def register_row(certificate: x509.Certificate) -> tuple[str, bytes]:
    """The name and the certificate of a CA, as a register stores them."""
    return parsing.name_text(certificate.subject), certificate.public_bytes(Encoding.DER)


def addresses_of(url: str, name: str) -> Addresses:
    """The URLs that the root or the issuing CA writes into certificates; none without `url`."""
    if not url:
        return NO_ADDRESSES
    # The root is offline, so that there is no OCSP responder for it: its few certificates are covered by its CRL.
    ocsp = (f"{url}/ocsp",) if name == ISSUING else ()
    return Addresses((crl_url(url, WHOLE, name),), ocsp, (f"{url}/ca/{name}.cer",))
