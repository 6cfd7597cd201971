"""An authority at work: keys and certificates in a directory, and the register that remembers what it did.

A certificate is recorded before it is handed out, and judged by our own trust before it is recorded. What
goes wrong in between leaves nothing behind that others could have seen.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca import directory, profiles
from bothways.ca.audit import AuditEntry
from bothways.ca.authority import (
    BACKDATE,
    NO_ADDRESSES,
    Addresses,
    Authority,
    Issued,
    Now,
    Random,
    new_serial,
    pem,
    utc_now,
)
from bothways.ca.crl import HOLD, ROOT_CRL_LIFETIME, check_reason
from bothways.ca.keys import HeldKey, KeyType, PublicKey, SigningKey, new_key
from bothways.ca.lists import PARTITION_SIZE, due, lifetime_of, list_address, publish
from bothways.ca.profiles import LEAST, UNCONSTRAINED, Constraints, Delegation, Holder, Profile
from bothways.ca.register import WHOLE, Change, Entry, Register, Series
from bothways.ca.requests import read_request
from bothways.ca.sealing import opened, sealed
from bothways.ca.token import KeyURI, find_key, find_or_make_key
from bothways.errors import ConfigError
from bothways.trust.anchors import TrustStore
from bothways.trust.path import judge
from bothways.trust.verdict import Purpose, Refused

T = TypeVar("T")

ROOT, ISSUING = "root", "issuing"
PROFILES = frozenset(profile.value for profile in Profile)

# For which purposes our own trust must accept what is issued; None: whatever it is for.
PURPOSES: dict[Profile, tuple[Purpose | None, ...]] = {
    Profile.SERVER: (Purpose.SERVER,),
    Profile.CLIENT: (Purpose.CLIENT,),
    Profile.PEER: (Purpose.SERVER, Purpose.CLIENT),
    Profile.OCSP: (None,),
    Profile.SUB_CA: (None,),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """With what an authority is made; see `Office.create`."""

    name: str
    key_type: KeyType = KeyType.P256
    store: str = ""
    url: str = ""
    intermediate: bool = True
    constraints: Constraints = UNCONSTRAINED
    path_length: int | None = 0
    partition: int = PARTITION_SIZE
    key_uri: str = ""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be certified."""

    profile: Profile
    holder: Holder
    key: PublicKey
    lifetime: timedelta | None
    delegation: Delegation


@dataclass(frozen=True, slots=True)
class Office:
    """Who issues, from which directory, into which register. Make one with `create` or `open`.

    `actor` is who is written into the audit log.
    """

    path: Path
    settings: directory.Settings
    authority: Authority
    register: Register
    actor: str
    _anchors: TrustStore = field(repr=False)

    @classmethod
    def create(
        cls,
        path: Path,
        terms: Terms,
        passphrase: bytes | None,
        *,
        pin: str | None = None,
        actor: str = "",
        now: Now = utc_now,
        random: Random = os.urandom,
    ) -> Office:
        """Make a root and, unless the terms say otherwise, an intermediate that issues; put both on disk.

        path: a directory that is not there yet, or empty. passphrase: seals both keys; None for none. pin: of the
        token that holds the issuing key, where the terms name one. now and random: the clock and the source of
        salts and serials. Raises ConfigError, and leaves nothing behind but a key on a token, which is found
        there the next time.
        """
        with directory.new_directory(path) as draft, _issuing_key(terms, pin) as key:
            settings = settings_of(terms)
            root = Authority.create(
                terms.name if not terms.intermediate else _named(terms.name, "Root"),
                terms.key_type,
                key=None if terms.intermediate else key,
                now=now,
                random=random,
                constraints=terms.constraints,
                addresses=_addresses(settings.url, ROOT if terms.intermediate else ISSUING),
            )
            write_authority(draft, ROOT, root, passphrase)
            store = settings.store or own_store(draft)
            root_register = Register.create(store, identifier_of(root.certificate), *row_of(root.certificate))
            try:
                if terms.intermediate:
                    _found_issuing(draft, terms, settings, root, passphrase, store, root_register, actor, key)
                _publish_roots(root, root_register, actor, draft / "root-crl.pem")
            finally:
                root_register.close()
            directory.write_settings(draft, settings)
        return cls.open(path, passphrase, pin=pin, actor=actor, now=now, random=random)

    @classmethod
    def open(
        cls,
        path: Path,
        passphrase: bytes | None,
        *,
        pin: str | None = None,
        actor: str = "",
        now: Now = utc_now,
        random: Random = os.urandom,
    ) -> Office:
        """Open an authority's directory for issuing. Raises ConfigError, as for a wrong passphrase or PIN."""
        settings = directory.read_settings(path)
        name = ISSUING if (path / f"{ISSUING}.pem").exists() else ROOT
        certificates = x509.load_pem_x509_certificates(directory.read(path / f"{name}.pem"))
        parents = tuple(certificates[1:])
        if name == ISSUING:
            parents += tuple(x509.load_pem_x509_certificates(directory.read(path / f"{ROOT}.pem")))
        key = _open_key(path, settings, name, passphrase, pin)
        try:
            if key.public_key() != certificates[0].public_key():
                where = settings.key or f"{path / name}.key"
                raise ConfigError(f"{where}: is not the key of {name}.pem")
            register = _open_register(path, settings, certificates[0])
        except BaseException:
            _let_go(key)
            raise
        addresses = _addresses(settings.url, ISSUING)
        authority = Authority(certificates[0], key, parents, addresses, now, random)
        return cls(path, settings, authority, register, actor, TrustStore.from_certificates([authority.root]))

    def __enter__(self) -> Office:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the register, and of a key in hardware."""
        self.register.close()
        _let_go(self.authority.key)

    def issue(
        self,
        profile: Profile,
        holder: Holder,
        *,
        key_type: KeyType = KeyType.P256,
        lifetime: timedelta | None = None,
        delegation: Delegation = LEAST,
    ) -> Issued:
        """Make a key and a certificate for it.

        Arguments as for `Authority.issue`; delegation: what an authority below may do.
        """
        profiles.check_holder(profile, holder)
        key = new_key(key_type)
        wish = _Wish(profile, holder, key.public_key(), lifetime, delegation)
        certificate = self._change(lambda change: self._recorded(change, wish, "issue"))
        return Issued(certificate, self.authority.chain, key)

    def sign(
        self,
        request: bytes,
        profile: Profile,
        *,
        holder: Holder | None = None,
        lifetime: timedelta | None = None,
        delegation: Delegation = LEAST,
        source: str = "the request",
    ) -> Issued:
        """Issue a certificate for a signing request.

        holder: the names to give; those that the request asks for if left out. source: what to call it in
        errors.
        """
        key, wanted = read_request(request, source)
        names = holder or wanted
        profiles.check_holder(profile, names)
        wish = _Wish(profile, names, key, lifetime, delegation)
        certificate = self._change(lambda change: self._recorded(change, wish, "sign"))
        return Issued(certificate, self.authority.chain, None)

    def renew(self, serial: int, *, key_type: KeyType | None = None, same_key: bool = False) -> Issued:
        """Issue a certificate in the place of one that is good: same profile, names and length of life.

        key_type: of the new key, as the old one's if left out. same_key: certify the old key again.
        """
        entry = self._known(serial)
        now = self.authority.now()
        if entry.revoked_at is not None:
            raise ConfigError(f"{entry.name}: was revoked on {entry.revoked_at:%Y-%m-%d}; issue another one")
        if entry.not_after < now:
            raise ConfigError(f"{entry.name}: ended on {entry.not_after:%Y-%m-%d}; issue another one")
        if not entry.certificate or entry.profile not in PROFILES:
            raise ConfigError(
                f"{entry.name or f'{serial:x}'}: was issued elsewhere, by no profile of here; issue another one"
            )
        old = x509.load_der_x509_certificate(entry.certificate)
        key = None if same_key else new_key(key_type or _type_of(old.public_key()))
        public = _certifiable(old.public_key()) if key is None else key.public_key()
        lifetime = entry.not_after - entry.not_before - BACKDATE
        profile, holder = Profile(entry.profile), _holder(entry.names)
        delegation = _delegation(old) if profile is Profile.SUB_CA else LEAST
        wish = _Wish(profile, holder, public, lifetime, delegation)

        def renew(change: Change) -> x509.Certificate:
            made = self._recorded(change, wish, "renew", {"replaces": f"{serial:040x}"})
            change.replace(serial, made.serial_number)
            return made

        return Issued(self._change(renew), self.authority.chain, key)

    def revoke(self, serial: int, reason: str = "unspecified") -> None:
        """Take a certificate back, for good unless the reason is certificateHold."""
        reason = check_reason(reason)

        def revoke(change: Change) -> None:
            known, before = change.revocation(serial)
            if not known:
                raise ConfigError(f"no certificate with the serial number {serial:x} was issued here")
            if before is not None and (before != HOLD or reason == HOLD):
                raise ConfigError(f"the certificate {serial:x} is revoked already, for {before}")
            change.revoke(serial, reason)

        self._change(revoke)

    def release(self, serial: int) -> None:
        """Take back a hold."""

        def release(change: Change) -> None:
            known, before = change.revocation(serial)
            if not known:
                raise ConfigError(f"no certificate with the serial number {serial:x} was issued here")
            if before != HOLD:
                state = f"revoked for {before}, which is for good" if before else "not revoked"
                raise ConfigError(f"the certificate {serial:x} is {state}; only a hold can be released")
            change.release(serial)

        self._change(release)

    def crl(
        self, lifetime: timedelta | None = None, series: Series = WHOLE
    ) -> x509.CertificateRevocationList:
        """Sign and record the next list of a series, of all that is revoked unless another is named."""
        long = lifetime_of(series) if lifetime is None else lifetime
        return self._change(lambda change: publish(self.authority, change, series, long, self.settings.url))

    def crls_pem(self, lifetime: timedelta | None = None) -> bytes:
        """A new list of this authority's, and with an intermediate the root's own, in one PEM."""
        fresh = self.crl(lifetime).public_bytes(Encoding.PEM)
        return fresh + (self.root_crl_pem() or b"")

    def root_crl_pem(self) -> bytes | None:
        """The root's own list in PEM, where there is an intermediate and the list is here."""
        path = self.path / "root-crl.pem"
        return directory.read(path) if self.authority.parents and path.exists() else None

    def publish_due(self) -> list[Series]:
        """Sign and record each list whose time has come; returns which."""
        made = []
        for series in due(self.register.lists(self.authority.now()), self.authority.now()):
            self.crl(series=series)
            made.append(series)
        return made

    def audit(self) -> list[AuditEntry]:
        """Verify the audit log and return it."""
        return self.register.audit()

    def _known(self, serial: int) -> Entry:
        entry = self.register.find(serial)
        if entry is None:
            raise ConfigError(f"no certificate with the serial number {serial:x} was issued here")
        return entry

    def _change(self, work: Callable[[Change], T]) -> T:
        """Do something in a transaction, at a time at which this authority can have been there."""
        now = self.authority.now()
        began = self.authority.certificate.not_valid_before_utc
        if now < began:
            raise ConfigError(
                f"the clock says {now:%Y-%m-%d %H:%M}, and this authority began on {began:%Y-%m-%d %H:%M}: "
                "set the clock"
            )
        return self.register.transact(self.actor, now, work)

    def _recorded(
        self, change: Change, wish: _Wish, action: str, details: Mapping[str, object] | None = None
    ) -> x509.Certificate:
        serial = new_serial(self.authority.random)
        change.reserve(serial, wish.profile.value, _display_name(wish.holder))
        partition = change.assign(self.settings.partition) if self.settings.partition else None
        certificate = self._signed(wish, serial, partition)
        self._check(certificate, wish.profile)
        about = {"profile": wish.profile.value, **(details or {})}
        _record(change, certificate, wish.holder, action, about, partition)
        return certificate

    def _signed(self, wish: _Wish, serial: int, partition: int | None) -> x509.Certificate:
        authority = self.authority
        if partition is not None:
            point = list_address(self.settings.url, Series(partition))
            authority = replace(authority, addresses=replace(authority.addresses, crl=(point,)))
        if wish.profile is not Profile.SUB_CA:
            return authority.sign(wish.profile, wish.holder, wish.key, lifetime=wish.lifetime, serial=serial)
        return authority.sign_authority(
            wish.holder.common_name or "",
            wish.key,
            lifetime=wish.lifetime or profiles.LIFETIMES[Profile.SUB_CA],
            path_length=wish.delegation.path_length,
            constraints=wish.delegation.constraints,
            serial=serial,
        )

    def _check(self, certificate: x509.Certificate, profile: Profile) -> None:
        """Refuse to hand out what our own trust would refuse, such as a name outside the constraints."""
        chain = [each.public_bytes(Encoding.DER) for each in (certificate, *self.authority.chain)]
        usage = None if profile is Profile.SUB_CA else "digitalSignature"
        for purpose in PURPOSES[profile]:
            verdict = judge(
                chain,
                self._anchors,
                purpose=purpose,
                name=None,
                at=self.authority.now(),
                key_usage=usage,
            )
            if isinstance(verdict, Refused):
                raise ConfigError(f"nothing was issued, since nobody would accept it: {verdict.reasons[0]}")


def register_of(path: Path) -> Register:
    """Open the register of a directory's issuing authority to read it; no key is needed."""
    return _register_of(path, ISSUING if (path / f"{ISSUING}.pem").exists() else ROOT)


def root_register_of(path: Path) -> Register:
    """Open the register of a directory's root, which without an intermediate is the issuing authority's."""
    return _register_of(path, ROOT)


def _register_of(path: Path, name: str) -> Register:
    settings = directory.read_settings(path)
    certificates = x509.load_pem_x509_certificates(directory.read(path / f"{name}.pem"))
    return _open_register(path, settings, certificates[0])


def root_pem(path: Path) -> bytes:
    """The certificate that others take as their anchor, in PEM."""
    directory.read_settings(path)
    return directory.read(path / f"{ROOT}.pem")


def _found_issuing(
    draft: Path,
    terms: Terms,
    settings: directory.Settings,
    root: Authority,
    passphrase: bytes | None,
    store: str,
    root_register: Register,
    actor: str,
    key: SigningKey,
) -> None:
    """Make the intermediate, recorded in the root's register, with a register of its own."""
    name = _named(terms.name, "Issuing CA")
    with root_register.change(actor, root.now()) as change:
        serial = new_serial(root.random)
        change.reserve(serial, Profile.SUB_CA.value, name)
        certificate = root.sign_authority(
            name,
            key.public_key(),
            serial=serial,
            path_length=terms.path_length,
            constraints=terms.constraints,
        )
        _record(change, certificate, Holder(name), "issue", {"profile": Profile.SUB_CA.value})
    addresses = _addresses(settings.url, ISSUING)
    issuing = Authority(certificate, key, (root.certificate,), addresses, root.now, root.random)
    write_authority(draft, ISSUING, issuing, passphrase)
    Register.create(store, identifier_of(certificate), *row_of(certificate)).close()


def _publish_roots(authority: Authority, register: Register, actor: str, path: Path) -> None:
    """Sign the list of the root while its key is here; who comes for deltas of it finds none."""
    with register.change(actor, authority.now()) as change:
        crl = publish(authority, change, WHOLE, ROOT_CRL_LIFETIME, "")
    directory.write(path, crl.public_bytes(Encoding.PEM), directory.PUBLIC)


def _record(
    change: Change,
    certificate: x509.Certificate,
    holder: Holder,
    action: str,
    details: Mapping[str, object],
    partition: int | None = None,
) -> None:
    validity = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    der = certificate.public_bytes(Encoding.DER)
    change.record(certificate.serial_number, der, validity, _names(holder), action, details, partition)


def settings_of(terms: Terms) -> directory.Settings:
    """What of the terms is written down."""
    url = terms.url.rstrip("/")
    partition = terms.partition if url else 0
    return directory.Settings(terms.name, terms.store, url, partition, terms.key_uri)


def write_authority(draft: Path, name: str, authority: Authority, passphrase: bytes | None) -> None:
    """Write an authority's key, unless hardware holds it, and its certificate, then those between it and the root."""
    if not isinstance(authority.key, HeldKey):
        key = sealed(authority.key, passphrase, authority.random)
        directory.write(draft / f"{name}.key", key, directory.PRIVATE)
    chain = (authority.certificate, *authority.parents[:-1])
    directory.write(draft / f"{name}.pem", pem(chain), directory.PUBLIC)


@contextmanager
def _issuing_key(terms: Terms, pin: str | None) -> Iterator[SigningKey]:
    """The key of who issues: made here, or made or found on a token, whose session ends with the block."""
    if not terms.key_uri:
        yield new_key(terms.key_type)
        return
    key = find_or_make_key(KeyURI.parse(terms.key_uri), pin, terms.key_type)
    try:
        yield key
    finally:
        key.close()


def _open_key(
    path: Path, settings: directory.Settings, name: str, passphrase: bytes | None, pin: str | None
) -> SigningKey:
    if settings.key:
        return find_key(KeyURI.parse(settings.key), pin)
    return opened(directory.read(path / f"{name}.key"), passphrase, f"{path / name}.key")


def _let_go(key: SigningKey) -> None:
    if isinstance(key, HeldKey):
        key.close()


def _open_register(path: Path, settings: directory.Settings, certificate: x509.Certificate) -> Register:
    if not settings.store and not (path / "register.db").is_file():
        raise ConfigError(f"{path / 'register.db'}: is missing, and nothing is issued without a register")
    return Register.open(settings.store or own_store(path), identifier_of(certificate))


def own_store(path: Path) -> str:
    """The URL of the register that stands in a directory."""
    return f"sqlite:///{(path / 'register.db').absolute()}"


def identifier_of(certificate: x509.Certificate) -> str:
    """Under what an authority is entered in a register."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def row_of(certificate: x509.Certificate) -> tuple[str, bytes]:
    """What a register says of an authority: its name and its certificate."""
    return certificate.subject.rfc4514_string(), certificate.public_bytes(Encoding.DER)


def _addresses(url: str, name: str) -> Addresses:
    if not url:
        return NO_ADDRESSES
    # The root is offline and answers nothing: for its few certificates there is its list.
    ocsp = (f"{url}/ocsp",) if name == ISSUING else ()
    return Addresses((list_address(url, WHOLE, name),), ocsp, (f"{url}/ca/{name}.cer",))


def _named(name: str, role: str) -> str:
    return name if not name or name.endswith(role) else f"{name} {role}"


def _display_name(holder: Holder) -> str:
    return holder.common_name or next(iter((*holder.dns, *holder.email, *holder.ip, *holder.uri)), "")


def _names(holder: Holder) -> dict[str, tuple[str, ...]]:
    common = (holder.common_name,) if holder.common_name else ()
    return {"cn": common, "dns": holder.dns, "ip": holder.ip, "uri": holder.uri, "email": holder.email}


def _holder(names: Mapping[str, Iterable[str]]) -> Holder:
    kinds = {kind: tuple(names.get(kind, ())) for kind in ("dns", "ip", "uri", "email")}
    return Holder(next(iter(names.get("cn", ())), None), **kinds)


def _delegation(certificate: x509.Certificate) -> Delegation:
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    return Delegation(basic.path_length, profiles.constraints_of(certificate))


def _type_of(key: object) -> KeyType:
    match key:
        case ec.EllipticCurvePublicKey():
            return KeyType.P384 if key.curve.key_size > 256 else KeyType.P256
        case rsa.RSAPublicKey():
            return KeyType.RSA3072
        case ed25519.Ed25519PublicKey():
            return KeyType.ED25519
        case _:
            return KeyType.MLDSA65


def _certifiable(key: object) -> PublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        return key
    if isinstance(key, mldsa.MLDSA65PublicKey):
        return key
    raise ConfigError("the old certificate's key is of a kind that is not certified again")
