"""An authority at work: keys and certificates in a directory, and the register that remembers what it did.

A certificate is recorded before it is handed out, and judged by our own trust before it is recorded. What
goes wrong in between leaves nothing behind that others could have seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca import profiles
from bothways.ca.authority import BACKDATE, Authority, Issued, Now, Random, new_serial, utc_now
from bothways.ca.crl import HOLD, check_reason
from bothways.ca.crl_schedule import crl_url, due, lifetime_of, publish
from bothways.ca.errors import (
    AlreadyRevoked,
    ClockSetBack,
    NotAcceptable,
    NotIssuedHere,
    NotOnHold,
    NotRenewable,
    RegisterUnusable,
)
from bothways.ca.home import files as directory
from bothways.ca.home import layout
from bothways.ca.home.init import InitOptions, create_authority
from bothways.ca.home.layout import close_key, load_authority, open_register
from bothways.ca.keys import KeyType, PublicKey, new_key
from bothways.ca.profiles import NO_DELEGATION, Delegation, Holder, Profile
from bothways.ca.register.audit_log import AuditEntry
from bothways.ca.register.register import Register
from bothways.ca.register.transaction import Transaction
from bothways.ca.register.values import WHOLE, Entry, Series
from bothways.ca.requests import read_request
from bothways.trust import parsing
from bothways.trust.anchors import TrustStore
from bothways.trust.extensions import extension_of
from bothways.trust.verdict import Purpose, Refused
from bothways.trust.verification import verify

T = TypeVar("T")

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
class _Template:
    """What is to be certified."""

    profile: Profile
    holder: Holder
    key: PublicKey
    lifetime: timedelta | None
    delegation: Delegation


@dataclass(frozen=True, slots=True)
class Issuer:
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
        options: InitOptions,
        passphrase: bytes | None,
        *,
        pin: str | None = None,
        actor: str = "",
        now: Now = utc_now,
        random: Random = os.urandom,
    ) -> Issuer:
        """Found an authority in a directory, and open it.

        Arguments as for `found`.
        """
        create_authority(path, options, passphrase, pin=pin, actor=actor, now=now, random=random)
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
    ) -> Issuer:
        """Open an authority's directory for issuing.

        Raises AuthorityError for what is missing or damaged, PassphraseNeeded and WrongPassphrase for its key.
        """
        settings = directory.read_settings(path)
        authority = load_authority(path, settings, passphrase, pin=pin, now=now, random=random)
        try:
            register = open_register(path, settings, authority.certificate)
        except BaseException:
            close_key(authority.key)
            raise
        return cls(path, settings, authority, register, actor, TrustStore.from_certificates([authority.root]))

    def __enter__(self) -> Issuer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the register, and of a key in hardware."""
        self.register.close()
        close_key(self.authority.key)

    def issue(
        self,
        profile: Profile,
        holder: Holder,
        *,
        key_type: KeyType = KeyType.P256,
        lifetime: timedelta | None = None,
        delegation: Delegation = NO_DELEGATION,
    ) -> Issued:
        """Make a key and a certificate for it.

        Arguments as for `Authority.issue`; delegation: what an authority below may do.
        """
        profiles.check_holder(profile, holder)
        key = new_key(key_type)
        template = _Template(profile, holder, key.public_key(), lifetime, delegation)
        certificate = self._transact(
            lambda transaction: self._sign_and_record(transaction, template, "issue")
        )
        return Issued(certificate, self.authority.chain, key)

    def sign(
        self,
        request: bytes,
        profile: Profile,
        *,
        holder: Holder | None = None,
        lifetime: timedelta | None = None,
        delegation: Delegation = NO_DELEGATION,
        source: str = "the request",
    ) -> Issued:
        """Issue a certificate for a signing request.

        holder: the names to give; those that the request asks for if left out. source: what to call it in
        errors.
        """
        key, wanted = read_request(request, source)
        names = holder or wanted
        profiles.check_holder(profile, names)
        template = _Template(profile, names, key, lifetime, delegation)
        certificate = self._transact(lambda transaction: self._sign_and_record(transaction, template, "sign"))
        return Issued(certificate, self.authority.chain, None)

    def renew(self, serial: int, *, key_type: KeyType | None = None, same_key: bool = False) -> Issued:
        """Issue a certificate in the place of one that is good: same profile, names and length of life.

        key_type: of the new key, as the old one's if left out. same_key: certify the old key again.
        """
        entry = self._entry(serial)
        now = self.authority.now()
        if entry.revoked_at is not None:
            raise NotRenewable(f"{entry.name}: was revoked on {entry.revoked_at:%Y-%m-%d}; issue another one")
        if entry.not_after < now:
            raise NotRenewable(f"{entry.name}: ended on {entry.not_after:%Y-%m-%d}; issue another one")
        if not entry.certificate or entry.profile not in PROFILES:
            raise NotRenewable(
                f"{entry.name or f'{serial:x}'}: was issued elsewhere, by no profile of here; issue another one"
            )
        old = _recorded_certificate(entry.certificate, entry.name)
        key = None if same_key else new_key(key_type or _type_of(old.public_key()))
        public = _certifiable(old.public_key()) if key is None else key.public_key()
        lifetime = entry.not_after - entry.not_before - BACKDATE
        profile, holder = Profile(entry.profile), Holder.from_names(entry.names)
        delegation = _delegation(old) if profile is Profile.SUB_CA else NO_DELEGATION
        template = _Template(profile, holder, public, lifetime, delegation)

        def renew(transaction: Transaction) -> x509.Certificate:
            made = self._sign_and_record(transaction, template, "renew", {"replaces": f"{serial:040x}"})
            transaction.replace(serial, made.serial_number)
            return made

        return Issued(self._transact(renew), self.authority.chain, key)

    def revoke(self, serial: int, reason: str = "unspecified") -> None:
        """Take a certificate back, for good unless the reason is certificateHold."""
        reason = check_reason(reason)

        def revoke(transaction: Transaction) -> None:
            known, before = transaction.revocation(serial)
            if not known:
                raise NotIssuedHere(f"no certificate with the serial number {serial:x} was issued here")
            if before is not None and (before != HOLD or reason == HOLD):
                raise AlreadyRevoked(f"the certificate {serial:x} is revoked already, for {before}")
            transaction.revoke(serial, reason)

        self._transact(revoke)

    def release(self, serial: int) -> None:
        """Take back a hold."""

        def release(transaction: Transaction) -> None:
            known, before = transaction.revocation(serial)
            if not known:
                raise NotIssuedHere(f"no certificate with the serial number {serial:x} was issued here")
            if before != HOLD:
                state = f"revoked for {before}, which is for good" if before else "not revoked"
                raise NotOnHold(f"the certificate {serial:x} is {state}; only a hold can be released")
            transaction.release(serial)

        self._transact(release)

    def crl(
        self, lifetime: timedelta | None = None, series: Series = WHOLE
    ) -> x509.CertificateRevocationList:
        """Sign and record the next list of a series, of all that is revoked unless another is named."""
        long = lifetime_of(series) if lifetime is None else lifetime
        return self._transact(
            lambda transaction: publish(self.authority, transaction, series, long, self.settings.url)
        )

    def crls_pem(self, lifetime: timedelta | None = None) -> bytes:
        """A new list of this authority's, and with an intermediate the root's own, in one PEM."""
        above = self.root_crl_pem() or b""
        return self.crl(lifetime).public_bytes(Encoding.PEM) + above

    def root_crl_pem(self) -> bytes | None:
        """The root's own list in PEM, where there is an intermediate and the list is here."""
        return layout.root_crl_pem(self.path) if self.authority.parents else None

    def publish_due(self) -> list[Series]:
        """Sign and record each list whose time has come; returns which."""
        made = []
        for series in due(self.register.crl_state(self.authority.now()), self.authority.now()):
            self.crl(series=series)
            made.append(series)
        return made

    def audit(self) -> list[AuditEntry]:
        """Verify the audit log and return it."""
        return self.register.audit()

    def _entry(self, serial: int) -> Entry:
        entry = self.register.find(serial)
        if entry is None:
            raise NotIssuedHere(f"no certificate with the serial number {serial:x} was issued here")
        return entry

    def _transact(self, work: Callable[[Transaction], T]) -> T:
        """Do something in a transaction, at a time at which this authority can have been there."""
        now = self.authority.now()
        began = self.authority.certificate.not_valid_before_utc
        if now < began:
            raise ClockSetBack(
                f"the clock says {now:%Y-%m-%d %H:%M}, and this authority began on {began:%Y-%m-%d %H:%M}: "
                "set the clock"
            )
        return self.register.transact(self.actor, now, work)

    def _sign_and_record(
        self,
        transaction: Transaction,
        template: _Template,
        action: str,
        details: Mapping[str, object] | None = None,
    ) -> x509.Certificate:
        serial = new_serial(self.authority.random)
        transaction.reserve(serial, template.profile.value, template.holder.shown_name)
        partition = transaction.assign(self.settings.partition) if self.settings.partition else None
        certificate = self._sign(template, serial, partition)
        self._check(certificate, template.profile)
        about = {"profile": template.profile.value, **(details or {})}
        transaction.record(certificate, template.holder.names, action, about, partition)
        return certificate

    def _sign(self, template: _Template, serial: int, partition: int | None) -> x509.Certificate:
        authority = self.authority
        if partition is not None:
            point = crl_url(self.settings.url, Series(partition))
            authority = replace(authority, addresses=replace(authority.addresses, crl=(point,)))
        if template.profile is not Profile.SUB_CA:
            return authority.sign(
                template.profile, template.holder, template.key, lifetime=template.lifetime, serial=serial
            )
        return authority.sign_authority(
            template.holder.common_name or "",
            template.key,
            lifetime=template.lifetime or profiles.LIFETIMES[Profile.SUB_CA],
            path_length=template.delegation.path_length,
            constraints=template.delegation.constraints,
            serial=serial,
        )

    def _check(self, certificate: x509.Certificate, profile: Profile) -> None:
        """Refuse to hand out what our own trust would refuse, such as a name outside the constraints."""
        chain = [each.public_bytes(Encoding.DER) for each in (certificate, *self.authority.chain)]
        usage = None if profile is Profile.SUB_CA else "digitalSignature"
        for purpose in PURPOSES[profile]:
            verdict = verify(
                chain,
                self._anchors,
                purpose=purpose,
                name=None,
                at=self.authority.now(),
                key_usage=usage,
            )
            if isinstance(verdict, Refused):
                raise NotAcceptable(f"nothing was issued, since nobody would accept it: {verdict.reasons[0]}")


def _recorded_certificate(der: bytes, name: str) -> x509.Certificate:
    try:
        return parsing.certificate(der)
    except parsing.EncodingError as error:
        raise RegisterUnusable(f"{name}: its certificate in the register cannot be read: {error}") from None


def _delegation(certificate: x509.Certificate) -> Delegation:
    basic = extension_of(certificate, x509.BasicConstraints)
    return Delegation(None if basic is None else basic.path_length, profiles.constraints_of(certificate))


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
    raise NotRenewable("the old certificate's key is of a kind that is not certified again")
