"""Issues, renews and revokes certificates: a CA with the keys of its directory and its register.

A certificate is verified by `bothways.trust` before it is recorded, and recorded before it is returned. After a failure
in between there is nothing that others could have seen.
"""

from __future__ import annotations

import getpass
import os
import socket
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
from bothways.ca.home import files, layout
from bothways.ca.home.init import InitOptions, create_authority
from bothways.ca.home.layout import close_key, load_authority, open_register
from bothways.ca.keys import KeyType, PublicKey, new_key
from bothways.ca.profiles import NO_DELEGATION, Delegation, Holder, Profile
from bothways.ca.register.audit_log import AuditEntry
from bothways.ca.register.register import Register
from bothways.ca.register.transaction import Transaction
from bothways.ca.register.values import WHOLE, RegisterEntry, Series
from bothways.ca.requests import read_request
from bothways.trust.anchors import TrustStore
from bothways.trust.decoding import parsing
from bothways.trust.decoding.extensions import extension_of
from bothways.trust.verdict import Purpose, Refused
from bothways.trust.verification import verify

T = TypeVar("T")


def local_actor() -> str:
    """The actor in the audit log: user and machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


PROFILES = frozenset(profile.value for profile in Profile)

# The purposes for which a new certificate is verified; None: any.
PURPOSES: dict[Profile, tuple[Purpose | None, ...]] = {
    Profile.SERVER: (Purpose.SERVER,),
    Profile.CLIENT: (Purpose.CLIENT,),
    Profile.PEER: (Purpose.SERVER, Purpose.CLIENT),
    Profile.OCSP: (None,),
    Profile.SUB_CA: (None,),
}


@dataclass(frozen=True, slots=True)
class _Template:
    """The contents of a certificate that is to be issued."""

    profile: Profile
    holder: Holder
    key: PublicKey
    lifetime: timedelta | None
    delegation: Delegation


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA that issues certificates and records them. Make one with `create` or `open`.

    Attributes: `path` of its directory; its `settings`; `authority`: certificate and key; `register`; `actor`, for the
    audit log.
    """

    path: Path
    settings: files.CASettings
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
        """Create a CA in a directory, and open it; arguments and errors as for `create_authority`."""
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
        lock_seconds: float | None = None,
    ) -> Issuer:
        """Open the CA of a directory.

        passphrase: of the key; pin: of the token that holds it. lock_seconds: how long other issuers are waited for;
        None for the usual time. Raises AuthorityError for what is missing or damaged,
        PassphraseNeeded and WrongPassphrase.
        """
        settings = files.read_settings(path)
        authority = load_authority(path, settings, passphrase, pin=pin, now=now, random=random)
        try:
            register = open_register(path, settings, authority.certificate, lock_seconds)
        except BaseException:
            close_key(authority.key)
            raise
        return cls(path, settings, authority, register, actor, TrustStore.from_certificates([authority.root]))

    def __enter__(self) -> Issuer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the register, and the session of a token."""
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
        """Generate a key and issue a certificate for it.

        lifetime: by default that of the profile. delegation: for the profile `sub-ca`, the constraints of that CA.
        Raises AuthorityError.
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
        """Issue a certificate for a certificate signing request (CSR), PEM or DER.

        holder: the names in the certificate; by default those of the request. source: the request's name in errors.
        Raises AuthorityError.
        """
        key, requested = read_request(request, source)
        names = holder or requested
        profiles.check_holder(profile, names)
        template = _Template(profile, names, key, lifetime, delegation)
        certificate = self._transact(lambda transaction: self._sign_and_record(transaction, template, "sign"))
        return Issued(certificate, self.authority.chain, None)

    def renew(self, serial: int, *, key_type: KeyType | None = None, same_key: bool = False) -> Issued:
        """Issue a new certificate with the profile, the names and the lifetime of one that is still valid.

        key_type: of the new key; by default that of the old one. same_key: keep the old key. Raises NotIssuedHere and
        NotRenewable.
        """
        entry = self._entry(serial)
        now = self.authority.now()
        if entry.revoked_at is not None:
            raise NotRenewable(f"{entry.name}: was revoked on {entry.revoked_at:%Y-%m-%d}; issue a new one")
        if entry.not_after < now:
            raise NotRenewable(f"{entry.name}: expired on {entry.not_after:%Y-%m-%d}; issue a new one")
        if not entry.certificate or entry.profile not in PROFILES:
            raise NotRenewable(
                f"{entry.name or f'{serial:x}'}: was issued elsewhere, with no profile of this CA; issue a new one"
            )
        old = _recorded_certificate(entry.certificate, entry.name)
        key = None if same_key else new_key(key_type or _type_of(old.public_key()))
        public = _certifiable(old.public_key()) if key is None else key.public_key()
        lifetime = entry.not_after - entry.not_before - BACKDATE
        profile, holder = Profile(entry.profile), Holder.from_names(entry.names)
        delegation = _delegation(old) if profile is Profile.SUB_CA else NO_DELEGATION
        template = _Template(profile, holder, public, lifetime, delegation)

        def renew(transaction: Transaction) -> x509.Certificate:
            issued = self._sign_and_record(transaction, template, "renew", {"replaces": f"{serial:040x}"})
            transaction.replace(serial, issued.serial_number)
            return issued

        return Issued(self._transact(renew), self.authority.chain, key)

    def revoke(self, serial: int, reason: str = "unspecified") -> None:
        """Revoke a certificate, finally unless the reason is certificateHold. Raises NotIssuedHere, AlreadyRevoked."""
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
        """Release a certificate from certificateHold. Raises NotIssuedHere, NotOnHold."""

        def release(transaction: Transaction) -> None:
            known, before = transaction.revocation(serial)
            if not known:
                raise NotIssuedHere(f"no certificate with the serial number {serial:x} was issued here")
            if before != HOLD:
                state = f"revoked for {before}, which is final" if before else "not revoked"
                raise NotOnHold(
                    f"the certificate {serial:x} is {state}; only certificateHold can be released"
                )
            transaction.release(serial)

        self._transact(release)

    def crl(
        self, lifetime: timedelta | None = None, series: Series = WHOLE
    ) -> x509.CertificateRevocationList:
        """Sign and record the next CRL of a series; by default the CRL of all certificates."""
        validity = lifetime_of(series) if lifetime is None else lifetime
        return self._transact(
            lambda transaction: publish(self.authority, transaction, series, validity, self.settings.url)
        )

    def crls_pem(self, lifetime: timedelta | None = None) -> bytes:
        """Sign a new CRL of this CA, and return it with the root's CRL, if there is an intermediate, in PEM."""
        root = self.root_crl_pem() or b""
        return self.crl(lifetime).public_bytes(Encoding.PEM) + root

    def root_crl_pem(self) -> bytes | None:
        """The root's CRL in PEM; None if this is the root, or the file is missing."""
        return layout.root_crl_pem(self.path) if self.authority.parents else None

    def publish_due(self) -> list[Series]:
        """Sign and record each CRL that is due; return their series."""
        published = []
        for series in due(self.register.crl_state(self.authority.now()), self.authority.now()):
            self.crl(series=series)
            published.append(series)
        return published

    def audit(self) -> list[AuditEntry]:
        """Verify the audit log and return it."""
        return self.register.audit()

    def _entry(self, serial: int) -> RegisterEntry:
        entry = self.register.find(serial)
        if entry is None:
            raise NotIssuedHere(f"no certificate with the serial number {serial:x} was issued here")
        return entry

    def _transact(self, work: Callable[[Transaction], T]) -> T:
        """Run a transaction; raise ClockSetBack if the CA certificate is not valid yet."""
        now = self.authority.now()
        not_before = self.authority.certificate.not_valid_before_utc
        if now < not_before:
            raise ClockSetBack(
                f"the clock says {now:%Y-%m-%d %H:%M}, and the CA certificate is valid from "
                f"{not_before:%Y-%m-%d %H:%M}: set the clock"
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
        logged = {"profile": template.profile.value, **(details or {})}
        transaction.record(certificate, template.holder.names, action, logged, partition)
        return certificate

    def _sign(self, template: _Template, serial: int, partition: int | None) -> x509.Certificate:
        authority = self.authority
        if partition is not None:
            url = crl_url(self.settings.url, Series(partition))
            authority = replace(authority, addresses=replace(authority.addresses, crl=(url,)))
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
        """Refuse a certificate that our verification would refuse, such as a name outside the name constraints."""
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
                raise NotAcceptable(
                    f"nothing was issued: the certificate would be refused: {verdict.reasons[0]}"
                )


def _recorded_certificate(der: bytes, name: str) -> x509.Certificate:
    try:
        return parsing.certificate(der)
    except parsing.EncodingError as error:
        raise RegisterUnusable(f"{name}: its certificate in the register is malformed: {error}") from None


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
    raise NotRenewable("the old certificate's key has a type that this CA does not certify")
