"""Our credentials: a certificate, its chain and its private key, loaded from files or bytes.

What cannot be used - a key that does not fit, an incomplete chain, a wrong password - is a ConfigError here, which
names the file, what was expected and what to do. No text contains a private key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bothways.errors import AlteredCertificate, ConfigError, IncompleteChain, UnusableFile
from bothways.faults import shown
from bothways.trust import files, pem
from bothways.trust.anchors import certificates_in, without_certificate
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.chain_links import (
    NOT_TOLD,
    follows,
    identifier_text,
    instead_of_issuer,
    is_altered,
    is_self_signed,
    key_difference,
    may_issue,
)
from bothways.trust.distinguished_names import normal
from bothways.trust.general_names import is_dns_name, lower_ascii
from bothways.trust.names import ServerName, lookup_names, names_of
from bothways.trust.names import matches as names_stand_for
from bothways.trust.parsing import (
    EncodingError,
    PassphraseNeeded,
    UnsupportedKind,
    WrongPassphrase,
    pkcs12_contents,
    private_key,
)
from bothways.trust.verdict import Names
from bothways.trust.watched import Renewed, Replaceable

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)
Password = str | bytes | None

_MAX_CHAIN = 16
KEY_USAGES = ("digital_signature", "key_encipherment")


class KeyMismatch(ConfigError):
    """A private key belongs to another certificate. not_after: when that expires."""

    code = "KEY_MISMATCH"

    def __init__(self, text: str, not_after: datetime) -> None:
        super().__init__(text)
        self.not_after = not_after


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
        if key is None:
            return _from_bytes(cert, cert_path, cert, cert_path, password)
        return _from_bytes(cert, cert_path, key, key_path, password)

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
        return _assembled(
            [each.public_bytes(Encoding.DER) for each in chain], "chain", private_key, "private_key"
        )

    @classmethod
    def external(cls, cert: bytes, holder: KeyHolder | None = None) -> Credentials:
        """Take a chain, leaf first, whose private key is held elsewhere: `key` is None. Raises ConfigError.

        cert: the chain in PEM or DER.  holder: signs with the key; None if the callers of connections answer each
        `SignatureWanted`.
        """
        chain = certificates_in(pem.require_bytes(cert, "certificate"), "certificate")
        return _assembled(chain, "certificate", None, "", holder)

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

    def is_issued_by(self, authorities: Iterable[bytes]) -> bool:
        """Whether the chain leads to one of the authorities, given as DER names (RFC 9846 4.3.4)."""
        return any(each in self._issuers or normal(each) in self._issuers for each in authorities)


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
    return _assembled(certificates, cert_source, read_private_key(key, key_source, password), key_source)


def is_pkcs12(data: bytes) -> bool:
    """Whether DER bytes begin as PKCS#12 does: a sequence that starts with version 3 (RFC 7292 4)."""
    start = data[:16].find(b"\x02\x01\x03")
    return data[:1] == b"\x30" and 0 < start <= 6


def _from_pkcs12(data: bytes, source: str, password: Password) -> Credentials:
    try:
        key, leaf, others = pkcs12_contents(data, _password_bytes(password))
    except UnsupportedKind as error:
        raise UnusableFile(f"{source}: encrypted by a method that is not supported: {shown(error)}") from None
    except (PassphraseNeeded, WrongPassphrase):
        raise _locked(source, password) from None
    except EncodingError as error:
        raise UnusableFile(f"{source}: not a PKCS#12 file: {shown(error)}") from None
    if key is None:
        raise UnusableFile(
            f"{source}: it contains no private key; export the certificate together with its key"
        )
    if leaf is None:
        raise UnusableFile(f"{source}: it contains no certificate that belongs to its key")
    return _assembled([leaf, *others], source, usable_key(key, source), source)


def read_private_key(data: bytes, source: str, password: Password) -> PrivateKey:
    """Return the one private key in PEM or DER. Raises ConfigError, which names `source`."""
    found = pem.blocks(data)
    keys = [block for label, block in found if label.endswith("PRIVATE KEY")]
    if found and not keys:
        raise UnusableFile(
            f"{source}: it contains no private key; expected -----BEGIN PRIVATE KEY-----, here or in its own file"
        )
    if len(keys) > 1:
        raise UnusableFile(
            f"{source}: {len(keys)} private keys in it; keep only the one that belongs to the certificate"
        )
    if not found and data[:1] != b"\x30":
        raise UnusableFile(
            f"{source}: neither PEM nor DER; expected a private key (-----BEGIN PRIVATE KEY-----)"
        )
    try:
        key = private_key(keys[0] if keys else data, _password_bytes(password))
    except UnsupportedKind as error:
        raise UnusableFile(f"{source}: a type of key that is not supported: {shown(error)}") from None
    except (PassphraseNeeded, WrongPassphrase):
        raise _locked(source, password) from None
    except EncodingError as error:
        raise UnusableFile(f"{source}: the private key cannot be decoded: {shown(error)}") from None
    return usable_key(key, source)


def _password_bytes(password: Password) -> bytes | None:
    if isinstance(password, str):
        try:
            return password.encode("utf-8")
        except UnicodeEncodeError:
            raise ConfigError(
                "password: it has a character that cannot be encoded; pass it as bytes"
            ) from None
    if not isinstance(password, bytes | bytearray | memoryview | None):
        raise ConfigError(f"password: expected text or bytes, not {type(password).__name__}")
    return password if password is None else bytes(password)


def _locked(source: str, password: Password) -> ConfigError:
    if password is None:
        return PassphraseNeeded(source, "it is encrypted, and no password was given")
    return WrongPassphrase(source, "the password is wrong, or the file is damaged")


def usable_key(key: object, source: str) -> PrivateKey:
    """Return a private key that can sign handshakes. Raises ConfigError for any other, which names `source`."""
    if isinstance(key, PrivateKey):
        return key
    kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
    raise UnusableFile(f"{source}: a {kind} key cannot sign handshakes; use ECDSA P-256, Ed25519 or RSA")


def _assembled(
    certificates: Sequence[bytes],
    source: str,
    key: PrivateKey | None,
    key_source: str,
    holder: KeyHolder | None = None,
) -> Credentials:
    """Put a chain in order, and check that it is complete and that the key fits its leaf."""
    if not certificates:
        raise UnusableFile(f"{source}: it contains no certificate")
    pool = _parsed(certificates, source)
    leaf = pool[0] if key is None else _leaf_of(key, pool, source, key_source)
    chain = _in_order(leaf, [each for each in pool if each is not leaf], source)
    return Credentials(chain, key, holder)


def _parsed(certificates: Sequence[bytes], source: str) -> list[ParsedCertificate]:
    pool = []
    for number, der in enumerate(dict.fromkeys(certificates), 1):
        try:
            certificate = ParsedCertificate(der)
            certificate.load()
        except ValueError as error:
            raise UnusableFile(f"{source}: certificate {number} cannot be parsed: {shown(error)}") from None
        pool.append(certificate)
    return pool


def _leaf_of(
    key: PrivateKey, pool: Sequence[ParsedCertificate], source: str, key_source: str
) -> ParsedCertificate:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fitting = [
        each
        for each in pool
        if each.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public
    ]
    if not fitting:
        subject = shown(pool[0].subject_text)
        raise KeyMismatch(
            f"{key_source}: the private key does not belong to the certificate of {subject} in {source}",
            pool[0].not_after,
        )
    return next((each for each in fitting if not each.is_self_issued), fitting[0])


def _gap(
    leaf: ParsedCertificate, last: ParsedCertificate, rest: Sequence[ParsedCertificate], source: str
) -> UnusableFile:
    """Return which certificate is missing after the last one of a chain, and what is there instead of it."""
    missing, subject = shown(last.issuer_text), shown(last.subject_text)
    other = instead_of_issuer(last, rest) or rest[0]
    if is_altered(last, other):
        text = (
            f"{source}: the signature of the certificate of {subject} does not verify under the key of {missing}, "
            "which is there and is the one that it names: it is damaged or was altered; copy it again, or have it "
            "issued again"
        )
        return AlteredCertificate(text, last.subject_text)
    if other.is_named_issuer_of(last):
        why = key_difference(last, other)
        how, again = (
            (f" with another key: {why}", "") if why else (f", and {NOT_TOLD}", ", or copy both again")
        )
        problem = (
            f"{missing}, which issued {subject}, is there{how}; "
            f"put the certificate in its place that the CA has for the key that it signed with{again}"
        )
    else:
        alien = next((each for each in rest if not may_issue(each) and not each.is_self_issued), None)
        if alien is not None:
            return UnusableFile(
                f"{source}: it contains the certificate of {shown(alien.subject_text)} too, which is not one of a CA "
                f"and does not belong to the chain of {shown(leaf.subject_text)}: leave it out; each identity has a "
                "file of its own"
            )
        extra, wanted = shown(other.subject_text), last.authority_key_identifier
        key = "" if wanted is None else f" with the key {identifier_text(wanted)}"
        problem = (
            f"{missing}, which issued {subject}{key}, is missing; "
            f"add its certificate, or remove {extra}, which does not belong to the chain"
        )
    return IncompleteChain(f"{source}: the chain is incomplete: {problem}", last.issuer_text)


def _in_order(
    leaf: ParsedCertificate, others: list[ParsedCertificate], source: str
) -> list[ParsedCertificate]:
    """Follow the issuers from the leaf, without the root; a remainder means a missing issuer (RFC 9846 4.5.1)."""
    chain = [leaf]
    rest = list(others)
    while rest and not is_self_signed(chain[-1]):
        issuer = next(
            (each for each in rest if each.is_named_issuer_of(chain[-1]) and follows(chain[-1], each)),
            None,
        )
        if issuer is None:
            raise _gap(leaf, chain[-1], rest, source)
        rest.remove(issuer)
        chain.append(issuer)
    if len(chain) > _MAX_CHAIN:
        raise UnusableFile(
            f"{source}: a chain of {len(chain)} certificates; at most {_MAX_CHAIN} are accepted"
        )
    return chain[:-1] if len(chain) > 1 and is_self_signed(chain[-1]) else chain
