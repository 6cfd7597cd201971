"""Our credentials: a certificate, its chain and its private key, loaded from files or bytes.

What cannot be used - a key that does not fit, an incomplete chain, a wrong password - is a ConfigError here, which
names the file, what was expected and what to do. No text contains a private key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.arguments import several
from bothways.errors import UnusableFile
from bothways.faults import shown
from bothways.trust import files
from bothways.trust.certificate.files import certificates_in, without_certificate
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding import pem
from bothways.trust.decoding.parsing import (
    EncodingError,
    PassphraseNeeded,
    UnsupportedKind,
    WrongPassphrase,
    pkcs12_contents,
)
from bothways.trust.names.distinguished import normal
from bothways.trust.names.general import is_dns_name, lower_ascii
from bothways.trust.own_identity.chain import chain_in_order
from bothways.trust.own_identity.private_keys import (
    Password,
    PrivateKey,
    locked,
    password_bytes,
    read_private_key,
    usable_key,
)
from bothways.trust.path.name_matching import ServerName, lookup_names, names_of
from bothways.trust.path.name_matching import matches as names_stand_for
from bothways.trust.verdict import Names
from bothways.trust.watched import Renewed, Replaceable

KEY_USAGES = ("digital_signature", "key_encipherment")


class KeyHolder(Protocol):
    """Signs with a private key that is held elsewhere, such as a `bothways.signers.SigningPool`.

    seconds: how long a handshake waits for a signature.
    """

    @property
    def seconds(self) -> float:
        """The time for a signature."""

    def submit(self, scheme: str, data: bytes) -> Future[bytes]:
        """Return the signature to come, at once. scheme: the IANA name of a signature scheme."""


class Credentials:
    """A certificate, its chain and its key. Immutable; make one with a class method.

    Attributes: `chain` (DER, the leaf first, then each one's issuer, without the root), `certificates` (the
    same, parsed), `certificate` (the leaf), `key` (None where it is held elsewhere), `holder` (who signs then; None
    where the caller of a connection does), `names`, `server_names` (the DNS names for which the leaf is valid, in lower
    case), and `not_before` and `not_after` (the time in which all of the chain are valid).
    """

    __slots__ = (
        "_issuers", "_usages", "certificate", "certificates", "chain", "holder", "key", "names", "not_after",
        "not_before", "server_names",
    )  # fmt: skip

    def __init__(
        self, chain: Sequence[ParsedCertificate], key: PrivateKey | None, holder: KeyHolder | None = None
    ) -> None:
        """Take an ordered chain and its private key; private, use a class method."""
        self.chain: tuple[bytes, ...] = tuple(each.der for each in chain)
        self.certificates: tuple[x509.Certificate, ...] = tuple(each.x509 for each in chain)
        self.certificate: x509.Certificate = chain[0].x509
        self.key: PrivateKey | None = key
        self.holder: KeyHolder | None = holder
        self.names: Names = names_of(chain[0])
        self.server_names = lookup_names(self.names)
        self.not_before = max(each.not_before for each in chain)
        self.not_after = min(each.not_after for each in chain)
        self._usages = frozenset(usage for usage in KEY_USAGES if _allows(chain[0], usage))
        self._issuers = {each.issuer for each in chain} | {each.normal_issuer for each in chain}

    @property
    def current(self) -> Credentials:
        """The current credentials: these, or of watched ones those that their files contain now."""
        return self

    def __repr__(self) -> str:
        signer = "key held elsewhere" if self.key is None else "with its key"
        return f"<Credentials of {shown(self.names.subject)}, {len(self.chain)} certificates, {signer}>"

    @classmethod
    def from_files(
        cls, cert: files.FilePath, key: files.FilePath | None = None, password: Password = None
    ) -> Credentials:
        """Read credentials from files.

        cert: PEM (the chain in any order, the key too if `key` is None), DER, or PKCS#12.  key: PEM or DER.
        password: of the key or the PKCS#12 file. Raises ConfigError.
        """
        data = files.content(cert)
        if key is None:
            return _from_bytes(data, str(cert), data, str(cert), password)
        return _from_bytes(data, str(cert), files.content(key), str(key), password)

    @classmethod
    def from_contents(
        cls,
        cert: bytes,
        cert_path: str,
        key: bytes | None = None,
        key_path: str = "",
        password: Password = None,
    ) -> Credentials:
        """Take the contents of files as `from_files` does. cert_path, key_path: their names. Raises ConfigError."""
        cert = pem.require_bytes(cert, "cert")
        if key is None:
            return _from_bytes(cert, cert_path, cert, cert_path, password)
        return _from_bytes(cert, cert_path, pem.require_bytes(key, "key"), key_path, password)

    @classmethod
    def watched(
        cls, cert: files.FilePath, key: files.FilePath | None = None, password: Password = None
    ) -> WatchedCredentials:
        """Read credentials from files as `from_files` does, and again whenever these change. Raises ConfigError.

        Connections that begin afterwards use the new ones, open connections keep the old ones. Files that do not belong
        together, or for which a configuration has no signature scheme, change nothing, and the log says why.
        """

        def make(contents: Sequence[bytes]) -> Credentials:
            where = cert if key is None else key
            return _from_bytes(contents[0], str(cert), contents[-1], str(where), password)

        return WatchedCredentials(Renewed((cert,) if key is None else (cert, key), make))

    @classmethod
    def from_pem(cls, cert: bytes, key: bytes | None = None, password: Password = None) -> Credentials:
        """Take credentials from PEM or DER. Raises ConfigError.

        cert: the chain, leaf first or in any order.  key: the private key; None where it is in `cert` too.
        password: of an encrypted key, as text or bytes.
        """
        cert = pem.require_bytes(cert, "certificate")
        if key is None:
            return _from_bytes(cert, "certificate", cert, "certificate", password)
        return _from_bytes(cert, "certificate", pem.require_bytes(key, "key"), "key", password)

    @classmethod
    def from_pkcs12(cls, data: bytes, password: Password) -> Credentials:
        """Take credentials from PKCS#12 (RFC 7292). Raises ConfigError.

        data: the content of a .p12 or .pfx file.  password: of the file, as text or bytes; None for none.
        """
        return _from_pkcs12(pem.require_bytes(data, "PKCS#12"), "PKCS#12", password)

    @classmethod
    def from_parts(cls, chain: Iterable[x509.Certificate], private_key: PrivateKey) -> Credentials:
        """Take credentials that `cryptography` has parsed. Raises ConfigError.

        chain: certificates in any order.  private_key: that of the leaf.
        """
        parsed = several("chain", chain, "certificates that `cryptography` has parsed", x509.Certificate)
        certificates = [each.public_bytes(Encoding.DER) for each in parsed]
        key = usable_key(private_key, "private_key")
        return Credentials(chain_in_order(certificates, "chain", key, "private_key"), key)

    @classmethod
    def external(cls, cert: bytes, holder: KeyHolder | None = None) -> Credentials:
        """Take a chain, leaf first, whose private key is held elsewhere: `key` is None. Raises ConfigError.

        cert: the chain in PEM or DER.  holder: signs with the key; None if the callers of connections answer each
        `SignatureWanted`.
        """
        chain = certificates_in(pem.require_bytes(cert, "certificate"), "certificate")
        return Credentials(chain_in_order(chain, "certificate", None, ""), None, holder)

    @property
    def entries(self) -> tuple[bytes, ...]:
        """What a Certificate message contains: the chain (RFC 9846 4.5.1)."""
        return self.chain

    @property
    def verifier(self) -> x509.Certificate:
        """What our signatures verify with: the leaf, which determines the signature schemes."""
        return self.certificate

    def allows_key_usage(self, usage: str) -> bool:
        """Whether the leaf's key usage allows a use; without the extension all are allowed (RFC 5280 4.2.1.3).

        usage: as `cryptography` names it, "digital_signature" or "key_encipherment".
        """
        return usage in self._usages

    def matches(self, server_name_asked: str) -> bool:
        """Whether the leaf is valid for the DNS name that a client asks for (RFC 9525 6.3)."""
        name = lower_ascii(server_name_asked)
        return is_dns_name(name) and names_stand_for(self.names, ServerName("dns", name))

    def is_issued_by(self, authorities: Collection[bytes]) -> bool:
        """Whether the chain leads to one of the authorities, given as DER names (RFC 9846 4.3.4)."""
        return not (
            self._issuers.isdisjoint(authorities) and self._issuers.isdisjoint(map(normal, authorities))
        )


class WatchedCredentials(Replaceable[Credentials], Credentials):
    """Credentials in files that may change. Make them with `Credentials.watched`."""

    def accept_only(self, check: Callable[[Credentials], object]) -> None:
        """Refuse later changes for which `check` raises ConfigError."""
        self._renewed.accept_only(check)

    def __getattr__(self, name: str) -> Any:
        """Return what the credentials of this moment have."""
        if name == "_renewed" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.current, name)


def _allows(leaf: ParsedCertificate, usage: str) -> bool:
    found = leaf.extension(x509.KeyUsage)
    return found is None or bool(getattr(found, usage))


def _from_bytes(
    cert: bytes, cert_source: str, key: bytes, key_source: str, password: Password
) -> Credentials:
    if not pem.blocks(cert) and is_pkcs12(cert):
        return _from_pkcs12(cert, cert_source, password)
    certificates = certificates_in(cert, cert_source)
    if not certificates:
        raise without_certificate(cert, cert_source)
    private = read_private_key(key, key_source, password)
    return Credentials(chain_in_order(certificates, cert_source, private, key_source), private)


def is_pkcs12(data: bytes) -> bool:
    """Whether DER bytes begin as PKCS#12 does: a sequence that starts with version 3 (RFC 7292 4)."""
    start = data[:16].find(b"\x02\x01\x03")
    return data[:1] == b"\x30" and 0 < start <= 6


def _from_pkcs12(data: bytes, source: str, password: Password) -> Credentials:
    try:
        key, leaf, others = pkcs12_contents(data, password_bytes(password))
    except UnsupportedKind as error:
        raise UnusableFile(f"{source}: encrypted by a method that is not supported: {shown(error)}") from None
    except (PassphraseNeeded, WrongPassphrase):
        raise locked(source, password) from None
    except EncodingError as error:
        raise UnusableFile(f"{source}: not a PKCS#12 file: {shown(error)}") from None
    if key is None:
        raise UnusableFile(
            f"{source}: it contains no private key; export the certificate together with its key"
        )
    if leaf is None:
        raise UnusableFile(f"{source}: it contains no certificate that belongs to its key")
    private = usable_key(key, source)
    return Credentials(chain_in_order([leaf, *others], source, private, source), private)
